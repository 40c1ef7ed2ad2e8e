/* SPDX-License-Identifier: MIT */
/* test_week.c - a week in which everything happens at any time. After each
 * event world.h's check_world() holds; at the end nothing is left. */
#define _GNU_SOURCE
#include "world.h"

#define WEEK_MS (UINT64_C(7) * 24 * 3600 * 1000)

static uint64_t seed;

/* xorshift64: the same week each time. */
static unsigned dice(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}

static struct life *any(void)
{
	return w.nalive ? w.alive[dice(w.nalive)] : NULL;
}

static void some_death(struct life *l)
{
	static const int sigs[] = { SIGSEGV, SIGKILL, SIGSYS, SIGTERM };

	w.keep_leaves = dice(4) == 0;
	if (dice(8) == 0) {
		l->failed_step = CHILD_STEP_NONE;
		l->failed_error = ENOMEM;
	}
	if (l->certified)
		return;
	if (dice(2)) /* the kernel's word, before init's */
		life_lost(l);
	if (dice(8) == 0)
		return; /* and init's comes late */
	if (dice(2))
		dies(l, (int)dice(4), 0);
	else
		dies(l, 0, sigs[dice(4)]);
}

static void some_leaf_is_empty(struct life *l)
{
	if (l->state == LIFE_DEAD)
		world_bury(l);
	pass(0);
}

/* As one that is old, or by `reload POOL/SLOT`. */
static void some_twin(struct slot *s)
{
	if (!s->pool->rolled_from && !s->twin && s->current && s->current->state == LIFE_READY)
		ignore((int)slot_twin(s, s->pool->gen, dice(2) ? REASON_MAX_AGE : REASON_RELOAD));
}

static void some_order(struct pool *p)
{
	int slot = dice(4) ? (int)dice(p->nslots) : -1;
	struct err e;

	w.listen_result = dice(4) ? 0 : -EADDRINUSE;
	switch (dice(9)) {
	case 0:
	case 1:
		ignore(pool_restart(p, slot, &e));
		break;
	case 2:
	case 3:
		ignore(pool_begin(p, slot, &e));
		break;
	case 4:
		pool_halt(p, dice(p->nslots));
		break;
	case 5:
	case 6:
		assert_int_equal(pool_roll(p, next_generation(p), &e), 0);
		break;
	case 7:
		some_twin(p->slots[dice(p->nslots)]);
		break;
	default:
		if (dice(10) == 0)
			pool_stop(p);
		break;
	}
}

/* Whatever a worker, the kernel or a person may do next. */
static void something(struct life *l)
{
	switch (dice(16)) {
	case 0:
	case 1:
	case 2:
	case 3:
		if (l->pid == 0 && l->state == LIFE_STARTING)
			born(l);
		else if (l->slot)
			life_ready(l);
		else
			life_parked(l);
		break;
	case 4:
	case 5:
		some_leaf_is_empty(l);
		break;
	case 6:
		life_suicide(l, "x", 1);
		break;
	case 7:
		life_leaving(l);
		break;
	case 8:
		life_protocol_error(l, "noise");
		break;
	case 9:
		life_watchdog_ping(l);
		break;
	case 10:
		life_extend(l, dice(100) * 1000000u);
		break;
	case 11:
		life_exec_seen(l);
		break;
	case 12:
		ignore((int)pool_reset(l->pool, dice(20) ? (int)dice(l->pool->nslots) : -1));
		break;
	case 13:
		some_order(l->pool);
		break;
	default:
		some_death(l);
		break;
	}
}

static void live_until(uint64_t end, unsigned mean_ms)
{
	while (w.now < end && w.idle == 0) {
		struct life *l = any();

		w.ntold = 0; /* a week has more events than fit */
		w.birth_result = dice(50) == 0 ? -EAGAIN : 0;
		w.hand_over_result = dice(20) == 0 ? -EAGAIN : dice(20) == 0 ? -EPIPE : 0;
		w.drain_result = dice(10) == 0 ? -EOPNOTSUPP : 0;
		if (l)
			something(l);
		else if (dice(2))
			ignore((int)pool_reset(&w.pools[dice(w.m.npools)], -1));
		else
			some_order(&w.pools[dice(w.m.npools)]);
		check_world();
		pass(dice(2 * mean_ms));
	}
}

