/* SPDX-License-Identifier: MIT */
/* test_parse.c - base/parse and base/nearest: the small languages of options. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/base.h"
#include "base/nearest.h"
#include "base/parse.h"

#define UNTOUCHED 0xfeedu

struct number_case {
	const char *text;
	int r;
	uint64_t value;
};

static void check_number(int r, uint64_t got, const struct number_case *c)
{
	if (r != c->r || got != (r == 0 ? c->value : UNTOUCHED))
		fail_msg("'%s': %d, %llu", c->text, r, (unsigned long long)got);
}

static void numbers(void **state)
{
	static const struct number_case cases[] = {
		{ "5", 0, 5 },		{ "3", 0, 3 },
		{ "100", 0, 100 },	{ "007", 0, 7 },
		{ "2", -ERANGE, 0 },	{ "101", -ERANGE, 0 },
		{ "", -EINVAL, 0 },	{ "-5", -EINVAL, 0 },
		{ "+5", -EINVAL, 0 },	{ " 5", -EINVAL, 0 },
		{ "5 ", -EINVAL, 0 },	{ "5x", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 }, { "99999999999999999999999", -ERANGE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t v = UNTOUCHED;
		int r = parse_u64(cases[i].text, 3, 100, &v);

		check_number(r, v, &cases[i]);
	}
}

static void durations(void **state)
{
	static const struct number_case cases[] = {
		{ "100ms", 0, 100 },
		{ "10s", 0, 10000 },
		{ "5m", 0, 300000 },
		{ "2h", 0, 7200000 },
		{ "1d", 0, 86400000 },
		{ "7", 0, 7000 }, /* bare: seconds */
		{ "0", 0, 0 },
		{ "1.5s", 0, 1500 },
		{ "0.25", 0, 250 },
		{ "1h30m", 0, 5400000 },
		{ "400d", 0, 34560000000 },
		{ "401d", -ERANGE, 0 },
		{ "399d48h", -ERANGE, 0 },
		{ "99999999999999999999s", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "1h30", -EINVAL, 0 },
		{ "5 s", -EINVAL, 0 },
		{ "5S", -EINVAL, 0 },
		{ "5sec", -EINVAL, 0 },
		{ "1.s", -EINVAL, 0 },
		{ ".5s", -EINVAL, 0 },
		{ "max", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t v = UNTOUCHED;
		int r = parse_duration(cases[i].text, &v);

		check_number(r, v, &cases[i]);
	}
}

static void sizes(void **state)
{
	static const struct number_case cases[] = {
		{ "512", 0, 512 },
		{ "512K", 0, 512 << 10 },
		{ "256M", 0, 256 << 20 },
		{ "2G", 0, 2ull << 30 },
		{ "1T", 0, 1ull << 40 },
		{ "64m", 0, 64 << 20 },
		{ "64MB", 0, 64 << 20 },
		{ "64MiB", 0, 64 << 20 },
		{ "1.5G", 0, 3ull << 29 },
		{ "0", 0, 0 },
		{ "max", 0, PARSE_MAX },
		{ "9999999T", -ERANGE, 0 },
		{ "99999999999999999999999", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "G", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "1.5", -EINVAL, 0 },
		{ "1X", -EINVAL, 0 },
		{ "1Gb", -EINVAL, 0 },
		{ "1 G", -EINVAL, 0 },
		{ "1G2M", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t v = UNTOUCHED;
		int r = parse_size(cases[i].text, &v);

		check_number(r, v, &cases[i]);
	}
}

static uint64_t low_cpus(const cpu_set_t *set)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < 64; i++)
		if (CPU_ISSET(i, set))
			bits |= 1ull << i;
	return bits;
}

