/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "base/parse.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DURATION_MAX_MS (400ull * 86400 * 1000) /* more is a slip of the pen */

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

int parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	unsigned long long v;
	char *end;

	if (!digit(*s))
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno || v < min || v > max)
		return -ERANGE;
	*ret_value = v;
	return 0;
}

/* Digits with at most three places after a point, as thousandths. */
static int thousandths(const char **s, uint64_t *ret)
{
	const char *p = *s;
	uint64_t v = 0;
	unsigned places = 1000;

	if (!digit(*p))
		return -EINVAL;
	for (; digit(*p); p++) {
		if (v > UINT64_MAX / 100000)
			return -ERANGE;
		v = v * 10 + (uint64_t)(*p - '0');
	}
	v *= 1000;
	if (*p == '.') {
		if (!digit(*++p))
			return -EINVAL;
		for (; digit(*p); p++)
			v += (uint64_t)(*p - '0') * (places /= 10);
	}
	*s = p;
	*ret = v;
	return 0;
}

int parse_duration(const char *s, uint64_t *ret_ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = { { "ms", 1 },	{ "s", 1000 },	   { "m", 60000 },
		      { "h", 3600000 }, { "d", 86400000 }, { "", 1000 } };
	uint64_t total = 0;

	if (!*s)
		return -EINVAL;
	while (*s) {
		uint64_t v, ms = 0;
		size_t n, i;
		int r = thousandths(&s, &v);

		if (r < 0)
			return r;
		n = strspn(s, "abcdefghijklmnopqrstuvwxyz");
		for (i = 0; i < ARRAY_LEN(units); i++)
			if (strlen(units[i].unit) == n && strncmp(units[i].unit, s, n) == 0)
				ms = units[i].ms;
		/* A bare number stands alone: "1h30" is not clear. */
		if (ms == 0 || (n == 0 && (*s || total > 0)))
			return -EINVAL;
		s += n;
		if (v / 1000 > DURATION_MAX_MS / ms)
			return -ERANGE;
		total += v * ms / 1000;
	}
	if (total > DURATION_MAX_MS)
		return -ERANGE;
	*ret_ms = total;
	return 0;
}

/* 1: a number, in thousandths, and *s behind it. 0: "max", given. */
static int max_or_thousandths(const char **s, uint64_t *ret_v, uint64_t *ret_max)
{
	int r;

	if (strcmp(*s, "max") == 0) {
		*ret_max = PARSE_MAX;
		return 0;
	}
	r = thousandths(s, ret_v);
	return r < 0 ? r : 1;
}

int parse_size(const char *s, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	uint64_t v, scale = 1;
	const char *u;
	int r;

	r = max_or_thousandths(&s, &v, ret_bytes);
	if (r <= 0)
		return r;
	u = *s ? strchr(units, *s >= 'a' ? *s - 32 : *s) : NULL;
	if (*s && (!u || (s[1] && strcmp(s + 1, "iB") != 0 && strcmp(s + 1, "B") != 0)))
		return -EINVAL;
	for (ptrdiff_t i = 0; u && i <= u - units; i++)
		scale *= 1024;
	if (!u && v % 1000)
		return -EINVAL;
	if (v / 1000 > (UINT64_MAX >> 12) / scale)
		return -ERANGE;
	*ret_bytes = v / 1000 * scale + v % 1000 * scale / 1000;
	return 0;
}

int parse_share(const char *s, uint64_t *ret_thousandths)
{
	uint64_t v;
	int r;

	r = max_or_thousandths(&s, &v, ret_thousandths);
	if (r <= 0)
		return r;
	if (strcmp(s, "%") == 0)
		v /= 100;
	else if (*s)
		return -EINVAL;
	*ret_thousandths = v;
	return 0;
}

static int cpu_number(const char **s, unsigned *ret)
{
	char *end;
	unsigned long v;

	if (!digit(**s))
		return -EINVAL;
	v = strtoul(*s, &end, 10);
	if (v >= CPU_SETSIZE)
		return -ERANGE;
	*s = end;
	*ret = (unsigned)v;
	return 0;
}

