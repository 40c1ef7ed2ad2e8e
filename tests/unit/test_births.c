/* SPDX-License-Identifier: MIT */
/* Births of all pools together: few at once, and none that waits for ever in the way. */
#define _GNU_SOURCE
#include "world.h"

#include <fcntl.h>
#include <unistd.h>

#include "super/births.h"
#include "tree.h"

static char dir[32];

static int setup(void **state)
{
	int r = world_setup(state);

	strcpy(dir, "/tmp/test_births.XXXXXX");
	return r == 0 && mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	tree_remove(dir);
	births_close(&w.m);
	return world_teardown(state);
}

static void start(unsigned at_once)
{
	w.config.parallel = at_once;
	births_open(&w.m);
	start_pools(2);
}

static struct life *api(unsigned slot)
{
	return w.pools[1].slots[slot]->current;
}

static void the_next_follows_the_one_that_is_ready(void **state)
{
	(void)state;
	start(1);
	assert_int_equal(w.births, 1);
	assert_null(api(0));
	get_ready(at(0));
	/* In turn: the other pool first, though the first has three to go. */
	assert_int_equal(w.births, 2);
	assert_non_null(api(0));
	for (unsigned i = 3; i <= 6; i++) {
		for (unsigned k = 0; k < w.nalive; k++)
			if (w.alive[k]->in_birth) {
				get_ready(w.alive[k]);
				break;
			}
		assert_int_equal(w.births, i);
	}
	all_ready();
	assert_int_equal(told("pool.ready"), 2);
	assert_true(list_empty(&w.m.births.waiting));
	assert_false(w.m.births.timer.armed);
}

static void one_that_dies_makes_room(void **state)
{
	(void)state;
	start(1);
	while (at(0)) /* the first replacement comes at once */
		dies(at(0), 1, 0);
	assert_non_null(api(0));
}

/* It uses no CPU: it waits for something else. */
static void an_idle_birth_does_not_hold_others_up(void **state)
{
	(void)state;
	start(1);
	pass(200);
	assert_null(api(0));
	pass(500);
	assert_non_null(api(0));
	assert_true(at(0)->in_birth);
}

static void a_busy_one_holds_others_up_for_ten_seconds(void **state)
{
	char text[64];

	(void)state;
	start(1);
	at(0)->leaf_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(at(0)->leaf_fd >= 0);
	for (unsigned ms = 100; ms < 10000; ms += 100) {
		(void)snprintf(text, sizeof(text), "usage_usec %u", ms * 500);
		tree_put(dir, text, "cpu.stat");
		pass(100);
		assert_null(api(0));
	}
	pass(400);
	assert_non_null(api(0));
	(void)close(at(0)->leaf_fd);
	at(0)->leaf_fd = -1;
}

/* What a death asks for comes at once: a client may be waiting. */
static void a_replacement_does_not_wait(void **state)
{
	(void)state;
	w.conf[0].workers = w.conf[1].workers = 1;
	start(1);
	get_ready(at(0));
	assert_true(api(0)->in_birth);
	dies(at(0), 0, SIGKILL);
	assert_non_null(at(0));
	assert_int_equal(w.m.births.n, 2);
}

static void a_pool_that_goes_waits_no_more(void **state)
{
	(void)state;
	start(1);
	assert_false(list_empty(&w.m.births.waiting));
	births_forget(&w.pools[1]);
	assert_true(list_empty(&w.m.births.waiting));
	get_ready(at(0));
	assert_null(api(0));
	pool_kick(&w.pools[1]);
}

static void what_one_pool_was_given_it_has(void **state)
{
	(void)state;
	w.conf[0].workers = 200;
	w.conf[0].parallel = 150;
	start(0);
	get_ready(at(0));
	assert_int_equal(w.births, 1 + 1 + 149); /* api's first is one of the 150 */
}

static void one_pool_alone_has_its_own_bound(void **state)
{
	(void)state;
	w.conf[0].workers = 200;
	w.conf[0].parallel = 180;
	births_open(&w.m);
	start_pools(1);
	get_ready(at(0));
	assert_int_equal(w.births, 1 + 180);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_next_follows_the_one_that_is_ready),
		T(one_that_dies_makes_room),
		T(an_idle_birth_does_not_hold_others_up),
		T(a_busy_one_holds_others_up_for_ten_seconds),
		T(a_replacement_does_not_wait),
		T(a_pool_that_goes_waits_no_more),
		T(what_one_pool_was_given_it_has),
		T(one_pool_alone_has_its_own_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
