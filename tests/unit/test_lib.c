/* SPDX-License-Identifier: MIT */
/* test_lib.c - libmpsup against masters that say too little, too much and wrong. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mpsup.h"

#define HELLO_1 "HELLO=1\nPOOL=web\nSLOT=1\nGENERATION=7\nWORKERS=2\nHOST_PID=4711\n"

static struct {
	struct mpsup *m;
	int master;
	int fds_before;
} fx;

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		(void)closedir(d);
	return n;
}

static void set_fd(int fd)
{
	char number[16];

	(void)snprintf(number, sizeof(number), "%d", fd);
	assert_int_equal(setenv("MPSUP_FD", number, 1), 0);
}

static int setup(void **state)
{
	int pair[2];

	(void)state;
	(void)unsetenv("MPSUP_SPARE");
	fx.fds_before = count_fds();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		return -1;
	fx.master = pair[0];
	set_fd(pair[1]);
	return mpsup_open(&fx.m);
}

/* No test may leave a descriptor behind, however the master misbehaved. */
static int teardown(void **state)
{
	(void)state;
	mpsup_close(fx.m);
	fx.m = NULL;
	if (fx.master >= 0)
		(void)close(fx.master);
	return count_fds() == fx.fds_before ? 0 : -1;
}

static void say_bytes(const char *text, size_t len, unsigned nfds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(64 * sizeof(int))];
	} ctl;
	struct iovec iov = { (void *)(uintptr_t)text, len };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	memset(&ctl, 0, sizeof(ctl));
	if (nfds > 0) {
		struct cmsghdr *c;

		h.msg_control = ctl.buf;
		h.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		for (unsigned i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &null, sizeof(null));
	}
	assert_int_equal(sendmsg(fx.master, &h, MSG_NOSIGNAL), (int)len);
	(void)close(null);
}

static void say(const char *text, unsigned nfds)
{
	say_bytes(text, strlen(text), nfds);
}

static void expect_said(const char *text)
{
	char buf[70000];
	ssize_t n = recv(fx.master, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	assert_true(n > 0);
	buf[n] = '\0';
	assert_string_equal(buf, text);
}

static int next(void)
{
	struct mpsup_event ev;

	return mpsup_next(fx.m, &ev);
}

static void test_hello(void **state)
{
	struct mpsup_event ev;
	const struct mpsup_hello *h;

	(void)state;
	assert_int_equal(next(), 0);
	assert_null(mpsup_hello(fx.m));
	assert_int_equal(mpsup_watchdog_interval_ms(fx.m), -1);
	say(HELLO_1 "LISTEN_FDS=2\nLISTEN_FDNAMES=http:admin\nWATCHDOG_USEC=5000000\nNEW=x\n", 2);
	assert_int_equal(mpsup_next(fx.m, &ev), 1);
	assert_int_equal(ev.type, MPSUP_HELLO);
	h = ev.hello;
	assert_ptr_equal(h, mpsup_hello(fx.m));
	assert_string_equal(h->pool, "web");
	assert_int_equal(h->slot, 1);
	assert_int_equal(h->generation, 7);
	assert_int_equal(h->workers, 2);
	assert_int_equal(h->host_pid, 4711);
	assert_int_equal(h->watchdog_usec, 5000000);
	assert_int_equal(mpsup_watchdog_interval_ms(fx.m), 2500);
	assert_int_equal(h->nlisteners, 2);
	assert_string_equal(h->listeners[0].name, "http");
	assert_string_equal(h->listeners[1].name, "admin");
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fcntl(h->listeners[i].fd, F_GETFD), FD_CLOEXEC);
		(void)close(h->listeners[i].fd);
	}
	assert_int_equal(next(), 0);
}

static void test_hello_most_and_least(void **state)
{
	(void)state;
	say("HELLO=1\nPOOL=\nSLOT=0\nGENERATION=0\nWORKERS=1\nLISTEN_FDS=32", 32);
	assert_int_equal(next(), 1);
	assert_int_equal(mpsup_hello(fx.m)->nlisteners, 32);
	assert_int_equal(mpsup_hello(fx.m)->host_pid, 0);
	for (unsigned i = 0; i < 32; i++) {
		assert_string_equal(mpsup_hello(fx.m)->listeners[i].name, "unknown");
		(void)close(mpsup_hello(fx.m)->listeners[i].fd);
	}
}

