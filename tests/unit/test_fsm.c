/* SPDX-License-Identifier: MIT */
/* test_fsm.c - the two state tables, move by move. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "super/super.h"

static struct life life;
static struct slot slot;

/* The way to a state, from birth. */
static void life_in(enum life_state s)
{
	static const enum life_event ways[LIFE_STATES][5] = {
		[LIFE_STARTING] = { EV_CLONED },
		[LIFE_PARKED] = { EV_CLONED, EV_PARKED },
		[LIFE_JOINING] = { EV_CLONED, EV_PARKED, EV_HANDED },
		[LIFE_READY] = { EV_CLONED, EV_READY },
		[LIFE_DRAINING] = { EV_CLONED, EV_READY, EV_DRAIN },
		[LIFE_STOPPING] = { EV_CLONED, EV_READY, EV_DRAIN, EV_SIGNAL },
		[LIFE_KILLED] = { EV_CLONED, EV_KILL },
		[LIFE_DEAD] = { EV_CLONED, EV_DIED },
		[LIFE_GONE] = { EV_CLONED, EV_DIED, EV_EMPTY },
	};
	static const unsigned len[LIFE_STATES] = { 0, 0, 1, 2, 3, 2, 3, 4, 2, 2, 3 };

	life_begin(&life);
	for (unsigned i = 0; i < len[s]; i++)
		assert_int_equal(life_step(&life, ways[s][i]), 0);
	assert_int_equal(life.state, s);
}

static void a_refused_move_changes_nothing(void **state)
{
	(void)state;
	for (enum life_state s = LIFE_NEW; s < LIFE_STATES; s++)
		for (enum life_event ev = 0; ev < LIFE_EVENTS; ev++) {
			int r;

			life_in(s);
			r = life_step(&life, ev);
			if (r < 0) {
				assert_int_equal(r, -EPERM);
				assert_int_equal(life.state, s);
			} else {
				assert_in_range(life.state, LIFE_STARTING, LIFE_GONE);
				assert_int_not_equal(life.state, s);
			}
		}
}

/* However it is treated, a life only gets older: no way leads back. */
static void no_way_leads_back(void **state)
{
	(void)state;
	for (enum life_state s = LIFE_NEW; s < LIFE_STATES; s++)
		for (enum life_event ev = 0; ev < LIFE_EVENTS; ev++) {
			life_in(s);
			if (life_step(&life, ev) == 0)
				assert_true(life.state > s);
		}
}

static void whoever_lives_can_die_and_be_killed(void **state)
{
	(void)state;
	for (enum life_state s = LIFE_STARTING; s < LIFE_DEAD; s++) {
		life_in(s);
		assert_int_equal(life_step(&life, EV_DIED), 0);
		assert_int_equal(life.state, LIFE_DEAD);
		life_in(s);
		assert_int_equal(life_step(&life, EV_KILL), s == LIFE_KILLED ? -EPERM : 0);
		assert_int_equal(life.state, LIFE_KILLED);
	}
}

static void the_dead_hear_only_that_their_leaf_is_empty(void **state)
{
	(void)state;
	for (enum life_event ev = 0; ev < LIFE_EVENTS; ev++) {
		life_in(LIFE_DEAD);
		assert_int_equal(life_step(&life, ev), ev == EV_EMPTY ? 0 : -EPERM);
		life_in(LIFE_GONE);
		assert_int_equal(life_step(&life, ev), -EPERM);
	}
}

static void ready_is_heard_once_and_not_while_leaving(void **state)
{
	static const enum life_state deaf[] = { LIFE_NEW,      LIFE_PARKED,   LIFE_READY,
						LIFE_DRAINING, LIFE_STOPPING, LIFE_KILLED };

	(void)state;
	for (unsigned i = 0; i < sizeof(deaf) / sizeof(*deaf); i++) {
		life_in(deaf[i]);
		assert_int_equal(life_step(&life, EV_READY), -EPERM);
	}
	life_in(LIFE_JOINING);
	assert_int_equal(life_step(&life, EV_READY), 0);
}

static void only_the_parked_are_handed_a_socket(void **state)
{
	(void)state;
	for (enum life_state s = LIFE_NEW; s < LIFE_STATES; s++) {
		life_in(s);
		assert_int_equal(life_step(&life, EV_HANDED), s == LIFE_PARKED ? 0 : -EPERM);
	}
}

static void a_place_can_be_taken_from_every_state(void **state)
{
	static const enum slot_event to[] = { SV_STOP, SV_BIRTH, SV_WAIT, SV_GIVE_UP };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		slot_begin(&slot);
		assert_int_equal(slot_step(&slot, SV_BIRTH), 0);
		assert_int_equal(slot_step(&slot, to[i]), 0);
		assert_int_equal(slot_step(&slot, SV_BIRTH), 0);
		assert_int_equal(slot.state, SLOT_LIVE);
	}
}

static void only_a_live_place_waits(void **state)
{
	(void)state;
	slot_begin(&slot);
	assert_int_equal(slot_step(&slot, SV_WAIT), -EPERM);
	assert_int_equal(slot.state, SLOT_STOPPED);
	assert_int_equal(slot_step(&slot, SV_GIVE_UP), 0);
	assert_int_equal(slot_step(&slot, SV_WAIT), -EPERM);
	assert_int_equal(slot_step(&slot, SV_GIVE_UP), -EPERM);
	assert_int_equal(slot.state, SLOT_FAILED);
	assert_int_equal(slot_step(&slot, SV_STOP), 0);
}

static void names_are_the_contract_s(void **state)
{
	static const char *const names[LIFE_STATES] = {
		"stopped",  "starting", "starting", "parked",  "starting", "ready",
		"draining", "draining", "draining", "stopped", "stopped",
	};

	(void)state;
	for (enum life_state s = LIFE_NONE; s < LIFE_STATES; s++)
		assert_string_equal(life_state_name(s), names[s]);
	slot_begin(&slot);
	assert_string_equal(slot_state_name(&slot), "stopped");
	assert_int_equal(slot_step(&slot, SV_BIRTH), 0);
	assert_string_equal(slot_state_name(&slot), "starting");
	life_in(LIFE_READY);
	slot.current = &life;
	assert_string_equal(slot_state_name(&slot), "ready");
	slot.current = NULL;
	assert_int_equal(slot_step(&slot, SV_WAIT), 0);
	assert_string_equal(slot_state_name(&slot), "backoff");
	assert_int_equal(slot_step(&slot, SV_GIVE_UP), 0);
	assert_string_equal(slot_state_name(&slot), "failed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_move_changes_nothing),
		cmocka_unit_test(no_way_leads_back),
		cmocka_unit_test(whoever_lives_can_die_and_be_killed),
		cmocka_unit_test(the_dead_hear_only_that_their_leaf_is_empty),
		cmocka_unit_test(ready_is_heard_once_and_not_while_leaving),
		cmocka_unit_test(only_the_parked_are_handed_a_socket),
		cmocka_unit_test(a_place_can_be_taken_from_every_state),
		cmocka_unit_test(only_a_live_place_waits),
		cmocka_unit_test(names_are_the_contract_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
