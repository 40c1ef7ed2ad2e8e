/* SPDX-License-Identifier: MIT */
/* state.h - state.json: what an instance keeps over its restarts. Written at most once a
 * minute, and only when something happened; at each stop; and before event numbers are
 * given out that a crash might repeat. */
#ifndef MPSUP_APP_STATE_H
#define MPSUP_APP_STATE_H

#include <limits.h>

#include "ctl/ctl.h"
#include "ctl/kept.h"

struct state {
	struct master *master;
	struct ctl *ctl; /* NULL: not open */
	struct kept kept;
	char dir[PATH_MAX];
	struct timer timer;
	uint64_t saved_ms; /* CLOCK_BOOTTIME; 0: never */
	bool changed, refused, said;
};

/* With nothing in it. */
void state_init(struct state *s, struct master *m);
/* Read it: nothing is refused, what cannot be believed is named and left aside. */
void state_open(struct state *s, struct master *m);
/* Events go on with their numbers. */
void state_follow(struct state *s, struct ctl *c);
/* The same where they have never stopped: after an upgrade. */
void state_go_on(struct state *s, struct ctl *c);
/* Something has happened that is worth to be kept. */
void state_changed(struct state *s);
/* A pool is going. */
void state_take(struct state *s);
/* The last word; nothing happens after it. */
void state_close(struct state *s);

#endif
