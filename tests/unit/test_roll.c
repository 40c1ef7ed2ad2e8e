/* SPDX-License-Identifier: MIT */
/* test_roll.c - a pool gets another generation: who boots when, who takes over, and what
 * becomes of it when something else happens meanwhile. */
#define _GNU_SOURCE
#include <limits.h>

#include "super/scale.h"
#include "world.h"

static struct pool *const web = &w.pools[0];

/* Workers of slots that are of that generation, by their state. */
static unsigned serving(unsigned generation)
{
	unsigned n = 0;

	for (unsigned i = 0; i < web->nslots; i++)
		n += at(i) && at(i)->generation == generation && at(i)->state == LIFE_READY;
	return n;
}

static unsigned twins(enum life_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < web->nslots; i++)
		n += web->slots[i]->twin && web->slots[i]->twin->state == state;
	return n;
}

static struct life *twin(unsigned slot)
{
	return web->slots[slot]->twin;
}

static void start(int workers, unsigned surge)
{
	w.conf[0].workers = workers;
	w.conf[0].surge = surge;
	w.conf[0].parallel = 100;
	start_pools(1);
	all_ready();
	forget();
}

static void reload(void)
{
	struct err e;

	assert_int_equal(pool_roll(web, next_generation(web), &e), 0);
	check_world();
}

/* The verdict: the last ones live, and those before them had time to leave. */
static void it_settles(void)
{
	assert_non_null(web->rolled_from);
	pass(999);
	assert_non_null(web->rolled_from);
	pass(1);
	assert_null(web->rolled_from);
}

/* Those that were asked to leave do. */
static void the_old_leave(void)
{
	for (unsigned i = w.nalive; i > 0; i--)
		if (w.alive[i - 1]->state == LIFE_DRAINING)
			dies(w.alive[i - 1], 0, 0);
}

/* ---- how many at once ---- */

static void the_first_is_tried_alone_and_all_take_over_together(void **state)
{
	(void)state;
	start(4, UINT_MAX);
	reload();
	assert_int_equal(twins(LIFE_STARTING), 1);
	get_ready(twin(0));
	/* It has proved the version, and waits for those that follow it. */
	assert_int_equal(twins(LIFE_STARTING), 3);
	assert_int_equal(serving(1), 4);
	assert_int_equal(w.drained, 0);
	get_ready(twin(3));
	get_ready(twin(1));
	assert_int_equal(w.drained, 0);
	get_ready(twin(2));
	assert_int_equal(serving(2), 4);
	assert_int_equal(w.drained, 4);
	assert_int_equal(web->roll.replaced, 4);
	it_settles();
	assert_string_equal(last_told("pool.reload")->result, "ok");
	assert_int_equal(web->phase, POOL_READY);
	the_old_leave();
	assert_int_equal(w.nalive, 4);
}

static void two_at_once_or_a_quarter(void **state)
{
	(void)state;
	start(4, 0);
	reload();
	get_ready(twin(0));
	assert_int_equal(twins(LIFE_STARTING), 1);
	get_ready(twin(1));
	assert_int_equal(serving(2), 2);
	assert_int_equal(twins(LIFE_STARTING), 2); /* it is known to be good */
	all_ready();
	assert_int_equal(serving(2), 4);
	it_settles();
	assert_string_equal(last_told("pool.reload")->result, "ok");
}

static void a_quarter_of_many(void **state)
{
	(void)state;
	start(12, 0);
	reload();
	get_ready(twin(0));
	assert_int_equal(twins(LIFE_STARTING), 2);
	all_ready();
	assert_int_equal(serving(2), 12);
}

static void one_after_the_other(void **state)
{
	(void)state;
	start(3, 1);
	reload();
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(serving(2), i);
		assert_int_equal(twins(LIFE_STARTING), 1);
		get_ready(twin(i));
	}
	assert_int_equal(serving(2), 3);
}

static void parallel_bounds_the_boots_not_the_batch(void **state)
{
	(void)state;
	start(4, UINT_MAX);
	w.conf[0].parallel = 2;
	reload();
	get_ready(twin(0));
	assert_int_equal(twins(LIFE_STARTING), 2);
	get_ready(twin(1));
	assert_int_equal(twins(LIFE_STARTING), 2);
	assert_int_equal(serving(1), 4);
	all_ready();
	assert_int_equal(serving(2), 4);
}

