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
/* waits.c */
verb_fn verb_wait;
/* verbs_change.c */
verb_fn verb_reopen;

#endif
