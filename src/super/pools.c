/* SPDX-License-Identifier: MIT */
/* pools.c - pools come and go: their place in the master, the opening of their world. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/diff.h"
#include "super/listeners.h"
#include "super/pool.h"
#include "super/prepare.h"

int exit_status_of(int code)
{
	switch (code) {
	case -EOPNOTSUPP:
		return EXIT_HOST_CANNOT;
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
	case -EAGAIN:
	case -EIO:
		return 1;
	default:
		return EXIT_ASKED_WRONG; /* what was asked for is wrong, missing or taken */
	}
}

/* ---- addresses that move from pool to pool ---- */

bool pool_configs_share(const struct pool_config *a, const struct pool_config *b)
{
	for (unsigned i = 0; i < a->nlistens; i++)
		for (unsigned k = 0; k < b->nlistens; k++)
			if (listen_specs_collide(&a->listens[i], &b->listens[k]))
				return true;
	return false;
}

/* Of an earlier generation, whose workers have not gone. */
static bool has_leaving(const struct pool *q, const struct pool_config *conf)
{
	each_listener(l, q)
	{
		for (unsigned i = 0; i < conf->nlistens; i++)
			if (listener_is_leaving(l) && listener_is_open(l) &&
			    listen_specs_collide(&l->spec, &conf->listens[i]))
				return true;
	}
	return false;
}

/* Until its last process has gone, one that leaves has its sockets. */
const struct pool *pool_holder_of(const struct pool *p, const struct pool_config *conf)
{
	const struct master *m = p->master;

	for (unsigned i = 0; i < m->npools; i++) {
		const struct pool *q = m->pools[i];

		bool goes = q->retiring || q->pending;

		if (q != p && q->gen && q->phase != POOL_STOPPED &&
		    ((goes && pool_configs_share(q->conf, conf)) || has_leaving(q, conf)))
			return q;
	}
	return NULL;
}

bool pool_must_wait(struct pool *p)
{
	const struct pool *q = pool_holder_of(p, p->conf);

	p->waits_for_address = q != NULL;
	if (!q)
		return false;
	p->phase = POOL_STARTING;
	p->draining = false; /* it may have been stopped as it was, broken */
	p->exit_code = 0;
	(void)snprintf(p->reason, sizeof(p->reason),
		       "it waits for an address that pool %s has until its last worker has gone",
		       q->conf->name);
	log_info("pool %s: %s", p->conf->name, p->reason);
	return true;
}

int pool_come(struct pool *p, struct err *e)
{
	int r;

	if (pool_must_wait(p)) {
		listeners_drop_kept(p); /* who waits for these goes first */
		return 0;
	}
	p->reason[0] = '\0';
	r = pool_open(p, e);
	if (r < 0) {
		pool_break(p, e);
		return r;
	}
	p->roll.generation = p->generation; /* for the verdict */
	pool_start(p);
	return 0;
}

void pools_wake_waiting(struct master *m)
{
	struct err e = { 0 };

	for (unsigned i = 0; i < m->npools && !m->stopping; i++) {
		struct pool *p = m->pools[i];

		if (p->waits_for_address && p->phase == POOL_STARTING && !p->retiring)
			ignore(pool_come(p, &e)); /* it has told */
	}
}

void pool_take_pending(struct pool *p)
{
	timer_clear(&p->master->loop, &p->later);
	prepare_pool_done(p);
	pool_done(p);
	pool_config_inherit(p->pending, p->conf);
	pool_config_unref(p->conf);
	p->conf = p->pending;
	p->pending = NULL;
	p->stays_stopped = false;
	pool_init(p, p->master);
	p->draining = p->announced = p->ever_ready = false;
	p->exit_code = 0;
	pools_wake_waiting(p->master);
}

/* It has no life any more. Not within the event that told so: others still look at it. */
static void on_later(struct timer *t)
{
	struct pool *p = container_of(t, struct pool, later);
	struct master *m = p->master;
	struct err e = { 0 };
	char name[40];

	if (p->lives > 0)
		return; /* started again meanwhile: pool_gone() comes with its next stop */
	if (p->retiring) {
		struct event ev = { .name = "pool.gone", .slot = -1, .text = name };

		(void)snprintf(name, sizeof(name), "%s", p->conf->name);
		log_info("pool %s is gone", name);
		if (m->on_pool_gone)
			m->on_pool_gone(m, p);
		pool_free(p);
		master_event(m, &ev);
		master_check_idle(m);
		pools_wake_waiting(m);
		return;
	}
	if (!p->pending)
		return;
	if (p->stays_stopped) {
		listeners_drop_kept(p); /* with its next start it is another */
		pools_wake_waiting(m);
		return;
	}
	pool_take_pending(p);
	ignore(pool_come(p, &e)); /* it has told */
}

void pool_gone(struct pool *p)
{
	if ((p->retiring || p->pending) && !p->later.armed)
		timer_set(&p->master->loop, &p->later, p->master->world->now_ms());
}

