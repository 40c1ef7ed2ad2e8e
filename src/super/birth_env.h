/* SPDX-License-Identifier: MIT */
/* birth_env.h - what one birth adds to the environment of its pool. */
#ifndef MPSUP_SUPER_BIRTH_ENV_H
#define MPSUP_SUPER_BIRTH_ENV_H

#include "super/super.h"

struct birth_env {
	char text[CAGE_ENV_EXTRA][128]; /* EINHORN_FDS of CAGE_LISTEN_MAX sockets is 101 */
	unsigned n;
	char **envp; /* owned: free() it; the strings are ours and the pool's */
	/* Where the child writes what only it knows: its number, its notify socket. */
	char *pid_at[CAGE_PID_PLACES];
	char *notify_at;	       /* NULL: none */
	char *einhorn, **einhorn_last; /* EINHORN_SOCK_PATH, in text and in envp, or NULL */
};

/* LISTEN_FDS and the like are for lives that find their sockets at descriptor 3. */
MUST_CHECK int birth_env_make(const struct life *l, unsigned nfds, struct birth_env *ret);

#endif
