/* SPDX-License-Identifier: MIT */
/* listeners_roll.c - a generation may have other addresses than the one before: those that
 * stay are shared, those that come are opened first, those that go are closed last. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "super/dispatch.h"
#include "super/eras.h"
#include "super/life_sockets.h"
#include "super/listeners.h"
#include "super/pool.h"
#include "super/seats.h"

/* ---- what there is ---- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* One socket is right for both. Owners by name: one of them may not be resolved yet. */
static bool are_the_same(const struct listen_spec *a, const struct listen_spec *b)
{
	if (strcmp(a->shown, b->shown) != 0 || a->dual_stack != b->dual_stack)
		return false;
	return a->addr.ss_family != AF_UNIX ||
	       (a->has_mode == b->has_mode && (!a->has_mode || a->mode == b->mode) &&
		same_text(a->user, b->user) && same_text(a->group, b->group));
}

/* As it was asked for: the socket may be narrower. */
static const struct listen_spec *asked(const struct listener *l)
{
	return l->conf ? &l->conf->listens[l->at] : &l->spec;
}

static struct listener *find(const struct pool *p, const struct listen_spec *s)
{
	each_listener(l, p) if (are_the_same(asked(l), s)) return l;
	return NULL;
}

const struct listener *listeners_in_the_way(const struct pool *p, const struct listen_spec *s)
{
	each_listener(l, p)
	{
		if (!are_the_same(asked(l), s) && listen_specs_collide(asked(l), s))
			return l;
	}
	return NULL;
}

bool listeners_clash(const struct pool *p, const struct pool_config *conf)
{
	for (unsigned i = 0; i < conf->nlistens; i++) {
		const struct listener *l = listeners_in_the_way(p, &conf->listens[i]);

		/* What is leaving is in the way for a while: that is a reason to wait. */
		if (l && !listener_is_leaving(l))
			return true;
	}
	return false;
}

static bool has(const struct generation *g, const struct listener *l)
{
	for (unsigned i = 0; g && g->on && i < g->conf->nlistens; i++)
		if (g->on[i] == l)
			return true;
	return false;
}

bool listener_is_leaving(const struct listener *l)
{
	const struct generation *g = l->pool->gen;

	if (!g || !g->on) /* it is being opened */
		return false;
	return !has(g, l) && l->stale;
}

bool listener_is_programs(const struct listener *l)
{
	const struct generation *g = l->pool->gen;

	return g && g->on && !has(g, l) && !l->stale;
}

/* ---- a generation's ---- */

/* One that a program had asked for may be a configured one by now. */
static bool rebase(struct listener *l, struct pool_config *conf, unsigned at)
{
	struct listen_spec next = conf->listens[at];
	bool other_queue = l->conf && l->conf->backlog != conf->backlog;

	/* The socket is what it is: it may be narrower than was asked for. */
	next.addr = l->spec.addr;
	next.addr_len = l->spec.addr_len;
	next.dual_stack = l->spec.dual_stack;
	l->spec = next;
	pool_config_ref(conf);
	pool_config_unref(l->conf);
	l->conf = conf;
	l->at = at;
	free(l->owned);
	l->owned = NULL;
	l->stale = true;
	return other_queue;
}

void listeners_rebase(struct pool *p)
{
	bool other_queue = false;

	for (unsigned k = 0; p->gen && p->gen->on && k < p->conf->nlistens; k++)
		other_queue |= rebase(p->gen->on[k], p->conf, k);
	if (other_queue)
		listeners_restore(p);
}

void listeners_unmap(struct generation *g)
{
	for (unsigned i = 0; g->on && i < g->conf->nlistens; i++)
		listener_unref(g->on[i]);
	free(g->on);
	g->on = NULL;
}

