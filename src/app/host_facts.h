/* SPDX-License-Identifier: MIT */
/* host_facts.h - what this host gives mpsup: found by trying, where a try leaves nothing
 * behind; what is lost without it, and what would help. */
#ifndef MPSUP_APP_HOST_FACTS_H
#define MPSUP_APP_HOST_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"
#include "config/config.h"

struct master;

enum verdict {
	FACT_OK,
	FACT_NOTE,    /* less than could be, and mpsup's defaults do without */
	FACT_PROBLEM, /* a default start would be refused */
};

struct fact {
	const char *name;
	enum verdict verdict;
	uint32_t words; /* CAGE_BIT()s that would not need it left out; 0: all starts need it */
	char found[400];
	char lost[240]; /* "" when FACT_OK */
	char help[240];
};

#define FACTS_MAX 64

struct host_facts {
	struct fact facts[FACTS_MAX];
	unsigned n;
	bool births;  /* a process can be cloned as mpsup does, so that the rest can be tried */
	uint32_t had; /* CAGE_BIT()s that this host and these rights give */
	uint32_t only_root; /* those that root alone would be given */
};

/* m: of the check, with its place in the cgroup tree tried (m->no_limits). */
void host_facts_gather(struct host_facts *h, struct master *m, const struct err *no_cgroup);
/* How many are problems for who leaves these words of the cage out. */
unsigned host_facts_problems(const struct host_facts *h, uint32_t left_out);
bool host_facts_is_problem(const struct fact *f, uint32_t left_out);

#endif
