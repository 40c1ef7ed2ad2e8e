/* SPDX-License-Identifier: MIT */
/* cgroup_stat.h - what a leaf counts: the facts of a certificate and of `status`.
 *
 * Layer: kernel. Read before the leaf is removed; its counters end with it. */
#ifndef MPSUP_KERNEL_CGROUP_STAT_H
#define MPSUP_KERNEL_CGROUP_STAT_H

#include <stdint.h>

#include "base/base.h"

#define STAT_UNKNOWN UINT64_MAX

/* Everything STAT_UNKNOWN that the host does not count. */
struct cgroup_stat {
	uint64_t oom;	       /* the leaf's own limit could not be kept (memory.events.local) */
	uint64_t oom_kills;    /* processes of it that an OOM killer ended, for whatever limit */
	uint64_t high_hits;    /* times it was above memory.high */
	uint64_t memory_peak;  /* bytes; Linux 5.19 */
	uint64_t pids_refused; /* forks that pids.max refused */
	uint64_t cpu_usec;     /* needs no controller */
	uint64_t throttled_times, throttled_usec;
	uint64_t io_read_bytes, io_write_bytes; /* of all disks; stacked ones count twice */
};
#define CGROUP_STAT_NONE                                                                           \
	((struct cgroup_stat){ STAT_UNKNOWN, STAT_UNKNOWN, STAT_UNKNOWN, STAT_UNKNOWN,             \
			       STAT_UNKNOWN, STAT_UNKNOWN, STAT_UNKNOWN, STAT_UNKNOWN,             \
			       STAT_UNKNOWN, STAT_UNKNOWN })

/* Which files to open: none that is not there. */
#define STAT_CPU    1u	/* cpu.stat */
#define STAT_MEMORY 2u	/* memory.events.local */
#define STAT_PIDS   4u	/* pids.events */
#define STAT_IO	    8u	/* io.stat */
#define STAT_PEAK   16u /* memory.peak */
#define STAT_USED   (STAT_CPU | STAT_IO | STAT_PEAK)
/* By the controllers that a leaf has: "memory pids". */
unsigned cgroup_stat_files(const char *controllers);

void cgroup_stat_read(int leaf_fd, unsigned files, struct cgroup_stat *ret);

/* As cgroup_keyed(), from the beginning of an open file; for kernfs it is also the
 * word that this state was seen: EPOLLPRI comes with the next change. */
uint64_t cgroup_counter_read(int fd, const char *key);

/* "oom 1\noom_kill 2\n": the number after key, or STAT_UNKNOWN. */
uint64_t cgroup_keyed(const char *text, const char *key);
/* "8:0 rbytes=1 wbytes=2\n8:16 rbytes=3\n": the sum over all lines; an empty text
 * is 0: nothing was read or written. */
uint64_t cgroup_nested_sum(const char *text, const char *key);

#endif
