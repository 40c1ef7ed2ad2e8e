/* SPDX-License-Identifier: MIT */
/* test_restart.c - what a person asks: stop, start and restart of pools and slots. */
#define _GNU_SOURCE
#include "world.h"

static void restart(struct pool *p, int slot)
{
	struct err e;

	assert_int_equal(pool_restart(p, slot, &e), 0);
	check_world();
}

static void begin(struct pool *p, int slot)
{
	struct err e;

	assert_int_equal(pool_begin(p, slot, &e), 0);
	check_world();
}

static void halt(struct pool *p, unsigned slot)
{
	pool_halt(p, slot);
	check_world();
}

static void all_die(void)
{
	while (w.nalive > 0)
		dies(w.alive[0], 0, SIGTERM);
}

static void stop_and_wait(struct pool *p)
{
	pool_stop(p);
	all_die();
	assert_int_equal(p->phase, POOL_STOPPED);
}

/* ---- restart ---- */

static void restart_ends_and_begins_again_uncounted(void **state)
{
	struct pool *p = &w.pools[0];
	struct life *old[4];

	(void)state;
	start_pools(1);
	all_ready();
	forget();
	for (unsigned i = 0; i < 4; i++)
		old[i] = at(i);
	restart(p, -1);
	assert_int_equal(w.drained, 4);
	restart(p, -1); /* twice at once is once */
	for (unsigned i = 0; i < 4; i++) {
		assert_ptr_equal(at(i), old[i]);
		dies(old[i], 0, 0);
		assert_non_null(at(i));
		assert_int_equal(last_told("worker.exit")->reason, REASON_RESTART);
		get_ready(at(i));
	}
	assert_int_equal(w.births, 4);
	assert_int_equal(told("worker.respawn"), 0);
	assert_int_equal(p->slots[0]->total_restarts, 0);
	assert_int_equal(p->phase, POOL_READY);
}

static void restart_of_one_slot_in_each_state(void **state)
{
	struct pool *p = &w.pools[0];

	(void)state;
	start_pools(1);
	all_ready();
	/* in backoff: at once */
	dies(at(0), 1, 0);
	get_ready(at(0));
	dies(at(0), 1, 0);
	assert_int_equal(p->slots[0]->state, SLOT_BACKOFF);
	forget();
	restart(p, 0);
	assert_non_null(at(0));
	assert_false(p->slots[0]->timer.armed);
	/* in birth: ended, born again */
	restart(p, 0);
	dies(at(0), 0, SIGKILL);
	assert_non_null(at(0));
	assert_int_equal(told("worker.boot_failure"), 0);
	get_ready(at(0));
	assert_int_equal(told("worker.respawn"), 0);
}

static void a_stop_wins_over_a_restart(void **state)
{
	struct pool *p = &w.pools[0];

	(void)state;
	start_pools(1);
	all_ready();
	forget();
	restart(p, -1);
	pool_stop(p);
	for (unsigned i = 0; i < 4; i++)
		dies(at(i), 0, SIGTERM);
	assert_int_equal(w.births, 0);
	assert_int_equal(p->phase, POOL_STOPPED);
}

static void start_begins_what_failed(void **state)
{
	struct pool *p = &w.pools[0];

	(void)state;
	w.conf[0].on_failed = ON_FAILED_HOLD;
	w.conf[0].restart_limit.count = 0;
	start_pools(1);
	all_ready();
	for (unsigned i = 0; i < 4; i++)
		dies(at(i), 1, 0);
	assert_int_equal(p->phase, POOL_FAILED);
	forget();
	begin(p, 2);
	assert_int_equal(w.births, 1);
	assert_non_null(at(2));
	begin(p, -1);
	assert_non_null(at(0));
	for (unsigned i = 0; i < 4; i++)
		if (at(i))
			get_ready(at(i));
	pass(100);
	assert_int_equal(p->phase, POOL_READY);
	begin(p, -1); /* all live: nothing */
	assert_int_equal(w.births, 4);
}