static void test_watchdog_interval(void **state)
{
	(void)state;
	say(HELLO_1 "LISTEN_FDS=0\nWATCHDOG_USEC=1\n", 0);
	assert_int_equal(next(), 1);
	assert_int_equal(mpsup_watchdog_interval_ms(fx.m), 1);
}

static void test_watchdog_interval_longest(void **state)
{
	(void)state;
	say(HELLO_1 "LISTEN_FDS=0\nWATCHDOG_USEC=18446744073709551615\n", 0);
	assert_int_equal(next(), 1);
	assert_int_equal(mpsup_watchdog_interval_ms(fx.m), INT_MAX);
}

/* No number is free for the second descriptor: the kernel drops it and says so
 * by MSG_CTRUNC. The first must not stay open. */
static void test_no_room_for_descriptors(void **state)
{
	struct rlimit all, few;
	int free_fd, r;

	(void)state;
	say(HELLO_1 "LISTEN_FDS=2\n", 2);
	free_fd = dup(fx.master); /* the lowest number that is free */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = all;
	few.rlim_cur = (rlim_t)free_fd + 1;
	(void)close(free_fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	r = next();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	assert_int_equal(r, -EPROTO);
	assert_null(mpsup_hello(fx.m));
}

static void test_second_hello_is_refused(void **state)
{
	(void)state;
	say(HELLO_1 "LISTEN_FDS=0\nLISTEN_FDNAMES=\n", 0);
	assert_int_equal(next(), 1);
	say(HELLO_1 "LISTEN_FDS=1\nLISTEN_FDNAMES=a\n", 1);
	assert_int_equal(next(), -EPROTO);
	assert_int_equal(mpsup_hello(fx.m)->nlisteners, 0);
}

/* teardown() sees whether a refused datagram's descriptors were closed. */
static void test_wrong_hellos(void **state)
{
	static const struct {
		const char *text;
		unsigned nfds;
	} wrong[] = {
		{ HELLO_1 "LISTEN_FDS=2\n", 1 },
		{ HELLO_1 "LISTEN_FDS=0\n", 1 },
		{ HELLO_1 "LISTEN_FDS=1\n", 0 },
		{ HELLO_1 "LISTEN_FDS=33\n", 33 },
		{ HELLO_1 "LISTEN_FDS=32\n", 33 },
		{ HELLO_1 "LISTEN_FDS=64\n", 64 },
		{ HELLO_1, 0 },
		{ HELLO_1 "LISTEN_FDS=1\nLISTEN_FDS=1\n", 1 },
		{ HELLO_1 "LISTEN_FDS=1\nLISTEN_FDNAMES=a:b\n", 1 },
		{ HELLO_1 "LISTEN_FDS=2\nLISTEN_FDNAMES=a\n", 2 },
		{ HELLO_1 "LISTEN_FDS=0\nLISTEN_FDNAMES=a\n", 0 },
		{ HELLO_1 "LISTEN_FDS=+1\n", 1 },
		{ HELLO_1 "LISTEN_FDS=0x1\n", 1 },
		{ HELLO_1 "LISTEN_FDS=\n", 0 },
		{ HELLO_1 "LISTEN_FDS=0\nWATCHDOG_USEC=18446744073709551616\n", 0 },
		{ HELLO_1 "LISTEN_FDS=0\nno equals sign\n", 0 },
		{ HELLO_1 "LISTEN_FDS=0\n=nothing\n", 0 },
		{ HELLO_1 "LISTEN_FDS=0\n\n", 0 },
		{ "HELLO=1\nPOOL=a\nSLOT=2\nGENERATION=1\nWORKERS=2\nLISTEN_FDS=0\n", 0 },
		{ "HELLO=1\nPOOL=a\nSLOT=-1\nGENERATION=1\nWORKERS=2\nLISTEN_FDS=0\n", 0 },
		{ "HELLO=1\nPOOL=a\nSLOT=4294967296\nGENERATION=1\nWORKERS=2\nLISTEN_FDS=0\n", 0 },
		{ "HELLO=1\nPOOL=a\nSLOT=0\nGENERATION=1\nWORKERS=0\nLISTEN_FDS=0\n", 0 },
		{ "HELLO=1\nSLOT=0\nGENERATION=1\nWORKERS=2\nLISTEN_FDS=0\n", 0 },
		{ "HELLO=1\n", 0 },
		{ "rubbish", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		say(wrong[i].text, wrong[i].nfds);
		if (next() != -EPROTO)
			fail_msg("accepted: %s", wrong[i].text);
		assert_null(mpsup_hello(fx.m));
	}
}

static void test_long_and_binary(void **state)
{
	static char big[70000];

	(void)state;
	memset(big, 'x', sizeof(big));
	memcpy(big, "MESSAGE=", 8);
	say_bytes(big, sizeof(big), 1);
	assert_int_equal(next(), -EPROTO);
	memcpy(big, "HELLO=1\nPOOL=", 13);
	say_bytes(big, 4097, 0);
	assert_int_equal(next(), -EPROTO);
	say_bytes("DRAIN=1\nTIMEOUT_USEC=1\0", 23, 1);
	assert_int_equal(next(), -EPROTO);
}

static void test_drain(void **state)
{
	static const char *const wrong[] = { "DRAIN=1\n", "DRAIN=1\nTIMEOUT_USEC=\n",
					     "DRAIN=1\nTIMEOUT_USEC=1s\n",
					     "DRAIN=1\nTIMEOUT_USEC=1\nTIMEOUT_USEC=2\n" };
	struct mpsup_event ev;

	(void)state;
	say("DRAIN=1\nTIMEOUT_USEC=30000000\n", 0);
	assert_int_equal(mpsup_next(fx.m, &ev), 1);
	assert_int_equal(ev.type, MPSUP_DRAIN);
	assert_int_equal(ev.timeout_usec, 30000000);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		say(wrong[i], 0);
		assert_int_equal(next(), -EPROTO);
	}
	say("DRAIN=1\nTIMEOUT_USEC=1\n", 1);
	assert_int_equal(next(), -EPROTO);
}

static void test_message_and_unknown(void **state)
{
	struct mpsup_event ev;

	(void)state;
	say("LATER=1\nA=b\n", 3); /* of a later version: skipped, its descriptors closed */
	say("MESSAGE={\"a\":\"=\"}\n", 0);
	assert_int_equal(mpsup_next(fx.m, &ev), 1);
	assert_int_equal(ev.type, MPSUP_MESSAGE);
	assert_string_equal(ev.message, "{\"a\":\"=\"}");
	assert_int_equal(ev.message_len, 9);
	say("MESSAGE={}\n", 1);
	assert_int_equal(next(), -EPROTO);
}

static void test_closed(void **state)
{
	struct mpsup_event ev;

	(void)state;
	(void)close(fx.master);
	fx.master = -1;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(mpsup_next(fx.m, &ev), 1);
		assert_int_equal(ev.type, MPSUP_CLOSED);
	}
	assert_int_equal(mpsup_watchdog(fx.m), -EPIPE);
}

