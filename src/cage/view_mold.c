/* SPDX-License-Identifier: MIT */
/* view_mold.c - the pool's mount tree, built once in a short-lived child whose
 * mount namespace the master keeps by descriptor (traps 23b). Between clone and
 * exit the child only makes system calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "cage/view.h"
#include "cage/view_places.h"
#include "kernel/mount.h"
#include "kernel/pidfd.h"
#include "kernel/scm.h"

/* <sys/mount.h> of glibc 2.36 clashes with <linux/mount.h>. */
extern int mount(const char *source, const char *target, const char *type, unsigned long flags,
		 const void *data);
extern int umount2(const char *target, int flags);
#define MNT_DETACH 2

/* Covered only in the child's own namespace; nothing is bound from below it. */
#define STAGE	  "/proc"
#define ATTR_SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define ATTR_RO	  (ATTR_SAFE | MOUNT_ATTR_RDONLY)

struct mold_report {
	int32_t error; /* 0 or negative errno */
	int32_t bind;  /* index of what failed, -1: not a bind */
	char step[32];
};

struct mold {
	const struct view *v;
	int sources[256]; /* opened before anything is covered */
	int pins[VIEW_PINS_MAX];
	int root_tree; /* host view: a copy of everything */
	const char *step;
	int bind;
};

static int make_parents(const char *rel)
{
	char path[4096];
	size_t n = strlen(rel);

	if (n >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, rel, n + 1);
	for (size_t i = 1; i < n; i++) {
		if (path[i] != '/')
			continue;
		path[i] = '\0';
		/* Inside a read-only bind the host's own folder is there already. */
		if (mkdir(path, 0755) < 0 && errno != EEXIST && errno != EROFS)
			return -errno;
		path[i] = '/';
	}
	return 0;
}

/* Somewhere to mount on. */
static int make_place(const char *rel, bool is_dir)
{
	int r = make_parents(rel), fd;

	if (r < 0)
		return r;
	if (is_dir)
		return mkdir(rel, 0755) < 0 && errno != EEXIST && errno != EROFS ? -errno : 0;
	fd = open(rel, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0444);
	if (fd < 0)
		return errno == EEXIST || errno == EROFS ? 0 : -errno;
	(void)close(fd);
	return 0;
}

static int open_sources(struct mold *m)
{
	m->step = "open";
	view_open_pins(m->v, m->pins);
	for (unsigned i = 0; i < m->v->nbinds; i++) {
		const struct view_bind *b = &m->v->binds[i];

		m->bind = (int)i;
		m->sources[i] = -1;
		if (b->link_to || b->mode == VIEW_HIDE)
			continue;
		m->sources[i] = open(b->path, O_PATH | O_CLOEXEC);
		if (m->sources[i] < 0)
			return -errno;
	}
	m->bind = -1;
	m->step = "copy the host's tree";
	if (!m->v->app) {
		m->root_tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/",
					    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		if (m->root_tree < 0)
			return -errno;
		return mount_attr(m->root_tree, "", ATTR_RO, 0, true);
	}
	return 0;
}

static int make_stage(struct mold *m)
{
	m->step = "stage";
	if (m->v->app) {
		int r = mount_tmpfs(STAGE, MS_NOSUID | MS_NODEV,
				    "mode=0755,size=4m,nr_inodes=8192");

		if (r < 0)
			return r;
	} else if (syscall(SYS_move_mount, m->root_tree, "", AT_FDCWD, STAGE,
			   MOVE_MOUNT_F_EMPTY_PATH) < 0) {
		return -errno;
	}
	if (chdir(STAGE) < 0)
		return -errno;
	for (unsigned i = 0; m->v->app && view_empty_places[i]; i++)
		if (mkdir(view_empty_places[i], 0755) < 0)
			return -errno;
	if (m->v->app && mkdir("dev", 0755) < 0)
		return -errno;
	return 0;
}

/* The old root is still at "/": devices come from there. */
static int make_dev(struct mold *m)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "dev/fd" },	     { "/proc/self/fd/0", "dev/stdin" },
		{ "/proc/self/fd/1", "dev/stdout" }, { "/proc/self/fd/2", "dev/stderr" },
		{ "pts/ptmx", "dev/ptmx" },	     { "/run/systemd/journal/dev-log", "dev/log" },
	};
	int r;

	m->step = "make /dev";
	r = mount_tmpfs("dev", MS_NOSUID | MS_NOEXEC, "mode=0755,size=1m,nr_inodes=1024");
	if (r < 0)
		return r;
	if (mkdir("dev/.mpsup", 0711) < 0 || mkdir("dev/.mpsup/empty", 0555) < 0 ||
	    mkdir("dev/pts", 0755) < 0 || mkdir("dev/shm", 0755) < 0 ||
	    mknod("dev/.mpsup/none", S_IFREG, 0) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (symlink(links[i][0], links[i][1]) < 0)
			return -errno;
	for (unsigned i = 0; view_devices[i]; i++) {
		char from[32] = "/dev/", to[32] = "dev/";

		strncat(from, view_devices[i], sizeof(from) - 6);
		strncat(to, view_devices[i], sizeof(to) - 5);
		r = make_place(to, false);
		if (r == 0)
			r = mount_bind(AT_FDCWD, from, AT_FDCWD, to,
				       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false);
		if (r < 0)
			return r;
	}
	return 0;
}

