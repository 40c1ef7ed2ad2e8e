/* SPDX-License-Identifier: MIT */
/* acting.h - files of others as those others: for a moment the file system sees another
 * user, with his groups and none of root's rights (setfsuid(2)). Nothing else of the
 * process changes: nobody can signal it meanwhile who could not before.
 *
 * Layer: kernel. */
#ifndef MPSUP_KERNEL_ACTING_H
#define MPSUP_KERNEL_ACTING_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/base.h"

#define ACTING_GROUPS 64

struct acting {
	bool on;
	uid_t uid; /* ours */
	gid_t gid;
	gid_t groups[ACTING_GROUPS];
	int ngroups;
};
#define ACTING_NONE ((struct acting){ .on = false })

/* -EPERM: these rights do not allow it; -E2BIG: we are in too many groups. Then nothing
 * has changed. */
MUST_CHECK int acting_begin(struct acting *a, uid_t uid, gid_t gid, const gid_t *gids,
			    unsigned ngids);
void acting_end(struct acting *a); /* harmless when it was not begun; keeps errno */

#endif
