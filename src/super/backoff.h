/* SPDX-License-Identifier: MIT */
/* backoff.h - restart limits as a value with an injected clock: a unit test
 * lives through a week in a microsecond. */
#ifndef MPSUP_SUPER_BACKOFF_H
#define MPSUP_SUPER_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

struct restarts {
	uint64_t *at_ms; /* ring of the last `size` restarts, owned */
	unsigned size, head, used;
	unsigned step; /* position on the backoff ladder */
	uint64_t last_ms;
};

struct restart_policy {
	unsigned limit; /* restarts within window_ms */
	uint64_t window_ms, min_ms, max_ms;
};

/* Uptime after which the next death is a first one again: at once, no backoff. */
#define RESTART_STABLE_MS 10000

/* A death at now_ms of a worker that had been ready for ready_ms (0: never).
 * Returns the delay in ms before the next start, or -EAGAIN: past the limit.
 * `random` in [0, 1000) spreads the delay by ±20 %. *ret_count: restarts in the
 * window with this one. -ENOMEM. */
MUST_CHECK int64_t restarts_next(struct restarts *r, const struct restart_policy *p,
				 uint64_t now_ms, uint64_t ready_ms, unsigned random,
				 unsigned *ret_count);

/* As above for a replacement that does not wait (suicide, spare). */
MUST_CHECK int64_t restarts_now(struct restarts *r, const struct restart_policy *p, uint64_t now_ms,
				unsigned *ret_count);

/* Would restarts_next() say 0 now? Counts nothing. */
bool restarts_at_once(const struct restarts *r, const struct restart_policy *p, uint64_t now_ms,
		      uint64_t ready_ms);

/* Restarts within the window that ends at now_ms. */
unsigned restarts_count(const struct restarts *r, const struct restart_policy *p, uint64_t now_ms);

void restarts_reset(struct restarts *r); /* mpsup reset: forget them */
void restarts_done(struct restarts *r);

#endif
