/* SPDX-License-Identifier: MIT */
/* listeners.h - the pool's sockets, against the workers that share them.
 *
 * A listener is one open description for all who hold it (traps 1): a worker can
 * shut it down, connect it, set options on it. The master sees the first two at
 * once and repairs them; options are put right after each death. */
#ifndef MPSUP_SUPER_LISTENERS_H
#define MPSUP_SUPER_LISTENERS_H

#include "super/super.h"

MUST_CHECK int listeners_open(struct pool *p, struct err *e);
void listeners_close(struct pool *p);
/* After a worker's death: what it may have left on the shared sockets. */
void listeners_restore(struct pool *p);

#endif
