/* SPDX-License-Identifier: MIT */
/* clock.h - the two clocks. Deadlines and ages use CLOCK_BOOTTIME (it counts
 * through suspend and survives a re-exec); people read CLOCK_REALTIME. */
#ifndef MPSUP_BASE_CLOCK_H
#define MPSUP_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t clock_boot_ms(void)
{
	return clock_ns(CLOCK_BOOTTIME) / 1000000u;
}

static inline int64_t clock_real_ms(void)
{
	return (int64_t)(clock_ns(CLOCK_REALTIME) / 1000000u);
}

#endif