static int make_sys(struct mold *m)
{
	int r = 0;

	m->step = "make /sys";
	/* Not recursive: the host's cgroups and debugfs stay outside. */
	if (m->v->app)
		r = mount_bind(AT_FDCWD, "/sys", AT_FDCWD, "sys", ATTR_RO | MOUNT_ATTR_NOEXEC,
			       false);
	for (unsigned i = 0; r == 0 && view_masked_sys[i]; i++) {
		r = mount_bind(AT_FDCWD, "dev/.mpsup/empty", AT_FDCWD, view_masked_sys[i], ATTR_RO,
			       false);
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

static int hide(const struct view_bind *b)
{
	const char *rel = b->path + 1;
	int r = b->is_dir ?
			mount_bind(AT_FDCWD, "dev/.mpsup/empty", AT_FDCWD, rel, ATTR_RO, false) :
			mount_bind(AT_FDCWD, "dev/.mpsup/none", AT_FDCWD, rel, ATTR_RO, false);

	return r == -ENOENT ? 0 : r; /* not in this view: hidden enough */
}

static int put_file(int dir_fd, const char *name, mode_t mode, const void *data, size_t len,
		    int *ret_fd)
{
	int fd = openat(dir_fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, mode);
	size_t done = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (done < len && (n = write(fd, (const char *)data + done, len - done)) > 0)
		done += (size_t)n;
	if (done < len) {
		int r = n < 0 ? -errno : -EIO;

		(void)close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static int put_credential(const struct view *v, int dir_fd, const struct view_credential *c)
{
	int fd, r = put_file(dir_fd, c->name, 0400, c->data, c->len, &fd);

	if (r < 0)
		return r;
	if (fchown(fd, v->uid, v->gid) < 0)
		r = -errno;
	(void)close(fd);
	return r;
}

static int make_preload(struct mold *m)
{
	const char *text = m->v->preload;
	int fd, r;

	if (!text)
		return 0;
	m->step = "put what its runtime loads";
	r = put_file(AT_FDCWD, VIEW_PRELOAD + 1, 0444, text, strlen(text), &fd);
	if (r < 0)
		return r;
	r = fchmod(fd, 0444) < 0 ? -errno : 0; /* whatever our umask is */
	(void)close(fd);
	return r;
}

/* In memory that is never swapped out, where the kernel can (6.3). */
static int make_credentials(struct mold *m)
{
	static const char place[] = "dev/.mpsup/credentials";
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	int r, dir;

	if (m->v->ncredentials == 0)
		return 0;
	m->step = "make credentials";
	if (mkdir(place, 0500) < 0)
		return -errno;
	r = mount_tmpfs(place, flags, "mode=0500,size=66m,nr_inodes=80,noswap");
	if (r == -EINVAL)
		r = mount_tmpfs(place, flags, "mode=0500,size=66m,nr_inodes=80");
	dir = r < 0 ? r : open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return r < 0 ? r : -errno;
	for (unsigned i = 0; r == 0 && i < m->v->ncredentials; i++)
		r = put_credential(m->v, dir, &m->v->credentials[i]);
	if (r == 0 && fchown(dir, m->v->uid, m->v->gid) < 0)
		r = -errno;
	(void)close(dir);
	return r < 0 ? r : mount_attr(AT_FDCWD, place, ATTR_RO | MOUNT_ATTR_NOEXEC, 0, false);
}

static int make_pins(struct mold *m)
{
	m->step = "keep the files of the command";
	return view_make_pins(m->v, m->pins);
}

static int bind_one(const struct mold *m, const struct view_bind *b, int source)
{
	uint64_t attr = b->mode == VIEW_RW ? ATTR_SAFE : ATTR_RO;
	const char *to = (b->late_from ? b->late_from : b->path) + 1;
	int r;

	if (b->link_to) {
		r = make_parents(b->path + 1);
		if (r == 0 && symlink(b->link_to, b->path + 1) < 0 && errno != EEXIST &&
		    errno != EROFS)
			r = -errno;
		return r;
	}
	if (b->mode == VIEW_HIDE)
		return hide(b);
	/* The host view has its read-only paths; only late ones must be kept. */
	if (!m->v->app && b->mode == VIEW_RO && !b->late_from)
		return 0;
	r = make_place(to, b->is_dir);
	if (r < 0)
		return r;
	/* Mounts below come along, read-only or without set-uid like the rest. */
	return mount_bind(source, "", AT_FDCWD, to, attr, b->is_dir);
}

static int make_binds(struct mold *m)
{
	m->step = "bind";
	for (unsigned i = 0; i < m->v->nbinds; i++) {
		int r;

		m->bind = (int)i;
		r = bind_one(m, &m->v->binds[i], m->sources[i]);
		if (r < 0)
			return r;
	}
	m->bind = -1;
	return 0;
}

static int become_root(struct mold *m)
{
	int r;

	m->step = "pivot_root";
	if (m->v->app) {
		r = mount_attr(AT_FDCWD, ".", MOUNT_ATTR_RDONLY, 0, false);
		if (r < 0)
			return r;
	}
	r = mount_attr(AT_FDCWD, "dev", MOUNT_ATTR_RDONLY, 0, false);
	if (r < 0)
		return r;
	/* "." twice stacks the old root on the new one, to be taken off: no folder
	 * for it is needed (pivot_root(2), NOTES). */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return -errno;
	if (umount2(".", MNT_DETACH) < 0)
		return -errno;
	return chdir("/") < 0 ? -errno : 0;
}

static int build(struct mold *m)
{
	int r;

	m->step = "make mounts private";
	/* Private, not slave: a later mount of the host must not appear (traps 10). */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	r = open_sources(m);
	if (r == 0)
		r = make_stage(m);
	if (r == 0)
		r = make_dev(m);
	if (r == 0)
		r = make_credentials(m);
	if (r == 0)
		r = make_preload(m);
	if (r == 0)
		r = make_pins(m);
	if (r == 0)
		r = make_sys(m);
	if (r == 0)
		r = make_binds(m);
	return r < 0 ? r : become_root(m);
}

_Noreturn static void mold_child(const struct view *v, int sock)
{
	struct mold m = { .v = v, .root_tree = -1, .bind = -1, .step = "open its namespace" };
	struct mold_report rep = { .bind = -1 };
	int ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	rep.error = ns < 0 ? -errno : build(&m);
	rep.bind = m.bind;
	strncat(rep.step, m.step, sizeof(rep.step) - 1);
	ignore((int)scm_send(sock, &rep, sizeof(rep), &ns, ns < 0 ? 0 : 1));
	_exit(rep.error ? 1 : 0);
}

static int say(const struct view *v, const struct mold_report *rep, struct err *e)
{
	const struct view_bind *b =
		rep->bind >= 0 && (unsigned)rep->bind < v->nbinds ? &v->binds[rep->bind] : NULL;

	if (b && rep->error != -EPERM && rep->error != -ENOSYS && rep->error != -EINVAL)
		return err_sys(e, rep->error, "view: %.31s %s %s", rep->step, b->why, b->path);
	(void)err_sys(e, rep->error, "view: %.31s%s%s", rep->step, b ? " " : "", b ? b->path : "");
	return e->code = -EOPNOTSUPP; /* not a path that a person wrote: this host */
}

int view_build_mold(struct view *v, int *ret_ns_fd, struct err *e)
{
	struct mold_report rep = { 0 };
	struct scm_message m = { .buf = (char *)&rep, .size = sizeof(rep), .max_fds = 1 };
	struct pidfd child = PIDFD_NONE;
	struct pidfd_exit ex;
	AUTO_FD int mine = -1;
	AUTO_FD int theirs = -1;
	int sv[2], r;

	(void)snprintf(v->tmp_options, sizeof(v->tmp_options), "mode=1777,size=%llu",
		       (unsigned long long)v->tmp_bytes);
	(void)snprintf(v->run_options, sizeof(v->run_options), "mode=0755,size=%llu,uid=%u,gid=%u",
		       (unsigned long long)v->tmp_bytes, v->uid, v->gid);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return err_sys(e, -errno, "view");
	mine = sv[0];
	theirs = sv[1];
	r = pidfd_clone(CLONE_NEWNS, -1, &child);
	if (r == 0)
		mold_child(v, theirs);
	if (r < 0)
		return err_sys(e, r, "view: new mount namespace");
	while (pidfd_reap(&child, &ex) == 0)
		(void)pidfd_wait(&child);
	r = scm_recv(mine, &m);
	if (r != 1 || m.len != sizeof(rep) || (rep.error == 0 && m.nfds != 1)) {
		scm_close_fds(&m);
		return err_set(e, -EIO, "view: the process that builds it died");
	}
	if (rep.error < 0) {
		scm_close_fds(&m);
		return say(v, &rep, e);
	}
	*ret_ns_fd = m.fds[0];
	return 0;
}
