/* SPDX-License-Identifier: MIT */
/* proc.h - what /proc tells about a process (proc(5)). The number may be somebody
 * else's by the time it is read: no worker's fate is decided by it.
 *
 * Layer: kernel. -Exxx, never logs. */
#ifndef MPSUP_KERNEL_PROC_H
#define MPSUP_KERNEL_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/base.h"

struct proc_usage {
	uint64_t rss_bytes; /* shared pages count in full */
	uint64_t cpu_usec;  /* user and system, with collected children */
};

/* -ENOENT or -ESRCH: it is gone. */
MUST_CHECK int proc_usage(pid_t pid, struct proc_usage *ret_usage);
MUST_CHECK int proc_memory(pid_t pid, uint64_t *ret_bytes); /* rss_bytes alone */

/* Is it that process, or a child of its, or of theirs? 1, also while it is a zombie; 0;
 * -ESRCH: it is gone. */
MUST_CHECK int proc_descends(pid_t pid, pid_t from);

/* Does the process that took the flock(2) of this file live? A lock outlasts it as long as
 * a child of its has the descriptor too. */
bool proc_flock_lives(const struct stat *st);

/* The inode of the socket that is its descriptor fd, as fstat(2) has it; nothing is
 * opened for that. -EBADF: there is none; -ENOTSOCK; -EACCES: not ours to look at. */
MUST_CHECK int proc_fd_socket(pid_t pid, int fd, uint64_t *ret_inode);

typedef void proc_socket_fn(void *ctx, uint64_t inode);

/* Call fn for each descriptor of pid that is a socket, at most max of them.
 * Returns 0 also when there were more. -EACCES: not ours to look at. */
MUST_CHECK int proc_sockets(pid_t pid, size_t max, proc_socket_fn *fn, void *ctx);

#endif
