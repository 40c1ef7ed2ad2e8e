/* SPDX-License-Identifier: MIT */
/* send.h - one datagram to the master. */
#ifndef MPSUP_LIB_SEND_H
#define MPSUP_LIB_SEND_H

#include <stddef.h>

#include "mpsup.h"

/* Send key (with its '=') and value as one line. 0, -EAGAIN or another -errno. */
int mpsup_send(struct mpsup *m, const char *key, const char *value, size_t len);

/* Send the answer that is owed, if any: mpsup_send() does so first. The same results. */
int mpsup_pay(struct mpsup *m);

#endif
