/* SPDX-License-Identifier: MIT */
/* Counters of a pool never go backwards, whatever is read when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "super/usage.h"

#define LIVES 4

static struct cgroup_stat read_of(uint64_t cpu, uint64_t io, uint64_t peak)
{
	struct cgroup_stat s = CGROUP_STAT_NONE;

	s.cpu_usec = cpu;
	s.io_read_bytes = s.io_write_bytes = io;
	s.memory_peak = peak;
	return s;
}

static void a_part_keeps_the_highest(void **state)
{
	struct usage_part part = { 0 };
	struct cgroup_stat s = read_of(10, 5, 100);

	(void)state;
	usage_see(&part, &s);
	s = read_of(7, STAT_UNKNOWN, 200);
	usage_see(&part, &s);
	s = CGROUP_STAT_NONE;
	usage_see(&part, &s);
	assert_int_equal(part.cpu_usec, 10);
	assert_int_equal(part.io_read_bytes, 5);
	assert_int_equal(part.memory_peak_bytes, 200);
	assert_int_equal(part.throttled_usec, 0);
}

static void sums_end_at_the_largest_number(void **state)
{
	struct usage u = { .deaths = INT64_MAX - 1 }, more = { .deaths = 5, .since_ms = 9 };
	const struct usage_part part = { .cpu_usec = INT64_MAX - 10 };

	(void)state;
	usage_add(&u, &part);
	usage_add(&u, &part);
	assert_true(u.sums.cpu_usec == INT64_MAX);
	usage_join(&u, &more);
	assert_true(u.deaths == INT64_MAX);
	assert_int_equal(u.since_ms, 9);
	more.since_ms = 4;
	usage_join(&u, &more);
	more.since_ms = 6;
	usage_join(&u, &more);
	assert_int_equal(u.since_ms, 4);
}

static void every_counter_has_its_name_once(void **state)
{
	struct usage u = { 0 };

	(void)state;
	for (size_t i = 0; i < usage_nfields; i++) {
		assert_int_equal(*usage_at(&u, &usage_fields[i]), 0);
		*usage_at(&u, &usage_fields[i]) = i + 1;
	}
	for (size_t i = 0; i < usage_nfields; i++) {
		assert_int_equal(*usage_at(&u, &usage_fields[i]), i + 1);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(usage_fields[i].name, usage_fields[k].name);
	}
	assert_int_equal(u.connections_cut, usage_nfields); /* the last: none was left out */
	assert_int_equal(u.since_ms, 0);
	assert_int_equal(sizeof(u), (usage_nfields + 1) * sizeof(uint64_t));
}

/* Lives come, are read or not (too early, too late, in part), end with less than was
 * seen, and are replaced: what a reader adds up never becomes less. */
static void random_readings_only_grow(void **state)
{
	struct usage u = { 0 };
	struct usage_part part[LIVES] = { 0 };
	struct cgroup_stat real[LIVES] = { 0 };
	uint64_t last[3] = { 0 };

	(void)state;
	srandom(7);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = (unsigned)random() % LIVES;
		struct cgroup_stat s;
		struct usage sum;

		real[i].cpu_usec += (uint64_t)random() % 100;
		real[i].io_write_bytes += (uint64_t)random() % 100;
		real[i].memory_peak = (uint64_t)random() % 1000;
		s = real[i];
		if (random() % 3 == 0)
			s.cpu_usec = STAT_UNKNOWN;
		else if (random() % 3 == 0)
			s.cpu_usec /= 2; /* a helper has left /proc */
		if (random() % 3 == 0)
			s.io_write_bytes = s.memory_peak = STAT_UNKNOWN;
		usage_see(&part[i], &s);
		if (random() % 50 == 0) {
			usage_add(&u, &part[i]);
			part[i] = (struct usage_part){ 0 };
			real[i] = (struct cgroup_stat){ 0 };
		}
		sum = u;
		for (unsigned k = 0; k < LIVES; k++)
			usage_add(&sum, &part[k]);
		assert_true(sum.sums.cpu_usec >= last[0]);
		assert_true(sum.sums.io_write_bytes >= last[1]);
		assert_true(sum.sums.memory_peak_bytes >= last[2]);
		last[0] = sum.sums.cpu_usec;
		last[1] = sum.sums.io_write_bytes;
		last[2] = sum.sums.memory_peak_bytes;
	}
	assert_true(last[0] > 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_part_keeps_the_highest),
		cmocka_unit_test(sums_end_at_the_largest_number),
		cmocka_unit_test(every_counter_has_its_name_once),
		cmocka_unit_test(random_readings_only_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