int listeners_map(struct pool *p, struct generation *g)
{
	unsigned n = g->conf->nlistens;

	listeners_unmap(g);
	g->on = calloc(n + 1, sizeof(struct listener *));
	for (unsigned i = 0; g->on && i < n; i++) {
		struct listener *l = find(p, &g->conf->listens[i]);

		if (!l) {
			listeners_unmap(g);
			return -ENOENT;
		}
		g->on[i] = listener_ref(l);
	}
	return g->on ? 0 : -ENOMEM;
}

static int begin(struct listener *l, const struct pool_config *conf, struct err *e)
{
	struct pool *p = l->pool;
	bool at_once = listeners_begin_at_once(p, conf);
	unsigned place = 0;

	/* Held where the next twin will be: it listens when that is born. */
	if (listener_is_group(l) && listeners_free_place(p, &place) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	return listener_begin(l, at_once, place, 0, e);
}

static int refuse_for(const struct listener *l, const struct listen_spec *s, struct err *e)
{
	return err_set(e, -EADDRINUSE,
		       "%s cannot be had while workers of an earlier generation have %s: try again "
		       "when the last of them has gone",
		       s->shown, l->spec.shown);
}

static int open_one(struct pool *p, struct pool_config *conf, unsigned at, struct err *e)
{
	const struct listen_spec *s = &conf->listens[at];
	const struct listener *other = listeners_in_the_way(p, s);
	struct listener *l = find(p, s);
	bool is_new = !l;
	int r;

	if (other)
		return refuse_for(other, s, e);
	if (l && listener_is_open(l))
		return 0;
	if (!l)
		l = listener_add_of(p, conf, at, LISTENER_ANYWHERE);
	r = l ? begin(l, conf, e) : err_set(e, -ENOMEM, "out of memory");
	if (r < 0 && l && is_new)
		listener_remove(l);
	return r;
}

static void shut(struct listener *l)
{
	if (listener_is_group(l))
		return; /* listeners_steer(): no worker's accept(2) fails */
	if (listener_is_path(l)) {
		path_hide(l);
		return;
	}
	for (unsigned f = 0; f < FORMS; f++)
		listener_close_form(l, f);
	dispatch_forget(l->pool, l->index);
}

static void shut_leaving(struct pool *p)
{
	each_listener(l, p)
	{
		if (listener_is_leaving(l))
			shut(l);
	}
	p->steer_anew = true;
	listeners_sweep(p);
}

int listeners_join(struct pool *p, struct generation *g, struct err *e)
{
	const struct pool *holder = pool_holder_of(p, g->conf);
	int r = 0;

	if (!p->listeners)
		return 0;
	/* Also of a path that could be bound: its files beside it are the other pool's. */
	if (holder)
		return err_set(e, -EADDRINUSE,
			       "it gets an address that pool %s has until its last worker has "
			       "gone: try again then",
			       holder->conf->name);
	for (unsigned i = 0; r == 0 && i < g->conf->nlistens; i++)
		r = open_one(p, g->conf, i, e);
	if (r == 0 && listeners_map(p, g) < 0)
		r = err_set(e, -ENOMEM, "out of memory");
	if (r < 0)
		shut_leaving(p); /* what was opened before this one */
	return r;
}

/* ---- those that go ---- */

static bool program_has(const struct listener *l)
{
	const struct pool *p = l->pool;

	for (unsigned i = 0; i < p->nslots; i++)
		if (p->slots[i]->current && p->slots[i]->current->gen == p->gen &&
		    life_sockets_number(p->slots[i]->current, l) >= 0)
			return true;
	return false;
}

void listeners_retire(struct pool *p)
{
	each_listener(l, p) l->stale = has(p->gen, l) || !program_has(l);
	shut_leaving(p);
	/* Also for what has come back: it is not to be had now. */
	pools_wake_waiting(p->master);
}

void listeners_sweep(struct pool *p)
{
	bool any = false;

	each_listener(l, p)
	{
		if (l->refs > 1 || !listener_is_leaving(l))
			continue;
		dispatch_forget(p, l->index);
		listener_remove(l);
		any = true;
	}
	if (any)
		pools_wake_waiting(p->master);
}
