/* SPDX-License-Identifier: MIT */
/* nearest.h - "did you mean": the nearest known word. */
#ifndef MPSUP_BASE_NEAREST_H
#define MPSUP_BASE_NEAREST_H

#include <stddef.h>

/* Edits (insert, delete, replace, swap of neighbours) between two short words. */
unsigned nearest_distance(const char *a, const char *b);

/* The word of a NULL-terminated list within two edits, or a third of its
 * length; NULL if none is near. */
const char *nearest_word(const char *typed, const char *const *words);

#endif
