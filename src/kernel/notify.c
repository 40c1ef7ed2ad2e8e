/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/pidfd.h"
#include "kernel/proc.h"

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

/* The protocol's name is an attribute of each socket (net/socket.c, sockfs). */
static void read_kind(const char *path, struct notify_socket *ret)
{
	static const struct {
		const char *name;
		int family;
	} streams[] = { { "TCP", AF_INET },
			{ "TCPv6", AF_INET6 },
			{ "MPTCP", AF_INET },
			{ "MPTCPv6", AF_INET6 },
			{ "UNIX-STREAM", AF_UNIX } };
	char name[32];
	ssize_t n = getxattr(path, "system.sockprotoname", name, sizeof(name) - 1);

	name[n > 0 ? n : 0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(streams); i++)
		if (strcmp(name, streams[i].name) == 0) {
			ret->stream = true;
			ret->family = streams[i].family;
		}
}

int notify_socket(pid_t tid, int theirs, struct notify_socket *ret)
{
	struct notify_socket s = { 0 };
	char path[64], file[48];
	unsigned long flags;
	int r = theirs < 0 ? -EBADF : proc_fd_socket(tid, theirs, &s.inode);

	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)tid, theirs);
	(void)snprintf(file, sizeof(file), "fdinfo/%d", theirs);
	r = proc_number(tid, file, "flags:", 8, &flags);
	if (r < 0)
		return r == -ENOENT ? -EBADF : r;
	read_kind(path, &s);
	s.cloexec = flags & O_CLOEXEC;
	s.nonblock = flags & O_NONBLOCK;
	*ret = s;
	return 0;
}

struct question {
	pid_t tgid;
	int theirs;
};

enum { ANSWER_NO, ANSWER_YES, ANSWER_NONE };

/* Its end closes the copy, and an end does not wait (PF_EXITING in __tcp_close()). */
static int ask_v6only(void *arg)
{
	const struct question *q = arg;
	int pidfd = (int)syscall(SYS_pidfd_open, q->tgid, 0);
	int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, q->theirs, 0);
	int on = 0;
	socklen_t len = sizeof(on);

	if (fd < 0 || getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, &len) < 0)
		return ANSWER_NONE;
	return on ? ANSWER_YES : ANSWER_NO;
}

int notify_v6only(pid_t tid, int theirs)
{
	static char stack[16384] __attribute__((aligned(16))); /* single-threaded */
	struct pidfd child = PIDFD_NONE;
	struct pidfd_exit ex = { 0 };
	struct question q = { .theirs = theirs };
	unsigned long tgid;
	int r = proc_number(tid, "status", "\nTgid:", 10, &tgid);

	if (r < 0)
		return r;
	q.tgid = (pid_t)tgid;
	r = pidfd_spawn(0, stack, sizeof(stack), ask_v6only, &q, &child);
	if (r < 0)
		return r;
	while ((r = pidfd_reap(&child, &ex)) == 0)
		(void)pidfd_wait(&child);
	return ex.by_signal || ex.code == ANSWER_NONE ? -EBADF : ex.code == ANSWER_YES;
}
