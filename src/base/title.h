/* SPDX-License-Identifier: MIT */
/* title.h - what ps shows: argv's memory, rewritten in place (proc_pid_cmdline(5)). */
#ifndef MPSUP_BASE_TITLE_H
#define MPSUP_BASE_TITLE_H

#include "base/base.h"

/* Before anything keeps a pointer into argv or environ: environ is copied away.
 * The arguments themselves must have been copied by whoever needs them before
 * title_set(). */
void title_init(int argc, char **argv);
PRINTF(1, 2) void title_set(const char *fmt, ...);

#endif
