/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/scm.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/pidfd.h"

#define KERNEL_FDS_MAX 253 /* SCM_MAX_FD: no message has more */

/* Room for all that there can be: what is cut off the kernel closes in our name, and
 * that may wait (below). */
union scm_control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(KERNEL_FDS_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
};

/* Closing the last copy of a socket with SO_LINGER waits until its peer has read all;
 * closing a unix socket closes what waits in it. */
static bool may_wait(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
}

static int take_and_end(void *arg)
{
	union scm_control ctl;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = ctl.buf,
			    .msg_controllen = sizeof(ctl.buf) };

	return recvmsg(*(const int *)arg, &h, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0;
}

static ssize_t send_with(int sock, const void *buf, size_t len, const int *fds, unsigned nfds);

/* They are closed by the end of a process, and that does not wait (PF_EXITING in
 * __tcp_close()). Until then a queue holds them, so that ours are not the last copies.
 * To switch the option off instead would be a race: the sender can switch it on again. */
static void bury(int *fds, unsigned n)
{
	static char stack[16384] __attribute__((aligned(16))); /* single-threaded */
	struct pidfd child = PIDFD_NONE;
	struct pidfd_exit ex;
	int sv[2] = { -1, -1 };
	bool held = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == 0 &&
		    send_with(sv[0], "", 1, fds, n) == 1;

	for (unsigned i = 0; i < n; i++)
		fd_close(&fds[i]);
	if (held && pidfd_spawn(0, stack, sizeof(stack), take_and_end, &sv[1], &child) == 1)
		while (pidfd_reap(&child, &ex) == 0)
			(void)pidfd_wait(&child);
	fd_close(&sv[0]);
	fd_close(&sv[1]);
}

/* What a stranger sent: closing it must not make us wait. */
static void discard(int *fds, unsigned n)
{
	int sockets[KERNEL_FDS_MAX];
	unsigned k = 0;

	for (unsigned i = 0; i < n && i < KERNEL_FDS_MAX; i++) {
		if (may_wait(fds[i]))
			sockets[k++] = fds[i];
		else
			fd_close(&fds[i]);
	}
	if (k > 0)
		bury(sockets, k);
}

void scm_close(int *sock)
{
	char byte;

	if (*sock < 0)
		return;
	/* From here on nobody adds to its queue. */
	(void)shutdown(*sock, SHUT_RDWR);
	/* 0 is an end of file, or an empty message with anything behind it. EINVAL is a
	 * listener, and what waits there are connections with queues of their own. */
	if (recv(*sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno == EINVAL)
		bury(sock, 1);
	else
		fd_close(sock);
}

void scm_close_fds(struct scm_message *m)
{
	discard(m->fds, m->nfds);
	m->nfds = 0;
}

/* All of them are seen, however many the kernel put into the space that was meant
 * for credentials: one that is not looked at stays open for ever. */
static bool take_rights(struct scm_message *m, const struct cmsghdr *c)
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	bool fits = n + m->nfds <= m->max_fds && n <= SCM_FDS_MAX;
	int fds[KERNEL_FDS_MAX + sizeof(struct ucred)];

	if (n > ARRAY_LEN(fds))
		n = ARRAY_LEN(fds);
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	if (!fits) {
		discard(fds, (unsigned)n);
		return false;
	}
	memcpy(m->fds + m->nfds, fds, n * sizeof(int));
	m->nfds += (unsigned)n;
	return true;
}

static bool take_control(struct scm_message *m, struct msghdr *h)
{
	bool fits = !(h->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS) {
			fits = take_rights(m, c) && fits;
		} else if (c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred cred;

			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			m->pid = cred.pid;
			m->uid = cred.uid;
		}
	}
	return fits;
}

int scm_recv(int sock, struct scm_message *m)
{
	union scm_control ctl;
	struct iovec iov = { .iov_base = m->buf, .iov_len = m->size };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = ctl.buf,
			    .msg_controllen = sizeof(ctl.buf) };
	ssize_t n;

	m->nfds = 0;
	m->pid = 0;
	m->uid = (uid_t)-1;
	m->len = 0;
	do
		n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (!take_control(m, &h)) {
		scm_close_fds(m);
		return -EPROTO;
	}
	if (h.msg_flags & MSG_TRUNC) {
		scm_close_fds(m);
		return -EMSGSIZE;
	}
	m->len = (size_t)n;
	if (n == 0 && m->nfds == 0)
		return 0;
	return 1;
}

static ssize_t send_with(int sock, const void *buf, size_t len, const int *fds, unsigned nfds)
{
	union scm_control ctl;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (nfds > 0) {
		struct cmsghdr *c;

		memset(&ctl, 0, sizeof(ctl));
		h.msg_control = ctl.buf;
		h.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	do
		n = sendmsg(sock, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t scm_send(int sock, const void *buf, size_t len, const int *fds, unsigned nfds)
{
	return nfds > SCM_FDS_MAX ? -EINVAL : send_with(sock, buf, len, fds, nfds);
}
