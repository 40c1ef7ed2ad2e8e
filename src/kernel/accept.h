/* SPDX-License-Identifier: MIT */
/* accept.h - connections that the master takes from a listener to give them away.
 *
 * Layer: kernel. -Exxx, never logs, never blocks. */
#ifndef MPSUP_KERNEL_ACCEPT_H
#define MPSUP_KERNEL_ACCEPT_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/base.h"

/* The next connection that waits: non-blocking and CLOEXEC. 0; -EAGAIN: none waits;
 * -ECONNABORTED: it has gone again, another may wait; -EMFILE, -ENFILE, -ENOMEM,
 * -ENOBUFS: it still waits, and trying again at once is of no use. */
MUST_CHECK int accept_next(int listener, int *ret_fd, struct sockaddr_storage *ret_peer);

/* Nobody has read from this connection, or written to it: who gets it now finds what the
 * client has sent. True for what cannot be told (unix sockets). */
bool accepted_is_untouched(int fd);

/* Close our copy of a connection that somebody else holds, or held. Who had it may have
 * left bytes that nobody reads and SO_LINGER, with which the last close(2) waits for as
 * long as was asked for: here for some milliseconds at the most. */
void accepted_let_go(int *fd);
/* End the connection, whoever holds it, without waiting: the client sees a reset. */
void accepted_abort(int *fd);
/* Between accept.c and its test: close, but do not wait longer than that. */
void close_in_time(int *fd);

#endif
