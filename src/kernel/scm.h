/* SPDX-License-Identifier: MIT */
/* scm.h - messages with descriptors over unix sockets: unix(7), SCM_RIGHTS.
 *
 * Receiving is a parser of hostile input: CLOEXEC, exact counts, MSG_CTRUNC,
 * and nothing kept that was not asked for.
 *
 * Layer: kernel. -Exxx, never logs, never blocks. */
#ifndef MPSUP_KERNEL_SCM_H
#define MPSUP_KERNEL_SCM_H

#include <stddef.h>
#include <sys/types.h>

#include "base/base.h"

#define SCM_FDS_MAX 32

struct scm_message {
	char *buf;	      /* in: where to put the bytes, of size `size` */
	size_t size, len;     /* len: bytes received */
	int fds[SCM_FDS_MAX]; /* owned by the caller after a return of 1 */
	unsigned nfds;
	unsigned max_fds; /* in: how many are acceptable; more closes all: -EPROTO */
	pid_t pid;	  /* sender as the kernel names it for us; 0: no SO_PASSCRED */
	uid_t uid;
};

/* 1: a message; 0: end of file; -EAGAIN; -EPROTO: surplus descriptors or a
 * truncated control part; -EMSGSIZE: a datagram longer than size; other -errno. */
MUST_CHECK int scm_recv(int sock, struct scm_message *m);

/* Send buf with nfds descriptors on one sendmsg. Returns the bytes taken or -errno
 * (-EAGAIN when the peer does not read). Never raises SIGPIPE. */
MUST_CHECK ssize_t scm_send(int sock, const void *buf, size_t len, const int *fds, unsigned nfds);

/* Never waits either, whatever they are: a socket that lingers is closed by the end of
 * a process made for that (0.1 ms). */
void scm_close_fds(struct scm_message *m);
/* Close a socket whose other end was a stranger's: so is what waits in it. */
void scm_close(int *sock);

#endif
