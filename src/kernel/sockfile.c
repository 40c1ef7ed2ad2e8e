/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/sockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/try.h"

struct names {
	const char *path, *base;
	char dir[sizeof(struct sockaddr_un)];
	char beside[sizeof(struct sockaddr_un) + 16];
};

static void name_it(const struct listener_spec *s, unsigned n, struct names *ret)
{
	const struct sockaddr_un *un = (const void *)&s->addr;
	int len;

	ret->path = un->sun_path;
	ret->base = strrchr(un->sun_path, '/') + 1; /* it is absolute */
	len = (int)(ret->base - ret->path);
	(void)snprintf(ret->dir, sizeof(ret->dir), "%.*s", len, ret->path);
	(void)snprintf(ret->beside, sizeof(ret->beside), "%.*s.%s.mpsup-%u", len, ret->path,
		       ret->base, n);
}

/* The folder may belong to somebody else, who may put there what he likes: what is not our
 * own folder is not touched, and nobody else can write to what is. */
static int open_beside(const struct names *n)
{
	AUTO_FD int fd = open(n->beside, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return -EEXIST;
	return fd_take(&fd);
}

static int make_beside(const struct names *n)
{
	int fd;

	if (mkdir(n->beside, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open_beside(n);
	if (fd >= 0 && unlinkat(fd, n->base, 0) < 0 && errno != ENOENT) {
		int r = -errno;

		fd_close(&fd);
		return r;
	}
	return fd;
}

/* The folder of number n, made or found. */
static int beside_of(const struct listener_spec *s, unsigned n, bool make, struct names *names,
		     struct err *e)
{
	int fd;

	name_it(s, n, names);
	fd = make ? make_beside(names) : open_beside(names);
	return fd < 0 ? err_sys(e, fd, "%s the folder %s", make ? "make" : "open", names->beside) :
			fd;
}

struct there {
	const struct listener_spec *spec;
	const struct names *names;
	int beside_fd, fd;
};

static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

/* In a child, whose view alone changes: there the folder of the path is ours. */
static int bind_there(const void *arg)
{
	const struct there *t = arg;
	int fd = open_beside(t->names); /* again: a mount belongs to its namespace */
	char source[32];

	if (fd < 0 || !same_file(fd, t->beside_fd))
		return ENOENT;
	(void)snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
	(void)umask(0177);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(source, t->names->dir, NULL, MS_BIND, NULL) < 0 ||
	    bind(t->fd, (const struct sockaddr *)&t->spec->addr, t->spec->addr_len) < 0)
		return errno;
	return 0;
}

static int open_there(const struct listener_spec *s, unsigned n, int *ret_fd, struct err *e)
{
	struct names names;
	AUTO_FD int beside = beside_of(s, n, true, &names, e);
	AUTO_FD int fd = -1;
	struct there t = { .spec = s, .names = &names, .beside_fd = beside };
	int r;

	if (beside < 0)
		return beside;
	t.fd = fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = fd < 0 ? -errno : try_in_child(CLONE_NEWNS, bind_there, &t);
	if (r < 0)
		return err_sys(e, r, "bind another socket for %s", s->shown);
	if (((s->uid != (uid_t)-1 || s->gid != (gid_t)-1) &&
	     fchownat(beside, names.base, s->uid, s->gid, AT_SYMLINK_NOFOLLOW) < 0) ||
	    fchmodat(beside, names.base, s->has_mode ? s->mode : 0660, 0) < 0)
		return err_sys(e, -errno, "cannot give %s its owner and mode", s->shown);
	if (listen(fd, s->backlog) < 0)
		return err_sys(e, -errno, "cannot listen on %s", s->shown);
	*ret_fd = fd_take(&fd);
	return 0;
}

static int keep(const struct listener_spec *s, unsigned was, struct err *e)
{
	struct names n;
	AUTO_FD int beside = beside_of(s, was, true, &n, e);

	if (beside < 0)
		return beside;
	if (linkat(AT_FDCWD, n.path, beside, n.base, 0) < 0)
		return err_sys(e, -errno, "keep %s as %s", s->shown, n.beside);
	return 0;
}

int sockfile_open(const struct listener_spec *s, unsigned n, unsigned was, int *ret_fd,
		  struct err *e)
{
	int r = keep(s, was, e);

	if (r == 0)
		r = open_there(s, n, ret_fd, e);
	if (r < 0) {
		sockfile_remove(s, was);
		sockfile_remove(s, n);
	}
	return r;
}

int sockfile_point(const struct listener_spec *s, unsigned n, struct err *e)
{
	struct names names;
	AUTO_FD int beside = beside_of(s, n, false, &names, e);

	if (beside < 0)
		return beside;
	if (renameat(beside, names.base, AT_FDCWD, names.path) < 0)
		return err_sys(e, -errno, "put another socket at %s", s->shown);
	(void)rmdir(names.beside);
	return 0;
}

int sockfile_hide(const struct listener_spec *s, unsigned n, struct err *e)
{
	int r = keep(s, n, e);

	if (r == 0)
		listener_unlink(s);
	return r;
}

void sockfile_remove(const struct listener_spec *s, unsigned n)
{
	AUTO_FD int beside = -1;
	struct names names;

	name_it(s, n, &names);
	beside = open_beside(&names);
	if (beside < 0)
		return;
	(void)unlinkat(beside, names.base, 0);
	(void)rmdir(names.beside);
}

void sockfile_clean(const struct listener_spec *s)
{
	for (unsigned n = 0; s->addr.ss_family == AF_UNIX && n < SOCKFILES_MAX; n++)
		sockfile_remove(s, n);
}
