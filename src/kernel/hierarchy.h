/* SPDX-License-Identifier: MIT */
/* hierarchy.h - where the own cgroup is, in v2 or in the v1 hierarchy of one
 * controller. Workers' leaves are cgroup.h's.
 *
 * Layer: kernel. */
#ifndef MPSUP_KERNEL_HIERARCHY_H
#define MPSUP_KERNEL_HIERARCHY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"

struct hierarchy {
	char mount[PATH_MAX]; /* where its top, as far as we see it, is mounted */
	char own[PATH_MAX];   /* our place below: "/", "/a/b" */
};

/* One line of mountinfo: 0 with root and mount point, both PATH_MAX bytes, if it is this
 * hierarchy's mount; -ENOENT: another one's; -EPROTO. v2: controller is not looked at. */
MUST_CHECK int hierarchy_parse_mount(const char *line, bool v2, const char *controller,
				     char *ret_root, char *ret_point);
/* The same from PROC/mountinfo; the own path from PROC/cgroup, as the kernel shows it.
 * -ENOENT: there is none. */
MUST_CHECK int hierarchy_mount(const char *proc, bool v2, const char *controller, char *ret_root,
			       char *ret_point);
MUST_CHECK int hierarchy_own(const char *proc, bool v2, const char *controller, char *ret,
			     size_t size);
/* A container may see only a part of the tree mounted: how many bytes of `own` are above
 * it (Docker with v1 shows /docker/ID, and mounts that folder). -ENOENT: it is outside of
 * what is seen; a process that was moved there is shown as "/..". */
MUST_CHECK int hierarchy_above(const char *root, const char *own, size_t *ret_len);

/* All of it. proc: "/proc/self". v2: controller is not looked at. false: it is not mounted, or
 * we are not in it. A container that sees a part of the tree gets its place in that. */
MUST_CHECK bool hierarchy_find(const char *proc, bool v2, const char *controller,
			       struct hierarchy *ret);

/* path (of that size) becomes MOUNT/OWN; then one folder up with each call, down to
 * MOUNT, and false after that. */
MUST_CHECK bool hierarchy_start(char *path, size_t size, const char *mount, const char *own);
MUST_CHECK bool hierarchy_up(char *path, const char *mount);

#endif
