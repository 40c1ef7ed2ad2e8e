/* SPDX-License-Identifier: MIT */
/* test_cgroup.c - kernel/cgroup on the live v2 tree: leaves, kill, events, and what
 * a killed master leaves behind. Needs root for all but the parser. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/cgroup.h"
#include "kernel/hierarchy.h"
#include "kernel/pidfd.h"

static struct {
	struct cgroup_root root, second;
	struct pidfd child;
	int leaf_fd, events_fd, fds_before;
	char name[32];
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

static int setup(void **state)
{
	(void)state;
	fx.root = fx.second = CGROUP_ROOT_NONE;
	fx.child = PIDFD_NONE;
	fx.leaf_fd = fx.events_fd = -1;
	fx.fds_before = count_fds();
	(void)snprintf(fx.name, sizeof(fx.name), "mpsup-test%d", (int)getpid());
	return 0;
}

/* Whatever a failed test left: the child, then every folder of ours, deepest first. */
static int teardown(void **state)
{
	static const char *const left[] = {
		"/web.1/a/b", "/web.1/a", "/web.1", "", ".2/web.1", ".2"
	};
	struct pidfd_exit e;
	char path[3 * PATH_MAX];
	struct stat st;

	(void)state;
	if (fx.child.fd >= 0) {
		(void)kill(fx.child.pid, SIGKILL);
		(void)poll(&(struct pollfd){ fx.child.fd, POLLIN, 0 }, 1, 1000);
		ignore(pidfd_reap(&fx.child, &e));
	}
	fd_close(&fx.leaf_fd);
	fd_close(&fx.events_fd);
	for (size_t i = 0; fx.root.mount[0] && i < ARRAY_LEN(left); i++) {
		(void)snprintf(path, sizeof(path), "%s%s/%s%s", fx.root.mount,
			       fx.root.own[fx.root.above + 1] ? fx.root.own + fx.root.above : "",
			       fx.name, left[i]);
		(void)rmdir(path);
		if (stat(path, &st) == 0)
			return -1;
	}
	cgroup_root_done(&fx.root);
	cgroup_root_done(&fx.second);
	return count_fds() == fx.fds_before ? 0 : -1;
}

static void need_base(void)
{
	struct err e = { 0 };

	if (geteuid() != 0 || cgroup_root_find(&fx.root, &e) < 0 ||
	    faccessat(fx.root.mount_fd, ".", W_OK, 0) < 0)
		skip();
	if (cgroup_base_open(&fx.root, fx.name, &e) < 0)
		fail_msg("%s", e.msg);
}

static void spawn_into(int leaf_fd)
{
	int gate[2], r;
	char byte;

	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	r = pidfd_clone(0, leaf_fd, &fx.child);
	if (r == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close_range(3, ~0u, 0); /* as exec does: the lock is the master's */
		for (;;)
			pause();
	}
	(void)close(gate[1]);
	/* The end of the pipe says that the child has let go of everything. */
	assert_int_equal(read(gate[0], &byte, 1), 0);
	(void)close(gate[0]);
	assert_int_equal(r, 1);
}

static void reap(void)
{
	struct pidfd_exit e;

	assert_int_equal(poll(&(struct pollfd){ fx.child.fd, POLLIN, 0 }, 1, 2000), 1);
	assert_int_equal(pidfd_reap(&fx.child, &e), 1);
	assert_true(e.by_signal);
	assert_int_equal(e.code, SIGKILL);
}

static bool exists(const struct cgroup_root *r, const char *more)
{
	char path[3 * PATH_MAX];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s%s%s", r->mount, r->path + r->above, more);
	return stat(path, &st) == 0;
}

