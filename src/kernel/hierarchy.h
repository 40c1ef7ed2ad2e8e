/* SPDX-License-Identifier: MIT */
/* hierarchy.h - where the own cgroup is, in v2 or in the v1 hierarchy of one
 * controller: for files that are only read or watched. Workers' leaves are cgroup.h's.
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

/* proc: "/proc/self". v2: controller is not looked at. false: it is not mounted, or
 * we are not in it. A container that sees a part of the tree gets its place in that. */
MUST_CHECK bool hierarchy_find(const char *proc, bool v2, const char *controller,
			       struct hierarchy *ret);

/* path (of that size) becomes MOUNT/OWN; then one folder up with each call, down to
 * MOUNT, and false after that. */
MUST_CHECK bool hierarchy_start(char *path, size_t size, const char *mount, const char *own);
MUST_CHECK bool hierarchy_up(char *path, const char *mount);

#endif
