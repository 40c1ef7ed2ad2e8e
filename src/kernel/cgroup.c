/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "kernel/hierarchy.h"
#include "kernel/proc.h"

/* Extended attributes of cgroupfs live as long as the folder (cgroup(7)); root
 * writes trusted ones, which nobody in a cage can. */
#define MARK	  "trusted.mpsup"
#define MARK_USER "user.mpsup"
#define DYING_MS  5000 /* a killed master's last children are gone by then */
#define BASES_MAX 64   /* living masters of one name, each with a root of its own */
#define SWEEP_MS  5000 /* killed processes of an earlier master are gone by then */

int cgroup_read(int leaf_fd, const char *attr, char *buf, size_t size)
{
	AUTO_FD int fd = openat(leaf_fd, attr, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	while (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return 0;
}

int cgroup_write(int leaf_fd, const char *attr, const char *value)
{
	AUTO_FD int fd = openat(leaf_fd, attr, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(value);
	ssize_t n = fd < 0 ? -1 : write(fd, value, len);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int cgroup_kill(int leaf_fd)
{
	return cgroup_write(leaf_fd, "cgroup.kill", "1");
}

static int populated_in(const char *text)
{
	const char *p = strstr(text, "populated ");

	return p ? p[strlen("populated ")] == '1' : -EPROTO;
}

int cgroup_populated(int leaf_fd)
{
	char text[256];
	int r = cgroup_read(leaf_fd, "cgroup.events", text, sizeof(text));

	return r < 0 ? r : populated_in(text);
}

int cgroup_events_open(int leaf_fd, int *ret_fd)
{
	AUTO_FD int fd = openat(leaf_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = cgroup_events_ack(fd); /* kernfs tells of changes since the last read */
	if (r >= 0)
		*ret_fd = fd_take(&fd);
	return r;
}

int cgroup_events_ack(int events_fd)
{
	char text[256];
	ssize_t n = pread(events_fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	return populated_in(text);
}

int cgroup_pids(int leaf_fd, pid_t *pids, size_t max, size_t *ret_n)
{
	AUTO_FD int fd = openat(leaf_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char text[4096];
	size_t n = 0;
	ssize_t len;
	pid_t pid = 0;

	if (fd < 0)
		return -errno;
	while ((len = read(fd, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < len; i++) { /* a number may go on in the next piece */
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (text[i] - '0');
				continue;
			}
			if (n < max)
				pids[n] = pid;
			n++;
			pid = 0;
		}
	if (len < 0)
		return -errno;
	*ret_n = n;
	return 0;
}

/* ---- the mount and our place in it ---- */

static void read_controllers(struct cgroup_root *r)
{
	const char *own = r->own + r->above + strspn(r->own + r->above, "/");
	AUTO_FD int fd = openat(r->mount_fd, *own ? own : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 ||
	    cgroup_read(fd, "cgroup.controllers", r->controllers, sizeof(r->controllers)) < 0)
		r->controllers[0] = '\0';
}

int cgroup_root_find(struct cgroup_root *r, struct err *e)
{
	char root[PATH_MAX];
	int err;

	*r = CGROUP_ROOT_NONE;
	err = hierarchy_mount("/proc/self", true, NULL, root, r->mount);
	if (err < 0)
		return err_set(e, err, "no cgroup2 file system is mounted");
	err = hierarchy_own("/proc/self", true, NULL, r->own, sizeof(r->own));
	if (err < 0)
		return err_sys(e, err, "no line for cgroup v2 in /proc/self/cgroup");
	if (hierarchy_above(root, r->own, &r->above) < 0)
		return err_set(e, -ENOENT, "the own cgroup %s is not below what %s shows (%s)",
			       r->own, r->mount, root);
	r->mount_fd = open(r->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->mount_fd < 0)
		return err_sys(e, -errno, "%s", r->mount);
	read_controllers(r);
	return 0;
}

void cgroup_root_done(struct cgroup_root *r)
{
	fd_close(&r->base_fd);
	fd_close(&r->mount_fd);
}

bool cgroup_list_has(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; (p = strstr(p, word)) != NULL; p += n)
		if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
			return true;
	return false;
}

bool cgroup_has_controllers(const struct cgroup_root *r)
{
	static const char *const useful[] = { "memory", "cpu", "pids", "cpuset", "io" };

	/* Hybrid hosts leave over what v1 did not take, such as hugetlb. */
	for (size_t i = 0; i < ARRAY_LEN(useful); i++)
		if (cgroup_list_has(r->controllers, useful[i]))
			return true;
	return false;
}

/* ---- the instance's folder ---- */

static int set_mark(int fd)
{
	if (fsetxattr(fd, MARK, "1", 1, 0) == 0 || fsetxattr(fd, MARK_USER, "1", 1, 0) == 0)
		return 0;
	return errno == ENOTSUP || errno == EOPNOTSUPP ? 0 : -errno;
}

static bool has_mark(int fd)
{
	char v;

	return fgetxattr(fd, MARK, &v, 1) == 1 || fgetxattr(fd, MARK_USER, &v, 1) == 1;
}

/* Depth first: a worker with its leaf mounted writable could have made folders. */
static int remove_tree(int parent_fd, const char *name, int depth)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		fd_close(&fd);
		return -errno;
	}
	for (struct dirent *de; depth < 16 && (de = readdir(d));)
		if (de->d_type == DT_DIR && de->d_name[0] != '.')
			ignore(remove_tree(dirfd(d), de->d_name, depth + 1));
	(void)closedir(d);
	return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static void wait_empty(int fd)
{
	AUTO_FD int ev = -1;

	if (cgroup_events_open(fd, &ev) == 0)
		return;
	for (int left = SWEEP_MS; cgroup_events_ack(ev) == 1 && left > 0; left -= 100) {
		struct pollfd p = { .fd = ev, .events = POLLPRI };

		(void)poll(&p, 1, 100);
	}
}

/* Where the instance's folder is, from mount_fd. */
static const char *base_rel(const struct cgroup_root *r)
{
	return r->path + r->above + 1;
}

static int open_locked(const struct cgroup_root *r, const char *rel, int *ret_fd)
{
	AUTO_FD int fd = openat(r->mount_fd, rel, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	/* Two roots (MPSUP_ROOT) can have an instance of the same name: the lock is what
	 * tells a living master's folder from one that was left behind. */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	*ret_fd = fd_take(&fd);
	return 0;
}

/* End and remove what a killed master left; 0 also when there is nothing. */
static int sweep(const struct cgroup_root *r, const char *rel)
{
	AUTO_FD int fd = -1;
	int err = open_locked(r, rel, &fd);

	if (err == -ENOENT)
		return 0;
	if (err < 0)
		return err;
	if (!has_mark(fd)) {
		/* Killed before it could set the mark, or another's: only an empty one goes. */
		err = unlinkat(r->mount_fd, rel, AT_REMOVEDIR) < 0 ? -errno : 0;
		return err < 0 ? -EEXIST : 0;
	}
	ignore(cgroup_kill(fd));
	wait_empty(fd);
	return remove_tree(r->mount_fd, rel, 0);
}

static int make_base(struct cgroup_root *r, const char *rel)
{
	int err;

	if (mkdirat(r->mount_fd, rel, 0755) < 0)
		return errno == EEXIST ? -EBUSY : -errno;
	err = open_locked(r, rel, &r->base_fd);
	if (err == -ENOENT)
		return -EBUSY; /* another start swept it away before it was locked */
	if (err == 0)
		err = set_mark(r->base_fd);
	return err;
}

/* The same, and a predecessor that was killed a moment ago is waited for: its last
 * children hold the lock until they see its end. -EBUSY: a living master's. */
static int sweep_patiently(const struct cgroup_root *r, const char *rel)
{
	uint64_t end = clock_boot_ms() + DYING_MS;
	struct stat st;
	int err = sweep(r, rel);

	while (err == -EBUSY && clock_boot_ms() < end &&
	       fstatat(r->mount_fd, rel, &st, AT_SYMLINK_NOFOLLOW) == 0 && !proc_flock_lives(&st)) {
		(void)poll(NULL, 0, 5);
		err = sweep(r, rel);
	}
	return err;
}

/* What earlier masters left under the other numbers, as far as nobody holds it. */
static void sweep_others(const struct cgroup_root *r, const char *name)
{
	struct cgroup_root other = *r;

	for (int i = 1; i <= BASES_MAX; i++) {
		char number[16] = "";

		if (i > 1)
			(void)snprintf(number, sizeof(number), ".%d", i);
		if (snprintf(other.path, sizeof(other.path), "%s/%s%s",
			     strcmp(r->own, "/") ? r->own : "", name,
			     number) < (int)sizeof(other.path) &&
		    strcmp(other.path, r->path) != 0)
			ignore(sweep_patiently(&other, base_rel(&other)));
	}
}

int cgroup_base_open(struct cgroup_root *r, const char *name, struct err *e)
{
	const char *rel = base_rel(r);
	int err = -EBUSY;

	for (int i = 1; err == -EBUSY && i <= BASES_MAX; i++) {
		char number[16] = "";

		if (i > 1)
			(void)snprintf(number, sizeof(number), ".%d", i);
		if (snprintf(r->path, sizeof(r->path), "%s/%s%s", strcmp(r->own, "/") ? r->own : "",
			     name, number) >= (int)sizeof(r->path))
			return err_set(e, -ENAMETOOLONG, "the own cgroup's path is too long");
		err = sweep_patiently(r, rel);
		if (err == 0)
			err = make_base(r, rel);
	}
	if (err == 0)
		sweep_others(r, name);
	if (err == -EEXIST)
		return err_set(e, err, "%s%s is there and not ours; it is left alone", r->mount,
			       r->path + r->above);
	return err < 0 ? err_sys(e, err, "cannot make %s%s", r->mount, r->path + r->above) : 0;
}

void cgroup_base_remove(struct cgroup_root *r)
{
	if (r->base_fd < 0)
		return;
	if (unlinkat(r->mount_fd, base_rel(r), AT_REMOVEDIR) < 0 && errno == EBUSY) {
		/* Only after an error of the master itself: somebody is still in it. */
		ignore(cgroup_kill(r->base_fd));
		wait_empty(r->base_fd);
		ignore(remove_tree(r->mount_fd, base_rel(r), 0));
	}
	fd_close(&r->base_fd);
}

int cgroup_leaf_make(const struct cgroup_root *r, const char *name, int *ret_fd)
{
	int fd;

	if (mkdirat(r->base_fd, name, 0755) < 0)
		return -errno;
	fd = openat(r->base_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		int err = -errno;

		(void)unlinkat(r->base_fd, name, AT_REMOVEDIR);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int cgroup_leaf_holds(const struct cgroup_root *r, const char *name, pid_t pid)
{
	size_t above = strlen(r->path), len = strlen(name);
	char proc[32], path[PATH_MAX];
	const char *leaf = path + above + 1;

	(void)snprintf(proc, sizeof(proc), "/proc/%d", (int)pid);
	if (hierarchy_own(proc, true, NULL, path, sizeof(path)) < 0)
		return -ESRCH;
	if (strncmp(path, r->path, above) != 0 || path[above] != '/' ||
	    strncmp(leaf, name, len) != 0)
		return 0;
	/* A folder in it is it too; of one that is removed the kernel says "(deleted)". */
	return leaf[len] == '\0' || leaf[len] == '/' || leaf[len] == ' ';
}

int cgroup_leaf_remove(const struct cgroup_root *r, const char *name)
{
	if (unlinkat(r->base_fd, name, AT_REMOVEDIR) == 0)
		return 0;
	return errno == EBUSY ? remove_tree(r->base_fd, name, 0) : -errno;
}
