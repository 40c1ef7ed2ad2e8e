/* SPDX-License-Identifier: MIT */
/* test_wire_native.c - KEY=VALUE datagrams from a friendly and a hostile worker. */
#define _GNU_SOURCE
#include "wires.h"

static int setup(void **state)
{
	(void)state;
	return wire_setup(&wire_native);
}

static void hello_carries_the_sockets(void **state)
{
	struct wire_hello h = hello(3);
	char text[4096];

	(void)state;
	assert_int_equal(wire_native.hand_over(&x.ch, &h), 0);
	assert_int_equal(read_text(text, sizeof(text)), 3);
	assert_string_equal(text, "HELLO=1\nPOOL=web\nSLOT=3\nGENERATION=7\nWORKERS=4\n"
				  "HOST_PID=4711\nLISTEN_FDS=3\nLISTEN_FDNAMES=http:http2:admin\n");
	h.watchdog_usec = 5000000;
	h.nfds = 1;
	assert_int_equal(wire_native.hand_over(&x.ch, &h), 0);
	assert_int_equal(read_text(text, sizeof(text)), 1);
	assert_non_null(strstr(text, "LISTEN_FDNAMES=http\nWATCHDOG_USEC=5000000\n"));
}

static void hello_that_does_not_fit_is_refused(void **state)
{
	struct wire_hello h = hello(1);

	(void)state;
	x.big = malloc(5000);
	assert_non_null(x.big);
	memset(x.big, 'a', 4999);
	x.big[4999] = '\0';
	h.pool = x.big;
	assert_int_equal(wire_native.hand_over(&x.ch, &h), -EMSGSIZE);
	h.pool = "web";
	x.specs[0].name = x.big;
	assert_int_equal(wire_native.hand_over(&x.ch, &h), -EMSGSIZE);
	x.big[4096 - 120] = '\0';
	assert_int_equal(wire_native.hand_over(&x.ch, &h), 0);
}

static void hello_to_nobody_is_epipe(void **state)
{
	struct wire_hello h = hello(1);

	(void)state;
	fd_close(&x.worker);
	assert_int_equal(wire_native.hand_over(&x.ch, &h), -EPIPE);
	assert_int_equal(wire_native.drain(&x.ch, 1000), -EPIPE);
	channel_close(&x.ch);
	assert_int_equal(wire_native.drain(&x.ch, 1000), -EPIPE);
}

/* Nobody reads: -EAGAIN, never a wait. */
static void a_deaf_worker_does_not_block(void **state)
{
	int r = 0;

	(void)state;
	for (unsigned i = 0; r == 0 && i < 100000; i++)
		r = wire_native.drain(&x.ch, 1000);
	assert_int_equal(r, -EAGAIN);
}

static void drain_names_the_time(void **state)
{
	char text[256];

	(void)state;
	assert_int_equal(wire_native.drain(&x.ch, 30000), 0);
	assert_int_equal(read_text(text, sizeof(text)), 0);
	assert_string_equal(text, "DRAIN=1\nTIMEOUT_USEC=30000000\n");
}

static void words_are_understood(void **state)
{
	(void)state;
	say_and_hear("PARKED=1", "parked; ");
	say_and_hear("READY=1\nSTATUS=serving 3\n", "ready; status(serving 3); ");
	say_and_hear("STATUS=", "status(); ");
	say_and_hear("STATUS=a=b=c", "status(a=b=c); ");
	say_and_hear("STOPPING=1\n", "stopping; ");
	say_and_hear("EXTEND_TIMEOUT_USEC=5000000", "extend(5000000); ");
	say_and_hear("SUICIDE=TypeError: x\nSUICIDE=again",
		     "suicide(TypeError: x); suicide(again); ");
	say_and_hear("MESSAGE={\"to\":\"app\"}", "message({\"to\":\"app\"}); ");
	say_and_hear("WATCHDOG=1\n\n\nWATCHDOG=1", "");
	assert_int_equal(x.pings, 2);
}

static void other_words_and_values_are_for_later(void **state)
{
	(void)state;
	say_and_hear("READY=0\nREADY=\nREADY=11\nWATCHDOG=0\nFDSTORE=1\nX=y", "");
	say_and_hear("ready=1\n READY=1", "");
	say_and_hear("MAINPID=1\nERRNO=2\nBARRIER=1", "");
	assert_true(x.ch.source.live);
}

static void numbers_are_bounded(void **state)
{
	(void)state;
	say_and_hear("EXTEND_TIMEOUT_USEC=99999999999999999999999",
		     "extend(18446744073709551615); ");
	say_and_hear("EXTEND_TIMEOUT_USEC=x", "extend(0); ");
}

