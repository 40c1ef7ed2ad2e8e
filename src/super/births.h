/* SPDX-License-Identifier: MIT */
/* births.h - how many births of all pools are under way at once.
 *
 * A pool's `parallel` bounds its own; two hundred pools that start together would still
 * be two hundred programs that load themselves on a few CPUs, each slower than its
 * ready_timeout. What a death or a person asks for is born at once, and counted.
 *
 * Layer: super. */
#ifndef MPSUP_SUPER_BIRTHS_H
#define MPSUP_SUPER_BIRTHS_H

#include "super/super.h"

/* Before the first pool: from then on there is a bound. */
void births_open(struct master *m);
void births_close(struct master *m);

/* May this pool give birth now? If not, pool_kick() is called for it when it may. */
bool births_may(struct pool *p);
void births_forget(struct pool *p); /* it is going */

void births_begin(struct life *l);
void births_end(struct life *l); /* ready, parked or dead; harmless when it was told */

#endif
