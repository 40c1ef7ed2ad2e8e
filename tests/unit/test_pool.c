/* SPDX-License-Identifier: MIT */
/* test_pool.c - pools and the master: the start, the states, the way to the end. */
#define _GNU_SOURCE
#include "world.h"

/* ---- the start ---- */

static void one_is_tried_first_then_the_others_follow(void **state)
{
	(void)state;
	w.conf[0].workers = 10;
	w.conf[0].parallel = 3;
	start_pools(1);
	assert_int_equal(w.births, 1);
	get_ready(at(0));
	assert_int_equal(w.births, 4);
	assert_int_equal(w.pools[0].in_birth, 3);
	get_ready(at(2));
	assert_int_equal(w.births, 5);
	all_ready();
	assert_int_equal(w.births, 10);
	assert_int_equal(told("pool.ready"), 1);
	assert_int_equal(told("master.ready"), 1);
	assert_int_equal(logged("ready: 10 workers"), 1);
}

/* A syntax error: tried by one worker alone, given up within seconds. */
static void a_syntax_error_ends_the_instance(void **state)
{
	uint64_t begin;

	(void)state;
	start_pools(1);
	begin = w.now;
	for (unsigned i = 0; w.idle == 0; i++) {
		assert_in_range(i, 0, 100);
		if (at(0))
			dies(at(0), 1, 0);
		else
			pass(100);
	}
	assert_int_equal(w.births, 5);
	assert_in_range(w.now - begin, 700, 2000);
	assert_int_equal(told("worker.boot_failure"), 5);
	assert_int_equal(told("worker.failed"), 1);
	assert_int_equal(told("pool.failed"), 1);
	assert_int_equal(w.m.exit_code, EXIT_ALL_FAILED);
	assert_int_equal(w.nalive, 0);
	assert_true(list_empty(&w.m.loop.timers));
}

static void late_starters_that_fail_degrade_the_pool(void **state)
{
	(void)state;
	start_pools(1);
	get_ready(at(0));
	get_ready(at(1));
	get_ready(at(2));
	for (unsigned i = 0; i < 5; i++) {
		dies(at(3), 1, 0);
		pass(1000);
	}
	assert_int_equal(w.pools[0].slots[3]->state, SLOT_FAILED);
	assert_int_equal(w.pools[0].phase, POOL_DEGRADED);
	assert_int_equal(told("pool.degraded"), 1);
	assert_int_equal(told("master.ready"), 0);
	pass(600000);
	get_ready(at(3));
	assert_int_equal(w.pools[0].phase, POOL_READY);
	assert_int_equal(told("master.ready"), 1);
}

/* ---- states of a pool ---- */

static void a_pool_without_ready_workers_is_degraded(void **state)
{
	(void)state;
	w.conf[0].workers = 2;
	start_pools(1);
	all_ready();
	forget();
	dies(at(0), 1, 0);
	assert_int_equal(w.pools[0].phase, POOL_READY); /* one serves: no news */
	dies(at(1), 1, 0);
	assert_int_equal(w.pools[0].phase, POOL_DEGRADED);
	assert_int_equal(told("pool.degraded"), 1);
	get_ready(at(0));
	get_ready(at(1));
	assert_int_equal(w.pools[0].phase, POOL_READY);
	assert_int_equal(told("pool.ready"), 1);
	assert_int_equal(told("master.ready"), 0);
	assert_string_equal(w.pools[0].reason, "");
}

/* The workers of each slot die until it fails. */
static void fail_all(struct pool *p)
{
	for (unsigned i = 0; i < p->nslots; i++) {
		struct slot *s = p->slots[i];

		for (unsigned n = 0; s->state == SLOT_LIVE || s->state == SLOT_BACKOFF; n++) {
			assert_in_range(n, 0, 1000);
			if (s->current)
				dies(s->current, 1, 0);
			else
				pass(s->timer.at_ms - w.now);
		}
	}
}

static void a_pool_whose_slots_all_failed_has_failed(void **state)
{
	(void)state;
	w.conf[0].spares = 1;
	start_pools(1);
	all_ready();
	fail_all(&w.pools[0]);
	while (w.nalive > 0) /* the spares */
		dies(w.alive[0], 0, SIGTERM);
	assert_int_equal(told("pool.failed"), 1);
	assert_int_equal(w.m.exit_code, EXIT_ALL_FAILED);
	assert_true(w.idle > 0);
	assert_true(list_empty(&w.m.loop.timers));
}

static void hold_waits_for_reset(void **state)
{
	struct pool *p = &w.pools[0];

	(void)state;
	w.conf[0].on_failed = ON_FAILED_HOLD;
	start_pools(1);
	all_ready();
	fail_all(p);
	assert_int_equal(p->phase, POOL_FAILED);
	assert_int_equal(w.nalive, 0);
	assert_int_equal(w.idle, 0);
	pass(UINT64_C(86400000));
	assert_int_equal(w.nalive, 0);
	assert_int_equal(pool_reset(p, -1), 4);
	check_world();
	all_ready();
	assert_int_equal(p->phase, POOL_READY);
	dies(at(0), 1, 0);
	assert_int_equal(last_told("worker.respawn")->count, 1);
}

