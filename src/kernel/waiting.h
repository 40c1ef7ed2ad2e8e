/* SPDX-License-Identifier: MIT */
/* waiting.h - does a process wait for connections on one of these sockets?
 *
 * Looked up in /proc: what its threads are called for (accept, poll, select) and
 * what its epoll sets watch (proc(5): /proc/PID/syscall, /proc/PID/fdinfo). A moment's
 * picture; false also when it cannot be seen.
 *
 * Layer: kernel. */
#ifndef MPSUP_KERNEL_WAITING_H
#define MPSUP_KERNEL_WAITING_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/base.h"

/* fds are ours; the process has copies under numbers of its own. What a process can have
 * in threads, descriptors and epoll sets is bounded by *budget: each look costs one, and
 * with none left the answer is false. memory: poll's and select's arguments may be read,
 * since its filter refuses userfaultfd(2), on whose pages we would hang (traps 28). */
bool waiting_on(pid_t pid, const int *fds, unsigned n, bool memory, unsigned *budget);

#endif
