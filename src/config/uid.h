/* SPDX-License-Identifier: MIT */
/* uid.h - dynamic uids: a pool's own, from its name, stable, never one in use.
 * The range and the locks in /run/systemd/dynamic-uid are systemd's, so that the
 * two never give out the same one (src/core/dynamic-user.c, traps 22). */
#ifndef MPSUP_CONFIG_UID_H
#define MPSUP_CONFIG_UID_H

#include <sys/types.h>

#include "base/base.h"
#include "base/err.h"

#define UID_DYNAMIC_MIN 61184
#define UID_DYNAMIC_MAX 65519

/* *ret_lock_fd holds the uid until uid_release(). -EBUSY: all are taken. */
MUST_CHECK int uid_allocate(const char *instance, const char *pool, uid_t *ret_uid,
			    int *ret_lock_fd, struct err *e);
void uid_release(int *lock_fd, uid_t uid); /* harmless on -1 */

#endif
