/* SPDX-License-Identifier: MIT */
/* test_backoff.c - restart limits and the ladder, as values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "super/backoff.h"

static const struct restart_policy pol = {
	.limit = 10,
	.window_ms = 60000,
	.min_ms = 100,
	.max_ms = 10000,
};
static struct restarts r;

static int setup(void **state)
{
	(void)state;
	r = (struct restarts){ 0 };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	restarts_done(&r);
	restarts_done(&r); /* twice is harmless */
	return r.at_ms ? -1 : 0;
}

/* 500: no jitter. */
static int64_t next(uint64_t now_ms, uint64_t ready_ms)
{
	unsigned count = 0;

	return restarts_next(&r, &pol, now_ms, ready_ms, 500, &count);
}

static void the_ladder_has_every_step_once(void **state)
{
	static const int64_t steps[] = { 0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000 };
	uint64_t now = 1000000;

	(void)state;
	for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		assert_int_equal(next(now + i, 5), steps[i]);
	assert_int_equal(next(now + 10, 5), -EAGAIN);
}

static void the_first_minute_of_a_host_counts_like_any_other(void **state)
{
	(void)state;
	assert_int_equal(next(10, 0), 0);
	assert_int_equal(next(20, 0), 100);
	assert_int_equal(next(30, 0), 200);
}

static void stable_uptime_begins_a_new_ladder(void **state)
{
	uint64_t now = 1000000;

	(void)state;
	assert_int_equal(next(now, 0), 0);
	assert_int_equal(next(now + 1, 0), 100);
	assert_int_equal(next(now + 2, 0), 200);
	assert_int_equal(next(now + 3, RESTART_STABLE_MS - 1), 400);
	assert_int_equal(next(now + 4, RESTART_STABLE_MS), 0);
	assert_int_equal(next(now + 5, 0), 100);
	assert_int_equal(restarts_count(&r, &pol, now + 5), 6); /* counted all the same */
}

static void a_quiet_window_begins_a_new_ladder(void **state)
{
	uint64_t now = 1000000;

	(void)state;
	assert_int_equal(next(now, 0), 0);
	assert_int_equal(next(now + 1, 0), 100);
	assert_int_equal(next(now + 1 + pol.window_ms, 0), 0);
	assert_int_equal(next(now + 2 + pol.window_ms, 0), 100);
}

static void jitter_stays_within_a_fifth(void **state)
{
	unsigned count;

	(void)state;
	for (unsigned random = 0; random < 1000; random++) {
		int64_t wait;

		restarts_reset(&r);
		assert_int_equal(restarts_next(&r, &pol, 1000000, 0, random, &count), 0);
		wait = restarts_next(&r, &pol, 1000001, 0, random, &count);
		assert_in_range(wait, 80, 120);
	}
}

static void restarts_age_out_one_by_one(void **state)
{
	uint64_t now = 1000000;
	unsigned count;

	(void)state;
	for (unsigned i = 0; i < pol.limit; i++)
		assert_int_equal(restarts_now(&r, &pol, now + i * 1000, &count), 0);
	assert_int_equal(count, pol.limit);
	assert_int_equal(restarts_count(&r, &pol, now + pol.window_ms - 1), pol.limit);
	assert_int_equal(restarts_count(&r, &pol, now + pol.window_ms), pol.limit - 1);
	assert_int_equal(restarts_now(&r, &pol, now + pol.window_ms, &count), 0);
	assert_int_equal(count, pol.limit);
	assert_int_equal(restarts_now(&r, &pol, now + pol.window_ms + 1, &count), -EAGAIN);
	assert_int_equal(count, pol.limit + 1);
	assert_int_equal(restarts_count(&r, &pol, now + 10 * pol.window_ms), 0);
}

static void reset_forgets(void **state)
{
	unsigned count;

	(void)state;
	for (unsigned i = 0; i < pol.limit; i++)
		assert_int_equal(restarts_now(&r, &pol, 1000000, &count), 0);
	restarts_reset(&r);
	assert_int_equal(restarts_count(&r, &pol, 1000000), 0);
	assert_int_equal(next(1000001, 0), 0);
	assert_int_equal(next(1000002, 0), 100);
}

static void a_limit_of_nothing_allows_nothing(void **state)
{
	struct restart_policy none = { .limit = 0, .window_ms = 60000, .min_ms = 1, .max_ms = 1 };
	unsigned count;

	(void)state;
	assert_int_equal(restarts_count(&r, &none, 1000000), 0);
	assert_int_equal(restarts_now(&r, &none, 1000000, &count), -EAGAIN);
	assert_int_equal(count, 1);
}

static void equal_ends_make_a_level_ladder(void **state)
{
	struct restart_policy flat = { 10, 60000, 250, 250 };
	unsigned count;

	(void)state;
	assert_int_equal(restarts_next(&r, &flat, 1000000, 0, 500, &count), 0);
	for (unsigned i = 1; i < 10; i++)
		assert_int_equal(restarts_next(&r, &flat, 1000000 + i, 0, 500, &count), 250);
}

/* A worker that dies each 7 s of a week never passes 10/60s; each 5 s it does. */
static void a_week(void **state)
{
	const uint64_t week = UINT64_C(7) * 24 * 3600 * 1000;
	unsigned count;

	(void)state;
	for (uint64_t t = 7000; t < week; t += 7000)
		assert_true(restarts_now(&r, &pol, t, &count) == 0 && count <= 9);
	for (uint64_t t = 0;; t += 5000) {
		if (restarts_now(&r, &pol, week + t, &count) == -EAGAIN)
			break;
		assert_in_range(t, 0, pol.window_ms);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_ladder_has_every_step_once),
		T(the_first_minute_of_a_host_counts_like_any_other),
		T(stable_uptime_begins_a_new_ladder),
		T(a_quiet_window_begins_a_new_ladder),
		T(jitter_stays_within_a_fifth),
		T(restarts_age_out_one_by_one),
		T(reset_forgets),
		T(a_limit_of_nothing_allows_nothing),
		T(equal_ends_make_a_level_ladder),
		T(a_week),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
