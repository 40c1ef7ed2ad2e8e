/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/pin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "kernel/allowed.h"
#include "super/pool.h"

#define SETTLE_MS  100 /* service managers write several files; hotplug settles behind its event */
#define PASSES_MAX 8

/* ---- the threads of one worker ---- */

static bool is_within(const cpu_set_t *a, const cpu_set_t *b)
{
	cpu_set_t both;

	CPU_AND(&both, a, b);
	return CPU_EQUAL(&both, a);
}

/* 1: it was set; 0: nothing to do, or it is gone. */
static int pin_thread(pid_t tid, const cpu_set_t *cpus, bool moved)
{
	cpu_set_t have;

	CPU_ZERO(&have);
	if (sched_getaffinity(tid, sizeof(have), &have) < 0)
		return errno == ESRCH ? 0 : -errno;
	if (CPU_EQUAL(&have, cpus) || (!moved && is_within(&have, cpus)))
		return 0;
	if (sched_setaffinity(tid, sizeof(*cpus), cpus) < 0)
		return errno == ESRCH ? 0 : -errno;
	return 1;
}

/* All threads of the leaf: also those of what the worker forked. Without a leaf the
 * worker's own. NULL: it is over. */
static FILE *open_threads(const struct life *l)
{
	int fd = openat(l->leaf_fd, "cgroup.threads", O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	if (!f)
		fd_close(&fd);
	return f;
}

static int pass_over_leaf(const struct life *l, bool moved, unsigned *set)
{
	FILE *f = open_threads(l);
	int tid, r = 0;

	while (f && fscanf(f, "%d", &tid) == 1) {
		/* init waits, and is not the worker: on its CPU it would be in the way. 0 is
		 * somebody of another PID namespace, and to the call it means ourselves. */
		int one = tid <= 0 || tid == l->init.pid ? 0 : pin_thread(tid, &l->cpus, moved);

		*set += one > 0;
		r = one < 0 && r == 0 ? one : r;
	}
	if (f)
		(void)fclose(f);
	return r;
}

static int pass_over_process(const struct life *l, bool moved, unsigned *set)
{
	char path[64];
	DIR *d;
	int r = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)l->pid);
	d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);
		int one = tid <= 0 ? 0 : pin_thread(tid, &l->cpus, moved);

		*set += one > 0;
		r = one < 0 && r == 0 ? one : r;
	}
	if (d)
		(void)closedir(d);
	return r;
}

/* A running program has many threads, each with its own mask, and makes new ones while
 * we walk: until a pass finds none that had to be set (traps 20). */
int pin_life(const struct life *l, bool moved, unsigned *ret_set)
{
	for (unsigned pass = 0; pass < PASSES_MAX; pass++) {
		unsigned set = 0;
		int r = l->leaf_fd >= 0 ? pass_over_leaf(l, moved, &set) :
					  pass_over_process(l, moved, &set);

		if (ret_set)
			*ret_set += set;
		if (r < 0 || set == 0)
			return r;
	}
	return 0;
}

/* ---- one pool ---- */

struct tally {
	unsigned set; /* threads */
	int error;
};

static void pin_again(struct life *l, struct tally *sum)
{
	const cpu_set_t *to = l->slot ? &l->slot->cpus : &l->pool->cpus;
	bool moved = !CPU_EQUAL(to, &l->cpus);
	int r;

	if (CPU_COUNT(to) == 0) /* scaled away: it leaves where it is */
		return;
	l->cpus = *to;
	if (!l->exec_seen) { /* it is about to pin itself to what it was born with */
		l->pin_late |= moved;
		return;
	}
	r = l->pid > 0 && !l->certified ? pin_life(l, moved, &sum->set) : 0;
	if (r < 0 && sum->error == 0)
		sum->error = r;
}

static void pin_all(struct pool *p)
{
	struct tally sum = { 0 };

	for (unsigned i = 0; i < p->nslots; i++) {
		struct slot *s = p->slots[i];

		if (s->current)
			pin_again(s->current, &sum);
		list_each(it, &s->beside)
			pin_again(container_of(it, struct life, node), &sum);
	}
	list_each(it, &p->spares)
		pin_again(container_of(it, struct life, node), &sum);
	if (sum.error < 0)
		log_warn("pool %s: not all of its workers could be pinned again: %s", p->conf->name,
			 strerror(-sum.error));
	else if (sum.set > 0)
		log_info("pool %s: %u thread%s pinned again", p->conf->name, sum.set,
			 sum.set == 1 ? "" : "s");
}