static void hold_waits_for_reset_though_never_ready(void **state)
{
	struct pool *p = &w.pools[0];

	(void)state;
	w.conf[0].on_failed = ON_FAILED_HOLD;
	start_pools(1);
	fail_all(p);
	assert_int_equal(p->phase, POOL_FAILED);
	assert_int_equal(w.nalive, 0);
	forget();
	assert_int_equal(pool_reset(p, -1), 1);
	assert_int_equal(w.births, 1); /* one first, again */
	all_ready();
	assert_int_equal(p->phase, POOL_READY);
	assert_int_equal(told("master.ready"), 1);
}

static void a_held_pool_leaves_no_timer(void **state)
{
	(void)state;
	w.conf[0].on_failed = ON_FAILED_HOLD;
	w.conf[0].spares = 2;
	start_pools(1);
	all_ready();
	while (spare_in(LIFE_STARTING))
		park(spare_in(LIFE_STARTING));
	fail_all(&w.pools[0]);
	while (w.nalive > 0)
		dies(w.alive[0], 0, SIGTERM);
	assert_int_equal(w.pools[0].phase, POOL_FAILED);
	assert_true(list_empty(&w.m.loop.timers));
}

static void reset_of_one_slot_starts_that_one(void **state)
{
	struct pool *p = &w.pools[0];

	(void)state;
	w.conf[0].restart_limit.count = 0;
	start_pools(1);
	all_ready();
	dies(at(1), 1, 0);
	dies(at(2), 1, 0);
	forget();
	assert_int_equal(pool_reset(p, 0), 0);
	assert_int_equal(pool_reset(p, 2), 1);
	assert_int_equal(w.births, 1);
	get_ready(at(2));
	assert_int_equal(p->phase, POOL_DEGRADED);
	assert_int_equal(pool_reset(p, -1), 1);
	get_ready(at(1));
	assert_int_equal(p->phase, POOL_READY);
}

static void reset_ends_a_backoff(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	dies(at(0), 1, 0);
	get_ready(at(0));
	dies(at(0), 1, 0);
	assert_null(at(0));
	assert_int_equal(pool_reset(&w.pools[0], -1), 1);
	assert_non_null(at(0));
	assert_false(w.pools[0].slots[0]->timer.armed);
	pass(1000);
	assert_int_equal(w.nalive, 4);
}

/* ---- stops ---- */

static void a_stop_in_every_state(void **state)
{
	struct pool *p = &w.pools[0];
	struct life *old;

	(void)state;
	w.conf[0].workers = 7;
	w.conf[0].spares = 2;
	w.conf[0].parallel = 10;
	start_pools(1);
	all_ready();
	park(spare_in(LIFE_STARTING)); /* one parked, one starting */
	w.conf[0].restart_limit.count = 0;
	dies(at(1), 1, 0); /* failed */
	w.conf[0].restart_limit.count = 10;
	dies(at(2), 1, 0); /* that spare joins */
	get_ready(at(3));
	dies(at(3), 1, 0); /* starting */
	dies(at(4), 1, 0);
	get_ready(at(4));
	dies(at(4), 1, 0); /* backoff */
	old = at(5);
	life_suicide(old, "", 0); /* draining, and its replacement */
	assert_int_equal(at(2)->state, LIFE_JOINING);
	assert_int_equal(at(3)->state, LIFE_STARTING);
	assert_int_equal(p->slots[4]->state, SLOT_BACKOFF);
	forget();
	master_stop(&w.m, 0);
	check_world();
	assert_int_equal(p->phase, POOL_DRAINING);
	assert_int_equal(w.births, 0);
	assert_int_equal(p->slots[1]->state, SLOT_STOPPED);
	assert_int_equal(p->slots[4]->state, SLOT_STOPPED);
	assert_int_equal(at(0)->state, LIFE_DRAINING);
	assert_int_equal(at(2)->state, LIFE_STOPPING);
	pass(200000); /* the worst ones: each is killed in the end */
	for (unsigned i = 0; i < w.nalive; i++)
		assert_int_equal(w.alive[i]->state, LIFE_KILLED);
	while (w.nalive > 0) {
		assert_int_equal(w.idle, 0);
		dies(w.alive[0], 0, SIGKILL);
	}
	assert_int_equal(w.idle, 1);
	assert_int_equal(w.births, 0);
	assert_int_equal(told("pool.stop"), 1);
	assert_int_equal(told("master.stop"), 1);
	assert_int_equal(p->phase, POOL_STOPPED);
	assert_int_equal(w.m.exit_code, 0);
	assert_true(list_empty(&w.m.loop.timers));
}

static void the_end_waits_for_empty_leaves(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	master_stop(&w.m, 0);
	w.keep_leaves = true;
	for (unsigned i = 0; i < 4; i++)
		dies(at(i), 0, 0);
	assert_int_equal(w.idle, 0);
	assert_int_equal(w.m.lives, 4);
	empty_leaves();
	assert_int_equal(w.idle, 1);
}

