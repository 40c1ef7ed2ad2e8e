/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/births.h"

#include <unistd.h>

#include "kernel/proc.h"
#include "super/pool.h"

#define PER_CPU	  4 /* births at once: loading a program also waits for disks */
#define LEAST	  8
#define LOOK_MS	  250	/* between two looks at those that others wait for */
#define IDLE_USEC 10000 /* used less since: it waits for something else than a CPU */
#define HOLD_MS	  10000 /* longer than this it does not hold others up */

static void on_time(struct timer *t);

void births_open(struct master *m)
{
	struct births *b = &m->births;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	*b = (struct births){ .asked = m->config->parallel,
			      .least = cpus * PER_CPU > LEAST ? (unsigned)cpus * PER_CPU : LEAST };
	list_init(&b->under_way);
	list_init(&b->waiting);
	timer_init(&b->timer, on_time);
}

void births_close(struct master *m)
{
	if (m->births.least)
		timer_clear(&m->loop, &m->births.timer);
}

/* What one pool was given for itself, it has. */
static bool is_full(const struct master *m)
{
	const struct births *b = &m->births;
	unsigned max = b->least;

	if (b->asked)
		return b->n >= b->asked;
	if (b->n < max || m->npools == 1)
		return false;
	for (unsigned i = 0; i < m->npools; i++)
		if (m->pools[i]->conf->parallel > max)
			max = m->pools[i]->conf->parallel;
	return b->n >= max;
}

static void look_in(struct master *m, uint64_t ms)
{
	if (!m->births.timer.armed)
		timer_set(&m->loop, &m->births.timer, m->world->now_ms() + ms);
}

bool births_may(struct pool *p)
{
	struct master *m = p->master;

	if (!m->births.least)
		return true;
	/* Who waits is first. */
	if (!is_full(m) && (m->births.dealing || list_empty(&m->births.waiting)))
		return true;
	if (list_empty(&p->waits_for_birth))
		list_append(&m->births.waiting, &p->waits_for_birth);
	look_in(m, LOOK_MS);
	return false;
}

void births_forget(struct pool *p)
{
	list_remove(&p->waits_for_birth);
}

void births_begin(struct life *l)
{
	struct master *m = l->master;

	if (!m->births.least)
		return;
	list_append(&m->births.under_way, &l->birth.node);
	l->birth.counts = true;
	m->births.n++;
}

void births_end(struct life *l)
{
	struct master *m = l->master;

	if (!l->birth.counts)
		return;
	l->birth.counts = false;
	list_remove(&l->birth.node);
	m->births.n--;
	if (!list_empty(&m->births.waiting)) {
		/* Not within this event: others still look at what it changes. */
		timer_clear(&m->loop, &m->births.timer);
		look_in(m, 0);
	}
}

/* Its program's CPU time; 0: not known, as good as idle. */
static uint64_t cpu_of(const struct life *l)
{
	struct cgroup_stat s = CGROUP_STAT_NONE;
	struct proc_usage u;

	if (l->leaf_fd >= 0)
		cgroup_stat_read(l->leaf_fd, STAT_CPU, &s);
	if (s.cpu_usec != STAT_UNKNOWN)
		return s.cpu_usec;
	return l->pid > 0 && proc_usage(l->pid, &u) == 0 ? u.cpu_usec : 0;
}

/* A program that waits, for a database or for ever, leaves its place to others. */
static void look_at(struct life *l, uint64_t now)
{
	uint64_t cpu;

	if (now < l->birth.looked_ms + LOOK_MS && now < l->born_ms + HOLD_MS)
		return;
	cpu = cpu_of(l);
	if (now >= l->born_ms + HOLD_MS ||
	    (l->birth.looked_ms && cpu < l->birth.cpu_usec + IDLE_USEC)) {
		births_end(l);
		return;
	}
	l->birth.looked_ms = now;
	l->birth.cpu_usec = cpu;
}

static void on_time(struct timer *t)
{
	struct births *b = container_of(t, struct births, timer);
	struct master *m = container_of(b, struct master, births);
	unsigned n = 0;

	list_each(it, &b->under_way)
		look_at(container_of(it, struct life, birth.node), m->world->now_ms());
	/* Each pool once: one that still wants more is at the end of the queue again. */
	list_each(it, &b->waiting)
		n++;
	for (; n > 0 && !list_empty(&b->waiting) && !is_full(m); n--) {
		struct pool *p = container_of(b->waiting.next, struct pool, waits_for_birth);

		list_remove(&p->waits_for_birth);
		b->dealing = true;
		pool_kick(p);
		b->dealing = false;
	}
	if (!list_empty(&b->waiting))
		look_in(m, is_full(m) ? LOOK_MS : 0);
}
