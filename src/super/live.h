/* SPDX-License-Identifier: MIT */
/* live.h - between spawn.c and live.c. */
#ifndef MPSUP_SUPER_LIVE_H
#define MPSUP_SUPER_LIVE_H

#include "super/super.h"

int live_birth(struct life *l, struct err *e); /* spawn.c: struct world's birth */
/* What its descriptors tell, from now on. */
MUST_CHECK int live_watch(struct life *l);
/* What it is told with its sockets. */
void live_hello(const struct life *l, struct wire_hello *ret);
void live_init_timers(struct life *l);

/* What the birth has said so far, before anything that was said after it. */
void live_catch_up(struct life *l);
void live_on_report(struct source *s, uint32_t events);
void live_on_worker(struct source *s, uint32_t events);
void live_on_lifeline(struct source *s, uint32_t events);
void live_on_init(struct source *s, uint32_t events);
void live_on_leaf(struct source *s, uint32_t events);

/* Is it one of its processes that speaks there? Else it is counted, and named once. */
bool live_owns(struct life *l, pid_t pid, uid_t uid, const char *where);

extern const struct wire_up live_wire_up;

#endif
