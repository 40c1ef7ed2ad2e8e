/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "ctl/facts.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/proc.h"
#include "super/leaf.h"
#include "super/listeners.h"

#define PIDS_MAX 1024 /* of one worker; more are not looked at for a table */

/* The pool's listening sockets, up to max; a stopped pool has none. */
static size_t sockets_of(const struct pool *p, int *fds, size_t max)
{
	size_t n = 0;

	for (unsigned i = 0; p->listeners && i < listeners_count(p); i++)
		n += listeners_sockets(&p->listeners[i], fds + n, (unsigned)(max - n));
	return n;
}

void facts_gather(struct facts *f, const struct master *m)
{
	int fds[DIAG_LISTENERS_MAX];
	size_t n = 0;

	*f = (struct facts){ 0 };
	for (unsigned i = 0; i < m->npools; i++)
		n += sockets_of(m->pools[i], fds + n, DIAG_LISTENERS_MAX - n);
	f->has_sockets = diag_gather(fds, n, &f->sockets) == 0;
}

void facts_done(struct facts *f)
{
	if (f->has_sockets)
		diag_done(&f->sockets);
}

/* The processes of a life: its leaf's, or the two we know without one. */
static size_t pids_of(const struct life *l, pid_t *pids)
{
	size_t n = 0;

	if (l->leaf_fd >= 0) {
		if (cgroup_pids(l->leaf_fd, pids, PIDS_MAX, &n) < 0)
			return 0;
		return n < PIDS_MAX ? n : PIDS_MAX;
	}
	if (l->pid > 0)
		pids[n++] = l->pid;
	return n;
}

static bool sum_usage(const struct life *l, struct proc_usage *ret)
{
	pid_t pids[PIDS_MAX];
	size_t n = pids_of(l, pids);
	struct proc_usage u, sum = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (pids[i] == l->init.pid || proc_usage(pids[i], &u) < 0)
			continue;
		sum.rss_bytes += u.rss_bytes;
		sum.cpu_usec += u.cpu_usec;
	}
	*ret = sum;
	return n > 0;
}

int64_t facts_memory(const struct facts *f, const struct life *l)
{
	struct proc_usage u;
	char text[32];

	(void)f;
	if (l->leaf_fd >= 0 && cgroup_read(l->leaf_fd, "memory.current", text, sizeof(text)) == 0)
		return strtoll(text, NULL, 10);
	return sum_usage(l, &u) ? (int64_t)u.rss_bytes : -1;
}

/* As pids.max counts: threads too. Without the controller: processes. */
int64_t facts_pids(const struct facts *f, const struct life *l)
{
	pid_t pids[PIDS_MAX];
	char text[32];
	size_t n;

	(void)f;
	if (l->leaf_fd >= 0 && cgroup_read(l->leaf_fd, "pids.current", text, sizeof(text)) == 0)
		return strtoll(text, NULL, 10);
	n = pids_of(l, pids);
	return n ? (int64_t)n : -1;
}

int64_t facts_cpu_usec(const struct facts *f, const struct life *l)
{
	struct proc_usage u;
	struct cgroup_stat s = CGROUP_STAT_NONE;

	(void)f;
	if (l->leaf_fd >= 0)
		cgroup_stat_read(l->leaf_fd, STAT_CPU, &s);
	if (s.cpu_usec != STAT_UNKNOWN)
		return (int64_t)s.cpu_usec;
	return sum_usage(l, &u) ? (int64_t)u.cpu_usec : -1;
}

int64_t facts_connections(const struct facts *f, const struct life *l)
{
	pid_t pids[PIDS_MAX];

	if (!f->has_sockets)
		return -1;
	return diag_count(&f->sockets, pids, pids_of(l, pids));
}

static void add_life(const struct facts *f, const struct life *l, struct usage *u)
{
	struct cgroup_stat s = CGROUP_STAT_NONE;
	int64_t cpu;

	if (!l || l->certified) /* counted with the dead */
		return;
	if (l->leaf_fd >= 0)
		cgroup_stat_read(l->leaf_fd, l->master->stat_files, &s);
	cpu = s.cpu_usec == STAT_UNKNOWN ? facts_cpu_usec(f, l) : (int64_t)s.cpu_usec;
	u->cpu_usec += cpu > 0 ? (uint64_t)cpu : 0;
	usage_add(u, &s);
}

void facts_usage(const struct facts *f, const struct pool *p, struct usage *ret)
{
	*ret = p->dead;
	for (unsigned i = 0; i < p->nslots; i++) {
		add_life(f, p->slots[i]->current, ret);
		list_each(it, &p->slots[i]->leaving)
			add_life(f, container_of(it, struct life, node), ret);
	}
	list_each(it, &p->spares)
		add_life(f, container_of(it, struct life, node), ret);
}

int64_t facts_accept_queue(const struct facts *f, const struct pool *p)
{
	int fds[DIAG_LISTENERS_MAX];
	size_t first = 0, n = sockets_of(p, fds, DIAG_LISTENERS_MAX);
	int64_t sum = 0;

	if (!f->has_sockets || n == 0)
		return -1;
	for (unsigned i = 0; p->master->pools[i] != p; i++)
		first += sockets_of(p->master->pools[i], fds, DIAG_LISTENERS_MAX);
	for (size_t i = first; i < first + n; i++) {
		if (i >= f->sockets.nlisteners || f->sockets.listeners[i].queue < 0)
			return -1;
		sum += f->sockets.listeners[i].queue;
	}
	return sum;
}
