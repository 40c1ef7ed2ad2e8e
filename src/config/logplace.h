/* SPDX-License-Identifier: MIT */
/* logplace.h - where a pool's log file is, and as whom it is opened there: in a folder that
 * root alone can change as the master, in any other as the pool's user, so that whoever
 * can put something there gets nothing done that he could not do himself (traps 41). */
#ifndef MPSUP_CONFIG_LOGPLACE_H
#define MPSUP_CONFIG_LOGPLACE_H

#include "config/config.h"
#include "kernel/acting.h"

/* Until acting_end(). p: resolved; NULL: a file of the master's own, opened as it is.
 * -EPERM and others: with a sentence. */
MUST_CHECK int logplace_enter(const struct pool_config *p, const char *path, struct acting *a,
			      struct err *e);
/* Opened to append, made where it is missing; a regular file and no link. */
MUST_CHECK int logplace_open(const struct pool_config *p, const char *path, struct err *e);
/* Could it be? Nothing is made. */
MUST_CHECK int logplace_check(const struct pool_config *p, const char *path, struct err *e);
/* One renames its file to what the other writes to, or both write to the same. */
bool logplace_collide(const struct pool_log *a, const struct pool_log *b);

#endif
