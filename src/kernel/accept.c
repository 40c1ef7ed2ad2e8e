/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/accept.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

#define STATE_ESTABLISHED 1 /* the kernel's TCP_ESTABLISHED, which linux/tcp.h lacks */

int accept_next(int listener, int *ret_fd, struct sockaddr_storage *ret_peer)
{
	socklen_t len = sizeof(*ret_peer);
	int fd;

	memset(ret_peer, 0, sizeof(*ret_peer));
	fd = accept4(listener, (struct sockaddr *)ret_peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	switch (errno) {
	case EAGAIN:
	case EINVAL: /* it does not listen just now: its owner hears of that */
		return -EAGAIN;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
		return -errno;
	default: /* accept(2): what has befallen the connection is reported here */
		return -ECONNABORTED;
	}
}

bool accepted_is_untouched(int fd)
{
	struct tcp_info t = { 0 };
	socklen_t len = sizeof(t);
	int unread = 0;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &t, &len) < 0 ||
	    len < offsetof(struct tcp_info, tcpi_bytes_sent) + sizeof(t.tcpi_bytes_sent) ||
	    ioctl(fd, FIONREAD, &unread) < 0)
		return true;
	/* The client's end counts as a byte, and is never unread. */
	if (t.tcpi_state != STATE_ESTABLISHED && t.tcpi_bytes_received > 0)
		t.tcpi_bytes_received--;
	return t.tcpi_bytes_sent == 0 && t.tcpi_bytes_received == (uint64_t)unread;
}
