/* SPDX-License-Identifier: MIT */
/* groups.h - groups.yaml: names for sets of system calls. Private to policy/. */
#ifndef MPSUP_POLICY_GROUPS_H
#define MPSUP_POLICY_GROUPS_H

#include "base/base.h"
#include "base/err.h"
#include "base/doc.h"

struct groups {
	struct doc doc;
	yaml_node_t *map; /* group -> list of calls */
	int highest;	  /* highest number of all calls */
};

/* Every name is resolved, so that a group that is not used is checked too.
 * *g may be uninitialised and always wants groups_done(). */
MUST_CHECK int groups_load(struct groups *g, const char *path, struct err *e);
void groups_done(struct groups *g);

/* Call fn with each call of a group that this machine has. -ENOENT: no such group. */
typedef int groups_fn(void *ctx, int nr, const char *name);
MUST_CHECK int groups_each(struct groups *g, const char *group, groups_fn *fn, void *ctx);

/* ", did you mean '@io'?" or "". */
#define GROUPS_HINT_BYTES 96
void groups_hint(struct groups *g, const char *group, char hint[GROUPS_HINT_BYTES]);

/* The number of a call that stands in a document; optional is the document's
 * list of names that may be unknown, or NULL. 1 with *ret_nr, 0 when it is left
 * out (another architecture's, optional), or an error with its place. */
MUST_CHECK int groups_resolve(struct doc *d, yaml_node_t *n, yaml_node_t *optional, int *ret_nr,
			      struct err *e);

#endif
