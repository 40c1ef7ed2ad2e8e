/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/sdnotify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/scm.h"

static uint64_t watchdog_of_us(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (!usec || (pid && strtol(pid, NULL, 10) != getpid()))
		return 0;
	return strtoull(usec, NULL, 10);
}

int sdnotify_open(struct sdnotify *n, struct loop *loop)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO_FD int fd = -1;
	size_t len = path ? strlen(path) : 0;

	*n = SDNOTIFY_NONE;
	n->loop = loop;
	list_init(&n->waiting);
	if (!len)
		return 0;
	if ((*path != '/' && *path != '@') || len >= sizeof(a.sun_path))
		return -EINVAL;
	memcpy(a.sun_path, path, len + 1);
	if (*path == '@')
		a.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&a,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
					  (*path == '/' ? 1 : 0))) < 0)
		return -errno;
	n->fd = fd_take(&fd);
	n->watchdog_usec = watchdog_of_us();
	return 0;
}

/* ---- words that wait ---- */

struct waiting {
	struct list node;
	int fd; /* -1: none */
	size_t len;
	char text[];
};

static int post(const struct sdnotify *n, const char *text, size_t len, int fd)
{
	ssize_t r = scm_send(n->fd, text, len, &fd, fd >= 0);

	return r < 0 ? (int)r : 0;
}

static void drop(struct sdnotify *n, struct waiting *w)
{
	list_remove(&w->node);
	n->nwaiting--;
	fd_close(&w->fd);
	free(w);
}

static void on_room(struct source *s, uint32_t events)
{
	struct sdnotify *n = container_of(s, struct sdnotify, src);

	(void)events;
	while (!list_empty(&n->waiting)) {
		struct waiting *w = container_of(n->waiting.next, struct waiting, node);

		if (post(n, w->text, w->len, w->fd) == -EAGAIN)
			return;
		drop(n, w); /* also of a manager that is gone */
	}
	source_remove(n->loop, s);
}

static void keep(struct sdnotify *n, const char *text, size_t len, int fd)
{
	struct waiting *w = n->nwaiting < SDNOTIFY_WAITING ? malloc(sizeof(*w) + len) : NULL;

	if (!w)
		return;
	w->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	w->len = len;
	memcpy(w->text, text, len);
	list_append(&n->waiting, &w->node);
	n->nwaiting++;
	if ((fd >= 0 && w->fd < 0) ||
	    (!n->src.live && source_add(n->loop, &n->src, n->fd, EPOLLOUT, on_room) < 0))
		drop(n, w);
}

static void post_or_keep(struct sdnotify *n, const char *text, size_t len, int fd)
{
	if (!list_empty(&n->waiting) || post(n, text, len, fd) == -EAGAIN)
		keep(n, text, len, fd);
}

/* ---- what is said ---- */

void sdnotify_close(struct sdnotify *n)
{
	if (n->fd < 0)
		return;
	source_remove(n->loop, &n->src);
	list_each(it, &n->waiting)
		drop(n, container_of(it, struct waiting, node));
	fd_close(&n->fd);
}

void sdnotify_tell(struct sdnotify *n, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int len;

	if (n->fd < 0)
		return;
	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (len > 0 && (size_t)len < sizeof(text))
		post_or_keep(n, text, (size_t)len, -1);
}

void sdnotify_mention(const struct sdnotify *n, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int len;

	if (n->fd < 0 || !list_empty(&n->waiting))
		return;
	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (len > 0 && (size_t)len < sizeof(text))
		ignore(post(n, text, (size_t)len, -1));
}

void sdnotify_store(struct sdnotify *n, int fd, const char *name)
{
	char text[200];
	/* Not looked at: a worker may shut it down, and we listen again. */
	int len = snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);

	if (n->fd >= 0 && len > 0 && (size_t)len < sizeof(text))
		post_or_keep(n, text, (size_t)len, fd);
}
