/* SPDX-License-Identifier: MIT */
/* notify.h - system calls of another process that wait for our answer: seccomp's
 * user notification, seccomp_unotify(2).
 *
 * A convenience, never a security boundary: what is let through is read again by
 * the kernel, and may have changed. All that comes from the process is hostile.
 *
 * Layer: kernel. -Exxx, never logs. Nothing here blocks if the descriptor was
 * ready (EPOLLIN) and each readiness is answered by one notify_recv(). */
#ifndef MPSUP_KERNEL_NOTIFY_H
#define MPSUP_KERNEL_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/base.h"

struct notify_call {
	uint64_t id;
	pid_t tid; /* of the calling thread, as we number it */
	int nr;
	uint64_t args[6];
};

/* 0: *ret is filled. -ENOENT: the caller is gone already. -EINTR. */
MUST_CHECK int notify_recv(int fd, struct notify_call *ret);
/* 0 while the call still waits: to be asked after its memory was read and before
 * anything is done for it, since its number may be somebody else's by now. -ENOENT. */
MUST_CHECK int notify_valid(int fd, uint64_t id);

/* The call returns -error, or 0. -ENOENT: it has gone. */
int notify_answer(int fd, uint64_t id, int error);
/* The kernel goes on with it as if nobody had asked. */
int notify_continue(int fd, uint64_t id);
/* Put a copy of ours in the place of the caller's descriptor `theirs`. */
MUST_CHECK int notify_replace_fd(int fd, uint64_t id, int ours, int theirs, bool cloexec);

/* Read at most size bytes of the caller's memory at addr. Bytes read, or -EFAULT,
 * -ESRCH, -EPERM (needs CAP_SYS_PTRACE over it). */
MUST_CHECK ssize_t notify_read(pid_t tid, uint64_t addr, void *buf, size_t size);
/* What the caller's descriptor is, without holding it for a moment: ours might be the
 * last copy of a socket that lingers, and closing that would block (SO_LINGER). */
struct notify_socket {
	bool stream; /* TCP (or MPTCP), or a unix stream */
	int family;  /* AF_INET, AF_INET6, AF_UNIX; 0: something else */
	bool cloexec, nonblock;
	uint64_t inode; /* as fstat(2) has it: names the socket, whoever holds it */
};
/* -EBADF, -ENOTSOCK, -ESRCH, -EACCES or -EPERM (needs CAP_SYS_PTRACE over it). */
MUST_CHECK int notify_socket(pid_t tid, int theirs, struct notify_socket *ret);
/* IPV6_V6ONLY of it: 0, 1 or -errno. Asked by a process of its own, which ends without
 * closing anything in our place: 0.1 ms. pidfd_getfd(2). */
MUST_CHECK int notify_v6only(pid_t tid, int theirs);

#endif