/* ---- what fails ---- */

static void a_broken_version_costs_one_birth(void **state)
{
	(void)state;
	start(4, UINT_MAX);
	reload();
	dies(twin(0), 1, 0);
	assert_int_equal(w.births, 1);
	assert_int_equal(serving(1), 4);
	assert_int_equal(w.drained + w.signalled + w.killed, 0);
	assert_string_equal(last_told("pool.reload")->result, "rolled_back");
	assert_int_equal(told("worker.boot_failure"), 1);
	assert_int_equal(web->phase, POOL_READY);
	assert_int_equal(web->gen->number, 1);
}

static void who_is_not_ready_in_time_turns_it_round(void **state)
{
	struct life *l;

	(void)state;
	start(4, UINT_MAX);
	reload();
	get_ready(twin(0));
	l = twin(2);
	pass(30000); /* the three others are killed */
	assert_int_equal(w.killed, 3);
	dies(l, 0, SIGKILL);
	assert_int_equal(w.drained, 1); /* who was ready has clients: it drains */
	assert_int_equal(w.last_drained->generation, 2);
	assert_int_equal(serving(1), 4);
	while (w.nalive > 4)
		dies(w.alive[4], 0, SIGKILL);
	assert_string_equal(last_told("pool.reload")->result, "rolled_back");
	assert_int_equal(serving(1), 4);
}

static void who_dies_while_it_waits_turns_it_round(void **state)
{
	(void)state;
	start(3, UINT_MAX);
	reload();
	get_ready(twin(0));
	dies(twin(0), 0, SIGSEGV);
	assert_int_equal(told("worker.boot_failure"), 0); /* it had booted */
	assert_int_equal(w.killed, 2);
	assert_non_null(strstr(pool_roll_reason(web), "died before the old one had left"));
	dies(twin(1), 0, SIGKILL);
	dies(twin(2), 0, SIGKILL);
	assert_int_equal(serving(1), 3);
	assert_string_equal(last_told("pool.reload")->result, "rolled_back");
	assert_int_equal(w.nalive, 3);
}

/* Its watchdog or its own word: not what we wanted, whoever ended it. */
static void who_hangs_while_it_waits_turns_it_round(void **state)
{
	(void)state;
	start(2, UINT_MAX);
	reload();
	get_ready(twin(0));
	life_kill(twin(0), REASON_WATCHDOG);
	dies(twin(0), 0, SIGKILL);
	dies(twin(1), 0, SIGKILL);
	assert_string_equal(last_told("pool.reload")->result, "rolled_back");
	assert_int_equal(serving(1), 2);
}

static void a_later_batch_that_fails_brings_the_first_back(void **state)
{
	(void)state;
	start(4, 2);
	reload();
	get_ready(twin(0));
	get_ready(twin(1));
	assert_int_equal(serving(2), 2);
	dies(twin(2), 1, 0);
	dies(twin(3), 0, SIGKILL);
	/* Slots 0 and 1 go back in the same way, together. */
	assert_int_equal(serving(2), 2);
	assert_int_equal(twins(LIFE_STARTING), 2);
	get_ready(twin(0));
	assert_int_equal(serving(2), 2);
	get_ready(twin(1));
	assert_int_equal(serving(1), 4);
	assert_string_equal(last_told("pool.reload")->result, "rolled_back");
}

static void the_new_one_dies_before_the_old_one_left(void **state)
{
	(void)state;
	start(2, UINT_MAX);
	reload();
	all_ready();
	pass(900);
	dies(at(0), 1, 0);
	assert_non_null(strstr(pool_roll_reason(web), "died before the old one had left"));
	all_ready();
	assert_int_equal(serving(1), 2);
	assert_string_equal(last_told("pool.reload")->result, "rolled_back");
	the_old_leave();
	forget();
	reload();
	all_ready();
	it_settles();
	assert_int_equal(serving(3), 2);
	assert_string_equal(last_told("pool.reload")->result, "ok");
	dies(at(0), 1, 0); /* over: a death as any other */
	assert_int_equal(told("worker.respawn"), 1);
}

