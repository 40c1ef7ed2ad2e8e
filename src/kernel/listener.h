/* SPDX-License-Identifier: MIT */
/* listener.h - listening sockets that outlive their workers.
 *
 * Layer: kernel. -Exxx with a sentence, never logs. */
#ifndef MPSUP_KERNEL_LISTENER_H
#define MPSUP_KERNEL_LISTENER_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/base.h"
#include "base/err.h"

struct listener_spec {
	const char *shown; /* for messages */
	struct sockaddr_storage addr;
	socklen_t addr_len;
	bool dual_stack; /* [::] that takes IPv4 too; 0.0.0.0 where there is no IPv6 */
	bool join;	 /* a further socket of the group that listener_lead() began */
	int backlog;
	bool has_mode; /* unix only: mode (default 0660), owner (-1: leave) */
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

/* Open, bind, listen: non-blocking (Node up to 18 hangs on its second accept
 * otherwise), CLOEXEC. A stale unix socket is replaced, any other file refused.
 * -EADDRINUSE, -EEXIST, -EACCES, ... */
MUST_CHECK int listener_open(const struct listener_spec *s, int *ret_fd, struct err *e);

/* The same without listen(2): the address is ours (but for another socket that is
 * held in the same way), and nobody can connect yet. Not for unix sockets. */
MUST_CHECK int listener_hold(const struct listener_spec *s, int *ret_fd, struct err *e);

/* Make a held socket the first of a group (SO_REUSEPORT). After bind(2), so that
 * bind itself was refused if somebody had the address (traps 3). */
MUST_CHECK int listener_lead(int fd);

/* listen(2) on a held one. -EADDRINUSE: another program was faster. */
MUST_CHECK int listener_start(int fd, const struct listener_spec *s, struct err *e);

/* A worker holds the same open description and may have shut it down, or made it
 * connect: listen again on the same descriptor; the port is kept (traps 1). 0 or
 * -errno. */
MUST_CHECK int listener_revive(int fd, int backlog);

/* Undo what a worker may have set on a TCP listener that would keep clients out:
 * hop limits, a device, a short queue; nonblock: and blocking mode, for workers who rely
 * on its absence. */
void listener_restore(int fd, int backlog, bool nonblock);

/* Remove the file of a unix socket that listener_open() made; others: nothing. */
void listener_unlink(const struct listener_spec *s);

#endif