static void test_words(void **state)
{
	static char long_text[MPSUP_MESSAGE_MAX + 2];

	(void)state;
	assert_int_equal(mpsup_ready(fx.m), -ENOTCONN);
	say(HELLO_1 "LISTEN_FDS=0\n", 0);
	assert_int_equal(next(), 1);
	assert_int_equal(mpsup_ready(fx.m), 0);
	expect_said("READY=1");
	assert_int_equal(mpsup_status(fx.m, "a\nb\r%d", 5), 0);
	expect_said("STATUS=a b 5");
	assert_int_equal(mpsup_watchdog(fx.m), 0);
	expect_said("WATCHDOG=1");
	assert_int_equal(mpsup_stopping(fx.m), 0);
	expect_said("STOPPING=1");
	assert_int_equal(mpsup_extend_timeout(fx.m, UINT64_MAX), 0);
	expect_said("EXTEND_TIMEOUT_USEC=18446744073709551615");
	assert_int_equal(mpsup_suicide(fx.m, NULL), 0);
	expect_said("SUICIDE=1");
	assert_int_equal(mpsup_suicide(fx.m, "out of luck"), 0);
	expect_said("SUICIDE=out of luck");
	assert_int_equal(mpsup_suicide(fx.m, "a\nREADY=1"), -EINVAL);
	assert_int_equal(mpsup_message(fx.m, "{}", 2), 0);
	expect_said("MESSAGE={}");
	assert_int_equal(mpsup_message(fx.m, "{\n}", 3), -EINVAL);
	assert_int_equal(mpsup_message(fx.m, "", 0), -EINVAL);
	memset(long_text, 'x', sizeof(long_text) - 1);
	assert_int_equal(mpsup_message(fx.m, long_text, MPSUP_MESSAGE_MAX + 1), -EMSGSIZE);
	assert_int_equal(mpsup_suicide(fx.m, long_text), -EMSGSIZE);
	assert_int_equal(mpsup_message(fx.m, long_text, MPSUP_MESSAGE_MAX), 0);
	assert_int_equal(recv(fx.master, long_text, sizeof(long_text), MSG_TRUNC),
			 MPSUP_MESSAGE_MAX + 8);
}

