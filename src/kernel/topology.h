/* SPDX-License-Identifier: MIT */
/* topology.h - which CPUs there are for us: the smallest of affinity, cpuset and
 * quota. sched_getaffinity(2) already shows what a cpuset leaves, v1 or v2; the
 * quota is looked for up the tree of both.
 *
 * Layer: kernel. */
#ifndef MPSUP_KERNEL_TOPOLOGY_H
#define MPSUP_KERNEL_TOPOLOGY_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

/* CPUs that we may run on. 0 or -errno. */
MUST_CHECK int topology_usable(cpu_set_t *ret_cpus);

/* Why those, and not all that the host has online. */
enum topology_why { TOPOLOGY_ALL, TOPOLOGY_CPUSET, TOPOLOGY_AFFINITY };
enum topology_why topology_why(const cpu_set_t *usable);

/* The tightest CPU quota of the own cgroup and those above it, in thousandths of
 * a CPU; 0: none is set. */
unsigned topology_quota(void);

/* The same for any tree: mount is where it is mounted, own a path below it as in
 * /proc/PID/cgroup. */
unsigned topology_quota_up(const char *mount, const char *own, bool v2);
/* false: no folder of the tree says. */
bool topology_cpuset_up(const char *mount, const char *own, bool v2, cpu_set_t *ret_cpus);

#endif
