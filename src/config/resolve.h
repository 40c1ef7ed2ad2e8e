/* SPDX-License-Identifier: MIT */
/* resolve.h - what config_resolve_pool() does about files and CPUs; for
 * resolve.c alone. */
#ifndef MPSUP_CONFIG_RESOLVE_H
#define MPSUP_CONFIG_RESOLVE_H

#include "config/config.h"

/* cwd becomes absolute, without symlinks. -ENOENT, -ENOTDIR, -EACCES. */
MUST_CHECK int resolve_cwd(struct pool_config *p, struct err *e);
/* exec_path, by the PATH that the worker will have, relative to its cwd. After
 * resolve_cwd() and with uid and gids known. -ENOENT, -EISDIR, -EACCES. */
MUST_CHECK int resolve_command(struct pool_config *p, struct err *e);
/* May the worker's uid get to cwd and command? -EACCES names the folder that stops it. */
MUST_CHECK int resolve_reach(const struct pool_config *p, struct err *e);
/* cpus, ncpus, cpus_reason. -EINVAL, -EOPNOTSUPP: this host does not tell. */
MUST_CHECK int resolve_cpus(struct pool_config *p, struct err *e);

/* resolve_io.c: device numbers of --io. */
MUST_CHECK int resolve_io(struct pool_config *p, struct err *e);

#endif
