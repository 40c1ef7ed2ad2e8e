/* SPDX-License-Identifier: MIT */
/* test_waiting.c - what a process waits for, and that looking is bounded. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "fds.h"
#include "kernel/proc.h"
#include "kernel/waiting.h"

static struct {
	int listener, other, fds_before;
	pid_t child;
} fx;

static int listening(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return bind(fd, (const struct sockaddr *)&in, sizeof(in)) < 0 || listen(fd, 1) < 0 ? -1 :
											     fd;
}

static int setup(void **state)
{
	(void)state;
	fx.fds_before = count_fds();
	fx.listener = listening();
	fx.other = listening();
	fx.child = 0;
	return fx.listener < 0 || fx.other < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	if (fx.child > 0) {
		(void)kill(fx.child, SIGKILL);
		(void)waitpid(fx.child, NULL, 0);
	}
	fd_close(&fx.listener);
	fd_close(&fx.other);
	return count_fds() == fx.fds_before ? 0 : -1;
}

static void wait_by_accept(int fd)
{
	(void)accept4(fd, NULL, NULL, SOCK_CLOEXEC);
}

static void wait_by_poll(int fd)
{
	struct pollfd p[3] = { { .fd = 0, .events = POLLPRI }, { .fd = -1 }, { fd, POLLIN, 0 } };

	(void)poll(p, 3, -1);
}

static void wait_by_select(int fd)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	(void)select(fd + 1, &set, NULL, NULL, NULL);
}

static void wait_by_epoll(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int set = epoll_create1(EPOLL_CLOEXEC), copy = fcntl(fd, F_DUPFD_CLOEXEC, 100);

	/* Its number there is gone; the socket is what counts. */
	(void)epoll_ctl(set, EPOLL_CTL_ADD, copy, &ev);
	(void)close(copy);
	for (;;)
		(void)epoll_wait(set, &ev, 1, -1);
}

static void wait_for_nothing(int fd)
{
	(void)fd;
	for (;;)
		(void)pause();
}

static void start(void (*how)(int fd), int fd)
{
	fx.child = fork();
	if (fx.child > 0)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	how(fd);
	_exit(0);
}

static bool seen(bool memory, unsigned budget)
{
	for (unsigned i = 0; i < 200; i++) {
		unsigned left = budget;

		if (waiting_on(fx.child, &fx.listener, 1, memory, &left))
			return true;
		assert_true(left <= budget);
		(void)usleep(5000);
	}
	return false;
}

static bool is_seen_now(bool memory, unsigned budget)
{
	return waiting_on(fx.child, &fx.listener, 1, memory, &budget);
}

static void each_way_is_seen(void **state)
{
	static void (*const ways[])(int fd) = { wait_by_accept, wait_by_poll, wait_by_select,
						wait_by_epoll };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(ways); i++) {
		start(ways[i], fx.listener);
		assert_true(seen(true, 4096));
		/* poll and select say it in memory alone */
		assert_int_equal(is_seen_now(false, 4096), i != 1 && i != 2);
		/* with nothing left to spend nothing is seen */
		assert_false(is_seen_now(true, 0));
		(void)kill(fx.child, SIGKILL);
		(void)waitpid(fx.child, NULL, 0);
		fx.child = 0;
	}
}

static void what_is_not_waited_for_is_not_seen(void **state)
{
	static void (*const ways[])(int fd) = { wait_by_accept, wait_by_poll, wait_by_select,
						wait_by_epoll, wait_for_nothing };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(ways); i++) {
		int keep = fx.listener;

		/* It has both, and waits for the other one. */
		start(ways[i], fx.other);
		fx.listener = fx.other;
		if (i < 4)
			assert_true(seen(true, 4096));
		else
			(void)usleep(50000);
		fx.listener = keep;
		assert_false(is_seen_now(true, 4096));
		(void)kill(fx.child, SIGKILL);
		(void)waitpid(fx.child, NULL, 0);
		fx.child = 0;
	}
}

static void many_descriptors(int fd)
{
	(void)fd;
	for (int n = 0; n < 900; n++)
		(void)fcntl(0, F_DUPFD, 3);
	wait_by_epoll(fd); /* the last of them */
}

static void looking_is_bounded(void **state)
{
	(void)state;
	start(many_descriptors, fx.listener);
	assert_true(seen(true, 4096));
	assert_false(is_seen_now(true, 500));
}

static void nobody_waits_for_nothing(void **state)
{
	const int none[] = { -1, -1 };
	unsigned budget = 4096;

	(void)state;
	start(wait_by_accept, fx.listener);
	assert_true(seen(true, 4096));
	assert_false(waiting_on(fx.child, none, 2, true, &budget));
	assert_int_equal(budget, 4096);
	(void)kill(fx.child, SIGKILL);
	(void)waitpid(fx.child, NULL, 0);
	assert_false(is_seen_now(true, 4096)); /* it is gone */
	fx.child = 0;
}

static void a_child_descends_also_as_a_zombie(void **state)
{
	siginfo_t si;

	(void)state;
	start(wait_for_nothing, -1);
	assert_int_equal(proc_descends(fx.child, getpid()), 1);
	assert_int_equal(proc_descends(getpid(), getpid()), 1);
	assert_int_equal(proc_descends(getpid(), fx.child), 0);
	assert_int_equal(proc_descends(1, getpid()), 0);
	assert_int_equal(proc_descends(0, getpid()), 0);
	(void)kill(fx.child, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)fx.child, &si, WEXITED | WNOWAIT), 0);
	assert_int_equal(proc_descends(fx.child, getpid()), 1);
	(void)waitpid(fx.child, NULL, 0);
	assert_int_equal(proc_descends(fx.child, getpid()), -ESRCH);
	fx.child = 0;
}

static void take_lock(int fd)
{
	(void)flock(fd, LOCK_EX);
	for (;;)
		(void)pause();
}

static void a_lock_lives_as_long_as_its_taker(void **state)
{
	int fd = memfd_create("lock", MFD_CLOEXEC);
	siginfo_t si;
	struct stat st;
	bool taken = false;

	(void)state;
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	assert_false(proc_flock_lives(&st));
	start(take_lock, fd);
	for (int i = 0; i < 1000 && !taken; i++) {
		(void)poll(NULL, 0, 10);
		taken = proc_flock_lives(&st);
	}
	assert_true(taken);
	(void)kill(fx.child, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)fx.child, &si, WEXITED | WNOWAIT), 0);
	assert_false(proc_flock_lives(&st)); /* a zombie */
	(void)waitpid(fx.child, NULL, 0);
	assert_false(proc_flock_lives(&st));
	fx.child = 0;
	(void)close(fd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_way_is_seen),
		T(what_is_not_waited_for_is_not_seen),
		T(looking_is_bounded),
		T(nobody_waits_for_nothing),
		T(a_child_descends_also_as_a_zombie),
		T(a_lock_lives_as_long_as_its_taker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
