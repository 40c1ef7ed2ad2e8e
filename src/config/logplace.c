/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "config/logplace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "config/trusted.h"

#define LOG_FLAGS (O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK)

static void folder_of(const char *path, char buf[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t n = slash && slash > path ? (size_t)(slash - path) : 1;

	(void)snprintf(buf, PATH_MAX, "%.*s", (int)n, slash ? path : ".");
}

int logplace_enter(const struct pool_config *p, const char *path, struct acting *a, struct err *e)
{
	char folder[PATH_MAX];
	int r;

	*a = ACTING_NONE;
	folder_of(path, folder);
	if (!p || geteuid() != 0 || trusted_folder(folder, NULL))
		return 0;
	r = acting_begin(a, p->uid, p->gid, p->gids, p->ngids);
	return r < 0 ? err_sys(e, r, "log.file %s: to open it as uid %u", path, p->uid) : 0;
}

static int refused(const struct pool_config *p, const char *path, int code, struct err *e)
{
	char folder[PATH_MAX], other[PATH_MAX];

	folder_of(path, folder);
	if (code == -ENOENT || code == -ENOTDIR)
		return err_set(e, code, "log.file %s: there is no folder %s; mkdir -p would help",
			       path, folder);
	if (code == -ELOOP)
		return err_set(e, code,
			       "log.file %s: it is a symbolic link, and those are not followed; "
			       "right is the file itself",
			       path);
	if ((code == -EACCES || code == -EPERM) && p && geteuid() == 0 &&
	    !trusted_folder(folder, other))
		return err_set(e, code,
			       "log.file %s: others than root can change %s, so the file is "
			       "opened as the pool's user, uid %u, who may not; a folder "
			       "that root alone can change would help, or another user of the pool",
			       path, other, p->uid);
	return err_sys(e, code, "log.file %s", path);
}

/* Returns the descriptor. */
static int open_there(const struct pool_config *p, const char *path, int more, struct err *e)
{
	AUTO_FD int fd = -1;
	struct acting a;
	struct stat st;
	int r = logplace_enter(p, path, &a, e);

	if (r < 0)
		return r;
	fd = open(path, LOG_FLAGS | more, 0640);
	r = fd < 0 ? -errno : 0;
	acting_end(&a);
	if (r == -ENXIO || (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))))
		return err_set(e, -EINVAL, "log.file %s: it is not a regular file", path);
	if (r == -EISDIR)
		return err_set(e, r, "log.file %s: it is a folder", path);
	if (r == -ENOENT && !(more & O_CREAT))
		return r;
	return r < 0 ? refused(p, path, r, e) : fd_take(&fd);
}

int logplace_open(const struct pool_config *p, const char *path, struct err *e)
{
	return open_there(p, path, O_CREAT, e);
}

int logplace_check(const struct pool_config *p, const char *path, struct err *e)
{
	AUTO_FD int fd = open_there(p, path, 0, e);
	char folder[PATH_MAX];
	struct acting a;
	int r = 0;

	if (fd >= 0)
		return 0;
	if (fd != -ENOENT)
		return fd;
	folder_of(path, folder);
	r = logplace_enter(p, path, &a, e);
	if (r < 0)
		return r;
	/* AT_EACCESS: with what acting_begin() has set. */
	r = faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
	acting_end(&a);
	return r < 0 ? refused(p, path, r, e) : 0;
}

/* b is a, or a.N for one that a keeps. */
static bool reaches(const struct pool_log *a, const struct pool_log *b)
{
	size_t n = strlen(a->file);
	uint64_t number;

	if (strncmp(a->file, b->file, n) != 0)
		return false;
	if (b->file[n] == '\0')
		return true;
	return b->file[n] == '.' && a->rotate_bytes > 0 &&
	       parse_u64(b->file + n + 1, 1, a->keep, &number) == 0;
}

bool logplace_collide(const struct pool_log *a, const struct pool_log *b)
{
	return a->file && b->file && (reaches(a, b) || reaches(b, a));
}
