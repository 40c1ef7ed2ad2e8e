/* SPDX-License-Identifier: MIT */
/* apply.h - from the pools that are to those that a file wants: a plan, then its doing.
 *
 * Layer: super. */
#ifndef MPSUP_SUPER_APPLY_H
#define MPSUP_SUPER_APPLY_H

#include "config/diff.h"
#include "super/super.h"

enum apply_action {
	APPLY_KEEP,    /* nothing differs */
	APPLY_START,   /* new */
	APPLY_REMOVE,  /* not in the file any more: drains and goes */
	APPLY_LIVE,    /* limits and the like, of the workers that run */
	APPLY_ROLL,    /* new workers, one after the other, on the same sockets */
	APPLY_REPLACE, /* all of it stops, then starts with other sockets */
	APPLY_OPEN,    /* its world was broken: looked at again */
	APPLY_REFUSE,  /* not possible now: step.why */
};

struct apply_step {
	enum apply_action action;
	struct pool *pool;	  /* NULL: new */
	struct pool_config *conf; /* a reference; NULL: removed */
	bool anew;		  /* a reload: its workers are replaced whatever differs */
	struct config_diff diff;
	struct err why; /* APPLY_REFUSE, and what did not work out: code < 0 */
};

struct apply_plan {
	struct apply_step *steps; /* owned */
	unsigned n;
	struct config_diff instance; /* keys of the instance that need a new start */
};

const char *apply_action_name(enum apply_action a);

/* only: one pool, or NULL for all. -ENOMEM. */
MUST_CHECK int apply_plan_make(struct apply_plan *plan, struct master *m,
			       const struct config *wanted, const char *only, struct err *e);
/* The same for a reload: each pool of it gets new workers. wanted NULL: there is no file,
 * and pools are read again as they were given. */
MUST_CHECK int apply_plan_reload(struct apply_plan *plan, struct master *m,
				 const struct config *wanted, const char *only, struct err *e);
void apply_plan_done(struct apply_plan *plan);
/* Each step by itself: what fails of one (step.why) leaves that pool as it was, and
 * the others go on. Returns how many failed. */
unsigned apply_plan_do(struct apply_plan *plan, struct master *m);

#endif
