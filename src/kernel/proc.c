/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"

static int read_small(pid_t pid, const char *file, char *buf, size_t size)
{
	char path[64];
	AUTO_FD int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return 0;
}

int proc_usage(pid_t pid, struct proc_usage *ret_usage)
{
	char text[1024];
	uint64_t rss, t[4];
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
	const char *after;
	int r = read_small(pid, "statm", text, sizeof(text));

	if (r < 0)
		return r;
	if (sscanf(text, "%*u %" SCNu64, &rss) != 1)
		return -EPROTO;
	r = read_small(pid, "stat", text, sizeof(text));
	if (r < 0)
		return r;
	/* The name is in parentheses and may hold anything, also ") R 1". */
	after = strrchr(text, ')');
	if (!after || sscanf(after + 1,
			     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
			     " %" SCNu64 " %" SCNu64,
			     &t[0], &t[1], &t[2], &t[3]) != 4)
		return -EPROTO;
	ret_usage->rss_bytes = rss * (uint64_t)sysconf(_SC_PAGESIZE);
	ret_usage->cpu_usec = (t[0] + t[1] + t[2] + t[3]) * 1000000u / hz;
	return 0;
}

static int read_parent(pid_t pid, pid_t *ret)
{
	char text[1024];
	int r = read_small(pid, "stat", text, sizeof(text)), parent;
	const char *after = r < 0 ? NULL : strrchr(text, ')');

	if (!after || sscanf(after + 1, " %*c %d", &parent) != 1)
		return -ESRCH;
	*ret = parent;
	return 0;
}

int proc_descends(pid_t pid, pid_t from)
{
	/* Deeper than any that is meant well; numbers that change meanwhile end it too. */
	for (unsigned i = 0; i < 128 && pid > 1; i++) {
		if (pid == from)
			return 1;
		if (read_parent(pid, &pid) < 0)
			return i == 0 ? -ESRCH : 0;
	}
	return 0;
}

static bool lives(pid_t pid)
{
	char text[1024];
	const char *after = read_small(pid, "stat", text, sizeof(text)) < 0 ? NULL :
									      strrchr(text, ')');

	return after && after[1] == ' ' && after[2] != 'Z' && after[2] != 'X';
}

/* "7: FLOCK  ADVISORY  WRITE 4711 00:1c:5678 0 EOF" (proc_locks(5)). Where stat(2) has
 * another device than the kernel's own (btrfs) the inode alone decides. */
bool proc_flock_lives(const struct stat *st)
{
	FILE *f = fopen("/proc/locks", "re");
	bool exact = false, exact_lives = false, like_lives = false;
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		unsigned major, minor;
		uint64_t inode;
		int pid;

		if (sscanf(line, "%*u: FLOCK %*s %*s %d %x:%x:%" SCNu64, &pid, &major, &minor,
			   &inode) != 4 ||
		    inode != st->st_ino)
			continue;
		like_lives |= lives(pid);
		if (major != major(st->st_dev) || minor != minor(st->st_dev))
			continue;
		exact = true;
		exact_lives |= lives(pid);
	}
	if (f)
		(void)fclose(f);
	return exact ? exact_lives : like_lives;
}

int proc_fd_socket(pid_t pid, int fd, uint64_t *ret_inode)
{
	char path[48], target[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return errno == ENOENT ? -EBADF : -errno;
	target[n] = '\0';
	return sscanf(target, "socket:[%" SCNu64 "]", ret_inode) == 1 ? 0 : -ENOTSOCK;
}

int proc_sockets(pid_t pid, size_t max, proc_socket_fn *fn, void *ctx)
{
	char path[64], link[64];
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	if (!d)
		return -errno;
	for (struct dirent *e; max > 0 && (e = readdir(d)) != NULL;) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1);
		uint64_t inode;

		if (n <= 0)
			continue;
		link[n] = '\0';
		if (sscanf(link, "socket:[%" SCNu64 "]", &inode) != 1)
			continue;
		fn(ctx, inode);
		max--;
	}
	(void)closedir(d);
	return 0;
}
