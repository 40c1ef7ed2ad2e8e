/* SPDX-License-Identifier: MIT */
/* test_slot.c - who takes a place, when, and when it is given up; spares. */
#define _GNU_SOURCE
#include "world.h"

/* ---- deaths of ready workers ---- */

static void the_first_respawn_is_at_once_the_next_wait(void **state)
{
	uint64_t least = 80, most = 120;

	(void)state;
	start_pools(1);
	all_ready();
	forget();
	dies(at(0), 1, 0);
	assert_int_equal(last_told("worker.respawn")->delay_ms, 0);
	assert_int_equal(w.births, 1);
	for (unsigned i = 0; i < 8; i++) {
		const struct told *t;

		get_ready(at(0));
		dies(at(0), 1, 0);
		t = last_told("worker.respawn");
		assert_in_range(t->delay_ms, least, most);
		assert_int_equal(t->count, i + 2);
		assert_int_equal(w.pools[0].slots[0]->state, SLOT_BACKOFF);
		assert_string_equal(slot_state_name(w.pools[0].slots[0]), "backoff");
		pass(t->delay_ms - 1);
		assert_null(at(0));
		pass(1);
		assert_non_null(at(0));
		least = 2 * least < 8000 ? 2 * least : 8000;
		most = 2 * most < 12000 ? 2 * most : 12000;
	}
	assert_int_equal(told("worker.boot_failure"), 0);
}

/* The kernel says that it is gone; init has not yet said how. */
static void lost(struct life *l)
{
	life_lost(l);
	pass(0);
}

static unsigned place_of(const char *name)
{
	for (unsigned i = 0; i < w.ntold; i++)
		if (strcmp(w.told[i].name, name) == 0)
			return i;
	fail_msg("%s was not told", name);
	return 0;
}

static void the_next_is_born_before_the_certificate(void **state)
{
	struct life *old = NULL;

	(void)state;
	start_pools(1);
	all_ready();
	forget();
	old = at(1);
	lost(old);
	lost(old); /* once is enough */
	assert_int_equal(w.births, 1);
	assert_ptr_not_equal(at(1), old);
	assert_int_equal(told("worker.respawn"), 0);
	born(at(1));
	dies(old, 0, SIGKILL);
	assert_int_equal(w.births, 1);
	assert_int_equal(told("worker.respawn"), 1);
	assert_true(place_of("worker.exit") < place_of("worker.respawn"));
	assert_int_equal(last_told("worker.respawn")->count, 1);
	assert_int_equal(last_told("worker.respawn")->delay_ms, 0);
	assert_int_equal(last_told("worker.exit")->reason, REASON_SIGNAL);
	assert_int_equal(w.pools[0].slots[1]->total_restarts, 1);
	assert_true(list_empty(&w.pools[0].slots[1]->beside));
}

/* The ladder and the limits are the same, whichever word comes first. */
static void a_lost_worker_that_has_to_wait_waits_for_its_certificate(void **state)
{
	struct life *old;

	(void)state;
	start_pools(1);
	all_ready();
	dies(at(0), 1, 0);
	get_ready(at(0));
	forget();
	old = at(0);
	lost(old);
	assert_ptr_equal(at(0), old);
	assert_int_equal(w.births, 0);
	dies(old, 1, 0);
	assert_null(at(0));
	assert_in_range(last_told("worker.respawn")->delay_ms, 80, 120);
}

static void a_lost_worker_past_the_limit_is_not_replaced(void **state)
{
	(void)state;
	w.conf[0].restart_limit.count = 0;
	start_pools(1);
	all_ready();
	forget();
	lost(at(0));
	assert_int_equal(w.births, 0);
	dies(at(0), 1, 0);
	assert_int_equal(w.pools[0].slots[0]->state, SLOT_FAILED);
}

/* How it ended decides: exit codes that are fatal, boots that failed, stops. */
static void a_loss_alone_replaces_nobody_whose_end_matters(void **state)
{
	static uint8_t fatal[] = { 3 };

	(void)state;
	w.conf[0].fatal_exit = fatal;
	w.conf[0].nfatal_exit = 1;
	start_pools(1);
	all_ready();
	forget();
	lost(at(0));
	assert_int_equal(w.births, 0);
	dies(at(0), 3, 0);
	assert_int_equal(w.pools[0].slots[0]->state, SLOT_FAILED);
	w.conf[0].nfatal_exit = 0;
	dies(at(1), 1, 0);
	forget();
	lost(at(1)); /* never ready: a boot failure */
	assert_int_equal(w.births, 0);
	dies(at(1), 1, 0);
	assert_int_equal(told("worker.boot_failure"), 1);
}

