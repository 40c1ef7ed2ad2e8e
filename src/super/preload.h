/* SPDX-License-Identifier: MIT */
/* preload.h - what the runtime of a worker is told to load before its program.
 *
 * Layer: super. */
#ifndef MPSUP_SUPER_PRELOAD_H
#define MPSUP_SUPER_PRELOAD_H

#include "super/super.h"

/* Name the script of its protocol in envp, which has room for one more: of a new generation
 * where it can be had (cage.preloads tells), of one that came along where its mold has it.
 * -ENOMEM. */
MUST_CHECK int preload_name(struct generation *g, struct arena *a, char **envp);
/* The script; NULL: none. After preload_name(). */
const char *preload_text(const struct generation *g);

#endif
