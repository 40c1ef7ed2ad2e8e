/* SPDX-License-Identifier: MIT */
/* test_channel_out.c - what waits for a worker that does not read: its order, its
 * bounds, its descriptors. */
#define _GNU_SOURCE
#include "wires.h"

static struct {
	char *got;
	size_t len, size;
	struct {
		size_t from, to; /* the read that brought it */
		int fd;
	} fds[512];
	unsigned nfds;
} rd;
static unsigned rooms;

static void h_room(struct channel *ch)
{
	(void)ch;
	rooms++;
}

static int setup(const struct wire *wire)
{
	static struct wire_up with_room;
	int r = wire_setup(wire);

	memset(&rd, 0, sizeof(rd));
	rooms = 0;
	with_room = ears;
	with_room.room = h_room;
	x.ch.up = &with_room;
	rd.size = 16u << 20;
	rd.got = malloc(rd.size);
	return rd.got ? r : -1;
}

static int setup_stream(void **state)
{
	(void)state;
	return setup(&wire_node_cluster);
}

static int setup_packets(void **state)
{
	(void)state;
	return setup(&wire_native);
}

static int teardown(void **state)
{
	for (unsigned i = 0; i < rd.nfds; i++)
		fd_close(&rd.fds[i].fd);
	free(rd.got);
	return wire_teardown(state);
}

/* The worker reads at most once; false: there was nothing. */
static bool worker_reads(size_t at_most)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(4 * sizeof(int))];
	} ctl;
	struct iovec iov = { .iov_base = rd.got + rd.len, .iov_len = at_most };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = ctl.buf,
			    .msg_controllen = sizeof(ctl.buf) };
	ssize_t n;

	assert_in_range(rd.len + at_most, 0, rd.size);
	n = recvmsg(x.worker, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
		assert_int_equal(c->cmsg_len, CMSG_LEN(sizeof(int)));
		rd.fds[rd.nfds].from = rd.len;
		rd.fds[rd.nfds].to = rd.len + (size_t)n;
		memcpy(&rd.fds[rd.nfds++].fd, CMSG_DATA(c), sizeof(int));
	}
	rd.len += (size_t)n;
	return true;
}

/* Both sides go on until nothing waits. */
static void let_it_flow(size_t at_a_time)
{
	for (unsigned n = 0; n < 1u << 20; n++) {
		bool more = worker_reads(at_a_time);

		listen_to_it();
		if (!more && list_empty(&x.ch.out.queue) && !worker_reads(at_a_time))
			return;
	}
	fail_msg("it does not end");
}

static void post(const char *text, size_t len)
{
	struct packet *p = packet_new("<", text, len, ">\n");

	assert_non_null(p);
	assert_int_equal(channel_post(&x.ch, p), 0);
	packet_unref(p);
}

static size_t full(void)
{
	size_t n = 0;

	for (; list_empty(&x.ch.out.queue); n++)
		post("filler", 6);
	return n;
}

static void nothing_waits_while_it_reads(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		post("a", 1);
		assert_true(worker_reads(100));
		assert_true(list_empty(&x.ch.out.queue));
	}
	assert_int_equal(x.ch.out.taken, 1000);
	assert_int_equal(x.ch.watched, EPOLLIN);
	assert_int_equal(loop_once(&x.loop, 0), 0);
}

static void lines_are_whole_and_in_order(void **state)
{
	static char big[50000];
	size_t at = 0;

	(void)state;
	memset(big, 'x', sizeof(big));
	for (unsigned i = 0; i < 60; i++) {
		int n = snprintf(big, sizeof(big), "%u", i);

		big[n] = 'x';
		post(big, i % 3 ? 40u + i : sizeof(big));
	}
	assert_false(list_empty(&x.ch.out.queue));
	assert_int_equal(x.ch.watched, EPOLLIN | EPOLLOUT);
	let_it_flow(777);
	for (unsigned i = 0; i < 60; i++) {
		char *end;
		size_t len = i % 3 ? 40u + i : sizeof(big);

		assert_int_equal(rd.got[at], '<');
		assert_int_equal(strtoul(rd.got + at + 1, &end, 10), i);
		assert_int_equal(*end, 'x');
		at += 1 + len;
		assert_memory_equal(rd.got + at, ">\n", 2);
		at += 2;
	}
	assert_int_equal(at, rd.len);
	assert_int_equal(x.ch.out.taken, 60);
	assert_int_equal(x.ch.out.messages, 0);
	assert_int_equal(x.ch.watched, EPOLLIN);
	assert_true(rooms > 0);
	assert_int_equal(loop_once(&x.loop, 0), 0); /* idle again: nobody is woken */
}

static void a_descriptor_comes_with_its_line(void **state)
{
	struct stat own, theirs;
	int fd;

	(void)state;
	full();
	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(channel_say(&x.ch, "HANDLE\n", 7, &fd, 1), 0);
	post("after", 5);
	assert_int_equal(fstat(fd, &own), 0);
	fd_close(&fd); /* the queue has its own */
	let_it_flow(4096);
	assert_int_equal(rd.nfds, 1);
	assert_int_equal(fstat(rd.fds[0].fd, &theirs), 0);
	assert_int_equal(own.st_ino, theirs.st_ino);
	assert_memory_equal(rd.got + rd.len - 15, "HANDLE\n<after>\n", 15);
	assert_in_range(rd.len - 15, rd.fds[0].from, rd.fds[0].to - 1);
}

