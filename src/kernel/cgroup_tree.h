/* SPDX-License-Identifier: MIT */
/* cgroup_tree.h - where in the tree of cgroup v2 the instance's folder goes, and
 * which controllers its leaves get.
 *
 * A cgroup that gives controllers on may hold no processes (cgroup-v2.rst, "No
 * Internal Process Constraint"), only the root of the host may. So in a subtree
 * that was given to us the master itself first moves into a leaf.
 *
 * Layer: kernel. Between cgroup_root_find() and cgroup_base_open(). */
#ifndef MPSUP_KERNEL_CGROUP_TREE_H
#define MPSUP_KERNEL_CGROUP_TREE_H

#include "kernel/cgroup.h"

enum cgroup_place {
	PLACE_HERE,   /* below the own cgroup, without controllers */
	PLACE_TOP,    /* top-level */
	PLACE_OWN,    /* below the own cgroup, which is ours: the master moves aside */
	PLACE_PARENT, /* as PLACE_OWN, and it has been moved already (DelegateSubgroup=) */
	PLACE_ASK,    /* a service manager rules the tree: it has to be asked */
};

struct cgroup_facts {
	bool controllers;      /* the tree has useful ones at all */
	bool at_top;	       /* the own cgroup is the top of what is mounted */
	bool host_root;	       /* that top is the root of the host, not of a container */
	bool delegated;	       /* the own cgroup was given to us (xattr delegate) */
	bool parent_delegated; /* the one above was */
	bool systemd;	       /* it runs this host (sd_booted(3)) */
	bool privileged;
};

void cgroup_facts_gather(const struct cgroup_root *r, struct cgroup_facts *ret);
/* A decision without a look at the host. */
enum cgroup_place cgroup_place_choose(const struct cgroup_facts *f);

/* Go there: r->own becomes what the instance's folder is made below. On failure
 * all is as before and PLACE_HERE is what is left; *e says why. */
MUST_CHECK int cgroup_place_take(struct cgroup_root *r, enum cgroup_place place, struct err *e);
/* Back to where we were, as far as nobody else has settled there. */
void cgroup_place_leave(struct cgroup_root *r);

/* After cgroup_base_open(): give these controllers (NULL-terminated) on, from the
 * place down to the leaves, as far as they are there; r->controllers is then what
 * the leaves have. Returns 0, or the first refusal in words, others are tried. */
MUST_CHECK int cgroup_give_on(struct cgroup_root *r, const char *const *wanted, struct err *e);

#endif
