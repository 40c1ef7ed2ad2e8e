/* SPDX-License-Identifier: MIT */
/* binds.h - what a life's bind(2) and listen(2) are answered. Decisions; the calls
 * themselves are wire/bind.h's. */
#ifndef MPSUP_SUPER_BINDS_H
#define MPSUP_SUPER_BINDS_H

#include "super/super.h"

void binds_init(struct life *l);
/* The filter's listener came from the child; takes it over. */
MUST_CHECK int binds_open(struct life *l, int fd);
/* A spare has its slot now: what waits inside bind(2) goes on. */
void binds_hand_over(struct life *l);
/* It listens on that listener of its pool, as its protocol says. */
void binds_listening(struct life *l, unsigned number);
/* It has a socket by its own bind(2). */
bool binds_has_taken(const struct life *l);
/* It waits inside of one. */
bool binds_is_parked(const struct life *l);
/* The process is gone. Harmless twice. */
void binds_close(struct life *l);

#endif
