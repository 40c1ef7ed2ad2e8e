/* SPDX-License-Identifier: MIT */
/* life_sockets.h - which addresses a worker has, by the numbers that it knows them by: those
 * of its generation, in the order of its configuration, then those that its program asked
 * for. Two generations may have others, and in another order. */
#ifndef MPSUP_SUPER_LIFE_SOCKETS_H
#define MPSUP_SUPER_LIFE_SOCKETS_H

#include "super/super.h"

#define LIFE_SOCKETS_MAX 64 /* bits of struct binding */

/* Those of its generation. Once, before its birth. -ENOMEM. */
MUST_CHECK int life_sockets_take(struct life *l);
/* The number of one more, or the one that it has. -ENOMEM; -ENOSPC: too many. */
MUST_CHECK int life_sockets_add(struct life *l, struct listener *on);
/* -1: it has it not. */
int life_sockets_number(const struct life *l, const struct listener *on);
/* NULL: no such number. */
struct listener *life_sockets_of(const struct life *l, unsigned number);
/* How many its configuration names; 0: its pool is closed. */
unsigned life_sockets_configured(const struct life *l);
/* The sockets, by number, as they are now; -1: it does not listen yet. Borrowed, until the
 * next call for any worker. NULL: it has none, its pool is closed. */
const int *life_sockets_fds(const struct life *l);
void life_sockets_drop(struct life *l);

#endif