static void mountinfo_lines_are_read(void **state)
{
	char root[PATH_MAX], point[PATH_MAX];

	(void)state;
	assert_int_equal(hierarchy_parse_mount("41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - "
					       "cgroup2 cgroup2 rw\n",
					       true, NULL, root, point),
			 0);
	assert_string_equal(root, "/");
	assert_string_equal(point, "/sys/fs/cgroup/unified");
	assert_int_equal(hierarchy_parse_mount("41 31 0:38 /docker/a /a\\040b\\134c rw shared:1 "
					       "master:2 - cgroup2 cgroup2 rw\n",
					       true, NULL, root, point),
			 0);
	assert_string_equal(root, "/docker/a");
	assert_string_equal(point, "/a b\\c");
	assert_int_equal(
		hierarchy_parse_mount("35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup "
				      "rw,memory\n",
				      true, NULL, root, point),
		-ENOENT);
	assert_int_equal(hierarchy_parse_mount("", true, NULL, root, point), -ENOENT);
	assert_int_equal(hierarchy_parse_mount("x - cgroup2 y", true, NULL, root, point), -EPROTO);
}

static void only_useful_controllers_count(void **state)
{
	struct cgroup_root r = CGROUP_ROOT_NONE;

	(void)state;
	assert_false(cgroup_has_controllers(&r));
	(void)snprintf(r.controllers, sizeof(r.controllers), "hugetlb misc");
	assert_false(cgroup_has_controllers(&r));
	(void)snprintf(r.controllers, sizeof(r.controllers), "hugetlb cpuset");
	assert_true(cgroup_has_controllers(&r));
	(void)snprintf(r.controllers, sizeof(r.controllers), "xmemory memoryx");
	assert_false(cgroup_has_controllers(&r));
}

