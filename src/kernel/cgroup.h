/* SPDX-License-Identifier: MIT */
/* cgroup.h - one leaf of cgroup v2 for each life, held by descriptor.
 *
 * Layer: kernel. -Exxx, never logs. Source: Documentation/admin-guide/cgroup-v2.rst. */
#ifndef MPSUP_KERNEL_CGROUP_H
#define MPSUP_KERNEL_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/base.h"
#include "base/err.h"

struct cgroup_root {
	int mount_fd;	       /* of the cgroup2 mount */
	int base_fd;	       /* of the instance's folder, -1: none */
	char mount[PATH_MAX];  /* "/sys/fs/cgroup", "/sys/fs/cgroup/unified" */
	char own[PATH_MAX];    /* own cgroup, as /proc shows it: "/", "/system.slice/x" */
	size_t above;	       /* how many bytes of own are above what is mounted */
	char path[PATH_MAX];   /* of the instance's folder, as /proc/PID/cgroup shows it */
	char controllers[256]; /* that the leaves have, "" or "memory pids" */
	bool moved;	       /* the master sits in a leaf below own (cgroup_tree.h) */
};
#define CGROUP_ROOT_NONE ((struct cgroup_root){ .mount_fd = -1, .base_fd = -1 })

/* Find the cgroup2 mount in /proc/self/mountinfo and the own place in it.
 * -ENOENT: there is none. */
MUST_CHECK int cgroup_root_find(struct cgroup_root *r, struct err *e);
void cgroup_root_done(struct cgroup_root *r);
/* Is word one of "memory pids"? */
bool cgroup_list_has(const char *list, const char *word);
/* Is there one that limits a worker? A hybrid host has none of them in v2. */
bool cgroup_has_controllers(const struct cgroup_root *r);

/* Make the folder `name` below the own cgroup, marked as ours and locked for as
 * long as base_fd is open. What an earlier, killed master left there is ended
 * first (blocks, at most 5 s); where a living one has it, `name`.2, .3, ... is
 * taken. A folder without the mark that is not empty is refused: -EEXIST. */
MUST_CHECK int cgroup_base_open(struct cgroup_root *r, const char *name, struct err *e);
/* Remove it; leaves must be gone. */
void cgroup_base_remove(struct cgroup_root *r);

/* A new leaf; a name is never used twice (traps 21). *ret_fd: O_DIRECTORY, for
 * CLONE_INTO_CGROUP and the calls below. -EEXIST. */
MUST_CHECK int cgroup_leaf_make(const struct cgroup_root *r, const char *name, int *ret_fd);
/* With whatever folders are in it. -EBUSY: not empty yet. */
MUST_CHECK int cgroup_leaf_remove(const struct cgroup_root *r, const char *name);

MUST_CHECK int cgroup_kill(int leaf_fd); /* everything in it, SIGKILL, race-free (5.14) */
/* 1, 0, or -errno. */
MUST_CHECK int cgroup_populated(int leaf_fd);
/* cgroup.events for the loop: EPOLLPRI when it changes, after an ack. */
MUST_CHECK int cgroup_events_open(int leaf_fd, int *ret_fd);
MUST_CHECK int cgroup_events_ack(int events_fd);

/* An attribute as text, newline at the end cut, always terminated. */
MUST_CHECK int cgroup_read(int leaf_fd, const char *attr, char *buf, size_t size);
MUST_CHECK int cgroup_write(int leaf_fd, const char *attr, const char *value);
/* Is the process in that leaf? 1, also while it is a zombie; 0; -ESRCH: it is gone. */
MUST_CHECK int cgroup_leaf_holds(const struct cgroup_root *r, const char *name, pid_t pid);
/* Process ids of the leaf; *ret_n how many there are, at most max are stored. */
MUST_CHECK int cgroup_pids(int leaf_fd, pid_t *pids, size_t max, size_t *ret_n);

#endif
