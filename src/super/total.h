/* SPDX-License-Identifier: MIT */
/* total.h - limits of all workers of a pool together: a folder between the instance's and
 * their leaves. Only a pool that asks for them has one.
 *
 * Layer: super. */
#ifndef MPSUP_SUPER_TOTAL_H
#define MPSUP_SUPER_TOTAL_H

#include "super/super.h"

/* -EOPNOTSUPP: this host cannot give what was asked; -EINVAL: a value that the kernel
 * does not understand. After place_cgroup(). 0 also when nothing is asked. */
MUST_CHECK int total_open(struct pool *p, struct err *e);
/* The one that is there, by its descriptor, as conf has it: of an upgrade. */
MUST_CHECK int total_again(struct pool *p, struct pool_config *conf, int fd, struct err *e);
void total_close(struct pool *p); /* harmless when there is none */
/* Other values, of conf, while it runs. */
MUST_CHECK int total_change(struct pool *p, struct pool_config *conf, struct err *e);
/* Its folder's own OOM kills so far; STAT_UNKNOWN: not counted. */
uint64_t total_oom(const struct pool *p);
uint64_t total_peak(const struct pool *p);
/* Bytes that the pool may still take; UINT64_MAX: as many as it likes. */
uint64_t total_room(const struct pool *p);
/* Bytes that another worker like this one may need; 0: not known. */
uint64_t total_need(const struct life *l);
/* "8 workers of limits.memory 512M are 4G, more than total.memory 2G"; "": they fit. */
void total_doubt(const struct pool_config *c, char *buf, size_t size);

#endif
