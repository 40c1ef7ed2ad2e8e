/* SPDX-License-Identifier: MIT */
/* show.h - a configuration as a file again, each line with where it came from. */
#ifndef MPSUP_CONFIG_SHOW_H
#define MPSUP_CONFIG_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include "config/config.h"

/* A file for --config of the instance with these pools. What is not given stands there
 * as a comment, with its default. Values of variables that look like secrets are "***". */
void config_show(FILE *to, const struct config *c, const struct pool_config *const *pools,
		 unsigned n);

/* One value as such a file has it: quoted where YAML or variables would read it
 * differently. Any UTF-8. */
void config_put_text(FILE *to, const char *text);
/* Does "NAME=VALUE" look like one, by its name or as a URL with a password? */
bool config_is_secret(const char *pair);

#endif
