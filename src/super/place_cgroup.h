/* SPDX-License-Identifier: MIT */
/* place_cgroup.h - the instance's folder in the tree of cgroup v2, with the
 * controllers that the pools' limits need. Before any worker.
 *
 * Layer: super. */
#ifndef MPSUP_SUPER_PLACE_CGROUP_H
#define MPSUP_SUPER_PLACE_CGROUP_H

#include "super/super.h"

/* -EOPNOTSUPP: root and no folder for the workers at all. A folder without
 * controllers is not an error: m->no_limits says why there are none. */
MUST_CHECK int place_cgroup(struct master *m, struct err *e);
void place_cgroup_done(struct master *m);

#endif
