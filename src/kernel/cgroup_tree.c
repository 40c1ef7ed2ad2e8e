/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/cgroup_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"

#define SUPERVISOR "supervisor" /* the master's leaf in a subtree of its own */

/* `path` as /proc shows it; *ret_fd O_DIRECTORY. */
static int open_at(const struct cgroup_root *r, const char *path, int *ret_fd)
{
	const char *rel = path + r->above;
	int fd;

	rel += strspn(rel, "/");
	fd = openat(r->mount_fd, *rel ? rel : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* ---- facts ---- */

/* systemd marks what it gave away with both, the second since version 251. */
static bool has_delegate(int fd)
{
	char v = 0;

	return (fgetxattr(fd, "trusted.delegate", &v, 1) == 1 && v == '1') ||
	       (fgetxattr(fd, "user.delegate", &v, 1) == 1 && v == '1');
}

void cgroup_facts_gather(const struct cgroup_root *r, struct cgroup_facts *ret)
{
	AUTO_FD int own = -1;
	AUTO_FD int parent = -1;
	struct cgroup_root top = { .mount_fd = r->mount_fd };

	*ret = (struct cgroup_facts){
		.at_top = r->own[r->above + strspn(r->own + r->above, "/")] == '\0',
		/* Every cgroup but the real root has this file. */
		.host_root = faccessat(r->mount_fd, "cgroup.type", F_OK, 0) < 0,
		.systemd = access("/run/systemd/system", F_OK) == 0,
		.privileged = geteuid() == 0,
	};
	if (cgroup_read(r->mount_fd, "cgroup.controllers", top.controllers,
			sizeof(top.controllers)) == 0)
		ret->controllers = cgroup_has_controllers(&top);
	if (open_at(r, r->own, &own) < 0)
		return;
	ret->delegated = has_delegate(own);
	if (ret->at_top)
		return;
	parent = openat(own, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ret->parent_delegated = parent >= 0 && has_delegate(parent);
}

enum cgroup_place cgroup_place_choose(const struct cgroup_facts *f)
{
	if (!f->controllers)
		return PLACE_HERE;
	if (f->at_top)
		return f->host_root ? PLACE_TOP : PLACE_OWN;
	if (f->delegated)
		return PLACE_OWN;
	if (f->parent_delegated)
		return PLACE_PARENT;
	if (f->systemd)
		return PLACE_ASK;
	return f->privileged ? PLACE_TOP : PLACE_HERE;
}

/* ---- the place ---- */

static int move_to(int dir_fd)
{
	/* 0 is the writer: the number in its own PID namespace may be another. */
	return cgroup_write(dir_fd, "cgroup.procs", "0");
}

/* Nobody but us may be left in a cgroup that is to give controllers on, and whom
 * we did not start we do not move. */
static int check_alone(int own_fd, const char *path, struct err *e)
{
	pid_t pids[2] = { 0 };
	size_t n = 0;
	int r = cgroup_pids(own_fd, pids, ARRAY_LEN(pids), &n);

	if (r < 0)
		return err_sys(e, r, "%s/cgroup.procs", path);
	if (n == 1 && pids[0] == getpid())
		return 0;
	if (n > 0 && pids[0] == getpid())
		pids[0] = pids[1];
	return err_set(e, -EBUSY, "other processes (pid %d%s) are in mpsup's own cgroup %s",
		       (int)pids[0], n > 2 ? " and more" : "", path);
}

static int move_aside(struct cgroup_root *r, struct err *e)
{
	AUTO_FD int own = -1;
	AUTO_FD int leaf = -1;
	int err = open_at(r, r->own, &own);

	if (err < 0)
		return err_sys(e, err, "the own cgroup %s", r->own);
	err = check_alone(own, r->own, e);
	if (err < 0)
		return err;
	if (mkdirat(own, SUPERVISOR, 0755) < 0 && errno != EEXIST)
		return err_sys(e, -errno, "cannot make %s/" SUPERVISOR, r->own);
	leaf = openat(own, SUPERVISOR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	err = leaf < 0 ? -errno : move_to(leaf);
	if (err < 0) {
		(void)unlinkat(own, SUPERVISOR, AT_REMOVEDIR);
		return err_sys(e, err, "cannot move into %s/" SUPERVISOR, r->own);
	}
	r->moved = true;
	return 0;
}

int cgroup_place_take(struct cgroup_root *r, enum cgroup_place place, struct err *e)
{
	char *slash;

	switch (place) {
	case PLACE_TOP:
		r->own[r->above] = '\0';
		if (r->above == 0)
			(void)snprintf(r->own, sizeof(r->own), "/");
		return 0;
	case PLACE_PARENT:
		slash = strrchr(r->own, '/');
		if (slash && slash > r->own)
			*slash = '\0';
		return 0;
	case PLACE_OWN:
		return move_aside(r, e);
	default:
		return 0;
	}
}

static bool is_only_folder(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	bool only = d != NULL;

	if (!d) {
		fd_close(&fd);
		return false;
	}
	for (struct dirent *de; only && (de = readdir(d));)
		only = de->d_type != DT_DIR || de->d_name[0] == '.' ||
		       strcmp(de->d_name, name) == 0;
	(void)closedir(d);
	return only;
}

static void take_back(int dir_fd)
{
	char list[256], word[64], *save = NULL;

	if (cgroup_read(dir_fd, "cgroup.subtree_control", list, sizeof(list)) < 0)
		return;
	for (char *w = strtok_r(list, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		(void)snprintf(word, sizeof(word), "-%s", w);
		ignore(cgroup_write(dir_fd, "cgroup.subtree_control", word));
	}
}

void cgroup_place_leave(struct cgroup_root *r)
{
	AUTO_FD int own = -1;

	if (!r->moved || open_at(r, r->own, &own) < 0 || !is_only_folder(own, SUPERVISOR))
		return;
	take_back(own);
	if (move_to(own) == 0)
		(void)unlinkat(own, SUPERVISOR, AT_REMOVEDIR);
	r->moved = false;
}

/* ---- controllers ---- */

static int enable(int dir_fd, const char *path, const char *controller, struct err *e)
{
	char word[64];
	int r;

	(void)snprintf(word, sizeof(word), "+%s", controller);
	r = cgroup_write(dir_fd, "cgroup.subtree_control", word);
	return r < 0 ? err_sys(e, r, "%s does not give the %s controller on", path, controller) : 0;
}

/* Asked before, not left to the kernel's EBUSY: pids and cpu it would give on, and
 * make a threaded domain of the cgroup, below which no leaf is valid. */
static int check_empty(int dir_fd, const char *path, struct err *e)
{
	pid_t pid = 0;
	size_t n = 0;

	if (faccessat(dir_fd, "cgroup.type", F_OK, 0) < 0)
		return 0; /* the root of the host */
	if (cgroup_pids(dir_fd, &pid, 1, &n) == 0 && n == 0)
		return 0;
	return err_set(e, -EBUSY,
		       "%s cannot give controllers on while processes (pid %d) are in it", path,
		       (int)pid);
}

static int enable_all(int dir_fd, const char *path, const char *const *wanted, struct err *e)
{
	char there[256], given[256];
	int first = check_empty(dir_fd, path, e);

	if (cgroup_read(dir_fd, "cgroup.controllers", there, sizeof(there)) < 0 ||
	    cgroup_read(dir_fd, "cgroup.subtree_control", given, sizeof(given)) < 0 || first < 0)
		return first;
	for (; *wanted; wanted++) {
		struct err one;
		int r;

		if (!cgroup_list_has(there, *wanted) || cgroup_list_has(given, *wanted))
			continue;
		r = enable(dir_fd, path, *wanted, &one);
		if (r < 0 && first == 0) {
			first = r;
			*e = one;
		}
	}
	return first;
}

int cgroup_give_on(struct cgroup_root *r, const char *const *wanted, struct err *e)
{
	AUTO_FD int place = -1;
	struct err below;
	int err = open_at(r, r->own, &place);

	if (err < 0)
		return err_sys(e, err, "%s", r->own);
	err = enable_all(place, r->own, wanted, e);
	if (enable_all(r->base_fd, r->path, wanted, &below) < 0 && err == 0) {
		*e = below;
		err = below.code;
	}
	if (cgroup_read(r->base_fd, "cgroup.subtree_control", r->controllers,
			sizeof(r->controllers)) < 0)
		r->controllers[0] = '\0';
	return err;
}
