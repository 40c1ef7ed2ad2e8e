/* SPDX-License-Identifier: MIT */
/* profile.h - a policy in memory: what each system call of this machine gets.
 * load.c fills it, compile.c and guard.c read it. Private to policy/. */
#ifndef MPSUP_POLICY_PROFILE_H
#define MPSUP_POLICY_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

#define PROFILE_CALLS 1024 /* numbers in use end at 469 (6.17), one table for all machines */
#define PROFILE_ARGS  6

/* One argument, taken as a 32-bit number as the kernel does for all calls that
 * rules are made for: it equals one of values or, with bits, has one of the
 * bits of values[0]. */
struct rule_test {
	uint8_t arg;
	bool bits;
	unsigned nvalues;
	uint32_t *values;
};

struct rule_clause { /* all of tests hold */
	struct rule_test tests[PROFILE_ARGS];
	unsigned ntests;
};

struct rule {
	bool allow; /* true: only if a clause holds; false: unless one holds */
	int error;  /* errno of a refusal */
	struct rule_clause *clauses;
	unsigned nclauses;
};

enum verdict { VERDICT_NONE, VERDICT_ALLOW, VERDICT_ERRNO };

struct call {
	enum verdict verdict;	 /* NONE: the default, EPERM */
	int error;		 /* with VERDICT_ERRNO */
	bool quiet;		 /* a refusal that nobody needs to hear of */
	bool notify;		 /* with VERDICT_ALLOW: the master is asked */
	const struct rule *rule; /* with VERDICT_ALLOW, or NULL */

	/* Where it was said, to settle who overrides whom. */
	bool own;   /* in the file itself, not in one that it includes */
	bool named; /* by its name, not as one of a group */
	unsigned line;
};

struct policy {
	struct arena arena; /* of the rules */
	int highest;	    /* the highest number that groups or policy know; above: ENOSYS */
	struct call calls[PROFILE_CALLS];
};

#endif
