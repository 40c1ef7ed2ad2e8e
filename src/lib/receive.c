/* SPDX-License-Identifier: MIT */
/* receive.c - one datagram of the channel, with its descriptors: unix(7).
 *
 * The master is trusted with our sockets, not with our memory: counts are
 * checked, what is too much is closed, and nothing stays open unseen. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/lib.h"

/* Room for one too many, so that a surplus is told from an exact fit. */
union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE((MPSUP_LISTENERS_MAX + 1) * sizeof(int))];
};

void mpsup_datagram_close_fds(struct mpsup_datagram *d)
{
	while (d->nfds > 0)
		(void)close(d->fds[--d->nfds]);
}

static bool take_rights(struct mpsup_datagram *d, const struct cmsghdr *c)
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	bool fits = d->nfds + n <= MPSUP_LISTENERS_MAX;

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
		if (fits)
			d->fds[d->nfds++] = fd;
		else
			(void)close(fd);
	}
	return fits;
}

static bool take_control(struct mpsup_datagram *d, struct msghdr *h)
{
	bool fits = !(h->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			fits = take_rights(d, c) && fits;
	return fits;
}

/* A connection for which this process has no descriptor left: not the master's fault. It
 * is sent back. */
static bool lost_a_connection(struct mpsup_datagram *d, const struct msghdr *h, size_t n)
{
	static const char word[] = "CONNECTION=";

	if (!(h->msg_flags & MSG_CTRUNC) || d->nfds > 0 || n < sizeof(word) - 1)
		return false;
	return memcmp(h->msg_iov->iov_base, word, sizeof(word) - 1) == 0;
}

int mpsup_datagram_receive(struct mpsup *m, struct mpsup_datagram *d)
{
	union control ctl;
	struct iovec iov = { .iov_base = m->buf, .iov_len = LIB_DATAGRAM_MAX };
	struct msghdr h = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = ctl.buf,
		.msg_controllen = sizeof(ctl.buf),
	};
	ssize_t n;

	do
		n = recvmsg(m->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	d->nfds = 0;
	if ((!take_control(d, &h) && !lost_a_connection(d, &h, (size_t)n)) ||
	    (h.msg_flags & MSG_TRUNC) || memchr(m->buf, '\0', (size_t)n)) {
		mpsup_datagram_close_fds(d);
		return -EPROTO;
	}
	/* A datagram of no bytes cannot be told from the end; the master sends none. */
	if (n == 0) {
		mpsup_datagram_close_fds(d);
		return 0;
	}
	d->text = m->buf;
	d->len = (size_t)n;
	d->text[d->len] = '\0';
	return 1;
}
