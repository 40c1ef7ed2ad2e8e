/* SPDX-License-Identifier: MIT */
/* facts.h - the numbers of living workers for one status answer: one dump of
 * the sockets for all of them, the leaf's files where there are controllers,
 * /proc where there are none. Each is looked at once. -1 is "not known". */
#ifndef MPSUP_CTL_FACTS_H
#define MPSUP_CTL_FACTS_H

#include "kernel/diag.h"
#include "super/super.h"

struct facts {
	struct diag_sockets sockets;
	bool has_sockets;
	size_t *first; /* of each pool's listeners among the sockets; one more at the end */
};

struct life_facts {
	int64_t memory_bytes, pids, cpu_usec, connections;
};

void facts_gather(struct facts *f, const struct master *m);
void facts_done(struct facts *f);

/* What is known of a life now; what it has used so far is kept in it. */
void facts_of_life(const struct facts *f, struct life *l, struct life_facts *ret);
/* The same of all lives of a pool, but only what `usage` sums. */
void facts_look(struct pool *p);
/* The pool's sums with the living as they were last looked at. */
void facts_usage(const struct pool *p, struct usage *ret);
/* index: of the pool among the master's */
int64_t facts_accept_queue(const struct facts *f, unsigned index);

#endif