void pool_retire(struct pool *p)
{
	p->retiring = true;
	if (p->phase == POOL_STOPPED || !p->gen) {
		pool_gone(p);
		return;
	}
	pool_stop(p);
}

void pool_replace(struct pool *p, struct pool_config *conf)
{
	p->pending = pool_config_ref(conf);
	if (p->phase == POOL_STOPPED) {
		/* A person has stopped it: with its next start it is another. */
		return;
	}
	pool_stop(p);
}

void pool_keep_file_conf(struct pool *p, struct pool_config *conf)
{
	pool_config_ref(conf);
	pool_config_unref(p->file_conf);
	p->file_conf = conf;
}

static int put_override(struct overrides *o, const struct given *g)
{
	struct given *more = arena_alloc(&o->arena, (o->given.n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	if (o->given.n)
		memcpy(more, o->given.list, o->given.n * sizeof(*more));
	more[o->given.n] = (struct given){ .key = g->key };
	if (g->value)
		more[o->given.n].value = arena_strdup(&o->arena, g->value);
	if (g->value && !more[o->given.n].value)
		return -ENOMEM;
	o->given.list = more;
	o->given.n++;
	return 0;
}

/* All but those that are of these keys, into a new arena: changes for years leak nothing. */
static int rebuild(struct pool *p, const struct key *const *dropped, unsigned n,
		   const struct given *last)
{
	struct overrides o = { 0 };
	int r = 0;

	for (unsigned i = 0; r == 0 && i < p->overrides.given.n; i++) {
		bool drop = false;

		for (unsigned k = 0; k < n; k++)
			drop |= dropped[k] == p->overrides.given.list[i].key;
		if (!drop)
			r = put_override(&o, &p->overrides.given.list[i]);
	}
	if (r == 0 && last)
		r = put_override(&o, last);
	if (r < 0) {
		arena_done(&o.arena);
		return r;
	}
	arena_done(&p->overrides.arena);
	p->overrides = o;
	return 0;
}

int pool_add_override(struct pool *p, const struct given *g)
{
	return rebuild(p, &g->key, 1, g);
}

void pool_drop_overrides(struct pool *p, const struct config_diff *d)
{
	ignore(rebuild(p, d->keys, d->n, NULL));
}

struct pool *pool_new(struct master *m, struct pool_config *conf)
{
	struct pool **more = realloc(m->pools, (m->npools + 1) * sizeof(*more));
	struct pool *p = more ? calloc(1, sizeof(*p)) : NULL;

	if (more)
		m->pools = more;
	if (!p)
		return NULL;
	p->conf = pool_config_ref(conf);
	p->file_conf = pool_config_ref(conf);
	pool_init(p, m);
	p->total.fd = -1;
	p->usage.since_ms = clock_real_ms();
	timer_init(&p->later, on_later);
	m->pools[m->npools++] = p;
	return p;
}

void pool_free(struct pool *p)
{
	struct master *m = p->master;

	timer_clear(&m->loop, &p->later);
	prepare_pool_done(p);
	listeners_drop_kept(p);
	pool_done(p);
	pool_config_unref(p->conf);
	pool_config_unref(p->file_conf);
	pool_config_unref(p->pending);
	arena_done(&p->overrides.arena);
	for (unsigned i = 0; i < m->npools; i++)
		if (m->pools[i] == p) {
			memmove(&m->pools[i], &m->pools[i + 1],
				(m->npools - i - 1) * sizeof(struct pool *));
			m->npools--;
			break;
		}
	free(p);
}

int pool_open(struct pool *p, struct err *e)
{
	struct master *m = p->master;
	int r = config_resolve_pool(m->config, p->conf, e);

	if (r == 0)
		r = prepare_pool(m, p, e);
	if (r == 0 && pool_make_slots(p) < 0) {
		r = err_set(e, -ENOMEM, "out of memory");
		prepare_pool_done(p);
	}
	listeners_drop_kept(p);
	if (r < 0) {
		pool_config_place(p->conf, e);
		return r;
	}
	pool_deal_cpus(p);
	prepare_say(p);
	return 0;
}

/* The text was right, and is taken anew: what a try has resolved of it is not. */
int pool_open_again(struct pool *p, struct err *e)
{
	struct pool_config *conf = NULL;
	int r = pool_config_changed(p->conf, NULL, 0, &conf, e);

	if (r < 0)
		return r;
	pool_config_unref(p->conf);
	p->conf = conf;
	return pool_open(p, e);
}

void pool_break(struct pool *p, const struct err *e)
{
	struct event ev = { .name = "pool.failed", .pool = p, .slot = -1, .text = p->reason };

	p->phase = POOL_FAILED;
	p->exit_code = exit_status_of(e->code);
	(void)snprintf(p->reason, sizeof(p->reason), "%s", e->msg);
	log_error("pool %s cannot start: %s", p->conf->name, e->msg);
	master_event(p->master, &ev);
}
