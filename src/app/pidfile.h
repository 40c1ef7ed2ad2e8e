/* SPDX-License-Identifier: MIT */
/* pidfile.h - --pidfile: our number for other programs. The lock on it, not the
 * number, tells a living master's file from one that was left behind. */
#ifndef MPSUP_APP_PIDFILE_H
#define MPSUP_APP_PIDFILE_H

#include <limits.h>
#include <stdbool.h>

#include "base/err.h"

struct pidfile {
	char path[PATH_MAX];
	int fd; /* owned, locked; -1: none */
};
#define PIDFILE_NONE ((struct pidfile){ .fd = -1 })

/* -EBUSY: a living master holds it. -EEXIST: it holds something that is no number. */
MUST_CHECK int pidfile_write(struct pidfile *p, const char *path, struct err *e);
void pidfile_remove(struct pidfile *p); /* only if it is still ours */

#endif
