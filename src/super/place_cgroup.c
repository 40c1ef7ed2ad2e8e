/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/place_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "kernel/cgroup_tree.h"
#include "kernel/pidfd.h"
#include "super/companions.h"
#include "super/leaf.h"

#define SCOPE_MS       10000 /* systemd has this long for a scope */
#define WANTED_MAX     16
#define CONTROLLER_MAX 32

/* What every leaf gets where it is there: for the sums of `usage`, and with cpu so that
 * busy workers share evenly and leave the master its part. */
static const char *const always[] = { "memory", "pids", "cpu", "io" };
/* Only where a --raw limit needs them: pinning is by affinity, and a cpuset of its own
 * makes the leaf a third more expensive. */
static const char *const on_demand[] = { "cpuset", "hugetlb", "rdma", "misc", "dmem" };

/* ---- a scope from systemd ---- */

_Noreturn static void become_scope(int exe_fd, int out_fd, char *name)
{
	char title[] = "mpsup-scope";
	char *argv[] = { title, name, NULL };
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(out_fd, STDOUT_FILENO) >= 0)
		(void)execveat(exe_fd, "", argv, environ, AT_EMPTY_PATH);
	_exit(127);
}

/* What it says until it ends, at most SCOPE_MS. */
static void hear(int fd, char *buf, size_t size)
{
	uint64_t end = clock_boot_ms() + SCOPE_MS;
	size_t n = 0;

	while (n + 1 < size) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = clock_boot_ms();
		ssize_t got;

		if (now >= end || poll(&p, 1, (int)(end - now)) <= 0)
			break;
		got = read(fd, buf + n, size - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	buf[n] = '\0';
}

static int run_scope(int exe_fd, const char *name, char *said, size_t size)
{
	struct pidfd child = PIDFD_NONE;
	struct pidfd_exit ex = { 0 };
	char copy[64];
	int out[2], r;

	(void)snprintf(copy, sizeof(copy), "%s", name);
	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	r = pidfd_clone(0, -1, &child);
	if (r == 0)
		become_scope(exe_fd, out[1], copy);
	fd_close(&out[1]);
	if (r > 0)
		hear(out[0], said, size);
	fd_close(&out[0]);
	if (r < 0)
		return r;
	/* It has closed its output: it has ended, or it hangs and is ended. */
	ignore(pidfd_signal(&child, SIGKILL));
	while ((r = pidfd_reap(&child, &ex)) == 0)
		(void)pidfd_wait(&child);
	return r > 0 && !ex.by_signal ? ex.code : -ETIMEDOUT;
}

static int ask_systemd(struct master *m, struct err *e)
{
	AUTO_FD int exe = -1;
	char said[256] = "";
	int r = companion_open("mpsup-scope", &exe, e);

	if (r < 0)
		return r;
	r = run_scope(exe, m->config->name, said, sizeof(said));
	if (r == 0)
		return 0;
	if (said[0])
		return err_set(e, -EOPNOTSUPP, "%s", said);
	return err_set(e, -EOPNOTSUPP, "systemd gives no scope: mpsup-scope %s",
		       r < 0 ? "had no answer in time" : "could not run");
}

/* ---- the place ---- */

/* Where to go; *e says why it is only HERE. */
static int go(struct master *m, struct err *e)
{
	struct cgroup_facts f;
	enum cgroup_place place;
	int r = 0;

	cgroup_facts_gather(&m->cgroup, &f);
	place = cgroup_place_choose(&f);
	if (place == PLACE_HERE && !f.controllers)
		return err_set(e, -EOPNOTSUPP,
			       "cgroup v2 at %s has no controllers here (hybrid host; "
			       "cgroup_no_v1=all at boot would help)",
			       m->cgroup.mount);
	if (place == PLACE_ASK) {
		r = ask_systemd(m, e);
		if (r < 0)
			return r;
		cgroup_root_done(&m->cgroup);
		r = cgroup_root_find(&m->cgroup, e);
		if (r < 0)
			return r;
		cgroup_facts_gather(&m->cgroup, &f);
		place = cgroup_place_choose(&f);
	}
	if (place == PLACE_HERE || place == PLACE_ASK)
		return err_set(e, -EOPNOTSUPP,
			       "the cgroup %s was not given to mpsup (Delegate=yes would help)",
			       m->cgroup.own);
	return cgroup_place_take(&m->cgroup, place, e);
}

static void find_wanted(const struct master *m, const char *wanted[WANTED_MAX])
{
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		wanted[n++] = always[i];
	for (size_t i = 0; i < ARRAY_LEN(on_demand); i++)
		for (unsigned k = 0; k < m->config->npools; k++)
			if (limits_need(&m->config->pools[k]->limits, on_demand[i]) ||
			    limits_need(&m->config->pools[k]->total, on_demand[i])) {
				wanted[n++] = on_demand[i];
				break;
			}
	wanted[n] = NULL;
}

static void keep_why(struct master *m, const struct err *why)
{
	(void)snprintf(m->no_limits, sizeof(m->no_limits), "%.399s", why->msg);
}

int place_cgroup(struct master *m, struct err *e)
{
	const char *wanted[WANTED_MAX];
	char base[64];
	struct err why;
	int r = cgroup_root_find(&m->cgroup, e);

	(void)snprintf(base, sizeof(base), "mpsup-%s", m->config->name);
	if (r == 0 && go(m, &why) < 0)
		keep_why(m, &why);
	if (r == 0 && m->cgroup.mount_fd < 0) { /* lost on the way into the scope */
		*e = why;
		r = why.code;
	}
	if (r == 0)
		r = cgroup_base_open(&m->cgroup, base, e);
	if (r < 0) {
		place_cgroup_done(m);
		if (m->root)
			return err_set(e, -EOPNOTSUPP,
				       "no cgroup for the workers (%s); --no-sandbox cgroup would "
				       "do without",
				       e->msg);
		log_warn("no cgroup of its own for each worker: %s", e->msg);
		return 0;
	}
	m->has_cgroup = true;
	find_wanted(m, wanted);
	m->cgroup.controllers[0] = '\0';
	if (!m->no_limits[0] && cgroup_give_on(&m->cgroup, wanted, &why) < 0)
		keep_why(m, &why);
	m->stat_files = cgroup_stat_files(m->cgroup.controllers);
	leaf_watch_all(m);
	return 0;
}

void place_cgroup_done(struct master *m)
{
	leaf_unwatch_all(m);
	if (m->has_cgroup)
		cgroup_base_remove(&m->cgroup);
	if (m->cgroup.mount_fd >= 0)
		cgroup_place_leave(&m->cgroup);
	cgroup_root_done(&m->cgroup);
	m->has_cgroup = false;
}
