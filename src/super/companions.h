/* SPDX-License-Identifier: MIT */
/* companions.h - where mpsup's other programs and data are: beside the binary
 * when it runs from its source tree, else where it was installed. */
#ifndef MPSUP_SUPER_COMPANIONS_H
#define MPSUP_SUPER_COMPANIONS_H

#include "base/base.h"
#include "base/err.h"

/* An O_PATH descriptor of the program `name`, CLOEXEC. -ENOENT with both places. */
MUST_CHECK int companion_open(const char *name, int *ret_fd, struct err *e);

/* NULL-terminated search path of policies; static storage. */
const char *const *companion_policy_dirs(void);

#endif
