/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/accept.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "base/fd.h"

#define CLOSE_USEC 10000

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

static void wake(int sig)
{
	(void)sig;
}

/* A waiting close(2) is ended by a signal (sk_stream_wait_close()), and the descriptor is
 * closed all the same. Again and again: the first one may come before it waits. */
void close_in_time(int *fd)
{
	const struct sigaction act = { .sa_handler = wake }; /* no SA_RESTART */
	const struct itimerval often = { { 0, CLOSE_USEC }, { 0, CLOSE_USEC } };
	const struct itimerval off = { { 0, 0 }, { 0, 0 } };
	sigset_t alarm, before;

	(void)sigemptyset(&alarm);
	(void)sigaddset(&alarm, SIGALRM);
	(void)sigaction(SIGALRM, &act, NULL);
	(void)setitimer(ITIMER_REAL, &often, NULL);
	(void)sigprocmask(SIG_UNBLOCK, &alarm, &before);
	fd_close(fd);
	(void)setitimer(ITIMER_REAL, &off, NULL);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
}

void accepted_let_go(int *fd)
{
	const struct linger none = { 0, 0 };
	int domain = 0;
	socklen_t len = sizeof(domain);

	(void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	/* Others never linger. In between it may have been set again. */
	if (getsockopt(*fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX)
		fd_close(fd);
	else
		close_in_time(fd);
}

void accepted_abort(int *fd)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	/* What is disconnected has nothing to wait for. */
	if (connect(*fd, &none, sizeof(none)) < 0)
		(void)shutdown(*fd, SHUT_RDWR);
	accepted_let_go(fd);
}
