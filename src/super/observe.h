/* SPDX-License-Identifier: MIT */
/* observe.h - drain by observation: a program that knows nothing of draining goes on to
 * serve what it has, while new connections are steered to others, until none of its own
 * has anything left to say. Then it can be ended, and nobody notices.
 *
 * There is no event for this (traps 37): it is looked at from time to time while it lasts.
 *
 * Layer: super. */
#ifndef MPSUP_SUPER_OBSERVE_H
#define MPSUP_SUPER_OBSERVE_H

#include "super/super.h"

void observe_init(struct life *l);
void observe_done(struct life *l); /* harmless when it is not watched */

/* Its protocol has a word that asks it to leave, and it understands it. */
bool observe_has_word(const struct life *l);
/* world.observe, world.busy: see struct world. */
MUST_CHECK int observe_begin(struct life *l, bool word);
int64_t observe_busy(struct life *l);

#endif