int parse_cpus(const char *s, cpu_set_t *ret_cpus)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	while (1) {
		unsigned from = 0, to, step = 1;
		int r = cpu_number(&s, &from);

		to = from;
		if (r == 0 && *s == '-') {
			s++;
			r = cpu_number(&s, &to);
			if (r == 0 && *s == ':') {
				s++;
				r = cpu_number(&s, &step);
			}
		}
		if (r < 0)
			return r;
		if (to < from || step == 0)
			return -EINVAL;
		for (unsigned c = from; c <= to; c += step)
			CPU_SET(c, &set);
		if (*s != ',')
			break;
		s++;
	}
	if (*s)
		return -EINVAL;
	*ret_cpus = set;
	return 0;
}

int parse_signal(const char *s, int *ret_signal)
{
	uint64_t n;

	if (parse_u64(s, 1, 64, &n) == 0) {
		*ret_signal = (int)n;
		return 0;
	}
	if (strncmp(s, "SIG", 3) == 0)
		s += 3;
	for (int sig = 1; sig < NSIG; sig++) {
		const char *name = sigabbrev_np(sig);

		if (name && strcmp(name, s) == 0) {
			*ret_signal = sig;
			return 0;
		}
	}
	return -EINVAL;
}

int parse_rate(const char *s, unsigned *ret_count, uint64_t *ret_window_ms)
{
	const char *slash = strchr(s, '/');
	char count[16];
	uint64_t n, ms;
	int r;

	if (!slash || (size_t)(slash - s) >= sizeof(count))
		return -EINVAL;
	memcpy(count, s, (size_t)(slash - s));
	count[slash - s] = '\0';
	r = parse_u64(count, 0, 1000000, &n);
	if (r == 0)
		r = parse_duration(slash + 1, &ms);
	if (r < 0)
		return r;
	if (ms == 0)
		return -ERANGE;
	*ret_count = (unsigned)n;
	*ret_window_ms = ms;
	return 0;
}

int parse_range(const char *s, uint64_t *ret_min_ms, uint64_t *ret_max_ms)
{
	const char *dots = strstr(s, "..");
	char min_text[24];
	uint64_t min, max;
	int r;

	if (!dots || (size_t)(dots - s) >= sizeof(min_text))
		return -EINVAL;
	memcpy(min_text, s, (size_t)(dots - s));
	min_text[dots - s] = '\0';
	r = parse_duration(min_text, &min);
	if (r == 0)
		r = parse_duration(dots + 2, &max);
	if (r < 0)
		return r;
	if (min > max)
		return -ERANGE;
	*ret_min_ms = min;
	*ret_max_ms = max;
	return 0;
}

static int digits(const char **s, unsigned n, int *ret)
{
	*ret = 0;
	for (; n > 0; n--, (*s)++) {
		if (**s < '0' || **s > '9')
			return -EINVAL;
		*ret = *ret * 10 + (**s - '0');
	}
	return 0;
}

/* [T ]HH:MM[:SS[.FRACTION]] */
static int time_of_day(const char **s, struct tm *tm, int64_t *ret_ms)
{
	int64_t unit = 100;

	if (**s != 'T' && **s != 't' && **s != ' ')
		return 0;
	(*s)++;
	if (digits(s, 2, &tm->tm_hour) < 0 || *(*s)++ != ':' || digits(s, 2, &tm->tm_min) < 0)
		return -EINVAL;
	if (**s != ':')
		return 0;
	(*s)++;
	if (digits(s, 2, &tm->tm_sec) < 0)
		return -EINVAL;
	if (**s != '.')
		return 0;
	for ((*s)++; **s >= '0' && **s <= '9'; (*s)++, unit /= 10)
		*ret_ms += (**s - '0') * unit;
	return 0;
}

int parse_time(const char *s, int64_t now_ms, int64_t *ret_ms)
{
	struct tm tm = { 0 };
	int64_t ms = 0;
	uint64_t ago;
	time_t t;

	if (parse_duration(s, &ago) == 0) {
		*ret_ms = now_ms - (int64_t)ago;
		return 0;
	}
	if (digits(&s, 4, &tm.tm_year) < 0 || *s++ != '-' || digits(&s, 2, &tm.tm_mon) < 0 ||
	    *s++ != '-' || digits(&s, 2, &tm.tm_mday) < 0 || time_of_day(&s, &tm, &ms) < 0)
		return -EINVAL;
	s += *s == 'Z' || *s == 'z';
	if (*s || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
	    tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	t = timegm(&tm);
	*ret_ms = (int64_t)t * 1000 + ms;
	return 0;
}
