/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/sdnotify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

int sdnotify_open(struct sdnotify *n)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO_FD int fd = -1;
	size_t len = path ? strlen(path) : 0;

	*n = SDNOTIFY_NONE;
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

void sdnotify_close(struct sdnotify *n)
{
	fd_close(&n->fd);
}

void sdnotify_tell(const struct sdnotify *n, const char *fmt, ...)
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
		ignore((int)send(n->fd, text, (size_t)len, MSG_NOSIGNAL));
}

void sdnotify_store(const struct sdnotify *n, int fd, const char *name)
{
	char text[200];
	/* Not looked at: a worker may shut it down, and we listen again. */
	int len = snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);

	if (n->fd >= 0 && len > 0 && (size_t)len < sizeof(text))
		ignore((int)scm_send(n->fd, text, (size_t)len, &fd, 1));
}