static void is_broken_by(const void *bytes, size_t len, const char *why)
{
	x.heard_len = 0;
	send_bytes(bytes, len);
	listen_to_it();
	assert_string_equal(x.heard, why);
	assert_false(x.ch.source.live);
	x.heard_len = 0;
	x.heard[0] = '\0';
	(void)send(x.worker, "READY=1", 7, MSG_NOSIGNAL | MSG_DONTWAIT);
	listen_to_it();
	assert_string_equal(x.heard, ""); /* not a word more is believed */
}

static void a_line_without_a_key(void **state)
{
	(void)state;
	is_broken_by("READY=1\n=1", 10, "broken(a line that is not KEY=VALUE); ");
}

static void a_line_without_a_value(void **state)
{
	(void)state;
	is_broken_by("READY", 5, "broken(a line that is not KEY=VALUE); ");
}

static void a_zero_byte(void **state)
{
	(void)state;
	is_broken_by("STATUS=a\0b", 10, "broken(a zero byte in a message); ");
}

static void too_many_lines(void **state)
{
	char buf[65 * 4];

	(void)state;
	for (unsigned i = 0; i < 65; i++)
		memcpy(buf + 4 * i, "A=b\n", 4);
	send_bytes(buf, sizeof(buf) - 4); /* 64 are welcome */
	hears_only("");
	is_broken_by(buf, sizeof(buf), "broken(more than 64 lines in one message); ");
}

static void a_long_note(void **state)
{
	static char buf[4097];

	(void)state;
	memset(buf, 'x', sizeof(buf));
	memcpy(buf, "STATUS=", 7);
	send_bytes(buf, 4096);
	listen_to_it();
	assert_true(x.ch.source.live);
	is_broken_by(buf, 4097, "broken(a message longer than 4 KiB); ");
}

static void a_long_message(void **state)
{
	(void)state;
	x.big = malloc(CHANNEL_LINE_MAX + 1);
	assert_non_null(x.big);
	memset(x.big, 'x', CHANNEL_LINE_MAX + 1);
	memcpy(x.big, "MESSAGE=", 8);
	send_bytes(x.big, CHANNEL_LINE_MAX);
	listen_to_it();
	assert_int_equal(x.messages, 1);
	is_broken_by(x.big, CHANNEL_LINE_MAX + 1, "broken(a message longer than 64 KiB); ");
}

static void descriptors(void **state)
{
	(void)state;
	send_fds("READY=1", 7, 1);
	hears_only("broken(descriptors that nobody asked for); ");
	assert_false(x.ch.source.live);
}

static void very_many_descriptors(void **state)
{
	int before = count_fds();

	(void)state;
	send_fds("READY=1", 7, 253);
	hears_only("broken(descriptors that nobody asked for); ");
	assert_int_equal(count_fds(), before);
}

static void random_bytes(void **state)
{
	uint64_t seed = 42;
	char buf[300];

	(void)state;
	for (unsigned n = 0; n < 300; n++) {
		size_t len;

		for (size_t i = 0; i < sizeof(buf); i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			buf[i] = (seed >> 60) < 8 ? "=\nREADY1"[(seed >> 40) % 8] :
						    (char)(seed >> 33);
		}
		len = 1 + (size_t)(seed >> 33) % (sizeof(buf) - 1);
		send_bytes(buf, len);
		listen_to_it();
		if (!x.ch.source.live) { /* the next worker */
			assert_int_equal(wire_teardown(NULL), 0);
			assert_int_equal(setup(NULL), 0);
		}
	}
}

static void end_of_file(void **state)
{
	(void)state;
	send_bytes("READY=1", 7);
	fd_close(&x.worker);
	hears_only("ready; closed; ");
	assert_false(x.ch.source.live);
}

static void a_flood_is_paused_and_resumed(void **state)
{
	uint64_t until;
	unsigned sent = 0, seen;

	(void)state;
	until = clock_boot_ms() + 300;
	while (clock_boot_ms() < until) {
		sent += send(x.worker, "WATCHDOG=1", 10, MSG_NOSIGNAL | MSG_DONTWAIT) == 10;
		ignore(loop_once(&x.loop, 0));
	}
	seen = x.pings;
	assert_in_range(seen, CHANNEL_RATE - 1, CHANNEL_RATE + 16);
	assert_true(sent > seen);
	assert_true(x.ch.pause.armed);
	assert_true(x.ch.source.live);
	loop_settle(&x.loop, x.ch.pause.at_ms);
	listen_to_it();
	assert_true(x.pings > seen);
}

