/* SPDX-License-Identifier: MIT */
/* test_limits.c - limits of a leaf: the plan and its writes, what a leaf counts, the
 * place in the tree. A folder of ordinary files stands in for a leaf. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "cage/leaf_limits.h"
#include "fds.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_stat.h"
#include "kernel/cgroup_tree.h"

static struct arena arena;
static struct leaf_plan plan;
static struct err e;
static char dir[64];
static int dir_fd, fds_before;

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	e = (struct err){ 0 };
	plan = (struct leaf_plan){ 0 };
	(void)snprintf(dir, sizeof(dir), "/tmp/test_limits.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	DIR *d = opendir(dir);

	(void)state;
	for (struct dirent *de; d && (de = readdir(d));)
		(void)unlinkat(dir_fd, de->d_name, 0);
	if (d)
		(void)closedir(d);
	fd_close(&dir_fd);
	arena_done(&arena);
	return rmdir(dir) == 0 && count_fds() == fds_before ? 0 : -1;
}

static void put(const char *file, const char *text)
{
	int fd = openat(dir_fd, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static void has(const char *file, const char *text)
{
	char found[256];

	assert_int_equal(cgroup_read(dir_fd, file, found, sizeof(found)), 0);
	assert_string_equal(found, text);
}

static const struct limits everything = {
	.asked = LIMIT_BIT(LIMIT_OOM_SCORE_ADJ + 1) - 1,
	.memory = 64 << 20,
	.memory_high = 48 << 20,
	.swap = 0,
	.cpu_quota = 1500,
	.cpu_weight = 50,
	.pids = 64,
	.io = &(struct io_limit){ .major = 8, .minor = 16, .rate = { 1, UINT64_MAX, 0, 200 } },
	.nio = 1,
	.raw = &(struct raw_limit){ .file = "memory.oom.group", .value = "0" },
	.nraw = 1,
};
static const char *const files[] = { "memory.oom.group", "memory.max", "memory.high",
				     "memory.swap.max",	 "cpu.max",    "cpu.weight",
				     "pids.max",	 "io.max" };

/* ---- the plan ---- */

static void everything_is_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		put(files[i], "");
	assert_int_equal(leaf_plan_make(&everything, "cpu io memory pids", &arena, &plan, &e), 0);
	assert_int_equal(plan.n, 9);
	assert_int_equal(leaf_plan_write(&plan, dir_fd, &e), 0);
	has("memory.oom.group", "0"); /* raw comes last */
	has("memory.max", "67108864");
	has("memory.high", "50331648");
	has("memory.swap.max", "0");
	has("cpu.max", "150000 100000");
	has("cpu.weight", "50");
	has("pids.max", "64");
	has("io.max", "8:16 rbps=1 wbps=max wiops=200");
}

static void defaults_go_where_controllers_are(void **state)
{
	static const struct limits none = { .pids = LIMIT_PIDS_DEFAULT };

	(void)state;
	assert_int_equal(leaf_plan_make(&none, "", &arena, &plan, &e), 0);
	assert_int_equal(plan.n, 0);
	assert_int_equal(leaf_plan_make(&none, "hugetlb", &arena, &plan, &e), 0);
	assert_int_equal(plan.n, 0);
	assert_int_equal(leaf_plan_make(&none, "memory pids", &arena, &plan, &e), 0);
	assert_int_equal(plan.n, 2);
	assert_string_equal(plan.writes[0].file, "memory.oom.group");
	assert_string_equal(plan.writes[1].file, "pids.max");
	assert_string_equal(plan.writes[1].value, "1024");
	assert_false(plan.writes[0].asked || plan.writes[1].asked);
	/* --pids max */
	assert_int_equal(leaf_plan_make(&(struct limits){ .pids = 0 }, "pids", &arena, &plan, &e),
			 0);
	assert_int_equal(plan.n, 0);
}

