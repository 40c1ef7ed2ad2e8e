/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/waiting.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/proc.h"

#define SOCKETS_MAX 32
#define POLL_MAX    256

struct wanted {
	pid_t pid;
	uint64_t inodes[SOCKETS_MAX];
	unsigned n;
	bool memory;
	unsigned *budget;
};

static bool may_look(const struct wanted *w)
{
	if (*w->budget == 0)
		return false;
	--*w->budget;
	return true;
}

static bool has_inode(const struct wanted *w, uint64_t inode)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->inodes[i] == inode)
			return true;
	return false;
}

/* The socket behind a number of the process is one of them. */
static bool is_wanted(const struct wanted *w, long fd)
{
	uint64_t inode;

	if (fd < 0 || fd > INT32_MAX || !may_look(w))
		return false;
	return proc_fd_socket(w->pid, (int)fd, &inode) == 0 && has_inode(w, inode);
}

static bool read_memory(const struct wanted *w, uint64_t at, void *buf, size_t size)
{
	struct iovec local = { buf, size };
	struct iovec remote = { (void *)(uintptr_t)at, size };

	return w->memory && process_vm_readv(w->pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

static bool polls(const struct wanted *w, uint64_t at, uint64_t n)
{
	struct pollfd fds[POLL_MAX];

	if (n == 0 || n > POLL_MAX || !read_memory(w, at, fds, n * sizeof(fds[0])))
		return false;
	for (uint64_t i = 0; i < n; i++)
		if ((fds[i].events & POLLIN) && is_wanted(w, fds[i].fd))
			return true;
	return false;
}

static bool selects(const struct wanted *w, uint64_t n, uint64_t at)
{
	unsigned char bits[FD_SETSIZE / 8];
	size_t bytes = (n + 7) / 8;

	if (n == 0 || n > FD_SETSIZE || at == 0 || !read_memory(w, at, bits, bytes))
		return false;
	for (uint64_t fd = 0; fd < n; fd++)
		if ((bits[fd / 8] & (1u << (fd % 8))) && is_wanted(w, (long)fd))
			return true;
	return false;
}

/* "NR ARG ARG ...": the call that the thread sleeps in; "running" else. */
static bool thread_waits(const struct wanted *w, const char *tid)
{
	char path[96], text[256];
	unsigned long long a[3];
	AUTO_FD int fd = -1;
	ssize_t len;
	long nr;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%.20s/syscall", (int)w->pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (len <= 0)
		return false;
	text[len] = '\0';
	if (sscanf(text, "%ld %llx %llx %llx", &nr, &a[0], &a[1], &a[2]) != 4)
		return false;
	switch (nr) {
	case SYS_accept:
	case SYS_accept4:
		return is_wanted(w, (long)a[0]);
	case SYS_ppoll:
#ifdef SYS_poll
	case SYS_poll:
#endif
		return polls(w, a[0], a[1]);
	case SYS_pselect6:
#ifdef SYS_select
	case SYS_select:
#endif
		return selects(w, a[0], a[1]);
	default:
		return false;
	}
}

/* A line of an epoll set: "tfd:   3 events:  19 data: ... pos:0 ino:1f2a sdev:9". The
 * number is what it was called when it was added; the inode is the socket's. */
static bool line_names(const struct wanted *w, const char *line)
{
	const char *ino = strncmp(line, "tfd:", 4) == 0 ? strstr(line, " ino:") : NULL;

	return ino && has_inode(w, strtoull(ino + 5, NULL, 16));
}

static bool set_watches(const struct wanted *w, const char *fd_name)
{
	char path[96], target[64], line[256];
	bool found = false;
	ssize_t len;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%.20s", (int)w->pid, fd_name);
	len = readlink(path, target, sizeof(target) - 1);
	target[len > 0 ? len : 0] = '\0';
	if (strcmp(target, "anon_inode:[eventpoll]") != 0)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.20s", (int)w->pid, fd_name);
	f = fopen(path, "re");
	while (f && !found && may_look(w) && fgets(line, sizeof(line), f))
		found = line_names(w, line);
	if (f)
		(void)fclose(f);
	return found;
}

static bool any_of(const struct wanted *w, const char *folder,
		   bool (*test)(const struct wanted *w, const char *name))
{
	char path[64];
	struct dirent *entry;
	bool found = false;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)w->pid, folder);
	d = opendir(path);
	while (d && !found && may_look(w) && (entry = readdir(d)))
		found = entry->d_name[0] != '.' && test(w, entry->d_name);
	if (d)
		(void)closedir(d);
	return found;
}

bool waiting_on(pid_t pid, const int *fds, unsigned n, bool memory, unsigned *budget)
{
	struct wanted w = { .pid = pid, .memory = memory, .budget = budget };
	struct stat st;

	for (unsigned i = 0; i < n && w.n < SOCKETS_MAX; i++)
		if (fds[i] >= 0 && fstat(fds[i], &st) == 0)
			w.inodes[w.n++] = st.st_ino;
	return w.n > 0 && (any_of(&w, "task", thread_waits) || any_of(&w, "fd", set_watches));
}