static void a_second_stop_kills(void **state)
{
	struct life *old;

	(void)state;
	w.conf[0].spares = 1;
	start_pools(1);
	all_ready();
	park(spare_in(LIFE_STARTING));
	dies(at(3), 1, 0);
	old = at(0);
	life_suicide(old, "", 0);
	master_stop(&w.m, 0);
	forget();
	master_end_at_once(&w.m);
	check_world();
	for (unsigned i = 0; i < w.nalive; i++)
		assert_int_equal(w.alive[i]->state, LIFE_KILLED);
	assert_int_equal(w.m.exit_code, 1);
	master_end_at_once(&w.m); /* and a third */
	while (w.nalive > 0)
		dies(w.alive[0], 0, SIGKILL);
	assert_int_equal(w.idle, 1);
	assert_int_equal(w.m.exit_code, 1);
	assert_int_equal(w.births, 0);
}

static void a_stop_before_anyone_was_ready(void **state)
{
	(void)state;
	start_pools(1);
	master_stop(&w.m, 0);
	dies(at(0), 0, SIGKILL);
	assert_int_equal(w.idle, 1);
	assert_int_equal(w.births, 1);
	assert_int_equal(told("worker.boot_failure"), 0);
	assert_int_equal(w.m.exit_code, 0);
}

static void a_stop_of_a_held_pool_is_a_stop(void **state)
{
	(void)state;
	w.conf[0].on_failed = ON_FAILED_HOLD;
	start_pools(1);
	fail_all(&w.pools[0]);
	assert_int_equal(w.idle, 0);
	master_stop(&w.m, 0);
	assert_int_equal(w.idle, 1);
	assert_int_equal(w.m.exit_code, 0);
}

static void nothing_is_born_in_a_stop(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	master_stop(&w.m, 0);
	forget();
	dies(at(0), 1, 0);
	pool_kick(&w.pools[0]);
	assert_int_equal(pool_reset(&w.pools[0], -1), 0);
	pass(1000);
	assert_int_equal(w.births, 0);
	while (w.nalive > 0)
		dies(w.alive[0], 0, 0);
	pool_kick(&w.pools[0]);
	assert_int_equal(w.births, 0);
}

/* ---- several pools ---- */

static void one_failed_pool_does_not_end_the_other(void **state)
{
	(void)state;
	start_pools(2);
	all_ready();
	assert_int_equal(told("master.ready"), 1);
	fail_all(&w.pools[1]);
	assert_int_equal(w.pools[1].phase, POOL_FAILED);
	assert_int_equal(w.pools[0].phase, POOL_READY);
	assert_int_equal(w.idle, 0);
	pass(3600000);
	assert_int_equal(w.nalive, 4);
	master_stop(&w.m, 0);
	while (w.nalive > 0)
		dies(w.alive[0], 0, 0);
	assert_int_equal(w.idle, 1);
	assert_int_equal(w.m.exit_code, 0);
}

static void all_pools_failed_is_70(void **state)
{
	(void)state;
	start_pools(2);
	all_ready();
	fail_all(&w.pools[0]);
	assert_int_equal(w.idle, 0);
	fail_all(&w.pools[1]);
	assert_true(w.idle > 0);
	assert_int_equal(w.m.exit_code, EXIT_ALL_FAILED);
}

static void names_of_states_are_the_contract_s(void **state)
{
	(void)state;
	assert_string_equal(pool_state_name(POOL_STARTING), "starting");
	assert_string_equal(pool_state_name(POOL_READY), "ready");
	assert_string_equal(pool_state_name(POOL_DEGRADED), "degraded");
	assert_string_equal(pool_state_name(POOL_RELOADING), "reloading");
	assert_string_equal(pool_state_name(POOL_DRAINING), "draining");
	assert_string_equal(pool_state_name(POOL_FAILED), "failed");
	assert_string_equal(pool_state_name(POOL_STOPPED), "stopped");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		W(one_is_tried_first_then_the_others_follow),
		W(a_syntax_error_ends_the_instance),
		W(late_starters_that_fail_degrade_the_pool),
		W(a_pool_without_ready_workers_is_degraded),
		W(a_pool_whose_slots_all_failed_has_failed),
		W(hold_waits_for_reset),
		W(hold_waits_for_reset_though_never_ready),
		W(a_held_pool_leaves_no_timer),
		W(reset_of_one_slot_starts_that_one),
		W(reset_ends_a_backoff),
		W(a_stop_in_every_state),
		W(the_end_waits_for_empty_leaves),
		W(a_second_stop_kills),
		W(a_stop_before_anyone_was_ready),
		W(a_stop_of_a_held_pool_is_a_stop),
		W(nothing_is_born_in_a_stop),
		W(one_failed_pool_does_not_end_the_other),
		W(all_pools_failed_is_70),
		W(names_of_states_are_the_contract_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