static void a_stop_between_loss_and_certificate(void **state)
{
	struct life *old;

	(void)state;
	start_pools(1);
	all_ready();
	old = at(2);
	lost(old);
	forget();
	pool_stop(&w.pools[0]);
	assert_int_equal(old->asked, REASON_NONE); /* it went by itself */
	assert_ptr_not_equal(w.last_signalled, old);
	dies(old, 0, SIGSEGV);
	assert_int_equal(last_told("worker.exit")->reason, REASON_SIGNAL);
	for (unsigned i = 0; i < 4; i++)
		dies(at(i), 0, SIGTERM);
	assert_int_equal(told("pool.stop"), 1);
	assert_int_equal(w.births, 0);
}

static void a_suicide_that_is_read_after_its_end(void **state)
{
	struct life *old;

	(void)state;
	start_pools(1);
	all_ready();
	forget();
	old = at(0);
	lost(old);
	life_suicide(old, "1", 1);
	pass(0);
	assert_int_equal(w.births, 1);
	dies(old, 1, 0);
	assert_int_equal(w.births, 1);
	assert_int_equal(last_told("worker.exit")->reason, REASON_SUICIDE);
	assert_int_equal(told("worker.respawn"), 1);
}

static void stable_uptime_resets_the_ladder(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	for (unsigned i = 0; i < 4; i++) {
		dies(at(0), 1, 0);
		pass(1000);
		get_ready(at(0));
	}
	pass(RESTART_STABLE_MS);
	dies(at(0), 1, 0);
	assert_int_equal(last_told("worker.respawn")->delay_ms, 0);
	assert_non_null(at(0));
}

static void past_the_limit_a_slot_is_given_up(void **state)
{
	struct slot *s = NULL;

	(void)state;
	start_pools(1);
	all_ready();
	s = w.pools[0].slots[2];
	for (unsigned i = 0; i < 10; i++) {
		dies(at(2), 1, 0);
		if (!at(2))
			pass(s->timer.at_ms - w.now);
		get_ready(at(2));
		w.pools[0].slots[2]->restarts.step = 0; /* the limit, not the ladder */
	}
	forget();
	dies(at(2), 1, 0);
	assert_null(at(2));
	assert_int_equal(s->state, SLOT_FAILED);
	assert_int_equal(told("worker.failed"), 1);
	assert_int_equal(logged("web/2 failed: past its restart limit"), 1);
	assert_int_equal(told("pool.degraded"), 1);
	assert_int_equal(w.pools[0].phase, POOL_DEGRADED);
	assert_int_equal(w.births, 0);
	/* Its siblings serve: tried again after ten windows, as if new. */
	pass(600000 - 1);
	assert_int_equal(w.births, 0);
	pass(1);
	assert_int_equal(w.births, 1);
	get_ready(at(2));
	assert_int_equal(w.pools[0].phase, POOL_READY);
	dies(at(2), 1, 0);
	assert_int_equal(last_told("worker.respawn")->count, 1);
}

static void a_failed_slot_is_tried_again_though_no_sibling_was_ready(void **state)
{
	(void)state;
	w.conf[0].restart_limit.count = 1;
	w.conf[0].workers = 2;
	start_pools(1);
	all_ready();
	dies(at(0), 1, 0);
	get_ready(at(0));
	dies(at(1), 1, 0); /* in birth while its sibling fails */
	dies(at(0), 1, 0);
	assert_int_equal(w.pools[0].slots[0]->state, SLOT_FAILED);
	get_ready(at(1));
	forget();
	pass(600000);
	assert_int_equal(w.births, 1);
}

