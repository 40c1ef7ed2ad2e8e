/* SPDX-License-Identifier: MIT */
/* test_topology.c - how CPUs lie together, from trees like /sys of machines that we do
 * not have, and what --cpus makes of them. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/parse.h"
#include "base/text.h"
#include "config/config.h"
#include "fds.h"
#include "kernel/hierarchy.h"
#include "kernel/topology.h"
#include "tree.h"

static struct topology t;
static struct pool_config conf;
static struct err e;
static char dir[64];
static int fds_before;

static int setup(void **state)
{
	(void)state;
	conf = (struct pool_config){ 0 };
	e = (struct err){ 0 };
	fds_before = count_fds();
	(void)snprintf(dir, sizeof(dir), "/tmp/test_topology.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	tree_remove(dir);
	return count_fds() == fds_before ? 0 : -1;
}

/* ---- machines ---- */

#define CPU "devices/system/cpu"

static void cache(unsigned cpu, unsigned index, unsigned level, const char *type,
		  const char *shared)
{
	char level_text[8];

	(void)snprintf(level_text, sizeof(level_text), "%u", level);
	tree_put(dir, level_text, CPU "/cpu%u/cache/index%u/level", cpu, index);
	tree_put(dir, type, CPU "/cpu%u/cache/index%u/type", cpu, index);
	tree_put(dir, shared, CPU "/cpu%u/cache/index%u/shared_cpu_list", cpu, index);
}

/* One CPU as the kernel shows it; NULL: it does not tell. */
static void cpu(unsigned n, const char *core, const char *l2, const char *l3)
{
	char own[8];

	(void)snprintf(own, sizeof(own), "%u", n);
	if (core)
		tree_put(dir, core, CPU "/cpu%u/topology/core_cpus_list", n);
	if (!l2)
		return;
	cache(n, 0, 1, "Data", core ? core : own);
	cache(n, 1, 1, "Instruction", core ? core : own);
	cache(n, 2, 2, "Unified", l2);
	if (l3)
		cache(n, 3, 3, "Unified", l3);
}

static void online(const char *list)
{
	tree_put(dir, list, CPU "/online");
}

static void node(unsigned n, const char *cpus)
{
	tree_put(dir, cpus, "devices/system/node/node%u/cpulist", n);
}

/* 4 cores of 2 threads, numbered as most firmware does: siblings are 4 apart. */
static void laptop(void)
{
	static const char *const core[] = { "0,4", "1,5", "2,6", "3,7" };

	online("0-7");
	for (unsigned i = 0; i < 8; i++)
		cpu(i, core[i % 4], core[i % 4], "0-7");
	tree_put(dir, "0", "devices/system/node/online");
	node(0, "0-7");
	assert_int_equal(topology_read(dir, &t), 0);
}

/* 2 nodes with a cache of their own, CPUs dealt in turn; node 2 is memory alone. */
static void two_nodes(void)
{
	static const char *const of[] = { "0,2,4,6", "1,3,5,7" };
	static const char *const own[] = { "0", "1", "2", "3", "4", "5", "6", "7" };

	online("0-7");
	for (unsigned i = 0; i < 8; i++)
		cpu(i, own[i], own[i], of[i % 2]);
	tree_put(dir, "0-2", "devices/system/node/online");
	node(0, of[0]);
	node(1, of[1]);
	node(2, "");
	assert_int_equal(topology_read(dir, &t), 0);
}

/* ---- what is read ---- */

static const char *sorted(const char *list)
{
	static char text[256];
	unsigned short order[CPU_SETSIZE];
	cpu_set_t set;
	size_t used = 0;
	unsigned n;

	assert_int_equal(parse_cpus(list, &set), 0);
	n = topology_sort(&t, &set, order);
	assert_int_equal(n, CPU_COUNT(&set));
	for (unsigned i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u", i ? " " : "",
					 order[i]);
	return text;
}

static void threads_of_a_core(void **state)
{
	(void)state;
	laptop();
	assert_true(t.has_cores);
	assert_int_equal(t.core[0], 0);
	assert_int_equal(t.core[4], 0);
	assert_int_equal(t.core[7], 3);
	assert_int_equal(t.nllcs, 1);
	assert_int_equal(t.llc[7], 0);
	assert_int_equal(t.node[7], 0);
	assert_int_equal(t.llc[8], -1);
	assert_string_equal(sorted("0-7"), "0 4 1 5 2 6 3 7");
	assert_string_equal(sorted("1,3-5"), "4 1 5 3");
}

static void nodes_and_their_caches(void **state)
{
	cpu_set_t nodes;

	(void)state;
	two_nodes();
	assert_int_equal(t.nllcs, 2);
	assert_int_equal(t.llc[5], 1);
	assert_int_equal(t.node[5], 1);
	topology_nodes(&t, &nodes);
	assert_int_equal(CPU_COUNT(&nodes), 2);
	assert_string_equal(sorted("0-7"), "0 2 4 6 1 3 5 7");
}