/* ---- what happens meanwhile ---- */

static void an_old_one_dies_and_its_twin_inherits(void **state)
{
	struct life *l;

	(void)state;
	start(3, UINT_MAX);
	reload();
	get_ready(twin(0));
	l = twin(1);
	dies(at(1), 0, SIGKILL);
	assert_ptr_equal(at(1), l);
	l = twin(0);
	dies(at(0), 0, SIGKILL);
	assert_ptr_equal(at(0), l);
	assert_int_equal(w.births, 3);
	all_ready();
	assert_int_equal(serving(2), 3);
	the_old_leave();
	assert_string_equal(last_told("pool.reload")->result, "ok");
}

/* Its slot had failed, so it is no twin; the old generation is no better there. */
static void who_fails_where_nobody_was_turns_it_round(void **state)
{
	struct life *l;

	(void)state;
	start(2, UINT_MAX);
	w.conf[0].boot_limit = 1;
	dies(at(1), 0, SIGSEGV);
	dies(at(1), 1, 0);
	assert_int_equal(web->slots[1]->state, SLOT_FAILED);
	forget();
	reload();
	assert_int_equal(at(1)->generation, 2);
	l = twin(0);
	dies(at(1), 1, 0);
	if (l)
		dies(l, 0, SIGKILL);
	assert_int_equal(at(1)->generation, 1);
	dies(at(1), 1, 0);
	assert_string_equal(last_told("pool.reload")->result, "rolled_back");
	assert_int_equal(web->slots[1]->state, SLOT_FAILED);
	assert_int_equal(serving(1), 1);
	assert_int_equal(told("pool.reload"), 1);
}

static void an_old_one_without_a_twin_is_born_of_what_is_proved(void **state)
{
	(void)state;
	start(3, 1);
	reload();
	dies(at(2), 0, SIGKILL);
	assert_int_equal(at(2)->generation, 1);
	get_ready(at(2));
	get_ready(twin(0));
	dies(at(2), 0, SIGKILL);
	pass(10000); /* the second time in a minute */
	assert_int_equal(at(2)->generation, 2);
	all_ready();
	assert_int_equal(serving(2), 3);
}

static void what_is_asked_for_meanwhile_is_remembered_once(void **state)
{
	(void)state;
	start(2, UINT_MAX);
	reload();
	reload();
	reload();
	all_ready();
	pass(1000);
	all_ready();
	the_old_leave(); /* then there is nobody to wait for */
	assert_int_equal(told("pool.reload"), 2);
	assert_int_equal(serving(4), 2);
	the_old_leave();
	assert_int_equal(w.nalive, 2);
}

static void a_stop_ends_it(void **state)
{
	(void)state;
	start(3, UINT_MAX);
	reload();
	get_ready(twin(0));
	pool_stop(web);
	assert_null(web->rolled_from);
	assert_true(web->roll.failed);
	for (unsigned i = w.nalive; i > 0; i--)
		dies(w.alive[i - 1], 0, SIGTERM);
	assert_int_equal(web->phase, POOL_STOPPED);
	assert_int_equal(w.nalive, 0);
}

static void a_restart_ends_the_twins(void **state)
{
	struct life *ready, *boots;
	struct err e;

	(void)state;
	start(3, UINT_MAX);
	reload();
	get_ready(twin(0));
	ready = twin(0);
	boots = twin(1);
	assert_int_equal(pool_restart(web, 0, &e), 0);
	assert_int_equal(pool_restart(web, 1, &e), 0);
	assert_null(twin(0));
	assert_int_equal(ready->state, LIFE_DRAINING);
	assert_int_equal(boots->state, LIFE_KILLED);
	dies(ready, 0, 0);
	dies(boots, 0, SIGKILL);
	the_old_leave();
	all_ready();
	the_old_leave();
	assert_int_equal(serving(2), 3);
	assert_int_equal(w.nalive, 3);
}

static void a_recycled_one_is_rolled_after(void **state)
{
	(void)state;
	start(2, UINT_MAX);
	assert_true(slot_twin(web->slots[0], web->gen, REASON_MAX_AGE));
	reload();
	assert_int_equal(twins(LIFE_STARTING), 1);
	get_ready(twin(0)); /* of the old generation: takes over at once */
	assert_int_equal(at(0)->generation, 1);
	assert_int_equal(w.drained, 1);
	all_ready();
	assert_int_equal(serving(2), 2);
}

