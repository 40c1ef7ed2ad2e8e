/* SPDX-License-Identifier: MIT */
/* view_birth.c - what each birth adds to the mold; in the child, after the
 * clone, as root: system calls only. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cage/view.h"
#include "cage/view_places.h"
#include "kernel/mount.h"

#define SAFE (MS_NOSUID | MS_NODEV)

int view_enter(int mold_fd)
{
	if (setns(mold_fd, CLONE_NEWNS) < 0)
		return -errno;
	/* A copy: what is mounted from here on is this worker's alone. */
	return unshare(CLONE_NEWNS) < 0 ? -errno : 0;
}

static int cover(const char *path)
{
	struct stat st;
	int r;

	if (lstat(path, &st) < 0)
		return 0; /* this kernel has no such file */
	r = S_ISDIR(st.st_mode) ?
		    mount_bind(AT_FDCWD, VIEW_STORE_EMPTY, AT_FDCWD, path, 0, false) :
		    mount_bind(AT_FDCWD, VIEW_STORE_NONE, AT_FDCWD, path, MOUNT_READ_ONLY, false);
	return r == -ENOENT ? 0 : r;
}

int view_mount_proc(const struct view *v)
{
	if (v->own_pid) {
		if (mount("proc", "/proc", "proc", SAFE | MS_NOEXEC, NULL) < 0)
			return -errno;
	} else if (v->app) {
		/* The host's processes stay invisible; the worker has no /proc at all. */
		return 0;
	}
	for (unsigned i = 0; view_masked_proc[i]; i++) {
		int r = cover(view_masked_proc[i]);

		if (r < 0)
			return r;
	}
	for (unsigned i = 0; view_readonly_proc[i]; i++) {
		const char *path = view_readonly_proc[i];
		int r = mount_bind(AT_FDCWD, path, AT_FDCWD, path, MOUNT_READ_ONLY, false);

		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

static int put_late(const struct view_bind *b)
{
	char path[4096];
	size_t n = strlen(b->path);

	if (n >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, b->path, n + 1);
	for (size_t i = 1; i < n; i++) {
		if (path[i] != '/')
			continue;
		path[i] = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST && errno != EROFS)
			return -errno;
		path[i] = '/';
	}
	if (b->link_to)
		return symlink(b->link_to, path) < 0 && errno != EEXIST ? -errno : 0;
	if (b->is_dir) {
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
	} else {
		int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0444);

		if (fd < 0)
			return -errno;
		fd_close(&fd);
	}
	/* The stored bind carries its attributes; a copy keeps them. */
	return mount_bind(AT_FDCWD, b->late_from, AT_FDCWD, path, 0, true);
}

/* What was asked for below a place that is mounted anew: what the mold has there
 * is covered, links and hidden places too. */
static int put_own(const struct view_bind *b)
{
	const char *own = view_own_place(b->path);

	if (b->late_from || (own && b->link_to))
		return put_late(b);
	return own && b->mode == VIEW_HIDE && strcmp(own, b->path) != 0 ? cover(b->path) : 0;
}

int view_mount_own(const struct view *v)
{
	int r = mount_tmpfs("/tmp", SAFE, v->tmp_options);

	if (r == 0)
		r = mount_tmpfs("/var/tmp", SAFE, v->tmp_options);
	if (r == 0)
		r = mount_tmpfs("/dev/shm", SAFE, v->tmp_options);
	if (r == 0)
		r = mount_tmpfs("/run", SAFE, v->run_options);
	if (r == 0 && mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
			    "newinstance,ptmxmode=0666,mode=0620") < 0)
		r = -errno;
	for (unsigned i = 0; r == 0 && i < v->nbinds; i++)
		r = put_own(&v->binds[i]);
	return r == 0 ? view_put_pins(v) : r;
}

int view_mount_cgroup(const struct view *v)
{
	if (!v->own_cgroup)
		return v->app ? 0 : cover("/sys/fs/cgroup");
	/* In a cgroup namespace the root of this mount is the own leaf. */
	if (mount("cgroup2", "/sys/fs/cgroup", "cgroup2", SAFE | MS_NOEXEC | MS_RDONLY, NULL) < 0)
		return errno == ENOENT ? 0 : -errno;
	return 0;
}