static void fatal_exit_ends_a_slot_at_once(void **state)
{
	uint8_t codes[] = { 78, 64 };

	(void)state;
	w.conf[0].fatal_exit = codes;
	w.conf[0].nfatal_exit = 2;
	start_pools(1);
	all_ready();
	dies(at(0), 63, 0);
	assert_non_null(at(0));
	get_ready(at(0));
	dies(at(0), 64, 0);
	assert_int_equal(w.pools[0].slots[0]->state, SLOT_FAILED);
	assert_int_equal(logged("exit code 64 is in --fatal-exit"), 1);
	dies(at(1), 0, 78); /* signal 78 is not exit 78 */
	assert_non_null(at(1));
}

static void certificates_are_kept_newest_first(void **state)
{
	struct slot *s;

	(void)state;
	w.conf[0].restart_limit.count = 100;
	start_pools(1);
	all_ready();
	s = w.pools[0].slots[0];
	for (int i = 0; i < 20; i++) {
		if (!at(0))
			pass(20000);
		get_ready(at(0));
		dies(at(0), i, 0);
	}
	for (int i = 0; i < DEATHS_KEPT; i++)
		assert_int_equal(s->deaths[i]->code, 19 - i);
	assert_int_equal(s->total_restarts, 20);
}

/* ---- boot failures ---- */

static void boot_failures_are_counted_in_a_row(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	dies(at(0), 1, 0);
	for (unsigned i = 0; i < 4; i++) {
		dies(at(0), 1, 0);
		pass(800);
	}
	get_ready(at(0));
	assert_int_equal(w.pools[0].slots[0]->boot_failures, 0);
	dies(at(0), 1, 0);
	forget();
	for (unsigned i = 0; i < 5; i++) {
		pass(w.pools[0].slots[0]->timer.armed ? 20000 : 0);
		dies(at(0), 1, 0);
	}
	assert_int_equal(told("worker.boot_failure"), 5);
	assert_int_equal(w.pools[0].slots[0]->state, SLOT_FAILED);
}

static void boot_failures_wait_longer_each_time(void **state)
{
	static const uint64_t steps[] = { 0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000 };

	(void)state;
	w.conf[0].boot_limit = 11;
	w.conf[0].workers = 1;
	start_pools(1);
	for (unsigned i = 0; i < 10; i++) {
		dies(at(0), 1, 0);
		assert_int_equal(last_told("worker.respawn")->delay_ms, steps[i]);
		pass(steps[i]);
	}
	dies(at(0), 1, 0);
	assert_int_equal(told("pool.failed"), 1);
	assert_int_equal(w.m.exit_code, EXIT_ALL_FAILED);
}

static void what_the_host_refuses_is_not_tried_again(void **state)
{
	struct life *l;

	(void)state;
	start_pools(1);
	l = at(0);
	l->failed_step = 0; /* a step of the cage, not of the command */
	l->failed_error = EPERM;
	dies(l, 0, SIGKILL);
	assert_int_equal(w.births, 1);
	assert_int_equal(told("pool.failed"), 1);
	assert_int_equal(w.m.exit_code, EXIT_HOST_CANNOT);
	assert_true(w.idle > 0);
}

/* ---- spares ---- */

static void start_with_spares(unsigned n)
{
	w.conf[0].spares = n;
	w.conf[0].restart_limit.count = 100;
	start_pools(1);
	all_ready();
}

static void spares_come_after_the_workers_and_park(void **state)
{
	(void)state;
	w.conf[0].spares = 2;
	start_pools(1);
	assert_true(list_empty(&w.pools[0].spares));
	all_ready();
	assert_non_null(spare_in(LIFE_STARTING));
	forget();
	while (spare_in(LIFE_STARTING))
		park(spare_in(LIFE_STARTING));
	assert_int_equal(told("worker.parked"), 2);
	assert_int_equal(w.handed, 0); /* no socket before it has a place */
	assert_int_equal(w.nalive, 6);
	pass(1000000); /* and nothing hurries it */
	assert_int_equal(w.nalive, 6);
}

static void a_spare_takes_the_place_at_once(void **state)
{
	struct life *spare;

	(void)state;
	start_with_spares(1);
	spare = spare_in(LIFE_STARTING);
	park(spare);
	forget();
	dies(at(3), 1, 0);
	assert_ptr_equal(at(3), spare);
	assert_ptr_equal(w.last_handed, spare);
	assert_true(last_told("worker.respawn")->from_spare);
	assert_int_equal(spare->state, LIFE_JOINING);
	assert_int_equal(w.births, 1); /* the next spare */
	get_ready(spare);
	assert_int_equal(told("worker.promoted"), 1);
	assert_int_equal(told("worker.ready"), 1);
	assert_int_equal(told("worker.boot_failure"), 0);
	assert_non_null(spare_in(LIFE_STARTING));
}