/* Numbers with holes: CPUs 1, 4 and 5 are offline, and have no folders of that kind. */
static void holes(void **state)
{
	(void)state;
	online("0,2-3,6-7");
	cpu(0, "0", "0,2-3", NULL);
	cpu(2, "2-3", "0,2-3", NULL);
	cpu(3, "2-3", "0,2-3", NULL);
	cpu(6, "6-7", "6-7", NULL);
	cpu(7, "6-7", "6-7", NULL);
	assert_int_equal(topology_read(dir, &t), 0);
	assert_int_equal(CPU_COUNT(&t.online), 5);
	assert_int_equal(t.core[3], 2);
	assert_int_equal(t.core[4], -1);
	assert_int_equal(t.nllcs, 2);
	assert_int_equal(t.llc[7], 1);
	assert_int_equal(t.node[0], -1);
	assert_string_equal(sorted("0,2-3,6-7"), "0 2 3 6 7");
}

/* Two P cores of two threads, a cluster of four E cores with an L2 of their own below
 * the same L3, and two low-power E cores outside of it: their last level is the L2. */
static void hybrid(void **state)
{
	(void)state;
	online("0-9");
	cpu(0, "0-1", "0-1", "0-7");
	cpu(1, "0-1", "0-1", "0-7");
	cpu(2, "2-3", "2-3", "0-7");
	cpu(3, "2-3", "2-3", "0-7");
	for (unsigned i = 4; i < 8; i++)
		cpu(i, (const char *[]){ "4", "5", "6", "7" }[i - 4], "4-7", "0-7");
	cpu(8, "8", "8-9", NULL);
	cpu(9, "9", "8-9", NULL);
	assert_int_equal(topology_read(dir, &t), 0);
	assert_int_equal(t.nllcs, 2);
	assert_int_equal(t.llc[4], 0);
	assert_int_equal(t.llc[8], 1);
	assert_int_equal(t.core[3], 2);
	assert_int_equal(t.core[5], 5);
}

/* A level-1 instruction cache alone is no last level; the older name of a core's list. */
static void odd_ones(void **state)
{
	(void)state;
	online("0-2");
	cache(0, 0, 1, "Instruction", "0-2");
	cache(1, 0, 2, "Unified", "0,2"); /* does not name itself */
	tree_put(dir, "0-1", CPU "/cpu0/topology/thread_siblings_list");
	tree_put(dir, "rubbish", CPU "/cpu2/topology/core_cpus_list");
	assert_int_equal(topology_read(dir, &t), 0);
	assert_int_equal(t.nllcs, 0);
	assert_int_equal(t.llc[0], -1);
	assert_int_equal(t.core[1], 0);
	assert_int_equal(t.core[2], 2);
}

static void a_host_that_tells_nothing(void **state)
{
	(void)state;
	assert_int_equal(topology_read(dir, &t), -ENOENT);
	online("green");
	assert_int_equal(topology_read(dir, &t), -EPROTO);
	online("0-3");
	assert_int_equal(topology_read(dir, &t), 0);
	assert_false(t.has_cores);
	assert_int_equal(t.nllcs, 0);
	assert_string_equal(sorted("0-3"), "0 1 2 3");
}

static void this_host(void **state)
{
	cpu_set_t one;

	(void)state;
	if (topology_read("/sys", &t) < 0)
		skip();
	topology_one_a_core(&t, &t.online, &one);
	assert_in_range(CPU_COUNT(&one), 1, CPU_COUNT(&t.online));
}

/* ---- what --cpus makes of it ---- */

/* The set as text, or the error's sentence. */
static const char *cpus(enum cpus_kind kind, unsigned number, const char *allowed)
{
	static char text[TEXT_CPUS_BYTES];
	cpu_set_t may, set;

	assert_int_equal(parse_cpus(allowed, &may), 0);
	conf.cpus_kind = kind;
	conf.cpus_number = number;
	e.msg[0] = '\0';
	if (config_cpus(&conf, &t, &may, &set, &e) < 0)
		return e.msg;
	text_cpus(&set, text);
	return text;
}

static void physical_is_one_thread_a_core(void **state)
{
	(void)state;
	laptop();
	assert_string_equal(cpus(CPUS_PHYSICAL, 0, "0-7"), "0-3");
	assert_string_equal(cpus(CPUS_PHYSICAL, 0, "2-7"), "2-5");
	assert_string_equal(cpus(CPUS_PHYSICAL, 0, "1,5"), "1");
	assert_string_equal(cpus(CPUS_ALL, 0, "2-7"), "2-7");
	two_nodes();
	assert_string_equal(cpus(CPUS_PHYSICAL, 0, "0-7"), "0-7");
}

