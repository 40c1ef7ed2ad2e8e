/* SPDX-License-Identifier: MIT */
/* usage.h - what a pool has used: numbers that only grow.
 *
 * A life's part is the highest that was ever read of each of its counters: a leaf that
 * is gone, a controller that is missing or a process that left /proc makes none of them
 * smaller. At its death the part moves to the pool's sum, which is kept over restarts
 * of the instance.
 *
 * Layer: super. */
#ifndef MPSUP_SUPER_USAGE_H
#define MPSUP_SUPER_USAGE_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/cgroup_stat.h"

struct usage_part {
	uint64_t cpu_usec, throttled_usec, io_read_bytes, io_write_bytes;
	uint64_t memory_peak_bytes;
};

struct usage {
	int64_t since_ms;	/* CLOCK_REALTIME; 0: not begun */
	struct usage_part sums; /* of lives that are over; of peaks the highest */
	uint64_t births, deaths, oom_kills, denied, connections_cut;
};

/* Its counters by their names in the contract. */
struct usage_field {
	const char *name;
	size_t offset; /* of a uint64_t in struct usage */
};
extern const struct usage_field usage_fields[];
extern const size_t usage_nfields;

static inline uint64_t *usage_at(struct usage *u, const struct usage_field *f)
{
	return (uint64_t *)(void *)((char *)u + f->offset);
}

/* What was read of a life now; STAT_UNKNOWN says nothing. */
void usage_see(struct usage_part *part, const struct cgroup_stat *s);
/* A life's part into the sum. Sums end at INT64_MAX, the largest that JSON readers take. */
void usage_add(struct usage *u, const struct usage_part *part);
/* Two histories of one pool become one: the earlier beginning, the sums of both. */
void usage_join(struct usage *u, const struct usage *more);

#endif
