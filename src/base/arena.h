/* SPDX-License-Identifier: MIT */
/* arena.h - memory that is given back all at once: what a configuration owns. */
#ifndef MPSUP_BASE_ARENA_H
#define MPSUP_BASE_ARENA_H

#include <stddef.h>

#include "base/base.h"

struct arena_block;
struct arena {
	struct arena_block *blocks;
};

/* Zeroed, aligned for any type; NULL when memory is out. */
void *arena_alloc(struct arena *a, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
PRINTF(2, 3) char *arena_printf(struct arena *a, const char *fmt, ...);
void arena_done(struct arena *a);

#endif
