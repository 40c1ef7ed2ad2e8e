/* SPDX-License-Identifier: MIT */
/* adopt.h - a pool takes over what can change in the workers that run: limits, restart
 * policy, deadlines, numbers.
 *
 * Layer: super. */
#ifndef MPSUP_SUPER_ADOPT_H
#define MPSUP_SUPER_ADOPT_H

#include "super/super.h"

/* conf is resolved, and differs in nothing but keys of CHANGE_LIVE; a reference is taken.
 * -errno with a sentence, and nothing has changed: this host cannot set a limit. */
MUST_CHECK int pool_adopt(struct pool *p, struct pool_config *conf, struct err *e);
/* A person gives some keys of CHANGE_LIVE anew: checked, resolved, adopted, and kept over
 * what the file says as long as it says the same. -errno: nothing has changed. */
MUST_CHECK int pool_set(struct pool *p, const struct given *changes, unsigned n, struct err *e);
/* The same once more, where its values are others now: what a person gave while a generation
 * took over, and either went. */
MUST_CHECK int pool_set_again(struct pool *p, struct err *e);

#endif
