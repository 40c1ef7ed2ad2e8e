/* SPDX-License-Identifier: MIT */
/* take_limits.c - the options of a worker's leaf: memory, CPU, processes, disks. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "config/reading.h"

#define MEMORY_MIN	(1u << 20)
#define IO_MAX		16
#define RAW_MAX		32
#define QUOTA_MIN	10 /* thousandths: the kernel takes no less than 1 ms of 100 */
#define QUOTA_MAX	(4096 * 1000)
#define PIDS_MIN	2 /* mpsup-init and the worker */
#define PIDS_MAX	4194304
#define OOM_SCORE_BOUND 1000

/* `max` is what a leaf has by itself: nothing is asked of the host then. */
static void settle(struct reading *rd, enum limit which, uint64_t *to, uint64_t n)
{
	struct limits *l = rd->limits;

	l->asked &= ~LIMIT_BIT(which);
	if (n != PARSE_MAX)
		l->asked |= LIMIT_BIT(which);
	*to = n == PARSE_MAX ? 0 : n;
}

static int size_into(struct reading *rd, enum limit which, uint64_t *to, uint64_t min,
		     const struct key *k, const char *value, struct err *e)
{
	uint64_t n = 0;
	int r = parse_size(value, &n);

	if (r == 0 && n < min)
		r = -ERANGE;
	if (r < 0)
		return reading_not_right(k, value, r, e);
	settle(rd, which, to, n);
	return 0;
}

TAKE(memory)
{
	return size_into(rd, LIMIT_MEMORY, &rd->limits->memory, MEMORY_MIN, k, value, e);
}

TAKE(memory_high)
{
	return size_into(rd, LIMIT_MEMORY_HIGH, &rd->limits->memory_high, MEMORY_MIN, k, value, e);
}

TAKE(swap)
{
	return size_into(rd, LIMIT_SWAP, &rd->limits->swap, 0, k, value, e);
}

TAKE(cpu_quota)
{
	uint64_t n = 0;
	int r = parse_share(value, &n);

	if (r == 0 && n != PARSE_MAX && (n < QUOTA_MIN || n > QUOTA_MAX))
		r = -ERANGE;
	if (r < 0)
		return reading_not_right(k, value, r, e);
	settle(rd, LIMIT_CPU_QUOTA, &rd->limits->cpu_quota, n);
	return 0;
}

TAKE(cpu_weight)
{
	uint64_t n = 0;
	int r = reading_number(k, value, 1, 10000, &n, e);

	if (r == 0)
		settle(rd, LIMIT_CPU_WEIGHT, &rd->limits->cpu_weight, n);
	return r;
}

TAKE(pids)
{
	uint64_t n = PARSE_MAX;
	int r = strcmp(value, "max") == 0 ? 0 : reading_number(k, value, PIDS_MIN, PIDS_MAX, &n, e);

	if (r == 0)
		settle(rd, LIMIT_PIDS, &rd->limits->pids, n);
	return r;
}

TAKE(oom_score_adj)
{
	bool minus = value[0] == '-';
	uint64_t n;
	int r = parse_u64(value + minus, 0, OOM_SCORE_BOUND, &n);

	if (r < 0)
		return reading_not_right(k, value, r, e);
	rd->limits->asked |= LIMIT_BIT(LIMIT_OOM_SCORE_ADJ);
	rd->limits->oom_score_adj = minus ? -(int)n : (int)n;
	return 0;
}

/* "rbps=10M", "wiops=200", "rbps=max" */
static int take_rate(struct io_limit *io, const char *word)
{
	const char *eq = strchr(word, '=');
	size_t len = eq ? (size_t)(eq - word) : 0;
	uint64_t n = 0;
	int r;

	for (int i = 0; i < IO_RATES; i++) {
		if (strlen(io_rate_name[i]) != len || strncmp(io_rate_name[i], word, len) != 0)
			continue;
		if (i == IO_RBPS || i == IO_WBPS || strcmp(eq + 1, "max") == 0)
			r = parse_size(eq + 1, &n);
		else
			r = parse_u64(eq + 1, 0, UINT32_MAX, &n);
		if (r == 0 && n == 0)
			r = -ERANGE; /* for the kernel too */
		if (r == 0)
			io->rate[i] = n;
		return r;
	}
	return -EINVAL;
}

