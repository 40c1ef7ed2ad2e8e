/* SPDX-License-Identifier: MIT */
/* roll.h - between roll.c and roll_step.c. What others call is in pool.h.
 *
 * Layer: super. */
#ifndef MPSUP_SUPER_ROLL_H
#define MPSUP_SUPER_ROLL_H

#include "super/super.h"

/* The new generation is not taken: this slot's worker of that number (0: none) ended so. */
void roll_back(struct pool *p, const struct slot *s, uint64_t number, const char *cause);
/* Every slot has its worker of p->gen. Tells, and begins what was asked for meanwhile. */
void roll_finish(struct pool *p);
/* A slot that has given up: by the old generation, and the new one is tried; or by the new. */
void roll_failed_slot(struct pool *p, struct slot *s);

#endif
