/* SPDX-License-Identifier: MIT */
/* environment.h - what a worker finds in its environment. */
#ifndef MPSUP_CONFIG_ENVIRONMENT_H
#define MPSUP_CONFIG_ENVIRONMENT_H

#include "config/config.h"

/* For workers of a master that has no PATH itself. */
#define ENVIRONMENT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The base of all births of a resolved pool: inherited (--env-inherit), the
 * user's HOME USER LOGNAME SHELL, PORT, then --env-file and --env. NULL-
 * terminated, with room for one more, in the arena. -ENOMEM. */
MUST_CHECK int config_environment(const struct pool_config *p, char **inherited, struct arena *a,
				  char ***ret_envp, struct err *e);

#endif