/* The set that its slots share, from what is allowed now. Is it another one? */
static bool choose(struct pool *p, const cpu_set_t *allowed)
{
	char before[TEXT_CPUS_BYTES], after[TEXT_CPUS_BYTES];
	cpu_set_t now;
	struct err e;
	int r = config_cpus(p->conf, &p->master->topology, allowed, &now, &e);

	if (r < 0)
		now = *allowed;
	if (CPU_EQUAL(&now, &p->cpus))
		return false;
	text_cpus(&p->cpus, before);
	text_cpus(&now, after);
	if (r < 0)
		log_warn("pool %s: %s; its workers run there until that changes", p->conf->name,
			 e.msg);
	log_info("pool %s: its CPUs are %s now, they were %s", p->conf->name, after, before);
	p->cpus = now;
	return true;
}

/* ---- what is allowed now ---- */

/* The instance's folder need not be below our own cgroup, and can be given less. */
static void narrow_to_folder(const struct master *m, cpu_set_t *cpus)
{
	char text[4096];
	cpu_set_t there;

	if (!m->has_cgroup || m->cgroup.base_fd < 0 ||
	    cgroup_read(m->cgroup.base_fd, "cpuset.cpus.effective", text, sizeof(text)) < 0 ||
	    parse_cpus(text, &there) < 0)
		return;
	CPU_AND(&there, &there, cpus);
	if (CPU_COUNT(&there) > 0)
		*cpus = there;
}

static void watch_folder(struct master *m)
{
	if (m->has_cgroup)
		cpuset_watch_tree(&m->pins.watch, m->cgroup.mount,
				  m->cgroup.path + m->cgroup.above);
}

/* In the order of the start, so that the same facts give the same deal. */
static void deal_anew(struct master *m)
{
	for (unsigned i = 0; i < m->npools; i++)
		for (unsigned k = 0; k < m->pools[i]->nslots; k++)
			CPU_ZERO(&m->pools[i]->slots[k]->cpus);
	for (unsigned i = 0; i < m->npools; i++)
		pool_deal_cpus(m->pools[i]);
}

void pins_deal(struct master *m)
{
	deal_anew(m);
	for (unsigned i = 0; i < m->npools; i++)
		if (m->pools[i]->gen && cage_has(&m->pools[i]->gen->cage, CAGE_PIN))
			pin_all(m->pools[i]);
}

void pins_check(struct master *m)
{
	struct topology now = m->topology;
	bool changed = false;
	cpu_set_t allowed;

	if (!m->pins.watch.loop || m->ending)
		return;
	timer_clear(&m->loop, &m->pins.settle);
	/* The kernel has reset our own mask too: what taskset(1) asked for is set again. */
	if (m->pins.limited)
		ignore(sched_setaffinity(0, sizeof(m->pins.limit), &m->pins.limit));
	/* First: what is written after we have read is told. */
	cpuset_watch_own(&m->pins.watch);
	watch_folder(m);
	if (allowed_cpus(&allowed) < 0)
		return;
	narrow_to_folder(m, &allowed);
	if (topology_read("/sys", &now) == 0 && memcmp(&now, &m->topology, sizeof(now)) != 0) {
		m->topology = now;
		changed = true;
	}
	for (unsigned i = 0; i < m->npools; i++)
		if (m->pools[i]->gen)
			changed |= choose(m->pools[i], &allowed);
	if (changed)
		deal_anew(m);
	for (unsigned i = 0; i < m->npools; i++)
		if (m->pools[i]->gen && cage_has(&m->pools[i]->gen->cage, CAGE_PIN))
			pin_all(m->pools[i]);
}

static void on_settled(struct timer *t)
{
	pins_check(container_of(t, struct master, pins.settle));
}

static void on_changed(struct cpuset_watch *w)
{
	struct master *m = container_of(w, struct master, pins.watch);

	/* Not moved on by the next event: a flood is looked at ten times a second. */
	if (!m->pins.settle.armed)
		timer_set(&m->loop, &m->pins.settle, clock_boot_ms() + SETTLE_MS);
}

void pins_open(struct master *m)
{
	if (allowed_cpus(&m->pins.limit) == 0)
		m->pins.limited = allowed_why(&m->pins.limit) == ALLOWED_AFFINITY;
	pins_again(m);
}

void pins_again(struct master *m)
{
	int r;

	ignore(topology_read("/sys", &m->topology));
	timer_init(&m->pins.settle, on_settled);
	r = cpuset_watch_open(&m->pins.watch, &m->loop, on_changed);
	if (r < 0)
		log_debug("changes of the CPUs are not all seen: %s", strerror(-r));
	cpuset_watch_own(&m->pins.watch);
	watch_folder(m);
}

void pins_close(struct master *m)
{
	if (!m->pins.watch.loop)
		return;
	timer_clear(&m->loop, &m->pins.settle);
	cpuset_watch_close(&m->pins.watch);
}
