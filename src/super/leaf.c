/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/leaf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"
#include "super/life.h"
#include "super/pool.h"
#include "super/recycle.h"
#include "super/total.h"

#define LIMIT_SAID_MS  10000 /* between two worker.limit of one life */
#define MEMORY_SCAN_MS 1000  /* between two looks at all leaves, while events come */

/* ---- limits ---- */

static const char *first_asked(const struct limits *l)
{
	static const char *const options[] = {
		[LIMIT_MEMORY] = "memory",
		[LIMIT_MEMORY_HIGH] = "memory-high",
		[LIMIT_SWAP] = "swap",
		[LIMIT_CPU_QUOTA] = "cpu-quota",
		[LIMIT_CPU_WEIGHT] = "cpu-weight",
		[LIMIT_PIDS] = "pids",
	};

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (l->asked & LIMIT_BIT(i))
			return options[i];
	if (l->nio)
		return "io";
	return l->nraw ? "raw" : NULL;
}

/* What the kernel says to a raw value is said to a person who wrote it. */
static int refused(int r, struct err *e)
{
	e->code = r == -EINVAL || r == -ERANGE || r == -ENOMEM ? r : -EOPNOTSUPP;
	return e->code;
}

static int try_plan(const struct master *m, struct generation *g, struct err *e)
{
	AUTO_FD int fd = -1;
	char name[64];
	int r;

	/* Births have a number there. */
	(void)snprintf(name, sizeof(name), "%.48s.probe", g->conf->name);
	r = cgroup_leaf_make(&m->cgroup, name, &fd);
	if (r < 0) {
		(void)err_sys(e, r, "make the cgroup leaf %s", name);
		return refused(r, e);
	}
	r = leaf_plan_try(&g->leaf_plan, fd, e);
	if (r < 0)
		r = refused(r, e);
	ignore(cgroup_leaf_remove(&m->cgroup, name));
	return r;
}

int leaf_limits_prepare(struct master *m, struct generation *g, struct err *e)
{
	const struct limits *l = &g->conf->limits;
	const char *asked = first_asked(l);
	int r;

	if (!m->has_cgroup && asked)
		return err_set(e, -EOPNOTSUPP,
			       "--%s: the workers have no cgroup of their own here%s%s", asked,
			       m->no_limits[0] ? ": " : "", m->no_limits);
	if (!m->has_cgroup)
		return 0;
	r = leaf_plan_make(l, m->cgroup.controllers, &g->conf->arena, &g->leaf_plan, e);
	if (r == -EOPNOTSUPP)
		return err_set(e, r, "%s: %s", e->msg,
			       m->no_limits[0] ? m->no_limits :
						 "this kernel has none, or it was switched off "
						 "(cgroup_disable=, cgroup.controllers)");
	if (r == 0 && g->leaf_plan.n > 0)
		r = try_plan(m, g, e);
	return r;
}

static int own_oom_score(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "re");
	int n = 0;

	if (f) {
		if (fscanf(f, "%d", &n) != 1)
			n = 0;
		(void)fclose(f);
	}
	return n;
}

int leaf_oom_score(struct generation *g, struct cage *c, struct err *e)
{
	const struct limits *l = &g->conf->limits;
	bool asked = l->asked & LIMIT_BIT(LIMIT_OOM_SCORE_ADJ);
	int own = own_oom_score(), want = asked ? l->oom_score_adj : own < 0 ? 0 : own;

	if (want == own)
		return 0;
	if (want < own && (geteuid() != 0 || prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE) != 1))
		return err_set(e, -EOPNOTSUPP,
			       "--oom-score-adj %d: mpsup's own is %d, and these rights do not go "
			       "below it",
			       want, own);
	c->oom_score_adj = arena_printf(&g->conf->arena, "%d", want);
	return c->oom_score_adj ? 0 : err_set(e, -ENOMEM, "out of memory");
}

int leaf_limits_write(struct life *l, struct err *e)
{
	l->total_oom = total_oom(l->pool);
	return leaf_plan_write(&l->gen->leaf_plan, l->leaf_fd, e);
}

/* ---- facts of the end ---- */

