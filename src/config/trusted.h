/* SPDX-License-Identifier: MIT */
/* trusted.h - files that a root master may believe: only root could have changed them. */
#ifndef MPSUP_CONFIG_TRUSTED_H
#define MPSUP_CONFIG_TRUSTED_H

#include <stdbool.h>

#include "base/base.h"
#include "base/err.h"

/* A descriptor of the regular file, read-only. As root it must be one that nobody else
 * could have changed, nor the folders above it (a sticky one, as /tmp, may be everybody's),
 * nor the links on the way to it, with the folders where these are; by_hand: the one who
 * called sudo may, too. -EACCES names who could, and what would help. */
MUST_CHECK int trusted_open(const char *path, bool by_hand, struct err *e);

/* Can nobody but root put something there? Neither into the folder (a sticky one is
 * everybody's) nor in the place of one above it. false: ret_other (PATH_MAX; or NULL) is the one that somebody
 * else can change, or that cannot be looked at. */
bool trusted_folder(const char *path, char *ret_other);

#endif
