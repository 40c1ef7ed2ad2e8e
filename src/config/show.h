/* SPDX-License-Identifier: MIT */
/* show.h - a configuration as a file again, each line with where it came from. */
#ifndef MPSUP_CONFIG_SHOW_H
#define MPSUP_CONFIG_SHOW_H

#include <stdio.h>

#include "config/config.h"

/* A file for --config of the instance with these pools. What is not given stands there
 * as a comment, with its default. Values of variables that look like secrets are "***". */
void config_show(FILE *to, const struct config *c, const struct pool_config *const *pools,
		 unsigned n);

#endif
