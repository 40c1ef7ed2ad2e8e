/* SPDX-License-Identifier: MIT */
/* test_deal.c - which CPUs each slot gets, on one machine and over several pools. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "super/pool.h"

#define SLOTS 64

static struct master m;
static struct pool pools[3];
static struct pool *pool_list[3];
static struct generation gens[3];
static struct slot slots[3][SLOTS], *slot_lists[3][SLOTS];

/* n CPUs, in cores of two threads, in caches of that many CPUs. */
static void machine(unsigned n, bool adjacent, unsigned cache)
{
	memset(&m, 0, sizeof(m));
	memset(pools, 0, sizeof(pools));
	memset(slots, 0, sizeof(slots));
	m.pools = pool_list;
	for (unsigned i = 0; i < n; i++) {
		CPU_SET(i, &m.topology.online);
		m.topology.core[i] = (short)(adjacent ? i & ~1u : i % (n / 2));
		m.topology.llc[i] = (short)(i / cache);
	}
}

/* Another pool; the slots' CPUs as text: "0-3 4-7". */
static const char *deal(unsigned workers, const char *cpus)
{
	static char text[1024];
	struct pool *p = &pools[m.npools];
	size_t used = 0;

	assert_in_range(workers, 1, SLOTS);
	assert_int_equal(parse_cpus(cpus, &p->cpus), 0);
	p->master = &m;
	p->gen = &gens[m.npools];
	p->gen->cage.words = CAGE_BIT(CAGE_PIN);
	p->slots = slot_lists[m.npools];
	for (unsigned i = 0; i < workers; i++)
		p->slots[i] = &slots[m.npools][i];
	pool_list[m.npools++] = p;
	p->nslots = workers;
	pool_deal_cpus(p);
	for (unsigned i = 0; i < workers; i++) {
		char one[TEXT_CPUS_BYTES];

		text_cpus(&p->slots[i]->cpus, one);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? " " : "",
					 one);
	}
	return text;
}

static void one_each(void **state)
{
	(void)state;
	machine(4, false, 4);
	assert_string_equal(deal(4, "0-3"), "0 1 2 3");
	machine(4, false, 4);
	assert_string_equal(deal(1, "2"), "2");
	machine(4, false, 4);
	assert_string_equal(deal(2, "1,3"), "1 3");
}

/* A free core before the other thread of one in use: also the few that are ready first
 * and those that a smaller pool keeps have cores to themselves. */
static void cores_before_threads(void **state)
{
	(void)state;
	machine(8, false, 8);
	assert_string_equal(deal(8, "0-7"), "0 1 2 3 4 5 6 7");
	machine(8, true, 8);
	assert_string_equal(deal(8, "0-7"), "0 2 4 6 1 3 5 7");
}

static void more_workers_than_cpus(void **state)
{
	(void)state;
	machine(4, false, 4);
	assert_string_equal(deal(6, "0-3"), "0 1 2 3 0 1");
	machine(4, false, 4);
	assert_string_equal(deal(3, "1"), "1 1 1");
	machine(4, true, 4);
	assert_string_equal(deal(6, "0-3"), "0 2 1 3 0 2");
}

static void shares_are_equal_and_neighbours(void **state)
{
	(void)state;
	machine(8, false, 8);
	assert_string_equal(deal(2, "0-7"), "0-1,4-5 2-3,6-7");
	machine(8, false, 8);
	assert_string_equal(deal(4, "0-7"), "0,4 1,5 2,6 3,7");
	machine(8, true, 4);
	assert_string_equal(deal(2, "0-7"), "0-3 4-7");
	machine(8, true, 4);
	assert_string_equal(deal(1, "0-7"), "0-7");
	machine(8, true, 8);
	assert_string_equal(deal(3, "0-7"), "0-2 3-5 6-7"); /* by one at most */
}

static void over_all_pools(void **state)
{
	(void)state;
	machine(4, true, 4);
	assert_string_equal(deal(2, "0-1"), "0 1");
	assert_string_equal(deal(5, "0-3"), "2 3 0 2 1");
	assert_string_equal(deal(4, "0-3"), "3 0 2 1");
	machine(4, true, 4);
	assert_string_equal(deal(1, "0-3"), "0-3");
	assert_string_equal(deal(4, "0-3"), "0 2 1 3");
}

static void unpinned_pools_do_not_count(void **state)
{
	(void)state;
	machine(4, false, 4);
	(void)deal(2, "0-1");
	gens[0].cage.words = 0;
	assert_string_equal(deal(6, "0-3"), "0 1 2 3 0 1");
}

static void dealt_again_it_is_the_same(void **state)
{
	char before[TEXT_CPUS_BYTES], after[TEXT_CPUS_BYTES];

	(void)state;
	machine(8, true, 4);
	(void)deal(6, "0-7");
	(void)deal(11, "0-7");
	for (unsigned i = 0; i < 11; i++) {
		text_cpus(&pools[1].slots[i]->cpus, before);
		pool_deal_cpus(&pools[1]);
		text_cpus(&pools[1].slots[i]->cpus, after);
		assert_string_equal(before, after);
	}
}

/* Nothing known of the host, as in a container without /sys. */
static void without_a_topology(void **state)
{
	(void)state;
	machine(0, false, 1);
	assert_string_equal(deal(2, "0-3"), "0-1 2-3");
	machine(0, false, 1);
	assert_string_equal(deal(5, "0-3"), "0 1 2 3 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_each),
		cmocka_unit_test(cores_before_threads),
		cmocka_unit_test(more_workers_than_cpus),
		cmocka_unit_test(shares_are_equal_and_neighbours),
		cmocka_unit_test(over_all_pools),
		cmocka_unit_test(unpinned_pools_do_not_count),
		cmocka_unit_test(dealt_again_it_is_the_same),
		cmocka_unit_test(without_a_topology),
	};

	return cmocka_run_group_tests_name("deal", tests, NULL, NULL);
}
