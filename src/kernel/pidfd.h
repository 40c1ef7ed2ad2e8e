/* SPDX-License-Identifier: MIT */
/* pidfd.h - a child process you cannot confuse with a recycled PID.
 *
 * Layer: kernel. Returns 0/positive or -errno, never logs, never exits.
 * The owner of a struct pidfd reaps it exactly once with pidfd_reap(). */
#ifndef MPSUP_KERNEL_PIDFD_H
#define MPSUP_KERNEL_PIDFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/base.h"

struct pidfd {
	int fd;	   /* pollable: EPOLLIN means "reap me"; -1 if unset */
	pid_t pid; /* for messages only, never for signalling */
};

#define PIDFD_NONE ((struct pidfd){ .fd = -1 })

struct pidfd_exit {
	bool by_signal;
	bool dumped_core;
	int code; /* exit status, or the signal number if by_signal */
};

/* Fork into new namespaces (CLONE_NEW* bits) and, if cgroup_fd >= 0, straight
 * into that cgroup: no moment exists in which the child runs unconfined.
 * Returns 0 in the child, 1 in the parent (*ret_child filled), or -errno.
 * Single-threaded callers only: libc's atfork handlers do not run. */
MUST_CHECK int pidfd_clone(uint64_t ns_flags, int cgroup_fd, struct pidfd *ret_child);

/* As above, and the child's number in its own (innermost) PID namespace is
 * `inner`; 0 lets the kernel choose. clone3(2), set_tid; needs CAP_SYS_ADMIN in
 * that namespace. -EEXIST when taken, -EINVAL above pid_max. */
MUST_CHECK int pidfd_clone_as(uint64_t ns_flags, int cgroup_fd, pid_t inner,
			      struct pidfd *ret_child);

/* As pidfd_clone_as(), but the child shares our memory and we sleep until it has
 * exec'ed or ended (CLONE_VM | CLONE_VFORK, as posix_spawn(3)): nothing is
 * copied, no page is faulted in twice. It runs fn(arg) on stack[0..size); what
 * fn returns is its exit status. Where this has no code for the machine: a
 * plain clone that is waited for in the same way. 1 or -errno. */
MUST_CHECK int pidfd_spawn(pid_t inner, void *stack, size_t size, int (*fn)(void *), void *arg,
			   struct pidfd *ret_child);

/* Returns 0, or -ESRCH once the child is dead, whoever owns its PID now. */
MUST_CHECK int pidfd_signal(const struct pidfd *p, int sig);

/* Collect the child if it is dead. Returns 1 with *ret_exit filled and *p
 * unset, 0 if it still runs, or -errno. Never blocks. */
MUST_CHECK int pidfd_reap(struct pidfd *p, struct pidfd_exit *ret_exit);

/* Block until it is dead (not collected). For short-lived probes before the loop
 * runs, never for a worker. 0 or -errno. */
int pidfd_wait(const struct pidfd *p);

/* Forget the handle without reaping. Accepts an unset handle. */
void pidfd_done(struct pidfd *p);

#endif
