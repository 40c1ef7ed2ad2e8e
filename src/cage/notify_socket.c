/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fd.h"
#include "cage/cage.h"

/* Five digits that nobody else has in this network namespace (unix(7), autobind). */
static int name_it(int fd, char *notify_at)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(un);

	if (bind(fd, (const struct sockaddr *)&un, sizeof(un.sun_family)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&un, &len) < 0)
		return -errno;
	len -= (socklen_t)offsetof(struct sockaddr_un, sun_path);
	if (len < 2 || len > sizeof(CAGE_NOTIFY_PATH))
		return -EPROTO;
	notify_at[0] = '@';
	memcpy(notify_at + 1, un.sun_path + 1, len - 1);
	notify_at[len] = '\0';
	return 0;
}

/* In the private /run; not where a person has put something else there (--ro /run). */
static int put_in_view(int fd, const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	memcpy(un.sun_path, path, strlen(path) + 1);
	if (bind(fd, (const struct sockaddr *)&un, sizeof(un)) < 0)
		return -errno;
	return chmod(path, 0222) < 0 ? -errno : 0;
}

int cage_notify_socket(const struct cage *c, char *notify_at)
{
	AUTO_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;
	int r = -EROFS;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return -errno;
	if (c->mold_fd >= 0)
		r = put_in_view(fd, CAGE_NOTIFY_PATH);
	if (r == -EROFS)
		r = name_it(fd, notify_at);
	return r < 0 ? r : fd_take(&fd);
}

int cage_einhorn_socket(void)
{
	AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = fd < 0 ? -errno : put_in_view(fd, CAGE_EINHORN_PATH);

	if (r == 0 && listen(fd, 8) < 0)
		r = -errno;
	return r < 0 ? r : fd_take(&fd);
}
