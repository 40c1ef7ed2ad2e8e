/* SPDX-License-Identifier: MIT */
/* parse.h - the small languages of options: durations, sizes, lists, signals.
 * 0, or -EINVAL (not of the form) or -ERANGE; nothing is written on failure. */
#ifndef MPSUP_BASE_PARSE_H
#define MPSUP_BASE_PARSE_H

#include <sched.h>
#include <stdint.h>

#include "base/base.h"

#define PARSE_MAX UINT64_MAX /* what "max" means for a size */

MUST_CHECK int parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret_value);
/* 100ms 10s 5m 2h 1d, 1h30m, bare = seconds, fractions as 1.5s; in ms. */
MUST_CHECK int parse_duration(const char *s, uint64_t *ret_ms);
/* 512K 256M 2G 1T (1024), bare = bytes, max. */
MUST_CHECK int parse_size(const char *s, uint64_t *ret_bytes);
/* CPUs as 1.5 or 150%, max; in thousandths. */
MUST_CHECK int parse_share(const char *s, uint64_t *ret_thousandths);
/* As taskset(1): 0,2-3,0-6:2 */
MUST_CHECK int parse_cpus(const char *s, cpu_set_t *ret_cpus);
/* TERM, SIGTERM, 15 */
MUST_CHECK int parse_signal(const char *s, int *ret_signal);
/* A moment: "10m" is so long before now_ms, or UTC as in RFC 3339:
 * "2026-11-24T08:00:00.5Z", "2026-11-24 08:00", "2026-11-24". In ms since 1970. */
MUST_CHECK int parse_time(const char *s, int64_t now_ms, int64_t *ret_ms);
/* N/DURATION */
MUST_CHECK int parse_rate(const char *s, unsigned *ret_count, uint64_t *ret_window_ms);
/* MIN..MAX, both durations, MIN not above MAX */
MUST_CHECK int parse_range(const char *s, uint64_t *ret_min_ms, uint64_t *ret_max_ms);

#endif
