/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"

/* A later kernel's structs may be longer (SECCOMP_GET_NOTIF_SIZES). */
union notif {
	struct seccomp_notif call;
	char room[512];
};
union response {
	struct seccomp_notif_resp answer;
	char room[512];
};

int notify_recv(int fd, struct notify_call *ret)
{
	union notif n;

	memset(&n, 0, sizeof(n)); /* anything else is EINVAL */
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &n.call) < 0)
		return -errno;
	*ret = (struct notify_call){ .id = n.call.id,
				     .tid = (pid_t)n.call.pid,
				     .nr = n.call.data.nr };
	for (int i = 0; i < 6; i++)
		ret->args[i] = n.call.data.args[i];
	return 0;
}

int notify_valid(int fd, uint64_t id)
{
	return ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) < 0 ? -errno : 0;
}

static int respond(int fd, uint64_t id, int error, uint32_t flags)
{
	union response r;

	memset(&r, 0, sizeof(r));
	r.answer = (struct seccomp_notif_resp){ .id = id, .error = -error, .flags = flags };
	return ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r.answer) < 0 ? -errno : 0;
}

int notify_answer(int fd, uint64_t id, int error)
{
	return respond(fd, id, error, 0);
}

int notify_continue(int fd, uint64_t id)
{
	return respond(fd, id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

int notify_replace_fd(int fd, uint64_t id, int ours, int theirs, bool cloexec)
{
	struct seccomp_notif_addfd add = {
		.id = id,
		.flags = SECCOMP_ADDFD_FLAG_SETFD,
		.srcfd = (uint32_t)ours,
		.newfd = (uint32_t)theirs,
		.newfd_flags = cloexec ? O_CLOEXEC : 0,
	};

	return ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0 ? -errno : 0;
}

ssize_t notify_read(pid_t tid, uint64_t addr, void *buf, size_t size)
{
	struct iovec local = { buf, size };
	struct iovec remote = { (void *)(uintptr_t)addr, size };
	ssize_t n = process_vm_readv(tid, &local, 1, &remote, 1, 0);

	return n < 0 ? -errno : n;
}

/* A number after "key:" in /proc/TID/file. */
static int proc_number(pid_t tid, const char *file, const char *key, int base, unsigned long *ret)
{
	char path[64], text[2048];
	AUTO_FD int fd = -1;
	const char *at;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)tid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	at = strstr(text, key);
	if (!at)
		return -EPROTO;
	*ret = strtoul(at + strlen(key), NULL, base);
	return 0;
}

int notify_copy_fd(pid_t tid, int theirs, int *ret_fd, bool *ret_cloexec)
{
	unsigned long tgid, flags;
	AUTO_FD int pidfd = -1;
	char file[48];
	int fd, r;

	if (theirs < 0)
		return -EBADF;
	r = proc_number(tid, "status", "\nTgid:", 10, &tgid);
	if (r < 0)
		return r;
	(void)snprintf(file, sizeof(file), "fdinfo/%d", theirs);
	r = proc_number(tid, file, "flags:", 8, &flags);
	if (r < 0)
		return r == -ENOENT ? -EBADF : r;
	pidfd = pidfd_open((pid_t)tgid, 0);
	if (pidfd < 0)
		return -errno;
	fd = pidfd_getfd(pidfd, theirs, 0); /* CLOEXEC by itself */
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	*ret_cloexec = flags & O_CLOEXEC;
	return 0;
}
