/* SPDX-License-Identifier: MIT */
/* sdnotify.h - sd_notify(3) upwards: datagrams to the service manager that started
 * us. Written here: mapping libsystemd alone costs the master 0.3 MB more beside its
 * 1.3 (Debian 12, smaps_rollup), for one send(2).
 *
 * Layer: kernel. Never logs, never blocks. */
#ifndef MPSUP_KERNEL_SDNOTIFY_H
#define MPSUP_KERNEL_SDNOTIFY_H

#include <stdint.h>

#include "base/base.h"

struct sdnotify {
	int fd;			/* owned; -1: nobody wants to know */
	uint64_t watchdog_usec; /* 0: off */
};
#define SDNOTIFY_NONE ((struct sdnotify){ .fd = -1 })

/* From NOTIFY_SOCKET (a path, or '@' and an abstract name), WATCHDOG_USEC and
 * WATCHDOG_PID. 0, also when there is none; -EINVAL, or connect(2)'s. */
MUST_CHECK int sdnotify_open(struct sdnotify *n);
void sdnotify_close(struct sdnotify *n);
/* "READY=1\nSTATUS=..."; lost when the manager does not read. */
PRINTF(2, 3) void sdnotify_tell(const struct sdnotify *n, const char *fmt, ...);

/* Give it a descriptor to keep over our death (FDSTORE=1): the next one finds it by this
 * name. Lost when the manager keeps none (FileDescriptorStoreMax=). */
void sdnotify_store(const struct sdnotify *n, int fd, const char *name);

#endif
