/* SPDX-License-Identifier: MIT */
/* facts.h - the numbers of living workers for one status answer: one dump of
 * the sockets for all of them, the leaf's files where there are controllers,
 * /proc where there are none. Everything returns -1 for "not known". */
#ifndef MPSUP_CTL_FACTS_H
#define MPSUP_CTL_FACTS_H

#include "kernel/diag.h"
#include "super/super.h"

struct facts {
	struct diag_sockets sockets;
	bool has_sockets;
};

void facts_gather(struct facts *f, const struct master *m);
void facts_done(struct facts *f);

int64_t facts_memory(const struct facts *f, const struct life *l); /* bytes */
int64_t facts_pids(const struct facts *f, const struct life *l);
int64_t facts_cpu_usec(const struct facts *f, const struct life *l);
int64_t facts_connections(const struct facts *f, const struct life *l);
/* The sums since the start: of the dead and of the living. */
void facts_usage(const struct facts *f, const struct pool *p, struct usage *ret);
int64_t facts_accept_queue(const struct facts *f, const struct pool *p);

#endif