static void at_most_two_generations_drain(void **state)
{
	(void)state;
	start(2, UINT_MAX);
	for (unsigned i = 0; i < 2; i++) {
		reload();
		all_ready();
		it_settles();
	}
	assert_int_equal(serving(3), 2);
	reload();
	assert_int_equal(twins(LIFE_STARTING), 0);
	assert_int_equal(logged("waits"), 1);
	the_old_leave();
	assert_int_equal(twins(LIFE_STARTING), 1);
	all_ready();
	assert_int_equal(serving(4), 2);
}

/* ---- who shares a unix socket, and whose the path leads to: eras.c ---- */

static bool all_are_of(unsigned era)
{
	for (unsigned i = 0; i < web->nslots; i++)
		if (!at(i) || at(i)->era != era)
			return false;
	return web->eras.path == era && web->eras.next == era;
}

static void the_new_ones_are_of_the_next_era(void **state)
{
	(void)state;
	start(2, UINT_MAX);
	assert_true(all_are_of(0));
	reload();
	assert_int_equal(twin(0)->era, 1);
	dies(at(1), 0, SIGKILL); /* nothing is proved: by the old generation */
	assert_int_equal(at(1)->era, 0);
	assert_int_equal(web->eras.path, 0);
	all_ready();
	assert_true(all_are_of(1));
	it_settles();
	dies(at(0), 1, 0);
	assert_int_equal(at(0)->era, 1);
	assert_true(slot_twin(web->slots[1], web->gen, REASON_MAX_AGE));
	assert_int_equal(twin(1)->era, 1);
}

static void who_stays_keeps_its_era(void **state)
{
	(void)state;
	start(3, UINT_MAX);
	reload();
	get_ready(twin(0));
	dies(twin(1), 1, 0);
	dies(at(2), 0, SIGKILL);
	all_ready();
	assert_true(all_are_of(0));
	reload();
	assert_int_equal(web->eras.next, 2); /* some of 1 may drain still */
}

static void who_goes_back_does_not_meet_those_who_drain(void **state)
{
	(void)state;
	start(2, UINT_MAX);
	reload();
	all_ready();
	dies(at(0), 1, 0);
	assert_true(web->roll.back);
	assert_int_equal(at(0)->era, 2);
	assert_int_equal(web->eras.path, 1); /* slot 1 serves there */
	all_ready();
	assert_true(all_are_of(2));
}

static void but_those_who_serve_still(void **state)
{
	(void)state;
	start(4, 2);
	reload();
	get_ready(twin(0));
	get_ready(twin(1));
	assert_int_equal(web->eras.path, 1);
	dies(twin(2), 1, 0);
	assert_int_equal(twin(0)->era, 0);
	assert_int_equal(web->eras.path, 1);
	get_ready(twin(0));
	get_ready(twin(1));
	assert_true(all_are_of(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		W(the_first_is_tried_alone_and_all_take_over_together),
		W(two_at_once_or_a_quarter),
		W(a_quarter_of_many),
		W(one_after_the_other),
		W(parallel_bounds_the_boots_not_the_batch),
		W(a_broken_version_costs_one_birth),
		W(who_is_not_ready_in_time_turns_it_round),
		W(who_dies_while_it_waits_turns_it_round),
		W(who_hangs_while_it_waits_turns_it_round),
		W(a_later_batch_that_fails_brings_the_first_back),
		W(the_new_one_dies_before_the_old_one_left),
		W(an_old_one_dies_and_its_twin_inherits),
		W(who_fails_where_nobody_was_turns_it_round),
		W(an_old_one_without_a_twin_is_born_of_what_is_proved),
		W(what_is_asked_for_meanwhile_is_remembered_once),
		W(a_stop_ends_it),
		W(a_restart_ends_the_twins),
		W(a_recycled_one_is_rolled_after),
		W(at_most_two_generations_drain),
		W(the_new_ones_are_of_the_next_era),
		W(who_stays_keeps_its_era),
		W(who_goes_back_does_not_meet_those_who_drain),
		W(but_those_who_serve_still),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
