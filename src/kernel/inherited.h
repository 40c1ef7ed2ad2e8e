/* SPDX-License-Identifier: MIT */
/* inherited.h - listening sockets that our own starter holds for us: those of a .socket
 * unit, and those that an earlier master of this unit gave into its descriptor store
 * (sd_listen_fds(3), FDSTORE in sd_notify(3)). Whoever waits in their queues does not
 * notice that the master was another.
 *
 * Layer: kernel. */
#ifndef MPSUP_KERNEL_INHERITED_H
#define MPSUP_KERNEL_INHERITED_H

#include <stdbool.h>

#include "base/base.h"
#include "kernel/listener.h"

struct inherited_fd {
	int fd;	     /* owned; -1: taken, or gone */
	bool stored; /* ours, of the store; else somebody else's, who listens on */
	bool stale;  /* it is of no use, and the store still has it */
	char *name;  /* its FDNAME; owned; NULL but for stored */
};

struct inherited {
	struct inherited_fd *list; /* owned */
	unsigned n;
};
#define INHERITED_MAX  512
#define INHERITED_NAME "mpsup-stored" /* FDNAMEs of those in the store begin so */

/* LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES of our environment, which are gone then: no
 * worker is meant by them. -ENOMEM. */
MUST_CHECK int inherited_open(struct inherited *in);
/* Closes what is left: it is nobody's. */
void inherited_close(struct inherited *in);
/* The one that listens on this address; the caller owns it. -1: there is none. stored: also
 * of the store. */
int inherited_take(struct inherited *in, const struct listener_spec *s, bool stored,
		   bool *ret_stored);
/* Back, for the next one who wants it. */
void inherited_give(struct inherited *in, int *fd);
/* What of the store is in the way of this address, though it is not that: it is closed.
 * false: there was none. */
bool inherited_clear(struct inherited *in, const struct listener_spec *s);
/* After all had their chance: those of the store that nobody took are closed. Returns how
 * many others are left. */
unsigned inherited_settle(struct inherited *in);

#endif