static void restart_replaces_spares_too(void **state)
{
	struct life *spare;

	(void)state;
	w.conf[0].spares = 1;
	start_pools(1);
	all_ready();
	spare = spare_in(LIFE_STARTING);
	park(spare);
	forget();
	restart(&w.pools[0], -1);
	assert_int_equal(spare->state, LIFE_STOPPING);
	dies(spare, 0, SIGTERM);
	assert_false(w.pools[0].spare_slot.timer.armed); /* not the spare's fault */
	for (unsigned i = 0; i < 4; i++) {
		dies(at(i), 0, 0);
		get_ready(at(i));
	}
	assert_non_null(spare_in(LIFE_STARTING));
	/* Of one slot alone: its siblings and the spare stay. */
	park(spare_in(LIFE_STARTING));
	spare = spare_in(LIFE_PARKED);
	forget();
	restart(&w.pools[0], 2);
	dies(at(2), 0, 0);
	get_ready(at(2));
	assert_ptr_equal(spare_in(LIFE_PARKED), spare);
	assert_int_equal(w.births, 1);
}

static void restart_of_the_first_that_starts(void **state)
{
	(void)state;
	start_pools(1);
	restart(&w.pools[0], -1);
	assert_int_equal(at(0)->state, LIFE_KILLED); /* not even born */
	dies(at(0), 0, SIGKILL);
	assert_int_equal(told("worker.boot_failure"), 0);
	all_ready();
	assert_int_equal(w.pools[0].phase, POOL_READY);
}

static void restart_of_one_that_died_just_now(void **state)
{
	struct life *l;
	uint64_t born;

	(void)state;
	w.conf[0].fatal_exit = (uint8_t[]){ 42 };
	w.conf[0].nfatal_exit = 1; /* so that its certificate is waited for */
	w.conf[0].spares = 1;
	start_pools(1);
	all_ready();
	life_parked(w.alive[w.nalive - 1]);
	l = at(0);
	life_lost(l);
	born = w.m.born;
	restart(&w.pools[0], 0);
	dies(l, 42, 0);
	assert_non_null(at(0));
	assert_true(at(0)->number > born); /* the spare is older than the order */
	get_ready(at(0));
	assert_int_equal(told("worker.promoted"), 0);
	dies(at(0), 1, 0);
	assert_true(at(0)->from_spare);
	get_ready(at(0));
	assert_int_equal(w.pools[0].phase, POOL_READY);
}

/* One that hears neither the drain nor the signal. */
static void must_be_killed(struct life *l)
{
	pass(30000);
	assert_ptr_equal(w.last_signalled, l);
	pass(10000);
	assert_ptr_equal(w.last_killed, l);
	dies(l, 0, SIGKILL);
	assert_int_equal(last_told("worker.exit")->reason, REASON_STOP_TIMEOUT);
}

static void restart_of_one_that_must_be_killed(void **state)
{
	struct life *spare;
	uint64_t born;

	(void)state;
	w.conf[0].spares = 1;
	w.conf[0].restart_limit.count = 0;
	start_pools(1);
	all_ready();
	spare = spare_in(LIFE_STARTING);
	park(spare);
	for (unsigned i = 0; i < 3; i++) {
		born = w.m.born;
		forget();
		restart(&w.pools[0], 0);
		must_be_killed(at(0));
		assert_non_null(at(0));
		assert_true(at(0)->number > born); /* the client waits for such a one */
		get_ready(at(0));
		assert_int_equal(told("worker.respawn"), 0);
	}
	assert_ptr_equal(spare_in(LIFE_PARKED), spare);
	assert_int_equal(w.pools[0].slots[0]->total_restarts, 0);
}

