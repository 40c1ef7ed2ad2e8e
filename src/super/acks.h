/* SPDX-License-Identifier: MIT */
/* acks.h - EINHORN_SOCK_PATH (--compat einhorn): a worker says there that it is ready. */
#ifndef MPSUP_SUPER_ACKS_H
#define MPSUP_SUPER_ACKS_H

#include "super/super.h"

void acks_init(struct life *l);
MUST_CHECK int acks_open(struct life *l, int fd); /* takes over fd, which listens */
void acks_close(struct life *l);		  /* harmless when closed */

#endif
