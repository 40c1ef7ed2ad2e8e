/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/pidfd.h"

#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h> /* keeps our names from drifting into libc's */
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

/* glibc has no clone3(); like every sys_*() it returns -errno, not -1. */
static long sys_clone3(const struct clone_args *args)
{
	long r = syscall(SYS_clone3, args, sizeof(*args));

	return r < 0 ? -errno : r;
}

int pidfd_clone(uint64_t ns_flags, int cgroup_fd, struct pidfd *ret_child)
{
	return pidfd_clone_as(ns_flags, cgroup_fd, 0, ret_child);
}

int pidfd_clone_as(uint64_t ns_flags, int cgroup_fd, pid_t inner, struct pidfd *ret_child)
{
	int fd = -1;
	pid_t tids[1] = { inner };
	struct clone_args args = {
		/* CLEAR_SIGHAND: the child must not run the master's handlers
		 * in the window before it execs. */
		.flags = ns_flags | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uintptr_t)&fd,
		.exit_signal = SIGCHLD,
	};
	long pid;

	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned int)cgroup_fd;
	}

	if (inner > 0) {
		args.set_tid = (uintptr_t)tids;
		args.set_tid_size = 1;
	}

	pid = sys_clone3(&args);
	if (pid <= 0)
		return (int)pid;

	*ret_child = (struct pidfd){ .fd = fd, .pid = (pid_t)pid };
	return 1;
}

#if defined(__x86_64__)
/* The child gets a new stack: it may not return into our frames. The kernel keeps
 * all registers but rax, rcx and r11 over a system call (syscall(2)). */
static long clone3_on(struct clone_args *args, int (*fn)(void *), void *arg)
{
	register int (*r8)(void *) __asm__("r8") = fn;
	register void *r9 __asm__("r9") = arg;
	long r;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r9, %%rdi\n\t"
			 "call *%%r8\n\t"
			 "mov %%eax, %%edi\n\t"
			 "mov %[exit], %%eax\n\t"
			 "syscall\n"
			 "1:"
			 : "=a"(r)
			 : "0"((long)SYS_clone3), "D"(args), "S"(sizeof(*args)), "r"(r8),
			   "r"(r9), [exit] "i"(SYS_exit)
			 : "rcx", "r11", "memory");
	return r;
}

int pidfd_spawn(pid_t inner, void *stack, size_t size, int (*fn)(void *), void *arg,
		struct pidfd *ret_child)
{
	int fd = -1;
	pid_t tids[1] = { inner };
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uintptr_t)&fd,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)stack,
		.stack_size = size,
	};
	long pid;

	if (inner > 0) {
		args.set_tid = (uintptr_t)tids;
		args.set_tid_size = 1;
	}
	pid = clone3_on(&args, fn, arg);
	if (pid < 0)
		return (int)pid;
	*ret_child = (struct pidfd){ .fd = fd, .pid = (pid_t)pid };
	return 1;
}
#else
int pidfd_spawn(pid_t inner, void *stack, size_t size, int (*fn)(void *), void *arg,
		struct pidfd *ret_child)
{
	int r = pidfd_clone_as(CLONE_VFORK, -1, inner, ret_child);

	(void)stack;
	(void)size;
	if (r == 0)
		_exit(fn(arg));
	return r;
}
#endif

int pidfd_signal(const struct pidfd *p, int sig)
{
	if (p->fd < 0)
		return -ESRCH;
	return pidfd_send_signal(p->fd, sig, NULL, 0) < 0 ? -errno : 0;
}

int pidfd_reap(struct pidfd *p, struct pidfd_exit *ret_exit)
{
	siginfo_t info = { 0 }; /* si_pid stays 0 if nothing is dead yet */

	if (p->fd < 0)
		return -ECHILD;
	if (waitid(P_PIDFD, (id_t)p->fd, &info, WEXITED | WNOHANG) < 0)
		return -errno;
	if (info.si_pid == 0)
		return 0;

	*ret_exit = (struct pidfd_exit){
		.by_signal = info.si_code != CLD_EXITED,
		.dumped_core = info.si_code == CLD_DUMPED,
		.code = info.si_status,
	};
	pidfd_done(p);
	return 1;
}

int pidfd_wait(const struct pidfd *p)
{
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };

	while (poll(&pfd, 1, -1) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

void pidfd_done(struct pidfd *p)
{
	fd_close(&p->fd);
	*p = PIDFD_NONE;
}