static void cpu_lists(void **state)
{
	static const struct number_case cases[] = {
		{ "0", 0, 0x1 },	 { "0,2-3", 0, 0xd },
		{ "0-6:2", 0, 0x55 },	 { "1-7:3,0", 0, 0x93 },
		{ "3,3,3", 0, 0x8 },	 { "0-63", 0, UINT64_MAX },
		{ "", -EINVAL, 0 },	 { ",", -EINVAL, 0 },
		{ "0,", -EINVAL, 0 },	 { "1-", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },	 { "3-1", -EINVAL, 0 },
		{ "0-6:0", -EINVAL, 0 }, { "0:2", -EINVAL, 0 },
		{ "0 1", -EINVAL, 0 },	 { "all", -EINVAL, 0 },
		{ "1024", -ERANGE, 0 },	 { "0-99999999999999999999", -ERANGE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cpu_set_t set;
		int r;

		memset(&set, 0, sizeof(set));
		r = parse_cpus(cases[i].text, &set);
		if (r != cases[i].r || low_cpus(&set) != cases[i].value)
			fail_msg("'%s': %d, %#llx", cases[i].text, r,
				 (unsigned long long)low_cpus(&set));
	}
}

static void signals(void **state)
{
	static const char *const wrong[] = { "", "SIG", "term", "SIGSIG", "0", "65", "-9", "15x" };
	int sig = -1;

	(void)state;
	assert_int_equal(parse_signal("TERM", &sig), 0);
	assert_int_equal(sig, SIGTERM);
	assert_int_equal(parse_signal("SIGUSR2", &sig), 0);
	assert_int_equal(sig, SIGUSR2);
	assert_int_equal(parse_signal("15", &sig), 0);
	assert_int_equal(sig, SIGTERM);
	assert_int_equal(parse_signal("64", &sig), 0);
	assert_int_equal(sig, 64);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(parse_signal(wrong[i], &sig), -EINVAL);
		assert_int_equal(sig, 64);
	}
}

static void rates(void **state)
{
	static const char *const wrong[] = { "",	"10",	   "10/",
					     "/60s",	"ten/60s", "-1/60s",
					     "10/x",	"10//1s",  "10/60s/",
					     "10 /60s", "1.5/1s",  "00000000000000000001/1s" };
	unsigned n = 77;
	uint64_t ms = 77;

	(void)state;
	assert_int_equal(parse_rate("10/60s", &n, &ms), 0);
	assert_int_equal(n, 10);
	assert_int_equal(ms, 60000);
	assert_int_equal(parse_rate("0/1m", &n, &ms), 0);
	assert_int_equal(n, 0);
	assert_int_equal(parse_rate("1000001/1s", &n, &ms), -ERANGE);
	assert_int_equal(parse_rate("10/0", &n, &ms), -ERANGE);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (parse_rate(wrong[i], &n, &ms) != -EINVAL)
			fail_msg("'%s' was taken", wrong[i]);
	assert_int_equal(n, 0);
	assert_int_equal(ms, 60000);
}

static void ranges(void **state)
{
	static const char *const wrong[] = { "",      "1s",   "1s..",	    "..1s",   "1s...2s",
					     "1s-2s", "a..b", "1s..2s..3s", "1s.. 2s" };
	uint64_t min = 77, max = 77;

	(void)state;
	assert_int_equal(parse_range("100ms..10s", &min, &max), 0);
	assert_int_equal(min, 100);
	assert_int_equal(max, 10000);
	assert_int_equal(parse_range("1.5s..1.5s", &min, &max), 0);
	assert_int_equal(min, 1500);
	assert_int_equal(max, 1500);
	assert_int_equal(parse_range("10s..1s", &min, &max), -ERANGE);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (parse_range(wrong[i], &min, &max) != -EINVAL)
			fail_msg("'%s' was taken", wrong[i]);
	assert_int_equal(min, 1500);
}

static void distances(void **state)
{
	char longer[64];

	(void)state;
	assert_int_equal(nearest_distance("port", "port"), 0);
	assert_int_equal(nearest_distance("prot", "port"), 1); /* a swap is one edit */
	assert_int_equal(nearest_distance("", "port"), 4);
	assert_int_equal(nearest_distance("kitten", "sitting"), 3);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(nearest_distance(longer, "port"), UINT32_MAX);
}

static void nearest(void **state)
{
	static const char *const words[] = { "workers", "port",		 "protocol",
					     "all",	"restart-limit", NULL };

	(void)state;
	assert_string_equal(nearest_word("worker", words), "workers");
	assert_string_equal(nearest_word("wrokers", words), "workers");
	assert_string_equal(nearest_word("prot", words), "port");
	assert_string_equal(nearest_word("al", words), "all");
	/* A third of a long word. */
	assert_string_equal(nearest_word("restrtlimt", words), "restart-limit");
	assert_null(nearest_word("carrier-pigeon", words));
	assert_null(nearest_word("x", words));
	assert_null(nearest_word("", words));
	/* Two edits of three letters are another word. */
	assert_null(nearest_word("ape", words));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),   cmocka_unit_test(durations), cmocka_unit_test(sizes),
		cmocka_unit_test(cpu_lists), cmocka_unit_test(signals),	  cmocka_unit_test(rates),
		cmocka_unit_test(ranges),    cmocka_unit_test(distances), cmocka_unit_test(nearest),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
