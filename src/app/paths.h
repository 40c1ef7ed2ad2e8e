/* SPDX-License-Identifier: MIT */
/* paths.h - where an instance keeps what it runs with: /run/mpsup for root,
 * $XDG_RUNTIME_DIR/mpsup for others, all under $MPSUP_ROOT where that is set. */
#ifndef MPSUP_APP_PATHS_H
#define MPSUP_APP_PATHS_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* ret: PATH_MAX bytes. A relative path is meant from here. -ENAMETOOLONG, getcwd(3)'s. */
MUST_CHECK int paths_absolute(char *ret, const char *path);

/* Before the working directory is changed: a relative MPSUP_ROOT is meant from here. */
MUST_CHECK int paths_settle(struct err *e);

void paths_run_dir(char *buf, size_t size);
/* A daemon's logs: /var/log/mpsup/NAME; others' in $XDG_STATE_HOME/mpsup/NAME. */
void paths_log_dir(char *buf, size_t size, const char *name);
/* What outlives it: /var/lib/mpsup/NAME; others' in $XDG_STATE_HOME/mpsup/NAME. */
void paths_state_dir(char *buf, size_t size, const char *name);

/* Every missing folder on the way, those above the last with 0755. path is written to
 * meanwhile. */
MUST_CHECK int paths_make(char *path, mode_t mode, struct err *e);

#endif
