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
#include "base/list.h"
#include "kernel/loop.h"

#define SDNOTIFY_WAITING 4096 /* words that wait for a manager that does not read */

struct sdnotify {
	int fd;			/* owned; -1: nobody wants to know */
	uint64_t watchdog_usec; /* 0: off */
	struct loop *loop;
	struct source src;   /* while some wait */
	struct list waiting; /* in the order of the calls */
	unsigned nwaiting;
};
#define SDNOTIFY_NONE ((struct sdnotify){ .fd = -1, .src = SOURCE_NONE })

/* From NOTIFY_SOCKET (a path, or '@' and an abstract name), WATCHDOG_USEC and
 * WATCHDOG_PID. 0, also when there is none; -EINVAL, or connect(2)'s. */
MUST_CHECK int sdnotify_open(struct sdnotify *n, struct loop *loop);
void sdnotify_close(struct sdnotify *n);
/* "READY=1\nSTATUS=..."; waits when the manager does not read: its queue may hold as few as
 * ten words (net.unix.max_dgram_qlen) of all its services. */
PRINTF(2, 3) void sdnotify_tell(struct sdnotify *n, const char *fmt, ...);
/* What is of use just now or never: lost when the manager does not read. */
PRINTF(2, 3) void sdnotify_mention(const struct sdnotify *n, const char *fmt, ...);

/* Give it a descriptor to keep over our death (FDSTORE=1): the next one finds it by this
 * name. Waits as a word does. Lost when the manager keeps none (FileDescriptorStoreMax=). */
void sdnotify_store(struct sdnotify *n, int fd, const char *name);

#endif
