/* SPDX-License-Identifier: MIT */
/* daemon.h - --daemonize: the starter waits until every pool is ready or has failed,
 * shows what the daemon says meanwhile (they share its terminal), and ends with the
 * exit status that the foreground would have had. */
#ifndef MPSUP_APP_DAEMON_H
#define MPSUP_APP_DAEMON_H

#include "base/err.h"

struct daemon {
	int tell_fd; /* to the starter; -1: in the foreground, or told */
};
#define DAEMON_NONE ((struct daemon){ .tell_fd = -1 })

/* With all signals blocked, before there is a loop or a thread. Returns 0 in the
 * daemon, in a session of its own. In the starter 1, after the verdict, with its
 * exit status in *ret_status. -errno: it could not be made. */
MUST_CHECK int daemon_split(struct daemon *d, int *ret_status, struct err *e);

/* The start is over: lets go of terminal and working directory, and of the starter, which
 * ends with this status. */
void daemon_started(struct daemon *d, int status);
void daemon_done(struct daemon *d);

#endif