static void nodes_by_number(void **state)
{
	(void)state;
	two_nodes();
	assert_string_equal(cpus(CPUS_NUMA, 1, "0-7"), "1,3,5,7");
	assert_string_equal(cpus(CPUS_NUMA, 1, "0-3"), "1,3");
	assert_non_null(strstr(cpus(CPUS_NUMA, 2, "0-7"), "numa:2: there is no such node with "
							  "CPUs; those that there are: 0-1"));
	assert_int_equal(e.code, -EINVAL);
	assert_non_null(
		strstr(cpus(CPUS_NUMA, 1, "0,2"), "(1,3,5,7) none may be used; usable are: 0,2"));
	assert_int_equal(e.code, -EINVAL);
}

static void caches_by_number(void **state)
{
	(void)state;
	two_nodes();
	assert_string_equal(cpus(CPUS_LLC, 0, "0-5"), "0,2,4");
	assert_non_null(strstr(cpus(CPUS_LLC, 2, "0-7"), "those that there are: 0-1"));
	assert_int_equal(e.code, -EINVAL);
	laptop();
	assert_non_null(strstr(cpus(CPUS_LLC, 1, "0-7"), "there is only one last-level cache: 0"));
}

static void what_the_host_does_not_tell_is_said(void **state)
{
	(void)state;
	online("0-3");
	assert_int_equal(topology_read(dir, &t), 0);
	assert_string_equal(cpus(CPUS_ALL, 0, "0-3"), "0-3");
	assert_non_null(strstr(cpus(CPUS_LLC, 0, "0-3"), "does not tell which CPUs share a cache"));
	assert_int_equal(e.code, -EOPNOTSUPP);
	assert_non_null(strstr(cpus(CPUS_NUMA, 0, "0-3"), "tells of no NUMA nodes"));
	assert_int_equal(e.code, -EOPNOTSUPP);
	assert_non_null(strstr(cpus(CPUS_PHYSICAL, 0, "0-3"), "which CPUs share a core"));
	assert_int_equal(e.code, -EOPNOTSUPP);
}

static void a_list_as_far_as_it_is_allowed(void **state)
{
	(void)state;
	laptop();
	assert_int_equal(parse_cpus("2-3,5", &conf.cpus_listed), 0);
	assert_string_equal(cpus(CPUS_LIST, 0, "0-7"), "2-3,5");
	assert_string_equal(cpus(CPUS_LIST, 0, "3-4"), "3");
	assert_non_null(strstr(cpus(CPUS_LIST, 0, "0"), "usable are: 0"));
}

/* ---- the own place in a hierarchy ---- */

#define V1(root, at, opts) "31 30 0:27 " root " " at " rw,relatime - cgroup cgroup rw," opts "\n"
#define V2(root, at)	   "40 30 0:33 " root " " at " rw shared:4 - cgroup2 cgroup2 rw\n"

static void find(const char *mounts, const char *own, bool v2, const char *mount, const char *place)
{
	struct hierarchy h;
	bool found;

	tree_put(dir, mounts, "mountinfo");
	tree_put(dir, own, "cgroup");
	found = hierarchy_find(dir, v2, "cpuset", &h);
	assert_int_equal(found, mount != NULL);
	if (mount) {
		assert_string_equal(h.mount, mount);
		assert_string_equal(h.own, place);
	}
}

static void own_places(void **state)
{
	static const char both[] = V1("/", "/c/cpu", "cpu,cpuacct")
		V1("/", "/c/cpuset", "cpuset,noprefix") V2("/", "/c/unified");
	static const char own[] = "3:cpuset:/a\n2:cpu,cpuacct:/\n0::/user/x";

	(void)state;
	find(both, own, false, "/c/cpuset", "/a");
	find(both, own, true, "/c/unified", "/user/x");
	find(V2("/", "/c"), own, false, NULL, NULL);
	find(both, "2:cpu,cpuacct:/", false, NULL, NULL);
	/* Docker with v1: the mount shows a part, the path is the host's. */
	find(V1("/docker/1", "/c", "cpuset"), "3:cpuset:/docker/1", false, "/c", "/");
	find(V1("/docker/1", "/c", "cpuset"), "3:cpuset:/docker/1/sub", false, "/c", "/sub");
	find(V1("/docker/1", "/c", "cpuset"), "3:cpuset:/docker/12", false, "/c", "/");
	/* Moved outside of its own namespace. */
	find(V2("/", "/c"), "0::/../other", true, "/c", "/");
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(threads_of_a_core),
		T(nodes_and_their_caches),
		T(holes),
		T(hybrid),
		T(odd_ones),
		T(a_host_that_tells_nothing),
		T(this_host),
		T(physical_is_one_thread_a_core),
		T(nodes_by_number),
		T(caches_by_number),
		T(what_the_host_does_not_tell_is_said),
		T(a_list_as_far_as_it_is_allowed),
		T(own_places),
	};

	return cmocka_run_group_tests_name("topology", tests, NULL, NULL);
}
