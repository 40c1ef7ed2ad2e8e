/* SPDX-License-Identifier: MIT */
/* pin.h - pins that last: when what we may run on changes, CPUs are dealt anew and set
 * for every thread of every worker. */
#ifndef MPSUP_SUPER_PIN_H
#define MPSUP_SUPER_PIN_H

#include "super/super.h"

/* Read the host's topology, watch for changes. After prepare_master(), before CPUs are
 * dealt. What cannot be watched is a line in the log. */
void pins_open(struct master *m);
/* The same of a master that knows what it was started with: after an upgrade. */
void pins_again(struct master *m);
void pins_close(struct master *m); /* harmless when never opened */
/* The number of slots has changed: deal anew, and pin. */
void pins_deal(struct master *m);
/* Look at once, as when a pin was refused. */
void pins_check(struct master *m);

/* Set l->cpus for all its threads. moved: they are other CPUs than before; else a
 * thread that has put itself on some of them stays there. *ret_set (may be NULL) is
 * raised by the number of threads that were set. -errno of the first refusal. */
MUST_CHECK int pin_life(const struct life *l, bool moved, unsigned *ret_set);

#endif
