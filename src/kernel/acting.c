/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/acting.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <unistd.h>

/* They tell no error: what they are set to is asked for with a number that is none. */
static bool set_ids(uid_t uid, gid_t gid)
{
	(void)setfsgid(gid);
	(void)setfsuid(uid);
	return (uid_t)setfsuid((uid_t)-1) == uid && (gid_t)setfsgid((gid_t)-1) == gid;
}

int acting_begin(struct acting *a, uid_t uid, gid_t gid, const gid_t *gids, unsigned ngids)
{
	*a = (struct acting){ .uid = geteuid(), .gid = getegid() };
	a->ngroups = getgroups(ACTING_GROUPS, a->groups);
	if (a->ngroups < 0)
		return -E2BIG;
	if (setgroups(ngids, gids) < 0)
		return -errno;
	a->on = true;
	if (set_ids(uid, gid))
		return 0;
	acting_end(a);
	return -EPERM;
}

void acting_end(struct acting *a)
{
	int saved = errno;

	if (!a->on)
		return;
	/* To go on with somebody's rights as if they were ours would be worse than to end. */
	if (!set_ids(a->uid, a->gid) || setgroups((size_t)a->ngroups, a->groups) < 0)
		abort();
	a->on = false;
	errno = saved;
}
