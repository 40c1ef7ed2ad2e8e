/* SPDX-License-Identifier: MIT */
/* identity.c - who the worker is: groups, uid, capabilities, no_new_privs.
 * Called between clone and exec: system calls only. Every step reads back what
 * the kernel made of it: a cage is what the kernel says, not what was asked. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cage/cage.h"

int cage_drop_bounding(const struct cage *c)
{
	(void)c;
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) <= 0)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

int cage_set_groups(const struct cage *c)
{
	/* The raw call: glibc's setgroups() signals other threads, and there are none. */
	if (syscall(SYS_setgroups, (size_t)c->ngids, c->gids) < 0)
		return -errno;
	return getgroups(0, NULL) == (int)c->ngids ? 0 : -EPERM;
}

int cage_set_uid(const struct cage *c)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (syscall(SYS_setresgid, c->gid, c->gid, c->gid) < 0)
		return -errno;
	if (syscall(SYS_setresuid, c->uid, c->uid, c->uid) < 0)
		return -errno;
	if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0)
		return -errno;
	if (r != c->uid || e != c->uid || s != c->uid)
		return -EPERM;
	return rg == c->gid && eg == c->gid && sg == c->gid ? 0 : -EPERM;
}

int cage_drop_caps(const struct cage *c)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[2];

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	if (cap_set_proc(c->no_caps) < 0)
		return -errno;
	if (syscall(SYS_capget, &head, now) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		if (now[i].effective | now[i].permitted | now[i].inheritable)
			return -EPERM;
	return 0;
}

int cage_no_new_privs(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -EPERM;
}