static bool is_device(const char *word)
{
	char *end;

	if (word[0] == '/')
		return true;
	if (word[0] < '0' || word[0] > '9')
		return false;
	(void)strtoul(word, &end, 10);
	return *end == ':' && end[1] && strspn(end + 1, "0123456789") == strlen(end + 1);
}

TAKE(io)
{
	struct limits *l = rd->limits;
	char *copy = arena_strdup(rd->arena, value), *save = NULL;
	char *device = copy ? strtok_r(copy, " ", &save) : NULL, *word;
	struct io_limit *more = arena_alloc(rd->arena, (l->nio + 1) * sizeof(*more));
	unsigned rates = 0;

	if (!copy || !more)
		return reading_no_memory(e);
	if (!device || !is_device(device) || l->nio == IO_MAX)
		return reading_not_right(k, value, device && l->nio == IO_MAX ? -ERANGE : -EINVAL,
					 e);
	if (l->nio)
		memcpy(more, l->io, l->nio * sizeof(*more));
	more[l->nio] = (struct io_limit){ .device = device };
	for (; (word = strtok_r(NULL, " ", &save)); rates++) {
		int r = take_rate(&more[l->nio], word);

		if (r < 0)
			return reading_not_right(k, value, r, e);
	}
	if (rates == 0)
		return reading_wrong(k, e, -EINVAL, "'%.100s' names no rate; right is: %s", value,
				     k->form);
	l->io = more;
	l->nio++;
	return 0;
}

/* Files that have an option of their own, which knows sizes and what is wrong. */
static const char *own_option(const char *file, size_t len)
{
	static const char *const own[][2] = {
		{ "memory.max", "memory" },
		{ "memory.high", "memory-high" },
		{ "memory.swap.max", "swap" },
		{ "cpu.max", "cpu-quota" },
		{ "cpu.weight", "cpu-weight" },
		{ "pids.max", "pids" },
		{ "io.max", "io" },
	};

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (strlen(own[i][0]) == len && strncmp(own[i][0], file, len) == 0)
			return own[i][1];
	return NULL;
}

TAKE(raw)
{
	struct limits *l = rd->limits;
	const char *eq = strchr(value, '='), *own;
	size_t len = eq ? (size_t)(eq - value) : 0;
	struct raw_limit *more;
	uint64_t bytes;

	/* A name of the form CONTROLLER.WHAT and nothing that is a path; cgroup.* moves,
	 * kills or freezes, which is the master's own work. */
	if (len < 3 || len > 64 || !eq[1] || !memchr(value, '.', len) || value[0] == '.' ||
	    strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._") !=
		    len)
		return reading_not_right(k, value, -EINVAL, e);
	if (strncmp(value, "cgroup.", 7) == 0)
		return reading_wrong(k, e, -EINVAL,
				     "'%.100s': files named cgroup.* are mpsup's own; right is: %s",
				     value, k->form);
	own = own_option(value, len);
	if (own && k->level == LEVEL_TOTAL)
		return reading_wrong(k, e, -EINVAL, "'%.100s' has a key: total.%s", value, own);
	if (own)
		return reading_wrong(k, e, -EINVAL, "'%.100s' has an option: --%s", value, own);
	if (l->nraw == RAW_MAX)
		return reading_not_right(k, value, -ERANGE, e);
	more = arena_alloc(rd->arena, (l->nraw + 1) * sizeof(*more));
	if (!more)
		return reading_no_memory(e);
	if (l->nraw)
		memcpy(more, l->raw, l->nraw * sizeof(*more));
	more[l->nraw].file = arena_strndup(rd->arena, value, len);
	/* The kernel's memory files know sizes too, but not 1.5G nor 64MiB. */
	if (strncmp(value, "memory.", 7) == 0 && parse_size(eq + 1, &bytes) == 0 &&
	    bytes != PARSE_MAX)
		more[l->nraw].value = arena_printf(rd->arena, "%llu", (unsigned long long)bytes);
	else
		more[l->nraw].value = arena_strdup(rd->arena, eq + 1);
	if (!more[l->nraw].file || !more[l->nraw].value)
		return reading_no_memory(e);
	l->raw = more;
	l->nraw++;
	return 0;
}
