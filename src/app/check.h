/* SPDX-License-Identifier: MIT */
/* check.h - `mpsup check`, apart from its options. */
#ifndef MPSUP_APP_CHECK_H
#define MPSUP_APP_CHECK_H

#include <stdbool.h>

/* file: NULL for the host alone, "-" for standard input. strict: one of its pools that cannot start
 * is enough for a no. Returns the exit status. */
int check_run(const char *file, bool as_json, bool strict);

#endif
