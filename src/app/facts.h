/* SPDX-License-Identifier: MIT */
/* facts.h - for the files that gather facts of a host (facts_*.c), each a group of them. */
#ifndef MPSUP_APP_FACTS_H
#define MPSUP_APP_FACTS_H

#include "app/host_facts.h"
#include "super/super.h"

/* The uid of trials: the last of the dynamic ones, which nobody has to be. */
#define FACTS_UID 65519

/* One more; found is made safe for a terminal. Never NULL. */
PRINTF(4, 5)
struct fact *fact_add(struct host_facts *h, const char *name, enum verdict v, const char *fmt, ...);
/* What is not FACT_OK: what is lost, what would help ("" where nothing is known). */
void fact_missing(struct fact *f, const char *lost, const char *help);
/* A problem as root, who has the cage whole or no start; else a note. */
enum verdict fact_verdict(const struct master *m);

void facts_around(struct host_facts *h, const struct master *m);  /* kernel, rights, modules */
void facts_cage(struct host_facts *h, const struct master *m);	  /* namespaces, identity, view */
void facts_filters(struct host_facts *h, const struct master *m); /* seccomp, bind, Landlock */
void facts_cgroups(struct host_facts *h, const struct master *m, const struct err *no_cgroup);
void facts_numbers(struct host_facts *h); /* descriptors, queues, CPUs, addresses */
void facts_birth(struct host_facts *h, struct master *m);

#endif