static void start_of_a_stopped_one_that_must_be_killed(void **state)
{
	struct pool *p = &w.pools[0];

	(void)state;
	w.conf[0].restart_limit.count = 0;
	start_pools(1);
	all_ready();
	halt(p, 0);
	begin(p, 0);
	must_be_killed(at(0));
	assert_non_null(at(0));
	get_ready(at(0));
	assert_int_equal(p->slots[0]->total_restarts, 0);
	halt(p, 0);
	restart(p, 0);
	halt(p, 0); /* the last word counts */
	must_be_killed(at(0));
	assert_null(at(0));
	assert_int_equal(pool_count_ready(p), 3);
}

/* ---- stop and start of a pool ---- */

static void a_stopped_pool_keeps_its_place_and_the_master(void **state)
{
	struct pool *p = &w.pools[0];

	(void)state;
	w.conf[0].spares = 1;
	start_pools(1);
	all_ready();
	forget();
	stop_and_wait(p);
	assert_int_equal(w.idle, 0);
	assert_int_equal(w.closed, 1);
	assert_int_equal(told("pool.stop"), 1);
	pass(UINT64_C(86400000));
	assert_int_equal(w.births, 0);
	pool_stop(p); /* again: nothing */
	assert_int_equal(told("pool.stop"), 1);
	forget();
	begin(p, -1);
	assert_int_equal(w.opened, 1);
	assert_int_equal(w.births, 1); /* one first, as at the start */
	assert_int_equal(p->phase, POOL_STARTING);
	all_ready();
	assert_int_equal(p->phase, POOL_READY);
	assert_int_equal(pool_count_ready(p), 4);
	assert_int_equal(logged("ready: 4 workers"), 1);
	assert_non_null(spare_in(LIFE_STARTING));
	assert_int_equal(told("master.ready"), 0); /* that was long ago */
}

static void sockets_close_when_the_last_leaf_is_empty(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	w.keep_leaves = true;
	pool_stop(&w.pools[0]);
	for (unsigned i = 0; i < 4; i++)
		dies(at(i), 0, 0);
	assert_int_equal(w.pools[0].phase, POOL_DRAINING);
	assert_int_equal(w.closed, 0);
	empty_leaves();
	assert_int_equal(w.pools[0].phase, POOL_STOPPED);
	assert_int_equal(w.closed, 1);
}

static void sockets_that_are_taken_leave_it_stopped(void **state)
{
	struct pool *p = &w.pools[0];
	struct err e = { 0 };

	(void)state;
	start_pools(1);
	all_ready();
	stop_and_wait(p);
	forget();
	w.listen_result = -EADDRINUSE;
	assert_int_equal(pool_begin(p, -1, &e), -EADDRINUSE);
	assert_string_equal(e.msg, "the port is in use");
	assert_int_equal(pool_restart(p, 1, &e), -EADDRINUSE);
	pass(1000);
	assert_int_equal(w.births, 0);
	assert_int_equal(p->phase, POOL_STOPPED);
	w.listen_result = 0;
	restart(p, -1); /* of what is stopped: a start */
	all_ready();
	assert_int_equal(p->phase, POOL_READY);
}

static void start_while_it_stops_is_refused(void **state)
{
	struct pool *p = &w.pools[0];

	(void)state;
	start_pools(1);
	all_ready();
	pool_stop(p);
	forget();
	begin(p, -1);
	restart(p, -1);
	assert_int_equal(p->phase, POOL_DRAINING);
	all_die();
	assert_int_equal(w.births, 0);
	assert_int_equal(p->phase, POOL_STOPPED);
}

static void a_stopped_pool_ends_with_the_master(void **state)
{
	(void)state;
	start_pools(2);
	all_ready();
	pool_stop(&w.pools[0]);
	stop_and_wait(&w.pools[1]);
	assert_int_equal(w.pools[0].phase, POOL_STOPPED);
	assert_int_equal(w.idle, 0);
	master_stop(&w.m, 0);
	assert_int_equal(w.idle, 1);
	assert_int_equal(w.m.exit_code, 0);
	begin(&w.pools[0], -1); /* too late */
	assert_int_equal(w.nalive, 0);
}

