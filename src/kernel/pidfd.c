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
