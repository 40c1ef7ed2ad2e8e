/* SPDX-License-Identifier: MIT */
/* filters.h - the compiled policies of an instance: pools that say the same share one
 * program, which is compiled and tried on this kernel once.
 *
 * Layer: super. */
#ifndef MPSUP_SUPER_FILTERS_H
#define MPSUP_SUPER_FILTERS_H

#include <linux/filter.h>
#include <stdbool.h>

#include "base/base.h"
#include "base/err.h"

struct master;

struct filter {
	struct filter *next, **head; /* of master->filters */
	unsigned refs;
	char *policy;	/* the name or file that it was read from, or NULL: to be read again */
	bool wants_ask; /* bind(2) was to be asked about */
	bool asks;	/* and the policy has it: cage_filter() returns the listener */
	unsigned flags; /* SECCOMP_FILTER_FLAG_* */
	struct sock_filter *insns;
	unsigned short len;
};

/* A reference. -EINVAL and others with a sentence that names --policy; -EOPNOTSUPP: it is
 * this host that takes no filter. */
MUST_CHECK int filter_get(struct master *m, const char *policy, bool wants_ask, struct filter **ret,
			  struct err *e);
struct filter *filter_ref(struct filter *f);
/* One that was compiled and tried before; its only reference is the caller's. */
void filter_add(struct master *m, struct filter *f);
void filter_unref(struct filter *f); /* accepts NULL */
/* From now on policies are read anew: their files may have changed. */
void filters_read_again(struct master *m);

#endif