static void a_failed_pool_is_stopped_and_started(void **state)
{
	struct pool *p = &w.pools[0];

	(void)state;
	w.conf[0].on_failed = ON_FAILED_HOLD;
	w.conf[0].boot_limit = 1;
	start_pools(1);
	dies(at(0), 1, 0);
	assert_int_equal(p->phase, POOL_FAILED);
	stop_and_wait(p);
	begin(p, -1);
	all_ready();
	assert_int_equal(p->phase, POOL_READY);
	assert_int_equal(told("master.ready"), 1);
}

/* ---- stop and start of a slot ---- */

static void a_halted_slot_stays_away(void **state)
{
	struct pool *p = &w.pools[0];
	struct life *l;

	(void)state;
	start_pools(1);
	all_ready();
	forget();
	l = at(1);
	halt(p, 1);
	assert_int_equal(l->state, LIFE_DRAINING);
	assert_false(slot_is_empty(p->slots[1]));
	dies(l, 0, 0);
	assert_int_equal(last_told("worker.exit")->reason, REASON_STOP);
	assert_true(slot_is_empty(p->slots[1]));
	pass(600000);
	assert_int_equal(pool_reset(p, -1), 0);
	assert_null(at(1));
	assert_int_equal(w.births, 0);
	assert_int_equal(p->phase, POOL_READY); /* all that are wanted */
	assert_int_equal(told("pool.degraded"), 0);
	/* A sibling's death is its own business. */
	dies(at(0), 1, 0);
	get_ready(at(0));
	assert_null(at(1));
	begin(p, 1);
	get_ready(at(1));
	assert_int_equal(pool_count_ready(p), 4);
	assert_int_equal(w.closed, 0);
}

static void halt_wins_over_restart_backoff_and_failure(void **state)
{
	struct pool *p = &w.pools[0];

	(void)state;
	start_pools(1);
	all_ready();
	/* in a restart */
	restart(p, 0);
	halt(p, 0);
	dies(at(0), 0, 0);
	assert_null(at(0));
	assert_int_equal(p->slots[0]->state, SLOT_STOPPED);
	/* in backoff */
	dies(at(1), 1, 0);
	get_ready(at(1));
	dies(at(1), 1, 0);
	assert_int_equal(p->slots[1]->state, SLOT_BACKOFF);
	halt(p, 1);
	assert_false(p->slots[1]->timer.armed);
	/* failed */
	w.conf[0].restart_limit.count = 0;
	dies(at(2), 1, 0);
	assert_int_equal(p->slots[2]->state, SLOT_FAILED);
	assert_int_equal(p->phase, POOL_DEGRADED);
	halt(p, 2);
	assert_int_equal(p->slots[2]->state, SLOT_STOPPED);
	assert_int_equal(p->phase, POOL_READY);
	pass(3600000);
	assert_int_equal(w.nalive, 1);
	w.conf[0].restart_limit.count = 10;
	begin(p, -1);
	all_ready();
	assert_int_equal(pool_count_ready(p), 4);
}

static void halt_of_one_that_died_just_now(void **state)
{
	struct pool *p = &w.pools[0];
	struct life *l;

	(void)state;
	w.conf[0].fatal_exit = (uint8_t[]){ 42 };
	w.conf[0].nfatal_exit = 1;
	start_pools(1);
	all_ready();
	forget();
	l = at(0);
	life_lost(l);
	halt(p, 0);
	life_suicide(l, "late", 4); /* its last words, read after its end */
	dies(l, 1, 0);
	assert_null(at(0));
	assert_int_equal(w.births, 0);
}

