/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/scm.h"

#define FIRST 3 /* SD_LISTEN_FDS_START */

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) < 0 ? -1 : value;
}

static bool is_listener(int fd)
{
	return option(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1 &&
	       option(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM;
}

/* The n-th of names with ':' between them. */
static bool is_stored(const char *names, unsigned n)
{
	const size_t len = strlen(INHERITED_NAME);

	for (; names && n > 0; n--) {
		names = strchr(names, ':');
		names = names ? names + 1 : NULL;
	}
	return names && strncmp(names, INHERITED_NAME "-", len + 1) == 0;
}

int inherited_open(struct inherited *in)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	long n = pid && count && strtol(pid, NULL, 10) == getpid() ? strtol(count, NULL, 10) : 0;

	*in = (struct inherited){ 0 };
	if (n > INHERITED_MAX)
		n = INHERITED_MAX;
	if (n > 0)
		in->list = calloc((size_t)n, sizeof(*in->list));
	if (n > 0 && !in->list)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		int fd = FIRST + i, flags = fcntl(fd, F_GETFL);

		if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || !is_listener(fd))
			continue; /* closed with us; no worker sees it */
		ignore(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
		in->list[in->n++] =
			(struct inherited_fd){ .fd = fd, .stored = is_stored(names, (unsigned)i) };
	}
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	return 0;
}

void inherited_close(struct inherited *in)
{
	for (unsigned i = 0; i < in->n; i++)
		fd_close(&in->list[i].fd);
	free(in->list);
	*in = (struct inherited){ 0 };
}

static bool same_address(int fd, const struct listener_spec *s)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} a;
	socklen_t len = sizeof(a);

	memset(&a, 0, sizeof(a));
	if (getsockname(fd, &a.any, &len) < 0 || a.any.sa_family != s->addr.ss_family)
		return false;
	if (a.any.sa_family == AF_INET) {
		const struct sockaddr_in *want = (const void *)&s->addr;

		return a.in.sin_port == want->sin_port &&
		       a.in.sin_addr.s_addr == want->sin_addr.s_addr;
	}
	if (a.any.sa_family == AF_INET6) {
		const struct sockaddr_in6 *want = (const void *)&s->addr;

		return a.in6.sin6_port == want->sin6_port &&
		       memcmp(&a.in6.sin6_addr, &want->sin6_addr, sizeof(want->sin6_addr)) == 0 &&
		       option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == !s->dual_stack;
	}
	return a.any.sa_family == AF_UNIX &&
	       strncmp(a.un.sun_path,
		       ((const struct sockaddr_un *)(const void *)&s->addr)->sun_path,
		       sizeof(a.un.sun_path)) == 0;
}

int inherited_take(struct inherited *in, const struct listener_spec *s, bool *ret_stored)
{
	for (unsigned i = 0; i < in->n; i++)
		if (in->list[i].fd >= 0 && same_address(in->list[i].fd, s)) {
			*ret_stored = in->list[i].stored;
			return fd_take(&in->list[i].fd);
		}
	return -1;
}

void inherited_give(struct inherited *in, int *fd)
{
	for (unsigned i = 0; i < in->n; i++)
		if (in->list[i].fd < 0 && !in->list[i].stored) {
			in->list[i].fd = fd_take(fd);
			return;
		}
	fd_close(fd);
}

unsigned inherited_settle(struct inherited *in)
{
	unsigned left = 0;

	for (unsigned i = 0; i < in->n; i++) {
		if (in->list[i].fd >= 0 && in->list[i].stored)
			scm_close(&in->list[i].fd); /* shut down: the manager forgets it, too */
		left += in->list[i].fd >= 0;
	}
	return left;
}
