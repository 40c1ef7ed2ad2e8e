/* SPDX-License-Identifier: MIT */
/* eras.h - unix sockets of pools in which each worker has sockets of its own: AF_UNIX has no
 * groups (traps 6), so those of a new generation get a new socket for the same path, and the
 * path leads there when they take over. The old ones have theirs until they have left.
 *
 * Who shares a socket is of one *era*: all workers of the pool, but for those that are to take
 * over in a reload. Where a new socket cannot be had, or is somebody else's, all share one as
 * without this.
 *
 * Layer: super. */
#ifndef MPSUP_SUPER_ERAS_H
#define MPSUP_SUPER_ERAS_H

#include "super/super.h"

/* A reload begins: who is born of the new generation is of a new era. */
void eras_begin(struct pool *p);
/* It goes back: those of the old generation that are born now get a new one again, for what
 * the old ones had runs empty; but where some of these serve still, theirs. */
void eras_turn(struct pool *p);
/* It is over. */
void eras_end(struct pool *p);
/* Of a life that is born now. */
unsigned era_of_birth(const struct pool *p, const struct generation *gen);

/* Has it addresses of this kind? Then all of a roll have to take over together. */
bool eras_are_used(const struct pool *p);

/* It has taken somebody's place: paths lead to its sockets now, if they do not. */
void eras_follow(struct pool *p, const struct life *l);
/* Who has them is gone, and others serve: the same. And what nobody needs is closed. */
void eras_settle(struct pool *p);

/* Where the path leads; NULL: nowhere. */
struct seat *path_seat(const struct listener *l);
/* It leads nowhere from now on; who has the socket keeps it. Harmless when it does not. */
void path_hide(struct listener *l);
/* What these workers have; NULL: it is not open. */
struct seat *path_seat_of(const struct listener *l, unsigned era);
/* The same for one that needs it now: a new one is bound, or a closed one is theirs. */
struct seat *path_seat_for(struct listener *l, const struct life *who);
/* Somebody else than `but` who lives may have it. */
bool path_is_held(const struct listener *l, const struct seat *s, const struct life *but);
/* Do new connections go past this worker? */
bool path_leads_past(const struct listener *l, const struct life *who);

#endif