static void start_while_a_slot_drains(void **state)
{
	struct pool *p = &w.pools[0];
	struct life *l;

	(void)state;
	start_pools(1);
	all_ready();
	l = at(3);
	halt(p, 3);
	begin(p, 3); /* changed their mind */
	assert_ptr_equal(at(3), l);
	dies(l, 0, 0);
	assert_non_null(at(3));
	get_ready(at(3));
	halt(p, 3);
	restart(p, 3);
	dies(at(3), 0, 0);
	get_ready(at(3));
	assert_int_equal(pool_count_ready(p), 4);
}

static void the_last_slot_takes_the_pool_along(void **state)
{
	struct pool *p = &w.pools[0];

	(void)state;
	w.conf[0].workers = 2;
	w.conf[0].spares = 1;
	start_pools(1);
	all_ready();
	halt(p, 0);
	halt(p, 1);
	assert_int_equal(p->phase, POOL_DRAINING);
	all_die();
	assert_int_equal(p->phase, POOL_STOPPED);
	assert_int_equal(w.closed, 1);
	assert_int_equal(w.idle, 0);
	/* One of them alone. */
	begin(p, 1);
	all_ready();
	assert_null(at(0));
	assert_non_null(at(1));
	assert_int_equal(p->phase, POOL_READY);
	begin(p, -1);
	all_ready();
	assert_int_equal(pool_count_ready(p), 2);
}

static void halt_before_anyone_was_ready(void **state)
{
	struct pool *p = &w.pools[0];

	(void)state;
	start_pools(1);
	born(at(0));
	halt(p, 0);
	dies(at(0), 0, SIGTERM);
	assert_int_equal(told("worker.boot_failure"), 0);
	assert_null(at(0));
	assert_non_null(at(1)); /* the next one is tried */
	all_ready();
	assert_int_equal(p->phase, POOL_READY);
	assert_int_equal(told("master.ready"), 1);
}

/* ---- when the start is over ---- */

static void a_held_pool_does_not_keep_the_others_from_ready(void **state)
{
	(void)state;
	w.conf[1].on_failed = ON_FAILED_HOLD;
	w.conf[1].boot_limit = 1;
	start_pools(2);
	while (w.pools[0].phase != POOL_READY)
		for (unsigned i = 0; i < 4; i++)
			if (at(i) && at(i)->state == LIFE_STARTING)
				get_ready(at(i));
	assert_int_equal(told("master.ready"), 0);
	dies(w.pools[1].slots[0]->current, 1, 0);
	assert_int_equal(w.pools[1].phase, POOL_FAILED);
	assert_int_equal(told("master.ready"), 1);
}

static void all_held_is_never_ready(void **state)
{
	(void)state;
	w.conf[0].on_failed = ON_FAILED_HOLD;
	w.conf[0].boot_limit = 1;
	start_pools(1);
	dies(at(0), 1, 0);
	assert_int_equal(told("pool.failed"), 1);
	assert_int_equal(told("master.ready"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		W(restart_ends_and_begins_again_uncounted),
		W(restart_of_one_slot_in_each_state),
		W(a_stop_wins_over_a_restart),
		W(start_begins_what_failed),
		W(restart_replaces_spares_too),
		W(restart_of_the_first_that_starts),
		W(restart_of_one_that_died_just_now),
		W(restart_of_one_that_must_be_killed),
		W(start_of_a_stopped_one_that_must_be_killed),
		W(a_stopped_pool_keeps_its_place_and_the_master),
		W(sockets_close_when_the_last_leaf_is_empty),
		W(sockets_that_are_taken_leave_it_stopped),
		W(start_while_it_stops_is_refused),
		W(a_stopped_pool_ends_with_the_master),
		W(a_failed_pool_is_stopped_and_started),
		W(a_halted_slot_stays_away),
		W(halt_wins_over_restart_backoff_and_failure),
		W(halt_of_one_that_died_just_now),
		W(start_while_a_slot_drains),
		W(the_last_slot_takes_the_pool_along),
		W(halt_before_anyone_was_ready),
		W(a_held_pool_does_not_keep_the_others_from_ready),
		W(all_held_is_never_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
