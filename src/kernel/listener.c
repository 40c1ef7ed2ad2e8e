/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

#ifndef IPV6_MINHOPCOUNT /* linux/in6.h; glibc 2.36 has it not */
#define IPV6_MINHOPCOUNT 73
#endif

static const char *unix_path(const struct listener_spec *s)
{
	return ((const struct sockaddr_un *)(const void *)&s->addr)->sun_path;
}

/* Stale is a socket that nobody listens on. */
static int clear_stale(const struct listener_spec *s, struct err *e)
{
	const char *path = unix_path(s);
	AUTO_FD int probe = -1;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(e, -errno, "%s", s->shown);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, -EEXIST,
			       "%s: there is a file that is not a socket; it is left alone",
			       s->shown);
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return err_sys(e, -errno, "%s", s->shown);
	if (connect(probe, (const struct sockaddr *)&s->addr, s->addr_len) == 0 || errno == EAGAIN)
		return err_set(e, -EADDRINUSE, "%s is in use: another program listens on it",
			       s->shown);
	if (errno != ECONNREFUSED)
		return err_sys(e, -errno, "%s", s->shown);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(e, -errno, "remove the stale socket %s", s->shown);
	return 0;
}

static int open_unix(const struct listener_spec *s, int *ret_fd, struct err *e)
{
	AUTO_FD int fd = -1;
	mode_t old;
	int r = clear_stale(s, e);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, -errno, "%s", s->shown);
	/* Nobody connects before mode and owner are right. */
	old = umask(0177);
	r = bind(fd, (const struct sockaddr *)&s->addr, s->addr_len) < 0 ? -errno : 0;
	(void)umask(old);
	if (r < 0)
		return err_sys(e, r, "cannot make the socket %s", s->shown);
	if ((s->uid != (uid_t)-1 || s->gid != (gid_t)-1) &&
	    lchown(unix_path(s), s->uid, s->gid) < 0)
		return err_sys(e, -errno, "cannot give %s its owner", s->shown);
	if (chmod(unix_path(s), s->has_mode ? s->mode : 0660) < 0)
		return err_sys(e, -errno, "cannot set the mode of %s", s->shown);
	if (listen(fd, s->backlog) < 0)
		return err_sys(e, -errno, "cannot listen on %s", s->shown);
	*ret_fd = fd_take(&fd);
	return 0;
}

static int bind_failed(const struct listener_spec *s, int error, struct err *e)
{
	if (error == EADDRINUSE)
		return err_set(e, -EADDRINUSE,
			       "%s is in use: another program listens there (ss -ltnp shows which)",
			       s->shown);
	if (error == EADDRNOTAVAIL)
		return err_set(e, -EADDRNOTAVAIL, "%s: this host has no such address", s->shown);
	if (error == EACCES)
		return err_set(e, -EACCES, "%s: only root may listen below port %s", s->shown,
			       "net.ipv4.ip_unprivileged_port_start");
	return err_sys(e, -error, "cannot bind %s", s->shown);
}

static int hold_inet(const struct listener_spec *s, const struct sockaddr_storage *addr,
		     socklen_t len, int *ret_fd, struct err *e)
{
	AUTO_FD int fd = socket(addr->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1, v6only = !s->dual_stack;

	if (fd < 0)
		return err_sys(e, -errno, "%s", s->shown);
	/* Old connections in TIME_WAIT do not keep a new start away; a listener does. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (s->join && listener_lead(fd) < 0) ||
	    (addr->ss_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0))
		return err_sys(e, -errno, "%s", s->shown);
	if (bind(fd, (const struct sockaddr *)addr, len) < 0)
		return bind_failed(s, errno, e);
	*ret_fd = fd_take(&fd);
	return 0;
}

int listener_lead(int fd)
{
	const int on = 1;

	return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ? -errno : 0;
}

int listener_start(int fd, const struct listener_spec *s, struct err *e)
{
	return listen(fd, s->backlog) < 0 ? bind_failed(s, errno, e) : 0;
}

int listener_hold(const struct listener_spec *s, int *ret_fd, struct err *e)
{
	struct sockaddr_storage any4 = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&any4;
	int r = hold_inet(s, &s->addr, s->addr_len, ret_fd, e);

	if (!s->dual_stack || (r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL))
		return r;
	/* A host without IPv6: all addresses are the IPv4 ones. */
	in->sin_family = AF_INET;
	in->sin_port = ((const struct sockaddr_in6 *)(const void *)&s->addr)->sin6_port;
	return hold_inet(s, &any4, sizeof(*in), ret_fd, e);
}

int listener_open(const struct listener_spec *s, int *ret_fd, struct err *e)
{
	AUTO_FD int fd = -1;
	int r;

	if (s->addr.ss_family == AF_UNIX)
		return open_unix(s, ret_fd, e);
	r = listener_hold(s, &fd, e);
	if (r == 0)
		r = listener_start(fd, s, e);
	if (r == 0)
		*ret_fd = fd_take(&fd);
	return r;
}

int listener_revive(int fd, int backlog)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	if (listen(fd, backlog) == 0)
		return 0;
	/* Connected somewhere: dissolved first (connect(2)). The port stays ours since
	 * it was bound by number (SOCK_BINDPORT_LOCK in net/ipv4/tcp.c). */
	if (errno != EINVAL || connect(fd, &none, sizeof(none)) < 0)
		return -errno;
	return listen(fd, backlog) < 0 ? -errno : 0;
}

void listener_restore(int fd, int backlog, bool nonblock)
{
	const int zero = 0;
	int flags = fcntl(fd, F_GETFL);

	(void)setsockopt(fd, IPPROTO_IP, IP_MINTTL, &zero, sizeof(zero));
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, &zero, sizeof(zero));
	(void)setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0);
	if (nonblock && flags >= 0 && !(flags & O_NONBLOCK))
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	(void)listen(fd, backlog);
}

void listener_unlink(const struct listener_spec *s)
{
	if (s->addr.ss_family == AF_UNIX)
		(void)unlink(unix_path(s));
}
