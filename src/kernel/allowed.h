/* SPDX-License-Identifier: MIT */
/* allowed.h - which CPUs we may use, and how much of them: affinity, cpuset, quota.
 * sched_getaffinity(2) already shows what a cpuset leaves, v1 or v2; the quota is
 * looked for up the tree of both.
 *
 * Layer: kernel. */
#ifndef MPSUP_KERNEL_ALLOWED_H
#define MPSUP_KERNEL_ALLOWED_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

/* CPUs that we may run on. 0 or -errno. */
MUST_CHECK int allowed_cpus(cpu_set_t *ret_cpus);

/* Why those, and not all that the host has online. */
enum allowed_why { ALLOWED_ALL, ALLOWED_CPUSET, ALLOWED_AFFINITY };
enum allowed_why allowed_why(const cpu_set_t *allowed);

/* The tightest CPU quota of the own cgroup and those above it, in thousandths of
 * a CPU; 0: none is set. */
unsigned allowed_quota(void);

/* The same for any tree: mount is where it is mounted, own a path below it as in
 * struct hierarchy. */
unsigned allowed_quota_up(const char *mount, const char *own, bool v2);
/* false: no folder of the tree says. */
bool allowed_cpuset_up(const char *mount, const char *own, bool v2, cpu_set_t *ret_cpus);

#endif
