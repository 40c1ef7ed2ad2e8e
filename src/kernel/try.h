/* SPDX-License-Identifier: MIT */
/* try.h - what this kernel lets us do is found by doing it, in a child: nothing of it
 * is left, and we are as before.
 *
 * Layer: kernel. Single-threaded callers, before the loop runs. */
#ifndef MPSUP_KERNEL_TRY_H
#define MPSUP_KERNEL_TRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

/* Clone with these CLONE_NEW* bits and let the child run fn(arg) (NULL: nothing), which
 * returns 0 or a positive errno below 256. 0 or -errno, of the clone or of fn; -EIO: a
 * signal ended it. */
MUST_CHECK int try_in_child(uint64_t ns_flags, int (*fn)(const void *), const void *arg);

/* May we read the memory of a worker with this uid and gid (0: our own), as the answer to
 * its bind() needs? 0 or -errno. */
MUST_CHECK int try_read_memory(unsigned uid, unsigned gid);

/* Can a process be born into this cgroup, and be ended by its cgroup.kill? 0, or -errno of
 * the first that is refused. */
MUST_CHECK int try_cgroup_kill(int leaf_fd);

/* SECCOMP_FILTER_FLAG_*: does the kernel know all of them? */
bool try_filter_flags(unsigned flags);
/* Does a listener take descriptors for the caller (SECCOMP_ADDFD_FLAG_*)? 0 or -errno. */
MUST_CHECK int try_addfd(unsigned flags);

#endif