void leaf_gather(struct life *l)
{
	if (l->leaf_fd >= 0)
		cgroup_stat_read(l->leaf_fd, l->master->stat_files, &l->stat);
}

static bool some(uint64_t n)
{
	return n != STAT_UNKNOWN && n > 0;
}

/* The kernel counts a kill in the leaf, the limit that led to it where it is set. */
enum reason leaf_oom(const struct life *l)
{
	if (!some(l->stat.oom_kills))
		return REASON_NONE;
	if (some(l->stat.oom))
		return REASON_OOM;
	/* Its own limit did not do it: the pool's, if that was met while it lived. */
	if (l->total_oom != STAT_UNKNOWN && some(total_oom(l->pool)) &&
	    total_oom(l->pool) > l->total_oom)
		return REASON_OOM_POOL;
	return REASON_OOM_HOST;
}

void leaf_detail(struct death *d, const struct life *l)
{
	const struct limits *lim = &l->pool->conf->limits;
	char max[TEXT_SIZE_BYTES] = "max", peak[TEXT_SIZE_BYTES] = "unknown";

	if (d->reason == REASON_OOM_POOL) {
		text_size(l->pool->conf->total.memory, max);
		if (total_peak(l->pool) != STAT_UNKNOWN)
			text_size(total_peak(l->pool), peak);
		(void)snprintf(d->detail, sizeof(d->detail), "total memory.max %s, peak %s", max,
			       peak);
	}
	if (d->reason != REASON_OOM && d->reason != REASON_OOM_HOST)
		return;
	if (lim->asked & LIMIT_BIT(LIMIT_MEMORY))
		text_size(lim->memory, max);
	if (d->memory_peak_bytes != UINT64_MAX)
		text_size(d->memory_peak_bytes, peak);
	(void)snprintf(d->detail, sizeof(d->detail), "%smemory.max %s, peak %s",
		       d->reason == REASON_OOM ? "" : "not by its own limit: ", max, peak);
}

/* Only where nothing better is known: it explains, it may not be the cause. */
void leaf_hint(struct death *d, const struct life *l)
{
	const struct limits *lim = &l->pool->conf->limits;

	if (d->hint[0] || !some(d->pids_refused))
		return;
	(void)snprintf(d->hint, sizeof(d->hint), "pids.max %llu was met %llu times: --pids",
		       (unsigned long long)lim->pids, (unsigned long long)d->pids_refused);
}

void leaf_count(struct life *l)
{
	struct usage *u = &l->pool->usage;
	struct cgroup_stat s = l->stat;

	if (s.cpu_usec == STAT_UNKNOWN)
		s.cpu_usec = l->exit.cpu_usec;
	if (s.memory_peak == STAT_UNKNOWN)
		s.memory_peak = l->exit.maxrss_bytes; /* the largest process; 0: not told */
	usage_see(&l->used, &s);
	usage_add(u, &l->used);
	u->oom_kills += leaf_oom(l) != REASON_NONE;
	u->deaths++;
}

/* ---- limits that were met ---- */

static void tell_limit(struct life *l, const char *text)
{
	struct event ev = { .name = "worker.limit",
			    .pool = l->pool,
			    .life = l,
			    .text = text,
			    .slot = l->slot ? (int)l->slot->index : -1 };
	char name[LIFE_NAME_BYTES];
	uint64_t now = l->master->world->now_ms();

	if (l->limit_said_ms && now < l->limit_said_ms + LIMIT_SAID_MS)
		return;
	if (!l->limit_said_ms)
		log_warn("%s (pid %d): %s", life_name(l, name), (int)l->pid, text);
	l->limit_said_ms = now;
	master_event(l->master, &ev);
}

static void on_pids(struct source *s, uint32_t events)
{
	struct life *l = container_of(s, struct life, pids_src);
	uint64_t n = cgroup_counter_read(l->pids_fd, "max");
	char text[96];

	(void)events;
	if (!some(n) || n <= l->pids_said)
		return;
	l->pids_said = n;
	(void)snprintf(text, sizeof(text), "pids.max %llu was met %llu times",
		       (unsigned long long)l->pool->conf->limits.pids, (unsigned long long)n);
	tell_limit(l, text);
}

