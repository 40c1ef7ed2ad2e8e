/* SPDX-License-Identifier: MIT */
/* mount.h - the few mount operations a view is made of. System calls only: for
 * the child between clone and exec. 0 (or a descriptor) or -errno; baseline
 * 5.15, mount_setattr(2) from 5.12. glibc 2.36 has no wrappers for all of them. */
#ifndef MPSUP_KERNEL_MOUNT_H
#define MPSUP_KERNEL_MOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

#define MOUNT_READ_ONLY 1u /* MOUNT_ATTR_RDONLY, for files that include <sys/mount.h> */

/* A copy of the tree at path (relative to dirfd) put on `to`, with attr
 * (MOUNT_ATTR_*) on all of it: never a moment writable when it should not be. */
MUST_CHECK int mount_bind(int from_fd, const char *from, int to_fd, const char *to, uint64_t attr,
			  bool recursive);

/* MOUNT_ATTR_* set and cleared on the tree at path. */
MUST_CHECK int mount_attr(int fd, const char *path, uint64_t set, uint64_t clear, bool recursive);

/* A tmpfs with these options ("size=1m,mode=755"). */
MUST_CHECK int mount_tmpfs(const char *path, unsigned long flags, const char *options);

#endif
