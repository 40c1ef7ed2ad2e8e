/* SPDX-License-Identifier: MIT */
/* test_cpuset.c - a written cpuset and a CPU that comes or goes are told, others not. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "fds.h"
#include "kernel/cpuset.h"
#include "tree.h"

static struct loop loop;
static struct cpuset_watch watch;
static unsigned changes;
static char dir[64];
static int pair[2], fds_before;

static void on_changed(struct cpuset_watch *w)
{
	assert_ptr_equal(w, &watch);
	changes++;
}

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	changes = 0;
	pair[0] = pair[1] = -1;
	watch = CPUSET_WATCH_NONE;
	(void)snprintf(dir, sizeof(dir), "/tmp/test_cpuset.XXXXXX");
	return mkdtemp(dir) ? loop_init(&loop) : -1;
}

static int teardown(void **state)
{
	(void)state;
	cpuset_watch_close(&watch);
	cpuset_watch_close(&watch);
	loop_done(&loop);
	fd_close(&pair[0]);
	fd_close(&pair[1]);
	tree_remove(dir);
	return count_fds() == fds_before ? 0 : -1;
}

static unsigned told(void)
{
	unsigned n;

	assert_true(loop_once(&loop, 0) >= 0);
	n = changes;
	changes = 0;
	return n;
}

static void a_written_cpuset_is_told(void **state)
{
	(void)state;
	tree_put(dir, "0-3", "cpuset.cpus");
	tree_put(dir, "0-3", "a/cpuset.cpus");
	tree_put(dir, "memory", "a/cgroup.subtree_control");
	tree_put(dir, "1", "a/b/cgroup.procs");
	tree_put(dir, "0-3", "a/c/cpuset.cpus");
	(void)cpuset_watch_open(&watch, &loop, on_changed);
	cpuset_watch_tree(&watch, dir, "/a/b");
	assert_int_equal(told(), 0);
	tree_put(dir, "0-1", "cpuset.cpus");
	tree_put(dir, "0-1", "a/cpuset.cpus");
	assert_int_equal(told(), 1); /* once a batch */
	assert_int_equal(told(), 0);
	tree_put(dir, "memory cpuset", "a/cgroup.subtree_control");
	assert_int_equal(told(), 1);
	tree_put(dir, "2", "a/b/cgroup.procs");
	tree_put(dir, "0-1", "a/c/cpuset.cpus"); /* a sibling's */
	assert_int_equal(told(), 0);
}

static void files_that_appear_are_found_when_looked_for_again(void **state)
{
	(void)state;
	tree_put(dir, "", "a/cgroup.subtree_control");
	(void)cpuset_watch_open(&watch, &loop, on_changed);
	cpuset_watch_tree(&watch, dir, "/a");
	tree_put(dir, "0-1", "a/cpuset.cpus");
	assert_int_equal(told(), 0);
	cpuset_watch_tree(&watch, dir, "/a");
	cpuset_watch_tree(&watch, dir, "/a");
	tree_put(dir, "0", "a/cpuset.cpus");
	assert_int_equal(told(), 1);
}

static void after_closing_nothing_is_told(void **state)
{
	(void)state;
	tree_put(dir, "0-3", "cpuset.cpus");
	(void)cpuset_watch_open(&watch, &loop, on_changed);
	cpuset_watch_tree(&watch, dir, "/");
	tree_put(dir, "0-1", "cpuset.cpus");
	cpuset_watch_close(&watch);
	assert_int_equal(told(), 0);
	cpuset_watch_tree(&watch, dir, "/");
	assert_int_equal(watch.files_fd, -1);
}

static void only_cpus_that_come_or_go_pass(void **state)
{
	static const struct {
		const char *event;
		bool passes;
	} t[] = {
		{ "online@/devices/system/cpu/cpu1", true },
		{ "offline@/devices/system/cpu/cpu1", true },
		{ "offline@/devices/system/cpu/cpu127", true },
		{ "change@/devices/system/cpu/cpu1", false },
		{ "online@/devices/system/memory/memory1", false },
		{ "offline@/devices/system/node/node1", false },
		{ "add@/devices/virtual/net/veth12345", false },
		{ "onli", false },
		{ "online@/devi", false },
		{ "x", false },
	};
	char buf[128];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(cpuset_hotplug_filter(pair[1]), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		size_t len = strlen(t[i].event) + 1;
		ssize_t got;

		/* A filter's no is EPERM to the sender on a unix socket. */
		ignore((int)send(pair[0], t[i].event, len, MSG_DONTWAIT));
		got = recv(pair[1], buf, sizeof(buf), MSG_DONTWAIT);

		if (t[i].passes && got != (ssize_t)len)
			fail_msg("%s did not pass", t[i].event);
		if (!t[i].passes && got >= 0)
			fail_msg("%s passed", t[i].event);
	}
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_written_cpuset_is_told),
		T(files_that_appear_are_found_when_looked_for_again),
		T(after_closing_nothing_is_told),
		T(only_cpus_that_come_or_go_pass),
	};

	return cmocka_run_group_tests_name("cpuset", tests, NULL, NULL);
}
