/* SPDX-License-Identifier: MIT */
/* scale.h - another number of workers, while they run.
 *
 * Layer: super. */
#ifndef MPSUP_SUPER_SCALE_H
#define MPSUP_SUPER_SCALE_H

#include "super/super.h"

/* n slots: new ones are born, the highest drain as in a stop and go. -ENOMEM, and
 * nothing has changed. */
MUST_CHECK int pool_resize(struct pool *p, unsigned n, struct err *e);
/* Slots that were scaled away and are empty go: of pool_update(). */
void pool_shrink(struct pool *p);

#endif