static void asked_without_its_controller_is_named(void **state)
{
	const struct {
		struct limits limits;
		const char *says;
	} cases[] = {
		{ { .asked = LIMIT_BIT(LIMIT_MEMORY), .memory = 1 }, "--memory: no memory cont" },
		{ { .asked = LIMIT_BIT(LIMIT_SWAP) }, "--swap: no memory controller" },
		{ { .asked = LIMIT_BIT(LIMIT_PIDS), .pids = 9 }, "--pids: no pids controller" },
		{ { .asked = LIMIT_BIT(LIMIT_CPU_QUOTA) }, "--cpu-quota: no cpu controller" },
		{ { .asked = LIMIT_BIT(LIMIT_CPU_WEIGHT) }, "--cpu-weight: no cpu controller" },
		{ { .nio = 1, .io = &(struct io_limit){ .major = 1 } }, "--io: no io controller" },
		{ { .nraw = 1, .raw = &(struct raw_limit){ "misc.max", "x 1" } },
		  "--raw: no misc controller" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		e.msg[0] = '\0';
		assert_int_equal(leaf_plan_make(&cases[i].limits, "cpuset", &arena, &plan, &e),
				 -EOPNOTSUPP);
		if (!strstr(e.msg, cases[i].says))
			fail_msg("no \"%s\" in \"%s\"", cases[i].says, e.msg);
	}
}

static void a_refused_default_is_forgotten_an_asked_one_is_named(void **state)
{
	struct limits l = { .pids = LIMIT_PIDS_DEFAULT };

	(void)state;
	put("pids.max", "");
	assert_int_equal(leaf_plan_make(&l, "memory pids", &arena, &plan, &e), 0);
	assert_int_equal(leaf_plan_write(&plan, dir_fd, &e), 0); /* no memory.oom.group */
	assert_int_equal(leaf_plan_try(&plan, dir_fd, &e), 0);
	assert_int_equal(plan.n, 1);
	assert_string_equal(plan.writes[0].file, "pids.max");
	has("pids.max", "1024");

	l.asked = LIMIT_BIT(LIMIT_SWAP);
	l.swap = 4096;
	assert_int_equal(leaf_plan_make(&l, "memory pids", &arena, &plan, &e), 0);
	assert_int_equal(leaf_plan_try(&plan, dir_fd, &e), -ENOENT);
	assert_string_equal(
		e.msg, "--swap: memory.swap.max does not take '4096': No such file or directory");
	assert_int_equal(leaf_plan_write(&plan, dir_fd, &e), -ENOENT);
}

static void controllers_are_asked_for_as_needed(void **state)
{
	const struct limits none = { .asked = LIMIT_BIT(LIMIT_MEMORY) };
	const struct limits raw = { .nraw = 1, .raw = &(struct raw_limit){ "cpuset.cpus", "0" } };

	(void)state;
	assert_true(limits_need(&everything, "cpu"));
	assert_true(limits_need(&everything, "io"));
	assert_false(limits_need(&everything, "cpuset"));
	assert_false(limits_need(&none, "cpu"));
	assert_false(limits_need(&none, "io"));
	assert_true(limits_need(&raw, "cpuset"));
	assert_false(limits_need(&raw, "cpu"));
}

/* ---- what a leaf counts ---- */

static void counters_are_found_by_whole_words(void **state)
{
	static const char text[] = "low 0\nhigh 7\nmax 11\noom 2\noom_kill 3\noom_group_kill 1\n";

	(void)state;
	assert_int_equal(cgroup_keyed(text, "oom"), 2);
	assert_int_equal(cgroup_keyed(text, "oom_kill"), 3);
	assert_int_equal(cgroup_keyed(text, "low"), 0);
	assert_int_equal(cgroup_keyed(text, "max"), 11);
	assert_true(cgroup_keyed(text, "kill") == STAT_UNKNOWN);
	assert_true(cgroup_keyed("", "oom") == STAT_UNKNOWN);
	assert_true(cgroup_keyed("oom max", "oom") == STAT_UNKNOWN);
	assert_true(cgroup_keyed("oom ", "oom") == STAT_UNKNOWN);
	assert_int_equal(cgroup_nested_sum("8:0 rbytes=10 wbytes=1\n8:16 rbytes=5 wbytes=2\n",
					   "rbytes"),
			 15);
	assert_int_equal(cgroup_nested_sum("8:0 rbytes=10 dbytes=9 xrbytes=1\n", "rbytes"), 10);
	assert_int_equal(cgroup_nested_sum("", "rbytes"), 0);
}

static void only_known_files_are_read(void **state)
{
	struct cgroup_stat s;

	(void)state;
	assert_int_equal(cgroup_stat_files(""), STAT_CPU);
	assert_int_equal(cgroup_stat_files("memory pids"),
			 STAT_CPU | STAT_MEMORY | STAT_PIDS | STAT_PEAK);
	assert_int_equal(cgroup_stat_files("cpuset cpu io"), STAT_CPU | STAT_IO);
	cgroup_stat_read(dir_fd, ~0u, &s); /* nothing there */
	assert_memory_equal(&s, &CGROUP_STAT_NONE, sizeof(s));

	put("cpu.stat", "usage_usec 5\nuser_usec 3\nnr_periods 1\nnr_throttled 2\n"
			"throttled_usec 9\n");
	put("memory.events.local", "low 0\nhigh 4\nmax 0\noom 1\noom_kill 2\n");
	put("memory.peak", "4096\n");
	put("pids.events", "max 6\n");
	put("io.stat", "254:0 rbytes=7 wbytes=8 rios=1 wios=1\n");
	cgroup_stat_read(dir_fd, STAT_CPU, &s);
	assert_int_equal(s.cpu_usec, 5);
	assert_int_equal(s.throttled_times, 2);
	assert_true(s.oom == STAT_UNKNOWN && s.io_read_bytes == STAT_UNKNOWN);
	cgroup_stat_read(dir_fd, ~0u, &s);
	assert_int_equal(s.oom, 1);
	assert_int_equal(s.oom_kills, 2);
	assert_int_equal(s.high_hits, 4);
	assert_int_equal(s.memory_peak, 4096);
	assert_int_equal(s.pids_refused, 6);
	assert_int_equal(s.throttled_usec, 9);
	assert_int_equal(s.io_read_bytes, 7);
	assert_int_equal(s.io_write_bytes, 8);
}

/* ---- the place ---- */

static void the_place_follows_from_the_facts(void **state)
{
	static const struct {
		struct cgroup_facts facts;
		enum cgroup_place place;
	} cases[] = {
		/* hybrid, whatever else */
		{ { .at_top = true, .host_root = true, .privileged = true }, PLACE_HERE },
		{ { .systemd = true, .delegated = true, .privileged = true }, PLACE_HERE },
		/* the root cgroup of a host without (or before) systemd */
		{ { .controllers = true, .at_top = true, .host_root = true, .privileged = true },
		  PLACE_TOP },
		{ { .controllers = true, .at_top = true, .host_root = true, .systemd = true },
		  PLACE_TOP },
		/* a container with a cgroup namespace */
		{ { .controllers = true, .at_top = true, .privileged = true }, PLACE_OWN },
		/* Delegate=yes, with and without DelegateSubgroup= */
		{ { .controllers = true, .delegated = true, .systemd = true, .privileged = true },
		  PLACE_OWN },
		{ { .controllers = true, .delegated = true, .systemd = true }, PLACE_OWN },
		{ { .controllers = true, .parent_delegated = true, .systemd = true },
		  PLACE_PARENT },
		{ { .controllers = true, .delegated = true, .parent_delegated = true }, PLACE_OWN },
		/* a login session, a service without Delegate= */
		{ { .controllers = true, .systemd = true, .privileged = true }, PLACE_ASK },
		{ { .controllers = true, .systemd = true }, PLACE_ASK },
		/* another init's cgroup */
		{ { .controllers = true, .privileged = true }, PLACE_TOP },
		{ { .controllers = true }, PLACE_HERE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (cgroup_place_choose(&cases[i].facts) != cases[i].place)
			fail_msg("case %zu: place %d", i, cgroup_place_choose(&cases[i].facts));
}

static void paths_of_the_place(void **state)
{
	struct cgroup_root r = CGROUP_ROOT_NONE;

	(void)state;
	(void)snprintf(r.own, sizeof(r.own), "/a/b");
	assert_int_equal(cgroup_place_take(&r, PLACE_PARENT, &e), 0);
	assert_string_equal(r.own, "/a");
	(void)snprintf(r.own, sizeof(r.own), "/a/b");
	assert_int_equal(cgroup_place_take(&r, PLACE_TOP, &e), 0);
	assert_string_equal(r.own, "/");
	(void)snprintf(r.own, sizeof(r.own), "/docker/x/a");
	r.above = strlen("/docker/x"); /* what is mounted begins there */
	assert_int_equal(cgroup_place_take(&r, PLACE_TOP, &e), 0);
	assert_string_equal(r.own, "/docker/x");
	assert_int_equal(cgroup_place_take(&r, PLACE_HERE, &e), 0);
	assert_string_equal(r.own, "/docker/x");
	assert_false(r.moved);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(everything_is_written),
		T(defaults_go_where_controllers_are),
		T(asked_without_its_controller_is_named),
		T(a_refused_default_is_forgotten_an_asked_one_is_named),
		T(controllers_are_asked_for_as_needed),
		T(counters_are_found_by_whole_words),
		T(only_known_files_are_read),
		T(the_place_follows_from_the_facts),
		T(paths_of_the_place),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