/* Not at the birth: nobody waits for a client's answer after READY. What was met
 * until then is in the counter. */
void leaf_watch(struct life *l)
{
	if (l->leaf_fd < 0 || !(l->master->stat_files & STAT_PIDS) || !l->pool->conf->limits.pids)
		return;
	l->pids_fd = openat(l->leaf_fd, "pids.events", O_RDONLY | O_CLOEXEC);
	if (l->pids_fd < 0)
		return;
	/* The read is what later changes are told against. */
	if (some(cgroup_counter_read(l->pids_fd, "max")))
		on_pids(&l->pids_src, 0);
	if (source_add(&l->master->loop, &l->pids_src, l->pids_fd, EPOLLPRI, on_pids) < 0)
		fd_close(&l->pids_fd);
}

void leaf_unwatch(struct life *l)
{
	source_remove(&l->master->loop, &l->pids_src);
	fd_close(&l->pids_fd);
}

static void look_high(struct life *l)
{
	struct cgroup_stat s;
	char text[96], high[TEXT_SIZE_BYTES];

	if (l->leaf_fd < 0 || l->certified)
		return;
	cgroup_stat_read(l->leaf_fd, STAT_MEMORY, &s);
	if (!some(s.high_hits) || s.high_hits <= l->high_said)
		return;
	l->high_said = s.high_hits;
	text_size(l->pool->conf->limits.memory_high, high);
	(void)snprintf(text, sizeof(text), "memory.high %s was met %llu times", high,
		       (unsigned long long)s.high_hits);
	if (!recycle_large(l))
		tell_limit(l, text);
}

void leaf_lift_high(struct life *l)
{
	if (l->leaf_fd >= 0)
		ignore(cgroup_write(l->leaf_fd, "memory.high", "max"));
}

static void look_all(struct master *m)
{
	m->memory_scan_ms = m->world->now_ms();
	for (unsigned i = 0; i < m->npools; i++) {
		struct pool *p = m->pools[i];

		if (!(p->conf->limits.asked & LIMIT_BIT(LIMIT_MEMORY_HIGH)))
			continue;
		for (unsigned k = 0; k < p->nslots; k++) {
			if (p->slots[k]->current)
				look_high(p->slots[k]->current);
			list_each(it, &p->slots[k]->beside)
				look_high(container_of(it, struct life, node));
		}
		list_each(it, &p->spares)
			look_high(container_of(it, struct life, node));
	}
}

static void on_memory_time(struct timer *t)
{
	look_all(container_of(t, struct master, memory_timer));
}

/* One file for all leaves: what happens in one is counted in all above it. */
static void on_memory(struct source *s, uint32_t events)
{
	struct master *m = container_of(s, struct master, memory_src);
	uint64_t next = m->memory_scan_ms + MEMORY_SCAN_MS;

	(void)events;
	ignore((int)cgroup_counter_read(m->memory_fd, "high"));
	if (m->world->now_ms() >= next)
		look_all(m);
	else if (!m->memory_timer.armed)
		timer_set(&m->loop, &m->memory_timer, next);
}

void leaf_watch_all(struct master *m)
{
	timer_init(&m->memory_timer, on_memory_time);
	m->memory_src = SOURCE_NONE;
	/* Whether a pool asks for it now or not: one that does may come later. */
	if (!m->has_cgroup || !(m->stat_files & STAT_MEMORY))
		return;
	m->memory_fd = openat(m->cgroup.base_fd, "memory.events", O_RDONLY | O_CLOEXEC);
	if (m->memory_fd < 0)
		return;
	ignore((int)cgroup_counter_read(m->memory_fd, "high"));
	if (source_add(&m->loop, &m->memory_src, m->memory_fd, EPOLLPRI, on_memory) < 0)
		fd_close(&m->memory_fd);
}

void leaf_unwatch_all(struct master *m)
{
	timer_clear(&m->loop, &m->memory_timer);
	source_remove(&m->loop, &m->memory_src);
	fd_close(&m->memory_fd);
}
