/* SPDX-License-Identifier: MIT */
/* readiness.h - when a program that may say nothing of its own counts as ready.
 *
 * --ready auto: READY=1, or its listen(2) on an address of the pool; one that found its
 * sockets at its birth and does neither: when it waits on them, and by --protocol systemd
 * at the latest when it has lived for a second. Never at exec alone: a broken twin
 * would take a good one's place (traps 36). */
#ifndef MPSUP_SUPER_READINESS_H
#define MPSUP_SUPER_READINESS_H

#include "super/super.h"

void readiness_init(struct life *l);
void readiness_exec_seen(struct life *l);
void readiness_promoted(struct life *l);
/* It said READY=1. False: --ready names another rule, that is not the word. */
bool readiness_takes_word(const struct life *l);
/* The same for its listen(2). */
bool readiness_takes_listen(const struct life *l);
void readiness_done(struct life *l); /* harmless twice */

#endif