static void a_spare_takes_the_place_of_a_lost_one(void **state)
{
	struct life *spare, *old;

	(void)state;
	start_with_spares(1);
	spare = spare_in(LIFE_STARTING);
	park(spare);
	forget();
	old = at(3);
	lost(old);
	assert_ptr_equal(at(3), spare);
	get_ready(spare);
	dies(old, 0, SIGKILL);
	assert_true(last_told("worker.respawn")->from_spare);
	assert_int_equal(told("worker.respawn"), 1);
	assert_ptr_equal(at(3), spare);
}

static void a_suicide_takes_a_spare(void **state)
{
	struct life *spare, *old;

	(void)state;
	start_with_spares(1);
	spare = spare_in(LIFE_STARTING);
	park(spare);
	old = at(0);
	life_suicide(old, "", 0);
	check_world();
	assert_ptr_equal(at(0), spare);
	get_ready(spare);
	dies(old, 0, 0);
	assert_ptr_equal(at(0), spare);
}

static void a_deaf_spare_does_not_cost_the_slot(void **state)
{
	struct life *spare;

	(void)state;
	start_with_spares(1);
	spare = spare_in(LIFE_STARTING);
	park(spare);
	w.hand_over_result = -EAGAIN;
	dies(at(0), 1, 0);
	w.hand_over_result = 0;
	assert_ptr_equal(w.last_killed, spare);
	assert_null(spare->slot);
	assert_non_null(at(0));
	assert_int_equal(at(0)->state, LIFE_STARTING); /* a new worker, at once */
	dies(spare, 0, SIGKILL);
	assert_int_equal(last_told("worker.exit")->reason, REASON_START);
	assert_int_equal(last_told("worker.exit")->slot, -1);
	assert_int_equal(w.pools[0].slots[0]->boot_failures, 0);
}

static void a_spare_that_dies_in_the_hand_over_does_not_cost_the_slot(void **state)
{
	struct life *a, *b;

	(void)state;
	start_with_spares(2);
	while (spare_in(LIFE_STARTING))
		park(spare_in(LIFE_STARTING));
	a = spare_in(LIFE_PARKED);
	dies(at(0), 1, 0);
	assert_ptr_equal(at(0), a);
	b = spare_in(LIFE_PARKED);
	forget();
	dies(a, 0, SIGSEGV);
	assert_ptr_equal(at(0), b); /* the next spare */
	pass(100);		    /* it is deaf: */
	assert_ptr_equal(w.last_killed, b);
	dies(b, 0, SIGKILL);
	assert_int_equal(last_told("worker.exit")->reason, REASON_READY_TIMEOUT);
	assert_non_null(at(0)); /* a new worker */
	assert_int_equal(at(0)->from_spare, false);
	assert_int_equal(w.pools[0].slots[0]->boot_failures, 0);
	get_ready(at(0));
	assert_int_equal(pool_count_ready(&w.pools[0]), 4);
}

static void a_spare_that_says_suicide_in_the_hand_over(void **state)
{
	struct life *spare;

	(void)state;
	start_with_spares(1);
	spare = spare_in(LIFE_STARTING);
	park(spare);
	dies(at(0), 1, 0);
	life_suicide(spare, "", 0);
	check_world();
	assert_true(at(0) != spare);
	dies(spare, 1, 0);
	get_ready(at(0));
	assert_int_equal(pool_count_ready(&w.pools[0]), 4);
}

static void spares_that_die_back_off(void **state)
{
	uint64_t begin, tries;

	(void)state;
	w.conf[0].spares = 1;
	start_pools(1);
	all_ready();
	begin = w.now;
	for (tries = 0; w.now < begin + 60000 && tries < 100; tries++) {
		if (!spare_in(LIFE_STARTING))
			pass(100);
		else
			dies(spare_in(LIFE_STARTING), 1, 0);
		tries -= !spare_in(LIFE_STARTING) && tries > 0;
	}
	assert_int_equal(logged("its spares die too often"), 1);
	forget();
	pass(300000);
	assert_int_equal(w.births, 0); /* none for a while */
	pass(300000);
	assert_int_equal(w.births, 1);
	assert_int_equal(w.pools[0].phase, POOL_READY);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(w.pools[0].slots[i]->total_restarts, 0);
}

