/* SPDX-License-Identifier: MIT */
/* help.h - what mpsup says about itself, and to a verb that it has not. */
#ifndef MPSUP_APP_HELP_H
#define MPSUP_APP_HELP_H

#include <stdio.h>

void help_overview(FILE *f);
/* The commonest commands: what `mpsup` alone prints. */
void help_common(FILE *f);
void help_version(FILE *f);
/* For programs: options, keys and verbs, from the tables. */
void help_json(FILE *f);

/* One line on stderr about a verb that is none: what it is called here, that it
 * is not built yet, or the nearest one. */
void help_unknown_verb(const char *verb);

#endif
