/* SPDX-License-Identifier: MIT */
/* view_pins.c - a generation keeps the files that its command names. In the mold they are
 * below /dev/.mpsup/pinned; each birth puts them in their place, since a mount there does
 * not outlive a rename over it (d_invalidate() in the kernel's namei.c takes it away). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "cage/view.h"
#include "cage/view_places.h"
#include "kernel/mount.h"

#define ATTR_RO (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY)

/* ---- the plan ---- */

/* Of the system's packages, which are no deploy of this pool. */
static bool is_systems(const char *path)
{
	static const char *const places[] = { "/usr",	"/bin",	 "/sbin", "/lib", "/lib32",
					      "/lib64", "/proc", "/sys",  "/dev" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (view_is_below(path, places[i]))
			return strncmp(path, "/usr/local/", 11) != 0;
	return false;
}

static int plan_one(struct view *v, struct arena *a, const char *dir, const char *name, size_t most)
{
	char path[PATH_MAX], real[PATH_MAX];
	struct stat st;
	const char *kept;
	int n = name[0] == '/' ? snprintf(path, sizeof(path), "%s", name) :
				 snprintf(path, sizeof(path), "%s/%s", dir, name);

	if (name[0] == '\0' || name[0] == '-' || n < 0 || n >= (int)sizeof(path) ||
	    v->npins == VIEW_PINS_MAX || !realpath(path, real) || stat(real, &st) < 0 ||
	    !S_ISREG(st.st_mode) || is_systems(real))
		return 0;
	for (unsigned i = 0; i < v->npins; i++)
		if (strcmp(v->pins[i].path, real) == 0)
			return 0;
	kept = arena_strdup(a, real);
	if (!kept)
		return -ENOMEM;
	v->pins[v->npins++] = (struct view_pin){ .path = kept, .copy = st.st_size <= (off_t)most };
	return 0;
}

int view_plan_pins(const struct view_request *req, struct arena *arena, struct view *v)
{
	int r = req->exec_path ? plan_one(v, arena, "/", req->exec_path, VIEW_PIN_EXEC) : 0;

	for (int i = 1; r == 0 && req->argv && req->argv[0] && req->argv[i]; i++)
		r = plan_one(v, arena, req->cwd, req->argv[i], VIEW_PIN_BYTES);
	return r;
}

/* ---- the mold ---- */

void view_open_pins(const struct view *v, int *fds)
{
	/* The path was without links when it was planned: who puts one there now would
	 * have root read something else. */
	const struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
				      .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	struct stat st;

	for (unsigned i = 0; i < v->npins; i++) {
		fds[i] = (int)syscall(SYS_openat2, AT_FDCWD, v->pins[i].path, &how, sizeof(how));
		if (fds[i] >= 0 && (fstat(fds[i], &st) < 0 || !S_ISREG(st.st_mode)))
			fd_close(&fds[i]);
	}
}

static int copy(int from, int to)
{
	char buf[16384];
	ssize_t n;
	size_t left = 2 * VIEW_PIN_BYTES; /* it may have grown since */

	while (left > 0 && (n = read(from, buf, sizeof(buf))) > 0) {
		if (write(to, buf, (size_t)n) != n)
			return errno ? -errno : -EIO;
		left -= (size_t)n < left ? (size_t)n : left;
	}
	return 0;
}

/* Who may read the file may read the copy, and nobody else. */
static int make_one(const struct view_pin *p, int from, const char *place)
{
	struct stat st;
	int to = open(place, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0400);
	int r = to < 0 || fstat(from, &st) < 0 ? -errno : 0;

	if (r == 0 && !p->copy)
		r = mount_bind(from, "", AT_FDCWD, place, ATTR_RO, false);
	else if (r == 0)
		r = copy(from, to);
	if (r == 0 && p->copy &&
	    (fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 0777) < 0))
		r = -errno;
	fd_close(&to);
	return r;
}

int view_make_pins(const struct view *v, int *fds)
{
	char place[64];
	int r;

	if (v->npins == 0)
		return 0;
	if (mkdir("dev/.mpsup/pinned", 0755) < 0)
		return -errno;
	r = mount_tmpfs("dev/.mpsup/pinned", MS_NOSUID | MS_NODEV,
			"mode=0755,size=260m,nr_inodes=64");
	for (unsigned i = 0; r == 0 && i < v->npins; i++) {
		if (fds[i] < 0)
			continue; /* gone since: the program will say so itself */
		(void)snprintf(place, sizeof(place), VIEW_PIN_FORMAT, i);
		r = make_one(&v->pins[i], fds[i], place + 1);
		fd_close(&fds[i]);
	}
	return r < 0 ? r : mount_attr(AT_FDCWD, "dev/.mpsup/pinned", ATTR_RO, 0, false);
}

/* ---- each birth ---- */

#define PINNED "/dev/.mpsup/pinned"

static int copy_all(int from, int to)
{
	struct stat st;
	ssize_t n;

	while ((n = sendfile(to, from, NULL, 1 << 24)) > 0)
		;
	if (n < 0 || fstat(from, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0 ||
	    fchmod(to, st.st_mode & 0777) < 0)
		return -errno;
	return 0;
}

/* The inode that is kept has lost this name, and the kernel binds none such to another place.
 * So a worker that is born after the deploy has a copy of its own. */
static int put_nameless(const char *place, const char *path)
{
	AUTO_FD int from = open(place, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), to = -1;
	int r;

	if (from < 0 || access(path, F_OK) < 0)
		return 0; /* it is gone, or hidden from this view: not for want of a name */
	r = mount_tmpfs(PINNED, MS_NOSUID | MS_NODEV, "mode=0700,nr_inodes=8");
	if (r < 0)
		return r;
	to = open(PINNED "/0", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0400);
	r = to < 0 ? -errno : copy_all(from, to);
	fd_close(&to); /* who writes to it would keep it from being executed */
	if (r == 0)
		r = mount_bind(AT_FDCWD, PINNED "/0", AT_FDCWD, path, ATTR_RO, false);
	if (umount2(PINNED, MNT_DETACH) < 0 && r == 0)
		r = -errno;
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

int view_put_pins(const struct view *v)
{
	char place[] = "/dev/.mpsup/pinned/0";

	for (unsigned i = 0; i < v->npins; i++) {
		int r;

		place[sizeof(place) - 2] = (char)('0' + i);
		r = mount_bind(AT_FDCWD, place, AT_FDCWD, v->pins[i].path, ATTR_RO, false);
		if (r == -ENOENT && !v->pins[i].copy)
			r = put_nameless(place, v->pins[i].path);
		/* Not there: the file is gone, or hidden from this view. */
		if (r < 0 && r != -ENOENT && r != -ENOTDIR)
			return r;
	}
	return 0;
}
