/* SPDX-License-Identifier: MIT */
/* pipes.h - between output.c and live.c: the log pipes of a life. */
#ifndef MPSUP_SUPER_PIPES_H
#define MPSUP_SUPER_PIPES_H

#include "super/super.h"

MUST_CHECK int pipes_watch(struct life *l);
void pipes_close(struct life *l, struct output *o); /* harmless when closed */

/* live.c: when process, leaf and pipes are gone, so is the life. */
void life_check_gone(struct life *l);

#endif
