/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "ctl/facts.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/proc.h"
#include "super/leaf.h"
#include "super/listeners.h"

#define PIDS_MAX 1024 /* of one worker; more are not looked at for a table */

static size_t sockets_of(const struct pool *p, int *fds, size_t max)
{
	size_t n = 0;

	/* A stopped pool has none. */
	each_listener(l, p) n += listeners_sockets(l, fds + n, (unsigned)(max - n));
	return n;
}

static size_t most_sockets_of(const struct pool *p)
{
	size_t n = 0;

	each_listener(l, p) n += (size_t)l->nseats * FORMS;
	return n;
}

void facts_gather(struct facts *f, const struct master *m)
{
	size_t most = 0, n = 0;
	int *fds;

	*f = (struct facts){ 0 };
	for (unsigned i = 0; i < m->npools; i++)
		most += most_sockets_of(m->pools[i]);
	fds = calloc(most + 1, sizeof(*fds));
	f->first = calloc(m->npools + 1, sizeof(*f->first));
	if (fds && f->first) {
		for (unsigned i = 0; i < m->npools; i++) {
			n += sockets_of(m->pools[i], fds + n, most - n);
			f->first[i + 1] = n;
		}
		f->has_sockets = diag_gather(fds, n, 0, &f->sockets) == 0;
	}
	free(fds);
}

void facts_done(struct facts *f)
{
	if (f->has_sockets)
		diag_done(&f->sockets);
	free(f->first);
}

/* The processes of a life: its leaf's, or the one we know without a leaf. */
struct pids {
	pid_t pid[PIDS_MAX];
	size_t n;
	bool looked;
};

static const struct pids *look_up(const struct life *l, struct pids *p)
{
	if (p->looked)
		return p;
	p->looked = true;
	p->n = 0;
	if (l->leaf_fd < 0) {
		if (l->pid > 0)
			p->pid[p->n++] = l->pid;
	} else if (cgroup_pids(l->leaf_fd, p->pid, PIDS_MAX, &p->n) < 0) {
		p->n = 0;
	} else if (p->n > PIDS_MAX) {
		p->n = PIDS_MAX;
	}
	return p;
}

static uint64_t sum_cpu(const struct life *l, struct pids *p)
{
	struct proc_usage u;
	uint64_t sum = 0;

	(void)look_up(l, p);
	for (size_t i = 0; i < p->n; i++)
		if (p->pid[i] != l->init.pid && proc_usage(p->pid[i], &u) == 0)
			sum += u.cpu_usec;
	return p->n > 0 ? sum : STAT_UNKNOWN;
}

static int64_t sum_memory(const struct life *l, struct pids *p)
{
	uint64_t bytes;
	int64_t sum = 0;

	(void)look_up(l, p);
	for (size_t i = 0; i < p->n; i++)
		if (p->pid[i] != l->init.pid && proc_memory(p->pid[i], &bytes) == 0)
			sum += (int64_t)bytes;
	return p->n > 0 ? sum : -1;
}

static int64_t leaf_number(const struct life *l, const char *file)
{
	char text[32];

	if (l->leaf_fd < 0 || cgroup_read(l->leaf_fd, file, text, sizeof(text)) < 0)
		return -1;
	return strtoll(text, NULL, 10);
}

/* CPU time needs no controller, but a leaf; else it is the sum over processes. */
static void look(struct life *l, struct pids *p)
{
	struct cgroup_stat s = CGROUP_STAT_NONE;

	if (l->leaf_fd >= 0)
		cgroup_stat_read(l->leaf_fd, l->master->stat_files & STAT_USED, &s);
	if (s.cpu_usec == STAT_UNKNOWN)
		s.cpu_usec = sum_cpu(l, p);
	usage_see(&l->used, &s);
}

void facts_of_life(const struct facts *f, struct life *l, struct life_facts *ret)
{
	const unsigned files = l->master->stat_files;
	struct pids p;

	p.looked = false;
	if (!l->certified) /* then its part is in the pool's sum already */
		look(l, &p);
	ret->cpu_usec = l->pid > 0 ? (int64_t)l->used.cpu_usec : -1;
	ret->memory_bytes = files & STAT_MEMORY ? leaf_number(l, "memory.current") : -1;
	if (ret->memory_bytes < 0)
		ret->memory_bytes = sum_memory(l, &p);
	/* As pids.max counts: threads too. Without the controller: processes. */
	ret->pids = files & STAT_PIDS ? leaf_number(l, "pids.current") : -1;
	if (ret->pids < 0 && look_up(l, &p)->n > 0)
		ret->pids = (int64_t)p.n;
	ret->connections = -1;
	if (f->has_sockets && f->sockets.nconnections == 0) {
		ret->connections = 0;
	} else if (f->has_sockets) {
		(void)look_up(l, &p);
		ret->connections = diag_count(&f->sockets, p.pid, p.n);
	}
}

static void each_life(const struct pool *p, void (*fn)(struct life *l, void *ctx), void *ctx)
{
	for (unsigned i = 0; i < p->nslots; i++) {
		if (p->slots[i]->current)
			fn(p->slots[i]->current, ctx);
		list_each(it, &p->slots[i]->beside)
			fn(container_of(it, struct life, node), ctx);
	}
	list_each(it, &p->spares)
		fn(container_of(it, struct life, node), ctx);
}

static void look_one(struct life *l, void *ctx)
{
	struct pids p;

	(void)ctx;
	p.looked = false;
	if (!l->certified)
		look(l, &p);
}

void facts_look(struct pool *p)
{
	each_life(p, look_one, NULL);
}

static void add_one(struct life *l, void *ctx)
{
	if (!l->certified)
		usage_add(ctx, &l->used);
}

void facts_usage(const struct pool *p, struct usage *ret)
{
	*ret = p->usage;
	each_life(p, add_one, ret);
}

int64_t facts_accept_queue(const struct facts *f, unsigned index)
{
	int64_t sum = 0;

	if (!f->has_sockets || f->first[index] == f->first[index + 1])
		return -1;
	for (size_t i = f->first[index]; i < f->first[index + 1]; i++) {
		if (f->sockets.listeners[i].queue < 0)
			return -1;
		sum += f->sockets.listeners[i].queue;
	}
	return sum;
}
