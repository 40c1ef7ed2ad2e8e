/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/paths.h"
#include "base/base.h"
#include "base/fd.h"

/* What it says now, if that is a number and nothing else. */
static int read_number(int fd, char text[32])
{
	ssize_t n = pread(fd, text, 31, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return strspn(text, "0123456789") == strlen(text) && n < 31 ? 0 : -EEXIST;
}

/* 1: it was replaced between opening and locking. */
static int take(struct pidfile *p, struct err *e)
{
	AUTO_FD int fd = open(
		p->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0644);
	char old[32] = "", own[32];
	struct stat st;
	int n, r;

	if (fd < 0)
		return err_sys(e, -errno, "--pidfile %s", p->path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, -EEXIST, "--pidfile %s: it is not a regular file", p->path);
	r = read_number(fd, old);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, -EBUSY, "--pidfile %s: the living process %s holds it", p->path,
			       old);
	if (!fd_is_path(fd, p->path))
		return 1;
	if (r < 0)
		return err_set(e, -EEXIST,
			       "--pidfile %s: it holds something else than a number; it is left "
			       "alone",
			       p->path);
	n = snprintf(own, sizeof(own), "%d\n", (int)getpid());
	/* Written before the old one is cut: a reader never finds it empty. */
	if (pwrite(fd, own, (size_t)n, 0) != n || ftruncate(fd, n) < 0)
		return err_sys(e, -errno, "--pidfile %s", p->path);
	p->fd = fd_take(&fd);
	return 0;
}

int pidfile_write(struct pidfile *p, const char *path, struct err *e)
{
	int r;

	*p = PIDFILE_NONE;
	/* A daemon changes its folder. */
	r = paths_absolute(p->path, path);
	if (r < 0)
		return err_sys(e, r, "--pidfile %s", path);
	do
		r = take(p, e);
	while (r == 1);
	return r;
}

void pidfile_remove(struct pidfile *p)
{
	if (p->fd < 0)
		return;
	if (fd_is_path(p->fd, p->path))
		(void)unlink(p->path);
	fd_close(&p->fd);
}
