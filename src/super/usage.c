/* SPDX-License-Identifier: MIT */
#include "super/usage.h"

#include "base/base.h"

#define FIELD(member)                                                                              \
	{                                                                                          \
#member, offsetof(struct usage, member)                                            \
	}
#define SUM(member)                                                                                \
	{                                                                                          \
#member, offsetof(struct usage, sums.member)                                       \
	}

const struct usage_field usage_fields[] = {
	SUM(cpu_usec),	     SUM(memory_peak_bytes), SUM(io_read_bytes), SUM(io_write_bytes),
	SUM(throttled_usec), FIELD(births),	     FIELD(deaths),	 FIELD(oom_kills),
	FIELD(denied),	     FIELD(connections_cut),
};
const size_t usage_nfields = ARRAY_LEN(usage_fields);

static void raise_to(uint64_t *n, uint64_t to)
{
	if (to != STAT_UNKNOWN && to > *n)
		*n = to;
}

void usage_see(struct usage_part *part, const struct cgroup_stat *s)
{
	raise_to(&part->cpu_usec, s->cpu_usec);
	raise_to(&part->throttled_usec, s->throttled_usec);
	raise_to(&part->io_read_bytes, s->io_read_bytes);
	raise_to(&part->io_write_bytes, s->io_write_bytes);
	raise_to(&part->memory_peak_bytes, s->memory_peak);
}

static void add(uint64_t *sum, uint64_t n)
{
	*sum = n > INT64_MAX - *sum ? INT64_MAX : *sum + n;
}

void usage_add(struct usage *u, const struct usage_part *part)
{
	add(&u->sums.cpu_usec, part->cpu_usec);
	add(&u->sums.throttled_usec, part->throttled_usec);
	add(&u->sums.io_read_bytes, part->io_read_bytes);
	add(&u->sums.io_write_bytes, part->io_write_bytes);
	raise_to(&u->sums.memory_peak_bytes, part->memory_peak_bytes);
}

void usage_join(struct usage *u, const struct usage *more)
{
	if (more->since_ms && (!u->since_ms || more->since_ms < u->since_ms))
		u->since_ms = more->since_ms;
	usage_add(u, &more->sums);
	add(&u->births, more->births);
	add(&u->deaths, more->deaths);
	add(&u->oom_kills, more->oom_kills);
	add(&u->denied, more->denied);
	add(&u->connections_cut, more->connections_cut);
}
