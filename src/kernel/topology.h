/* SPDX-License-Identifier: MIT */
/* topology.h - how the CPUs of this host lie together: cores, last-level caches,
 * NUMA nodes, as /sys tells.
 *
 * Layer: kernel. Source: Documentation/ABI/stable/sysfs-devices-system-cpu and
 * sysfs-devices-node. */
#ifndef MPSUP_KERNEL_TOPOLOGY_H
#define MPSUP_KERNEL_TOPOLOGY_H

#include <sched.h>
#include <stdbool.h>

#include "base/base.h"

enum { TOPOLOGY_CPUS = 8 * sizeof(cpu_set_t) }; /* CPU_SETSIZE, which is GNU's word */

/* All zero: nothing is known, every CPU lies like every other. */
struct topology {
	cpu_set_t online; /* the arrays below hold for these */
	/* The lowest CPU of its core; itself where nothing is told. */
	short core[TOPOLOGY_CPUS];
	/* Last-level caches are numbered from 0 by their lowest CPU: the kernel's `id` has
	 * holes, and numbers those of each level apart. -1: not told. */
	short llc[TOPOLOGY_CPUS];
	short node[TOPOLOGY_CPUS]; /* -1: not told */
	bool has_cores;		   /* told for one at least */
	unsigned nllcs;
};

/* sys: "/sys", or a tree like it. What is missing below the list of online CPUs, as
 * in virtual machines and containers, is marked so. -errno, -EPROTO: that list. */
MUST_CHECK int topology_read(const char *sys, struct topology *ret);

/* One hardware thread of each core: the lowest of those in the set. */
void topology_one_a_core(const struct topology *t, const cpu_set_t *cpus, cpu_set_t *ret);
void topology_of_node(const struct topology *t, unsigned node, cpu_set_t *ret);
void topology_of_llc(const struct topology *t, unsigned llc, cpu_set_t *ret);
/* Nodes that have CPUs, as a set of numbers. */
void topology_nodes(const struct topology *t, cpu_set_t *ret);

/* The CPUs of a set, neighbours next to each other: by node, then cache, core, number.
 * Returns how many. */
unsigned topology_sort(const struct topology *t, const cpu_set_t *cpus,
		       unsigned short ret[TOPOLOGY_CPUS]);

#endif
