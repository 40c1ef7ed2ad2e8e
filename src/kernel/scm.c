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

void scm_close_fds(struct scm_message *m)
{
	while (m->nfds > 0)
		fd_close(&m->fds[--m->nfds]);
}

/* Room for one more than the limit, so that a surplus is seen and closed rather
 * than cut off; the kernel itself never passes more than 253. */
union scm_control {
	struct cmsghdr align;
	char buf[CMSG_SPACE((SCM_FDS_MAX + 1) * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
};

/* All of them are seen, however many the kernel put into the space that was meant
 * for credentials: one that is not looked at stays open for ever. */
static bool take_rights(struct scm_message *m, const struct cmsghdr *c)
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	bool fits = n + m->nfds <= m->max_fds && n <= SCM_FDS_MAX;

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		if (fits)
			m->fds[m->nfds++] = fd;
		else
			fd_close(&fd);
	}
	return fits;
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

ssize_t scm_send(int sock, const void *buf, size_t len, const int *fds, unsigned nfds)
{
	union scm_control ctl;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (nfds > SCM_FDS_MAX)
		return -EINVAL;
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