/* Nothing more is asked for, and nobody fails: whatever was begun comes to its end. */
static void a_calm_hour(void)
{
	w.birth_result = w.hand_over_result = w.drain_result = 0;
	w.keep_leaves = false;
	for (unsigned n = 0; n < 360; n++) {
		for (unsigned i = w.nalive; i > 0; i--) {
			struct life *l = i <= w.nalive ? w.alive[i - 1] : NULL;

			if (!l)
				continue;
			if (l->state == LIFE_DEAD)
				some_leaf_is_empty(l);
			else if (l->lost || l->state > LIFE_READY)
				dies(l, 0, 0);
			else if (l->state == LIFE_STARTING && !l->slot)
				park(l);
			else if (l->state < LIFE_READY && l->state != LIFE_PARKED)
				get_ready(l);
		}
		w.ntold = 0;
		pass(10000);
	}
	for (unsigned k = 0; k < w.m.npools; k++) {
		assert_null(w.pools[k].rolled_from);
		for (unsigned i = 0; i < w.pools[k].nslots; i++)
			assert_null(w.pools[k].slots[i]->twin);
	}
}

/* Those that were killed die; the others when their deadline has come. */
static void until_idle(void)
{
	for (unsigned n = 0; w.nalive > 0; n++) {
		assert_in_range(n, 0, 10000);
		w.keep_leaves = false;
		for (unsigned i = w.nalive; i > 0; i--)
			some_leaf_is_empty(w.alive[i - 1]);
		for (unsigned i = w.nalive; i > 0; i--)
			if (i <= w.nalive && !w.alive[i - 1]->certified &&
			    (w.alive[i - 1]->state == LIFE_KILLED || w.alive[i - 1]->lost)) {
				dies(w.alive[i - 1], 0, SIGKILL);
				break;
			}
		pass(500);
	}
}

static void check_end(void)
{
	assert_int_equal(w.m.lives, 0);
	assert_int_equal(w.idle, 1);
	assert_true(list_empty(&w.m.loop.timers));
	for (unsigned i = 0; i < w.m.npools; i++) {
		struct pool *p = &w.pools[i];

		assert_int_equal(p->phase, POOL_STOPPED);
		assert_int_equal(p->in_birth, 0);
		assert_int_equal(p->usage.births, p->usage.deaths);
		assert_true(list_empty(&p->spares));
	}
}

static void live_a_week(uint64_t number, unsigned mean_ms, uint64_t ms)
{
	seed = UINT64_C(0x9e3779b97f4a7c15) * (number + 1);
	for (unsigned i = 0; i < WORLD_POOLS; i++) {
		w.conf[i].on_failed = ON_FAILED_HOLD;
		w.conf[i].spares = i + 1;
		w.conf[i].surge = (unsigned)(number + i) % 4;
		w.conf[i].watchdog_ms = i ? 60000 : 0;
	}
	start_pools(WORLD_POOLS);
	live_until(w.now + ms, mean_ms);
	assert_int_equal(w.idle, 0);
	a_calm_hour();
	master_stop(&w.m, 0);
	live_until(w.now + 20000, 300); /* it goes on in the stop */
	if (number % 2 && w.idle == 0)
		master_end_at_once(&w.m);
	until_idle();
	check_end();
}

static void a_week_of_crashes(void **state)
{
	(void)state;
	live_a_week(0, 10000, WEEK_MS);
	assert_true(w.pools[0].usage.births > 1000);
}

static void again(uint64_t from, uint64_t to, unsigned mean_ms, uint64_t ms)
{
	void *none = NULL;

	for (uint64_t i = from; i < to; i++) {
		if (i > from) {
			assert_int_equal(world_teardown(&none), 0);
			assert_int_equal(world_setup(&none), 0);
		}
		live_a_week(i, mean_ms, ms);
	}
}

static void many_hasty_hours(void **state)
{
	(void)state;
	again(1, 60, 40, 60000);
}

static void many_days(void **state)
{
	(void)state;
	again(100, 150, 1000, 3600000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		W(a_week_of_crashes),
		W(many_hasty_hours),
		W(many_days),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
