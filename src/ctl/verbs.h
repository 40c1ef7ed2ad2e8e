/* SPDX-License-Identifier: MIT */
/* verbs.h - what the verbs have in common; for verbs*.c alone. */
#ifndef MPSUP_CTL_VERBS_H
#define MPSUP_CTL_VERBS_H

#include "ctl/ctl.h"

struct target {
	struct pool *pool; /* NULL: the whole instance */
	int slot;	   /* -1: the whole pool */
	const char *text;
};

typedef void verb_fn(struct ctl_client *cl, const struct target *t, const json_t *args);

/* verbs_change.c: while they run */
verb_fn verb_scale, verb_set, verb_signal, verb_send;
/* verb_reload.c */
verb_fn verb_reload;
/* verb_upgrade.c */
verb_fn verb_upgrade;
/* verb_apply.c: the instance's file again; 0 and NULL where there is none and may_be_none. */
struct complaints;
MUST_CHECK int apply_read(const struct master *m, bool by_hand, bool may_be_none,
			  struct complaints *cs, struct config **ret, struct err *e);
void apply_refuse(struct ctl_client *cl, const struct complaints *cs, const struct err *e,
		  int exit);
/* What this client waits for, once it is done: client_touches(). */
struct apply_plan;
void apply_note(struct ctl_client *cl, const struct apply_plan *plan);
/* waits.c */
verb_fn verb_wait;
/* verbs_change.c */
verb_fn verb_reopen;

#endif
