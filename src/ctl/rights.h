/* SPDX-License-Identifier: MIT */
/* rights.h - what a peer of the control socket may do. */
#ifndef MPSUP_CTL_RIGHTS_H
#define MPSUP_CTL_RIGHTS_H

#include <sys/types.h>

#include "super/super.h"

enum { RIGHT_VIEW = 1, RIGHT_CHANGE = 2, RIGHT_ROOT = 4 };

/* On the whole instance; 0: none. Looks at the peer's groups, cgroup and PID namespace.
 * *ret_barred: it lives where nobody is listened to, whatever its groups. */
unsigned rights_of_peer(const struct master *m, int fd, pid_t pid, uid_t uid, gid_t gid,
			bool *ret_barred);
/* What the groups of one pool give beside that, to one who is not barred. */
unsigned rights_on_pool(const struct pool *p, int fd, gid_t gid);

#endif