static void a_leaf_lives_and_dies(void **state)
{
	char text[64];
	pid_t pids[4], zombie;
	size_t n = 0;

	(void)state;
	need_base();
	assert_int_equal(cgroup_leaf_make(&fx.root, "web.1", &fx.leaf_fd), 0);
	assert_int_equal(cgroup_leaf_make(&fx.root, "web.1", &fx.events_fd), -EEXIST);
	assert_int_equal(fx.events_fd, -1);
	assert_int_equal(cgroup_populated(fx.leaf_fd), 0);
	assert_int_equal(cgroup_events_open(fx.leaf_fd, &fx.events_fd), 0);

	spawn_into(fx.leaf_fd);
	assert_int_equal(poll(&(struct pollfd){ fx.events_fd, POLLPRI, 0 }, 1, 2000), 1);
	assert_int_equal(cgroup_events_ack(fx.events_fd), 1);
	assert_int_equal(cgroup_pids(fx.leaf_fd, pids, 4, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(pids[0], fx.child.pid);
	assert_int_equal(cgroup_leaf_holds(&fx.root, "web.1", fx.child.pid), 1);
	assert_int_equal(cgroup_leaf_holds(&fx.root, "web.", fx.child.pid), 0);
	assert_int_equal(cgroup_leaf_holds(&fx.root, "web.11", fx.child.pid), 0);
	assert_int_equal(cgroup_leaf_holds(&fx.root, "web.1", getpid()), 0);
	assert_int_equal(cgroup_leaf_holds(&fx.root, "web.1", 1), 0);
	assert_int_equal(cgroup_leaf_remove(&fx.root, "web.1"), -EBUSY);
	assert_int_equal(cgroup_read(fx.leaf_fd, "cgroup.type", text, sizeof(text)), 0);
	assert_string_equal(text, "domain");
	assert_int_equal(cgroup_write(fx.leaf_fd, "cgroup.freeze", "0"), 0);
	assert_int_equal(cgroup_read(fx.leaf_fd, "no.such", text, sizeof(text)), -ENOENT);

	assert_int_equal(cgroup_kill(fx.leaf_fd), 0);
	assert_int_equal(poll(&(struct pollfd){ fx.events_fd, POLLPRI, 0 }, 1, 2000), 1);
	assert_int_equal(cgroup_events_ack(fx.events_fd), 0);
	zombie = fx.child.pid;
	assert_int_equal(cgroup_leaf_holds(&fx.root, "web.1", zombie), 1);
	reap();
	assert_int_equal(cgroup_leaf_holds(&fx.root, "web.1", zombie), -ESRCH);
	assert_int_equal(cgroup_leaf_remove(&fx.root, "web.1"), 0);
	assert_int_equal(cgroup_leaf_remove(&fx.root, "web.1"), -ENOENT);
	cgroup_base_remove(&fx.root);
	assert_false(exists(&fx.root, ""));
}

static void nested_folders_go_with_the_leaf(void **state)
{
	(void)state;
	need_base();
	assert_int_equal(cgroup_leaf_make(&fx.root, "web.1", &fx.leaf_fd), 0);
	assert_int_equal(mkdirat(fx.leaf_fd, "a", 0755), 0);
	assert_int_equal(mkdirat(fx.leaf_fd, "a/b", 0755), 0);
	assert_int_equal(cgroup_leaf_remove(&fx.root, "web.1"), 0);
	cgroup_base_remove(&fx.root);
}

static void leftovers_of_a_killed_master_are_ended(void **state)
{
	struct err e = { 0 };

	(void)state;
	need_base();
	assert_int_equal(cgroup_leaf_make(&fx.root, "web.1", &fx.leaf_fd), 0);
	spawn_into(fx.leaf_fd);
	fd_close(&fx.root.base_fd); /* as the kernel does when a master dies */

	fx.second = CGROUP_ROOT_NONE;
	assert_int_equal(cgroup_root_find(&fx.second, &e), 0);
	assert_int_equal(cgroup_base_open(&fx.second, fx.name, &e), 0);
	assert_string_equal(fx.second.path, fx.root.path);
	reap();
	assert_false(exists(&fx.second, "/web.1"));
	cgroup_base_remove(&fx.second);
	assert_false(exists(&fx.second, ""));
}

static void a_living_master_keeps_its_folder(void **state)
{
	struct err e = { 0 };

	(void)state;
	need_base();
	assert_int_equal(cgroup_leaf_make(&fx.root, "web.1", &fx.leaf_fd), 0);
	spawn_into(fx.leaf_fd);
	assert_int_equal(cgroup_root_find(&fx.second, &e), 0);
	assert_int_equal(cgroup_base_open(&fx.second, fx.name, &e), 0);
	assert_string_not_equal(fx.second.path, fx.root.path);
	assert_int_equal(cgroup_populated(fx.leaf_fd), 1); /* untouched */
	cgroup_base_remove(&fx.second);

	assert_int_equal(cgroup_kill(fx.leaf_fd), 0);
	reap();
	assert_int_equal(cgroup_leaf_remove(&fx.root, "web.1"), 0);
	cgroup_base_remove(&fx.root);
}

static void a_folder_without_our_mark_is_left_alone(void **state)
{
	char path[3 * PATH_MAX];
	struct err e = { 0 };

	(void)state;
	need_base();
	cgroup_base_remove(&fx.root);
	(void)snprintf(path, sizeof(path), "%s%s", fx.root.mount, fx.root.path + fx.root.above);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s%s/web.1", fx.root.mount,
		       fx.root.path + fx.root.above);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(cgroup_base_open(&fx.root, fx.name, &e), -EEXIST);
	assert_non_null(strstr(e.msg, fx.name));
	assert_true(exists(&fx.root, "/web.1"));
}

static void an_empty_folder_without_a_mark_is_taken(void **state)
{
	char path[3 * PATH_MAX];
	struct err e = { 0 };

	(void)state;
	need_base();
	cgroup_base_remove(&fx.root);
	(void)snprintf(path, sizeof(path), "%s%s", fx.root.mount, fx.root.path + fx.root.above);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(cgroup_base_open(&fx.root, fx.name, &e), 0);
	cgroup_base_remove(&fx.root);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(mountinfo_lines_are_read),
		T(only_useful_controllers_count),
		T(a_leaf_lives_and_dies),
		T(nested_folders_go_with_the_leaf),
		T(leftovers_of_a_killed_master_are_ended),
		T(a_living_master_keeps_its_folder),
		T(a_folder_without_our_mark_is_left_alone),
		T(an_empty_folder_without_a_mark_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
