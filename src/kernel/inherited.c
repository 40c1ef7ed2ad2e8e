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

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
	struct sockaddr_storage all;
};

static bool address_of(int fd, union address *ret)
{
	socklen_t len = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	return getsockname(fd, &ret->any, &len) == 0;
}

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

/* The n-th of names with ':' between them, if it is one of ours. */
static int stored_name(const char *names, unsigned n, char **ret)
{
	*ret = NULL;
	for (; names && n > 0; n--) {
		names = strchr(names, ':');
		names = names ? names + 1 : NULL;
	}
	if (!names || strncmp(names, INHERITED_NAME "-", strlen(INHERITED_NAME) + 1) != 0)
		return 0;
	*ret = strndup(names, strcspn(names, ":"));
	return *ret ? 0 : -ENOMEM;
}

/* Shut down: nobody waits there for an answer. The manager does not look at it (FDPOLL=0),
 * and has to be told. */
static void drop(struct inherited_fd *f)
{
	scm_close(&f->fd);
	f->stale = true;
}

static int add(struct inherited *in, int fd, const char *names, unsigned n)
{
	struct inherited_fd f = { .fd = fd };
	int flags = fcntl(fd, F_GETFL), r;

	if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return 0;
	r = stored_name(names, n, &f.name);
	if (r < 0)
		return r;
	f.stored = f.name;
	if (!is_listener(fd)) {
		if (!f.stored)
			return 0; /* closed with us; no worker sees it */
		drop(&f);
	} else {
		ignore(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
	}
	in->list[in->n++] = f;
	return 0;
}

int inherited_open(struct inherited *in)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	long n = pid && count && strtol(pid, NULL, 10) == getpid() ? strtol(count, NULL, 10) : 0;
	int r = 0;

	*in = (struct inherited){ 0 };
	if (n > INHERITED_MAX)
		n = INHERITED_MAX;
	if (n > 0)
		in->list = calloc((size_t)n, sizeof(*in->list));
	if (n > 0 && !in->list)
		return -ENOMEM;
	for (int i = 0; i < n && r == 0; i++)
		r = add(in, FIRST + i, names, (unsigned)i);
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	return r;
}

void inherited_close(struct inherited *in)
{
	for (unsigned i = 0; i < in->n; i++) {
		fd_close(&in->list[i].fd);
		free(in->list[i].name);
	}
	free(in->list);
	*in = (struct inherited){ 0 };
}

static bool same_path(const union address *a, const union address *b)
{
	return strncmp(a->un.sun_path, b->un.sun_path, sizeof(a->un.sun_path)) == 0;
}

static bool same_address(int fd, const struct listener_spec *s)
{
	union address a;

	if (!address_of(fd, &a) || a.any.sa_family != s->addr.ss_family)
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
	return a.any.sa_family == AF_UNIX && same_path(&a, &(union address){ .all = s->addr });
}

/* Both families have the port in the same place. */
static bool in_the_way(int fd, const struct listener_spec *s)
{
	const union address b = { .all = s->addr };
	union address a;

	if (!address_of(fd, &a))
		return false;
	if (a.any.sa_family == AF_UNIX || b.any.sa_family == AF_UNIX)
		return a.any.sa_family == b.any.sa_family && same_path(&a, &b);
	return a.in.sin_port == b.in.sin_port;
}

bool inherited_clear(struct inherited *in, const struct listener_spec *s)
{
	bool any = false;

	for (unsigned i = 0; i < in->n; i++)
		if (in->list[i].fd >= 0 && in->list[i].stored && in_the_way(in->list[i].fd, s)) {
			drop(&in->list[i]);
			any = true;
		}
	return any;
}

int inherited_take(struct inherited *in, const struct listener_spec *s, bool stored,
		   bool *ret_stored)
{
	for (unsigned i = 0; i < in->n; i++)
		if (in->list[i].fd >= 0 && (stored || !in->list[i].stored) &&
		    same_address(in->list[i].fd, s)) {
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
			drop(&in->list[i]);
		left += in->list[i].fd >= 0;
	}
	return left;
}
