/* SPDX-License-Identifier: MIT */
/* controllers.h - how this host has its cgroups, and why a controller is not where a
 * worker could have it.
 *
 * Layer: kernel. Only reads. proc: "/proc"; mount: of cgroup2. */
#ifndef MPSUP_KERNEL_CONTROLLERS_H
#define MPSUP_KERNEL_CONTROLLERS_H

#include <stddef.h>

#include "base/base.h"

enum cgroup_mode {
	CGROUPS_NONE,	 /* nothing is mounted */
	CGROUPS_UNIFIED, /* cgroup v2 alone */
	CGROUPS_HYBRID,	 /* cgroup v2, and controllers in v1 */
	CGROUPS_LEGACY,	 /* v1 alone */
};

enum cgroup_mode controllers_mode(const char *proc);

enum controller_why {
	CONTROLLER_THERE,   /* the place has it: who lacks it has not been given it by us */
	CONTROLLER_V1,	    /* it is bound to cgroup v1 */
	CONTROLLER_OFF,	    /* cgroup_disable=, or off until cgroup_enable= */
	CONTROLLER_NONE,    /* the kernel was built without it */
	CONTROLLER_OUTSIDE, /* the kernel has it; the tree that we see was not given it */
	CONTROLLER_ABOVE,   /* a cgroup between the top and the place does not give it on */
};

/* own: a path below mount ("/", "/a/b"). at: filled for CONTROLLER_ABOVE with the cgroup
 * whose cgroup.subtree_control lacks it, else "". */
enum controller_why controllers_why(const char *proc, const char *mount, const char *own,
				    const char *name, char *at, size_t size);

#endif