static void reset_brings_spares_back(void **state)
{
	(void)state;
	w.conf[0].spares = 1;
	w.conf[0].restart_limit.count = 0;
	start_pools(1);
	all_ready();
	dies(spare_in(LIFE_STARTING), 1, 0);
	pass(100000);
	assert_null(spare_in(LIFE_STARTING));
	assert_int_equal(pool_reset(&w.pools[0], -1), 0);
	park(spare_in(LIFE_STARTING));
}

static void spares_that_cannot_be_born_back_off(void **state)
{
	(void)state;
	start_with_spares(1);
	w.birth_result = -EAGAIN;
	dies(spare_in(LIFE_STARTING), 1, 0);
	forget();
	pass(10000);
	assert_in_range(w.births, 3, 12);
	w.birth_result = 0;
	pass(20000);
	park(spare_in(LIFE_STARTING));
}

static void a_parked_spare_is_deaf_to_other_words(void **state)
{
	struct life *l;

	(void)state;
	start_with_spares(1);
	l = spare_in(LIFE_STARTING);
	park(l);
	forget();
	life_ready(l);
	life_suicide(l, "", 0);
	life_leaving(l);
	life_parked(l);
	life_watchdog_ping(l);
	check_world();
	assert_int_equal(w.ntold, 0);
	assert_int_equal(l->state, LIFE_PARKED);
}

static void a_spare_that_never_parks_is_ended(void **state)
{
	struct life *l;

	(void)state;
	start_with_spares(1);
	l = spare_in(LIFE_STARTING);
	born(l);
	pass(30000);
	assert_ptr_equal(w.last_killed, l);
	dies(l, 0, SIGKILL);
	assert_int_equal(w.pools[0].in_birth, spare_in(LIFE_STARTING) ? 1 : 0);
}

/* A wire without a parking place of its own: parked when exec was seen. */
static void a_spare_may_park_by_exec(void **state)
{
	static const struct wire plain = { .name = "plain", .hand_over_ms = 1000 };
	struct life *l;

	(void)state;
	start_with_spares(1);
	w.gen[0].wire = &plain;
	l = spare_in(LIFE_STARTING);
	born(l);
	life_exec_seen(l);
	assert_int_equal(l->state, LIFE_PARKED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		W(the_first_respawn_is_at_once_the_next_wait),
		W(the_next_is_born_before_the_certificate),
		W(a_lost_worker_that_has_to_wait_waits_for_its_certificate),
		W(a_lost_worker_past_the_limit_is_not_replaced),
		W(a_loss_alone_replaces_nobody_whose_end_matters),
		W(a_stop_between_loss_and_certificate),
		W(a_suicide_that_is_read_after_its_end),
		W(stable_uptime_resets_the_ladder),
		W(past_the_limit_a_slot_is_given_up),
		W(a_failed_slot_is_tried_again_though_no_sibling_was_ready),
		W(fatal_exit_ends_a_slot_at_once),
		W(certificates_are_kept_newest_first),
		W(boot_failures_are_counted_in_a_row),
		W(boot_failures_wait_longer_each_time),
		W(what_the_host_refuses_is_not_tried_again),
		W(spares_come_after_the_workers_and_park),
		W(a_spare_takes_the_place_at_once),
		W(a_spare_takes_the_place_of_a_lost_one),
		W(a_suicide_takes_a_spare),
		W(a_deaf_spare_does_not_cost_the_slot),
		W(a_spare_that_dies_in_the_hand_over_does_not_cost_the_slot),
		W(a_spare_that_says_suicide_in_the_hand_over),
		W(spares_that_die_back_off),
		W(reset_brings_spares_back),
		W(spares_that_cannot_be_born_back_off),
		W(a_parked_spare_is_deaf_to_other_words),
		W(a_spare_that_never_parks_is_ended),
		W(a_spare_may_park_by_exec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
