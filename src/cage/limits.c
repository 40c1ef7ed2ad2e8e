/* SPDX-License-Identifier: MIT */
/* limits.c - rlimits, CPU and descriptors of the worker, between clone and exec. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "cage/cage.h"
#include "kernel/seccomp.h"

/* A process may raise its own, and with CAP_SYS_RESOURCE lower it (proc(5)). */
static int set_oom_score(const char *text)
{
	AUTO_FD int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -1 : (int)write(fd, text, strlen(text));
}

/* Hard too: it could raise the soft one. */
static int limit_to(__rlimit_resource_t what, uint64_t most)
{
	struct rlimit rl;

	if (getrlimit(what, &rl) < 0)
		return -errno;
	if (rl.rlim_max > most)
		rl.rlim_max = most;
	rl.rlim_cur = rl.rlim_max;
	return setrlimit(what, &rl) < 0 ? -errno : 0;
}

int cage_limit(const struct cage *c)
{
	/* 0 would still run a "|helper" of core_pattern, as root on the host; 1 does
	 * not (fs/coredump.c; traps 18). */
	struct rlimit core = { 1, 1 };
	struct rlimit nofile = { c->nofile, c->nofile };
	int r;

	if (setrlimit(RLIMIT_CORE, &core) < 0)
		return -errno;
	if (c->oom_score_adj && set_oom_score(c->oom_score_adj) < 0)
		return -errno;
	if (setrlimit(RLIMIT_NOFILE, &nofile) < 0)
		return -errno;
	r = c->data_bytes ? limit_to(RLIMIT_DATA, c->data_bytes) : 0;
	if (r == 0 && c->cpu_s)
		r = limit_to(RLIMIT_CPU, c->cpu_s);
	if (r == 0 && c->no_files)
		r = limit_to(RLIMIT_FSIZE, 0);
	return r;
}

int cage_pin(const cpu_set_t *cpus)
{
	cpu_set_t now;

	if (sched_setaffinity(0, sizeof(*cpus), cpus) < 0)
		return -errno;
	CPU_ZERO(&now);
	if (sched_getaffinity(0, sizeof(now), &now) < 0)
		return -errno;
	/* The kernel silently narrows to the cpuset: less than asked is a failure. */
	return CPU_EQUAL(&now, cpus) ? 0 : -EINVAL;
}

int cage_filter(const struct cage *c)
{
	return seccomp_load_filter(c->filter, c->filter_len, c->filter_flags);
}

/* Descriptors that are placed below this number come from above it. */
#define ABOVE	   64
#define PLACES_MAX (3 + CAGE_LISTEN_MAX)
_Static_assert(ABOVE >= PLACES_MAX, "a target must not be a source");

static int raise_fd(int *fd)
{
	int up;

	if (*fd < 0)
		return 0;
	up = fcntl(*fd, F_DUPFD_CLOEXEC, ABOVE);
	if (up < 0)
		return -errno;
	*fd = up;
	return 0;
}

int cage_place_fds(const struct cage_birth *b, int *ret_report_fd)
{
	int from[PLACES_MAX] = { b->null_fd, b->out_fd, b->err_fd, b->channel_fd };
	int report = b->report_fd;
	int r = raise_fd(&report), n = b->channel_fd >= 0 ? 4 : 3;

	for (unsigned i = 0; i < b->nlisten && n < PLACES_MAX; i++)
		from[n++] = b->listen_fds[i];
	/* First all out of the way: the target of one may be the source of another. */
	for (int i = 0; r == 0 && i < n; i++)
		r = raise_fd(&from[i]);
	for (int i = 0; r == 0 && i < n; i++)
		if (from[i] >= 0 && dup2(from[i], i) < 0)
			r = -errno;
	if (r < 0)
		return r;
	if (syscall(SYS_close_range, (unsigned)n, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	*ret_report_fd = report;
	return 0;
}
