/* SPDX-License-Identifier: MIT */
/* leaf.h - what a worker's leaf allows and what it tells: limits before the birth,
 * facts before the burial.
 *
 * Layer: super. */
#ifndef MPSUP_SUPER_LEAF_H
#define MPSUP_SUPER_LEAF_H

#include "super/super.h"

/* Plan the pool's limits and try them on a leaf that nobody is born into.
 * -EOPNOTSUPP: this host cannot give what was asked; -EINVAL: a value that the
 * kernel does not understand. After place_cgroup(). */
MUST_CHECK int leaf_limits_prepare(struct master *m, struct generation *g, struct err *e);
/* c->oom_score_adj, in the pool's arena: a master that systemd protects from the
 * OOM killer must not pass that on. -EOPNOTSUPP: a lower one than ours, without
 * the right to. */
MUST_CHECK int leaf_oom_score(struct generation *g, struct cage *c, struct err *e);
/* Into l's leaf, empty yet. */
MUST_CHECK int leaf_limits_write(struct life *l, struct err *e);

/* Facts, of a life whose end is known and whose leaf is not emptied yet; no leaf, no
 * facts. Then death.c asks: */
void leaf_gather(struct life *l);
enum reason leaf_oom(const struct life *l);		 /* REASON_NONE: no OOM killer was there */
void leaf_detail(struct death *d, const struct life *l); /* "memory.max 64M, peak 64M" */
void leaf_hint(struct death *d, const struct life *l);
void leaf_count(struct life *l); /* a death, and what the life used: into the pool's sums */

/* worker.limit: told by the kernel's events, never asked for. */
void leaf_watch(struct life *l);
/* It is being replaced: it need not be slow any more. */
void leaf_lift_high(struct life *l);
void leaf_unwatch(struct life *l); /* harmless when not watched */
void leaf_watch_all(struct master *m);
void leaf_unwatch_all(struct master *m);

#endif