static void test_master_does_not_read(void **state)
{
	int r = 0;

	(void)state;
	for (int i = 0; i < 100000 && r == 0; i++)
		r = mpsup_watchdog(fx.m);
	assert_int_equal(r, -EAGAIN);
}

static void test_open(void **state)
{
	struct mpsup *m = NULL;
	int pair[2];

	(void)state;
	assert_null(getenv("MPSUP_FD")); /* setup() opened one: the variable is gone */
	assert_int_equal(fcntl(mpsup_fd(fx.m), F_GETFD), FD_CLOEXEC);
	assert_int_equal(mpsup_open(&m), -ENOENT);
	static const char *const wrong[] = { "", "x", "-1", "2", "3x", " 3", "99999999999" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(setenv("MPSUP_FD", wrong[i], 1), 0);
		assert_int_equal(mpsup_open(&m), -EINVAL);
	}
	set_fd(1000000);
	assert_int_equal(mpsup_open(&m), -EBADF);
	pair[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	set_fd(pair[0]);
	assert_int_equal(mpsup_open(&m), -ENOTSOCK);
	(void)close(pair[0]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	set_fd(pair[1]);
	assert_int_equal(mpsup_open(&m), -EPROTOTYPE);
	(void)close(pair[0]);
	(void)close(pair[1]);
	assert_null(m);
	(void)unsetenv("MPSUP_FD");
}

/* ---- dealt out ---- */

#define DEALT HELLO_1 "LISTEN_FDS=0\nLISTEN_FDNAMES=http:admin\nDISPATCH=1\n"

static void test_dispatch_hello(void **state)
{
	struct mpsup_event ev;

	(void)state;
	say(DEALT, 0);
	assert_int_equal(mpsup_next(fx.m, &ev), 1);
	assert_int_equal(ev.type, MPSUP_HELLO);
	assert_int_equal(ev.hello->dispatch, 1);
	assert_int_equal(ev.hello->nlisteners, 2);
	assert_string_equal(ev.hello->listeners[0].name, "http");
	assert_string_equal(ev.hello->listeners[1].name, "admin");
	assert_int_equal(ev.hello->listeners[0].fd, -1);
	assert_int_equal(ev.hello->listeners[1].fd, -1);
	assert_int_equal(ev.connection, -1);
}

static void test_dispatch_wrong_hellos(void **state)
{
	char text[1024] = HELLO_1 "LISTEN_FDS=0\nDISPATCH=1\nLISTEN_FDNAMES=a";

	(void)state;
	say(HELLO_1 "LISTEN_FDS=1\nLISTEN_FDNAMES=http\nDISPATCH=1\n", 1);
	assert_int_equal(next(), -EPROTO); /* both */
	say(HELLO_1 "LISTEN_FDS=0\nLISTEN_FDNAMES=http\nDISPATCH=2\n", 0);
	assert_int_equal(next(), -EPROTO);
	say(HELLO_1 "LISTEN_FDS=0\nLISTEN_FDNAMES=http\nDISPATCH=0\n", 0);
	assert_int_equal(next(), -EPROTO);
	for (unsigned i = 0; i < MPSUP_LISTENERS_MAX; i++)
		strcat(text, ":a");
	say(text, 0);
	assert_int_equal(next(), -EPROTO);
	text[strlen(text) - 2] = '\0';
	say(text, 0);
	assert_int_equal(next(), 1);
	assert_int_equal(mpsup_hello(fx.m)->nlisteners, MPSUP_LISTENERS_MAX);
}

static void test_connection(void **state)
{
	struct mpsup_event ev;

	(void)state;
	say(DEALT, 0);
	assert_int_equal(next(), 1);
	say("CONNECTION=17\nLISTENER=1\nLATER=x\n", 1);
	assert_int_equal(mpsup_next(fx.m, &ev), 1);
	assert_int_equal(ev.type, MPSUP_CONNECTION);
	assert_ptr_equal(ev.listener, &mpsup_hello(fx.m)->listeners[1]);
	assert_true(fcntl(ev.connection, F_GETFD) & FD_CLOEXEC);
	(void)close(ev.connection);
	expect_said("ACCEPTED=17");
	mpsup_take_connections(fx.m, 0);
	say("CONNECTION=18446744073709551615\nLISTENER=0\n", 1);
	assert_int_equal(next(), 0);
	expect_said("REFUSED=18446744073709551615");
	mpsup_take_connections(fx.m, 1);
	say("CONNECTION=18\nLISTENER=0\n", 1);
	assert_int_equal(mpsup_next(fx.m, &ev), 1);
	(void)close(ev.connection);
	expect_said("ACCEPTED=18");
}

static void test_wrong_connections(void **state)
{
	static const char *const wrong[] = {
		"CONNECTION=1\n",
		"CONNECTION=1\nLISTENER=2\n",
		"CONNECTION=1\nLISTENER=-1\n",
		"CONNECTION=\nLISTENER=0\n",
		"CONNECTION=x\nLISTENER=0\n",
		"CONNECTION=1\nLISTENER=0\nLISTENER=0\n",
		"CONNECTION=1\nCONNECTION=1\nLISTENER=0\n",
		"CONNECTION=1\nLISTENER=0\nrubbish\n",
	};
	char byte;

	(void)state;
	say("CONNECTION=1\nLISTENER=0\n", 1); /* before HELLO */
	assert_int_equal(next(), -EPROTO);
	say(DEALT, 0);
	assert_int_equal(next(), 1);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		say(wrong[i], 1);
		assert_int_equal(next(), -EPROTO);
	}
	say("CONNECTION=1\nLISTENER=0\n", 2);
	assert_int_equal(next(), -EPROTO);
	assert_int_equal(recv(fx.master, &byte, 1, MSG_DONTWAIT), -1); /* nothing was answered */
}

static void test_connection_of_a_shared_socket(void **state)
{
	(void)state;
	say(HELLO_1 "LISTEN_FDS=0\n", 0);
	assert_int_equal(next(), 1);
	assert_int_equal(mpsup_hello(fx.m)->dispatch, 0);
	say("CONNECTION=1\nLISTENER=0\n", 1);
	assert_int_equal(next(), -EPROTO);
}

static void test_no_room_for_a_connection(void **state)
{
	struct rlimit before, none;
	int r;

	(void)state;
	say(DEALT, 0);
	assert_int_equal(next(), 1);
	say("CONNECTION=5\nLISTENER=0\n", 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ .rlim_cur = 3, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = next();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(r, 0);
	expect_said("REFUSED=5");
}

/* The answer has no room: it comes with the next word. */
static void test_an_answer_that_waits(void **state)
{
	struct mpsup_event ev;
	char buf[64];
	unsigned n = 0;

	(void)state;
	say(DEALT, 0);
	assert_int_equal(next(), 1);
	while (mpsup_watchdog(fx.m) == 0)
		n++;
	say("CONNECTION=9\nLISTENER=0\n", 1);
	assert_int_equal(mpsup_next(fx.m, &ev), 1);
	assert_int_equal(ev.type, MPSUP_CONNECTION);
	(void)close(ev.connection);
	assert_int_equal(mpsup_watchdog(fx.m), -EAGAIN);
	for (; n > 0; n--)
		assert_true(recv(fx.master, buf, sizeof(buf), MSG_DONTWAIT) > 0);
	assert_int_equal(next(), 0);
	expect_said("ACCEPTED=9");
	assert_int_equal(mpsup_watchdog(fx.m), 0);
	expect_said("WATCHDOG=1");
}

static void test_spare_says_parked(void **state)
{
	struct mpsup *m;
	int pair[2];
	char buf[16];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	set_fd(pair[1]);
	assert_int_equal(setenv("MPSUP_SPARE", "1", 1), 0);
	assert_int_equal(mpsup_open(&m), 0);
	assert_int_equal(recv(pair[0], buf, sizeof(buf), MSG_DONTWAIT), 8);
	assert_memory_equal(buf, "PARKED=1", 8);
	mpsup_close(m);
	(void)close(pair[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hello, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hello_most_and_least, setup, teardown),
		cmocka_unit_test_setup_teardown(test_watchdog_interval, setup, teardown),
		cmocka_unit_test_setup_teardown(test_watchdog_interval_longest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_room_for_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second_hello_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_hellos, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_and_binary, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_message_and_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_master_does_not_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dispatch_hello, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dispatch_wrong_hellos, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_connections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connection_of_a_shared_socket, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_no_room_for_a_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_answer_that_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spare_says_parked, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
