/* SPDX-License-Identifier: MIT */
/* names.h - the words of policy files as this machine's numbers. Private to policy/. */
#ifndef MPSUP_POLICY_NAMES_H
#define MPSUP_POLICY_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

#define NAMES_HINT_BYTES 96

/* 1: *ret_nr is its number here. 0: a system call, but not on this architecture.
 * -ENOENT: libseccomp does not know it; -ERANGE: beyond our tables. */
MUST_CHECK int names_call(const char *name, int *ret_nr);

/* "EPERM" -> 1; 0: no such name. */
int names_errno(const char *name);

/* A number ("0x10") or a constant of the kernel's headers ("AF_UNIX"), 32 bits wide. */
bool names_value(const char *text, uint32_t *ret_value);

/* ", did you mean 'x'?" for the nearest word of a kind, "" when none is near. */
void names_call_hint(const char *word, char hint[NAMES_HINT_BYTES]);
void names_errno_hint(const char *word, char hint[NAMES_HINT_BYTES]);
void names_value_hint(const char *word, char hint[NAMES_HINT_BYTES]);
/* From a NULL-terminated list. */
void names_word_hint(const char *word, const char *const *words, char hint[NAMES_HINT_BYTES]);

#endif
