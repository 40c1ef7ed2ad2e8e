/* SPDX-License-Identifier: MIT */
/* prepare.h - from a pool's configuration to everything its births need: the
 * listeners, the cage (view, filter, identity, environment). Before any birth;
 * a failure leaves nothing behind.
 *
 * Layer: super. Logs what is left out, with the word that names it. */
#ifndef MPSUP_SUPER_PREPARE_H
#define MPSUP_SUPER_PREPARE_H

#include "super/super.h"

/* Parts of the cage that only root is given. */
#define CAGE_ROOT_WORDS                                                                            \
	(CAGE_BIT(CAGE_PID) | CAGE_BIT(CAGE_MOUNT) | CAGE_BIT(CAGE_IPC) | CAGE_BIT(CAGE_UTS) |     \
	 CAGE_BIT(CAGE_CGROUP) | CAGE_BIT(CAGE_NET) | CAGE_BIT(CAGE_UID) | CAGE_BIT(CAGE_GROUPS) | \
	 CAGE_BIT(CAGE_CAPS) | CAGE_BIT(CAGE_VIEW))

/* Descriptors and facts of the master itself: /dev/null, mpsup-init, the
 * built-in worker, the cgroup base. -EOPNOTSUPP: this host or these rights
 * cannot give what was asked (exit 69). */
MUST_CHECK int prepare_master(struct master *m, struct err *e);
/* The same of a master that goes on in this program; its place in the tree came along. */
MUST_CHECK int prepare_master_again(struct master *m, struct err *e);
void prepare_master_done(struct master *m);

/* All that births of this configuration, which is resolved, need; a failure leaves
 * nothing behind. The caller's reference. */
MUST_CHECK int generation_make(struct master *m, struct pool_config *conf, unsigned number,
			       struct generation **ret, struct err *e);
/* What an image of the master has of one (carried.h): its file system as it was built, its
 * filter as it was compiled. */
struct generation_carried {
	struct view view;	 /* strings in conf's arena */
	int mold_fd;		 /* taken over; -1: none */
	struct filter *filter;	 /* a reference, taken over; NULL: none */
	const char *policy_name; /* in conf's arena */
	uint32_t words;
	bool preloads;
	struct pool_config *plan_conf; /* or NULL */
};
/* The same one again, without a look at files, users or the kernel. */
MUST_CHECK int generation_again(struct master *m, struct pool_config *conf, unsigned number,
				const struct generation_carried *was, struct generation **ret,
				struct err *e);
struct generation *generation_ref(struct generation *g);
void generation_unref(struct generation *g); /* accepts NULL */

/* conf is resolved. On failure the pool is as before. */
MUST_CHECK int prepare_pool(struct master *m, struct pool *p, struct err *e);
/* What the start found worth a line: of the master, of a pool that is prepared. */
void prepare_say_limits(const struct master *m);
void prepare_say(const struct pool *p);
void prepare_pool_done(struct pool *p);

#endif