static void many_descriptors_each_with_its_own(void **state)
{
	size_t first;
	char line[16];

	(void)state;
	first = full() * strlen("<filler>\n");
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(line, sizeof(line), "%06u\n", i);
		assert_int_equal(channel_say(&x.ch, line, 7, &x.fds[0], 1), 0);
	}
	let_it_flow(7);
	assert_int_equal(rd.nfds, 100);
	assert_int_equal(rd.len, first + 700);
	/* The read that brought a descriptor brought the first byte of its line. */
	for (unsigned i = 0; i < rd.nfds; i++) {
		assert_int_equal(strtoul(rd.got + first + i * 7, NULL, 10), i);
		assert_in_range(first + i * 7, rd.fds[i].from, rd.fds[i].to - 1);
	}
}

static void words_have_a_bound_of_their_own(void **state)
{
	size_t words = 0;
	int r;

	(void)state;
	for (unsigned i = 0; i < 40; i++) /* 2.6 MB of messages */
		post(memset(rd.got, 'm', 65000), 65000);
	while ((r = channel_say(&x.ch, "word\n", 5, &x.fds[0], 1)) == 0 && words < 100000)
		words++;
	assert_int_equal(r, -EAGAIN);
	assert_in_range(words, 100, CHANNEL_OUT_WORDS / 5);
	assert_true(x.ch.out.words <= CHANNEL_OUT_WORDS);
	post("a message still", 15);
	/* What waits is given back, with its descriptors: teardown counts. */
}

static void who_is_gone_is_epipe(void **state)
{
	struct packet *p = packet_new("", "late", 4, "");

	(void)state;
	full();
	assert_int_equal(channel_say(&x.ch, "word\n", 5, &x.fds[0], 1), 0);
	fd_close(&x.worker);
	listen_to_it();
	assert_string_equal(x.heard, "closed; ");
	assert_int_equal(channel_post(&x.ch, p), -EPIPE);
	assert_int_equal(channel_say(&x.ch, "word\n", 5, NULL, 0), -EPIPE);
	channel_close(&x.ch);
	assert_int_equal(channel_post(&x.ch, p), -EPIPE);
	channel_flush(&x.ch);
	packet_unref(p);
}

/* It has closed the direction that we read: what waits would wait for ever. */
static void who_cannot_be_watched_is_told_nothing_more(void **state)
{
	(void)state;
	full();
	assert_int_equal(shutdown(x.worker, SHUT_WR), 0);
	listen_to_it();
	assert_string_equal(x.heard, "closed; ");
	channel_out_clear(&x.ch);
	assert_int_equal(channel_say(&x.ch, "word\n", 5, NULL, 0), -EPIPE);
}

static void who_stops_reading_for_good_clears_the_queue(void **state)
{
	(void)state;
	full();
	post("more", 4);
	assert_int_equal(shutdown(x.worker, SHUT_RD), 0);
	channel_flush(&x.ch);
	assert_true(list_empty(&x.ch.out.queue));
	assert_int_equal(x.ch.out.messages, 0);
	assert_int_equal(rooms, 1);
}

static void no_descriptor_left_to_copy(void **state)
{
	int bad = -1;

	(void)state;
	full();
	assert_int_equal(channel_say(&x.ch, "word\n", 5, &bad, 1), -EBADF);
	let_it_flow(4096);
	assert_null(memmem(rd.got, rd.len, "word", 4));
}

static void one_packet_for_many(void **state)
{
	struct packet *p = packet_new("", "shared\n", 7, "");

	(void)state;
	full();
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(channel_post(&x.ch, p), 0);
	assert_int_equal(p->refs, 51);
	let_it_flow(4096);
	assert_int_equal(p->refs, 1);
	packet_unref(p);
	packet_unref(NULL);
}

/* A flood is not listened to, but what waits for it still goes out. */
static void who_is_paused_is_still_told(void **state)
{
	(void)state;
	full();
	for (unsigned i = 0; i < 10 * CHANNEL_RATE && !x.ch.pause.armed; i++) {
		(void)send(x.worker, "WATCHDOG=1", 10, MSG_NOSIGNAL | MSG_DONTWAIT);
		ignore(loop_once(&x.loop, 0));
	}
	assert_true(x.ch.pause.armed);
	assert_int_equal(x.ch.watched, EPOLLOUT);
	let_it_flow(65536);
	assert_int_equal(x.ch.watched, 0);
}

#define S(f) cmocka_unit_test_setup_teardown(f, setup_stream, teardown)
#define P(f) cmocka_unit_test_setup_teardown(f, setup_packets, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		S(nothing_waits_while_it_reads),
		S(lines_are_whole_and_in_order),
		S(a_descriptor_comes_with_its_line),
		S(many_descriptors_each_with_its_own),
		S(words_have_a_bound_of_their_own),
		S(who_is_gone_is_epipe),
		S(who_cannot_be_watched_is_told_nothing_more),
		S(who_stops_reading_for_good_clears_the_queue),
		S(no_descriptor_left_to_copy),
		S(one_packet_for_many),
		P(nothing_waits_while_it_reads),
		P(words_have_a_bound_of_their_own),
		P(who_is_gone_is_epipe),
		P(one_packet_for_many),
		P(who_is_paused_is_still_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
