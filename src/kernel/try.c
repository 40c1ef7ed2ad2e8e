/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/try.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/cgroup.h"
#include "kernel/notify.h"
#include "kernel/pidfd.h"
#include "kernel/seccomp.h"

#define SOON_MS 5000

static void collect(struct pidfd *child, struct pidfd_exit *ex)
{
	*ex = (struct pidfd_exit){ 0 };
	while (pidfd_reap(child, ex) == 0)
		(void)pidfd_wait(child);
}

int try_in_child(uint64_t ns_flags, int (*fn)(const void *), const void *arg)
{
	struct pidfd child = PIDFD_NONE;
	struct pidfd_exit ex;
	int r = pidfd_clone(ns_flags, -1, &child);

	if (r == 0)
		_exit(fn ? fn(arg) : 0);
	if (r < 0)
		return r;
	collect(&child, &ex);
	return ex.by_signal ? -EIO : -ex.code;
}

/* Should the master be killed meanwhile, it is not what stays. */
_Noreturn static void sit_still(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	for (;;)
		(void)pause();
}

static int become(unsigned uid, unsigned gid)
{
	if (uid == 0)
		return 0;
	if (syscall(SYS_setresgid, gid, gid, gid) < 0 || syscall(SYS_setresuid, uid, uid, uid) < 0)
		return errno;
	return 0;
}

/* Until the other end is closed: without CAP_KILL a child of another uid could not be ended. */
_Noreturn static void be_read(int fd, unsigned uid, unsigned gid)
{
	char said = (char)become(uid, gid);

	if (write(fd, &said, 1) == 1)
		ignore((int)read(fd, &said, 1));
	_exit(0);
}

int try_read_memory(unsigned uid, unsigned gid)
{
	static volatile char there = 'm'; /* the same place in the child, which is a copy */
	struct pidfd child = PIDFD_NONE;
	struct pidfd_exit ex;
	char byte = 0, said = 0;
	int sv[2], r;
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	r = pidfd_clone(0, -1, &child);
	if (r == 0) {
		fd_close(&sv[0]); /* else it would hold its own end open */
		be_read(sv[1], uid, gid);
	}
	fd_close(&sv[1]);
	if (r < 0) {
		fd_close(&sv[0]);
		return r;
	}
	n = read(sv[0], &said, 1);
	if (n == 1 && said)
		n = -said;
	else if (n == 1)
		n = notify_read(child.pid, (uintptr_t)&there, &byte, 1);
	fd_close(&sv[0]);
	collect(&child, &ex);
	return n < 0 ? (int)n : (n == 1 && byte == 'm' ? 0 : -EIO);
}

int try_cgroup_kill(int leaf_fd)
{
	struct pidfd child = PIDFD_NONE;
	struct pidfd_exit ex;
	struct pollfd p;
	int r = pidfd_clone(0, leaf_fd, &child);

	if (r == 0)
		sit_still();
	if (r < 0)
		return r;
	r = cgroup_kill(leaf_fd);
	p = (struct pollfd){ .fd = child.fd, .events = POLLIN };
	if (r == 0 && poll(&p, 1, SOON_MS) <= 0)
		r = -ETIMEDOUT;
	ignore(pidfd_signal(&child, SIGKILL));
	collect(&child, &ex);
	return r;
}

bool try_filter_flags(unsigned flags)
{
	/* Flags that it knows get it as far as to look for the program. */
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL) < 0 && errno == EFAULT;
}

/* No call waits, so that the answer to flags that are known is "no such call". */
static int add_to_nobody(const void *arg)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_acct, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct seccomp_notif_addfd add = { .id = 1, .flags = *(const unsigned *)arg };
	int fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return errno;
	fd = seccomp_load_filter(insns, ARRAY_LEN(insns), SECCOMP_FILTER_FLAG_NEW_LISTENER);
	if (fd < 0)
		return -fd;
	add.srcfd = (unsigned)fd;
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add) == 0)
		return 0;
	return errno == ENOENT ? 0 : errno;
}

int try_addfd(unsigned flags)
{
	return try_in_child(0, add_to_nobody, &flags);
}
