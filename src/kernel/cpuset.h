/* SPDX-License-Identifier: MIT */
/* cpuset.h - tells when the CPUs that we may run on may have changed: somebody wrote a
 * cpuset of the own cgroup or of one above it, or a CPU came or went. The kernel then
 * has set new affinity masks for the tasks in it: before 6.2 it forgets those that were
 * asked for, and a pin to a CPU that goes is forgotten by every kernel (systemd#23748).
 *
 * cpuset.cpus.effective sends no event. What changes it is written through the VFS,
 * which inotify sees, also in cgroupfs; CPUs are told on the kernel's uevent socket.
 * Not seen: a sibling cgroup that becomes a partition, and being moved to another cgroup.
 *
 * Layer: kernel. Sources: inotify(7), lib/kobject_uevent.c. */
#ifndef MPSUP_KERNEL_CPUSET_H
#define MPSUP_KERNEL_CPUSET_H

#include "base/base.h"
#include "kernel/loop.h"

struct cpuset_watch {
	struct loop *loop; /* NULL: closed */
	int files_fd, hotplug_fd;
	struct source files, hotplug;
	/* After each batch of events; nothing may have changed. */
	void (*changed)(struct cpuset_watch *w);
};
#define CPUSET_WATCH_NONE ((struct cpuset_watch){ .files_fd = -1, .hotplug_fd = -1 })

/* What this host does not give (no inotify, no uevents in a container's network
 * namespace) is not watched; -errno of the first such, for a line in the log: the
 * rest works. Nothing is watched in cgroups yet. */
int cpuset_watch_open(struct cpuset_watch *w, struct loop *l,
		      void (*changed)(struct cpuset_watch *w));
void cpuset_watch_close(struct cpuset_watch *w); /* harmless on a closed one */

/* The files of the cgroup OWN (as in struct hierarchy) and those above it; again when
 * others may have appeared, as when a controller is given on. */
void cpuset_watch_tree(struct cpuset_watch *w, const char *mount, const char *own);
/* Our own places, in v1 and v2. */
void cpuset_watch_own(struct cpuset_watch *w);

/* Let a socket receive only uevents of CPUs that come or go: a host that starts
 * containers sends many others. */
MUST_CHECK int cpuset_hotplug_filter(int fd);

#endif