static void a_paused_worker_that_goes_is_seen(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10 * CHANNEL_RATE && !x.ch.pause.armed; i++) {
		(void)send(x.worker, "WATCHDOG=1", 10, MSG_NOSIGNAL | MSG_DONTWAIT);
		ignore(loop_once(&x.loop, 0));
	}
	assert_true(x.ch.pause.armed);
	fd_close(&x.worker);
	hears_only("closed; ");
}

/* ---- dealt out ---- */

static void hello_without_sockets(void **state)
{
	struct wire_hello h = hello(2);
	char text[4096];

	(void)state;
	h.dispatch = true;
	assert_false(wire_native.takes(&x.ch, 0));
	assert_int_equal(wire_native.hand_over(&x.ch, &h), 0);
	assert_int_equal(read_text(text, sizeof(text)), 0);
	assert_non_null(strstr(text, "\nLISTEN_FDS=0\nLISTEN_FDNAMES=http:http2\nDISPATCH=1\n"));
	assert_true(wire_native.takes(&x.ch, 1));
	assert_false(wire_native.takes(&x.ch, 2));
}

static void a_connection_and_its_answer(void **state)
{
	char text[4096];

	(void)state;
	assert_int_equal(wire_native.give(&x.ch, 1, 42, x.fds[0]), 0);
	assert_int_equal(read_text(text, sizeof(text)), 1);
	assert_string_equal(text, "CONNECTION=42\nLISTENER=1\n");
	say_and_hear("ACCEPTED=42", "took(42); ");
	say_and_hear("REFUSED=43\nACCEPTED=18446744073709551615",
		     "refused(43); took(18446744073709551615); ");
	say_and_hear("ACCEPTED=\nACCEPTED=x\nACCEPTED=1x\nACCEPTED=-1\nREFUSED= 1", "");
	fd_close(&x.worker);
	assert_int_equal(wire_native.give(&x.ch, 0, 1, x.fds[0]), -EPIPE);
}

/* Five hundred words a second are for what nobody asked. */
static void answers_are_not_counted(void **state)
{
	char text[32];

	(void)state;
	for (unsigned i = 1; i <= 3 * CHANNEL_RATE; i++) {
		(void)snprintf(text, sizeof(text), "ACCEPTED=%u", i);
		send_bytes(text, strlen(text));
		listen_to_it();
	}
	assert_false(channel_is_deaf(&x.ch));
	/* Those to nothing are, so one a second more than the rate is paused. */
	for (unsigned i = 0; i < 3 * CHANNEL_RATE && !channel_is_deaf(&x.ch); i++) {
		send_bytes("ACCEPTED=9999999", 16);
		listen_to_it();
	}
	assert_true(channel_is_deaf(&x.ch));
}

/* It goes without having read what it was sent last: its own last words still count. */
static void last_answers_are_heard(void **state)
{
	(void)state;
	assert_int_equal(wire_native.give(&x.ch, 0, 1, x.fds[0]), 0);
	send_bytes("ACCEPTED=7", 10);
	fd_close(&x.worker);
	hears_only("took(7); closed; ");
}

static void only_built_protocols_are_found(void **state)
{
	(void)state;
	assert_ptr_equal(wire_find(PROTO_NATIVE), &wire_native);
	assert_ptr_equal(wire_find(PROTO_NODE_IPC), &wire_node_ipc);
	assert_ptr_equal(wire_find(PROTO_NODE_CLUSTER), &wire_node_cluster);
	assert_ptr_equal(wire_find(PROTO_AUTO), &wire_auto);
	assert_ptr_equal(wire_find(PROTO_SYSTEMD), &wire_systemd);
	assert_ptr_equal(wire_find(PROTO_BIND), &wire_bind);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, wire_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(hello_carries_the_sockets),
		T(hello_that_does_not_fit_is_refused),
		T(hello_to_nobody_is_epipe),
		T(a_deaf_worker_does_not_block),
		T(drain_names_the_time),
		T(words_are_understood),
		T(other_words_and_values_are_for_later),
		T(numbers_are_bounded),
		T(a_line_without_a_key),
		T(a_line_without_a_value),
		T(a_zero_byte),
		T(too_many_lines),
		T(a_long_note),
		T(a_long_message),
		T(descriptors),
		T(very_many_descriptors),
		T(random_bytes),
		T(end_of_file),
		T(a_flood_is_paused_and_resumed),
		T(a_paused_worker_that_goes_is_seen),
		T(hello_without_sockets),
		T(a_connection_and_its_answer),
		T(answers_are_not_counted),
		T(last_answers_are_heard),
		T(only_built_protocols_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
