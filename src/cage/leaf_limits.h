/* SPDX-License-Identifier: MIT */
/* leaf_limits.h - what the leaf of a worker allows: from the options, as plain
 * data, to the files of cgroup v2 that say so.
 *
 * Layer: cage. The plan is made once for a pool; a birth only writes it, into
 * the empty leaf: memory stays charged to where it was first touched. */
#ifndef MPSUP_CAGE_LEAF_LIMITS_H
#define MPSUP_CAGE_LEAF_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"

/* What a person asked for; what was not asked for is a default or is not set. A
 * limit of `max` is one that was not asked for. */
enum limit {
	LIMIT_MEMORY,
	LIMIT_MEMORY_HIGH,
	LIMIT_SWAP,
	LIMIT_CPU_QUOTA,
	LIMIT_CPU_WEIGHT,
	LIMIT_PIDS,
	LIMIT_OOM_SCORE_ADJ,
};
#define LIMIT_BIT(limit)   (1u << (limit))
#define LIMIT_PIDS_DEFAULT 1024

enum io_rate { IO_RBPS, IO_WBPS, IO_RIOPS, IO_WIOPS, IO_RATES };
extern const char *const io_rate_name[IO_RATES];

struct io_limit {
	const char *device;	 /* as written: a path, or MAJ:MIN */
	unsigned major, minor;	 /* of the whole disk; filled by config_resolve_pool() */
	uint64_t rate[IO_RATES]; /* 0: not given; UINT64_MAX: max */
};

struct raw_limit {
	const char *file, *value;
};

struct limits {
	uint32_t asked;			    /* LIMIT_BIT()s */
	uint64_t memory, memory_high, swap; /* bytes */
	uint64_t cpu_quota;		    /* thousandths of a CPU */
	uint64_t cpu_weight, pids;
	int oom_score_adj;
	struct io_limit *io;
	unsigned nio;
	struct raw_limit *raw; /* after the others: they may overrule a default */
	unsigned nraw;
};

struct leaf_write {
	const char *option; /* "memory"; for messages */
	const char *file, *value;
	bool asked; /* not a default: a refusal is the worker's end, not its fate */
};

struct leaf_plan {
	struct leaf_write *writes; /* in the arena */
	unsigned n;
};

/* The writes that leaves with these controllers ("memory pids") take. A default
 * without its controller is left out; an asked limit: -EOPNOTSUPP, with
 * "--memory: no memory controller for the workers here". */
/* The same for the folder of a whole pool: "--total.memory". */
MUST_CHECK int leaf_plan_make_total(const struct limits *l, const char *controllers,
				    struct arena *a, struct leaf_plan *ret, struct err *e);
MUST_CHECK int leaf_plan_make(const struct limits *l, const char *controllers, struct arena *a,
			      struct leaf_plan *ret, struct err *e);

/* Write it. A default that is refused is passed over; an asked one ends it:
 * -errno with "--memory: memory.max does not take 64M: ...". */
MUST_CHECK int leaf_plan_write(const struct leaf_plan *plan, int leaf_fd, struct err *e);

/* As above into a leaf that is only for trying, and what is refused of the
 * defaults is taken out of the plan, so that no birth tries it again. */
MUST_CHECK int leaf_plan_try(struct leaf_plan *plan, int leaf_fd, struct err *e);

/* What the file holds in a new leaf, in the arena; NULL: not known. */
const char *leaf_unlimited(const struct leaf_write *w, struct arena *a);

/* What leads from one plan to the other: what only the first has set is as in a new leaf
 * again. -ENOMEM. */
MUST_CHECK int leaf_plan_change(const struct leaf_plan *from, const struct leaf_plan *to,
				struct arena *a, struct leaf_plan *ret);

/* Is anything asked for? */
bool limits_any(const struct limits *l);

/* Is the controller ("cpu", "cpuset", ...) one that a worker with these limits needs? */
bool limits_need(const struct limits *l, const char *controller);

#endif
