/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "super/adopt.h"
#include "super/filters.h"
#include "super/listeners.h"
#include "super/pool.h"
#include "super/prepare.h"
#include "super/scale.h"

const char *apply_action_name(enum apply_action a)
{
	static const char *const names[] = {
		[APPLY_KEEP] = "keep",	 [APPLY_START] = "start",   [APPLY_REMOVE] = "remove",
		[APPLY_LIVE] = "change", [APPLY_ROLL] = "roll",	    [APPLY_REPLACE] = "replace",
		[APPLY_OPEN] = "start",	 [APPLY_REFUSE] = "refuse",
	};

	return names[a];
}

/* ---- the plan ---- */

/* One socket for all or one for each, held or open from the start: not for two at once. */
static bool needs_other_sockets(const struct apply_step *s)
{
	return diff_has(&s->diff, "balance") || diff_has(&s->diff, "protocol") ||
	       listeners_clash(s->pool, s->conf);
}

static bool moves_addresses(const struct apply_step *s)
{
	return s->conf && (!s->pool || diff_has(&s->diff, "port") || diff_has(&s->diff, "listen"));
}

static struct pool *find_pool(const struct master *m, const char *name)
{
	for (unsigned i = 0; i < m->npools; i++)
		if (strcmp(m->pools[i]->conf->name, name) == 0)
			return m->pools[i];
	return NULL;
}

static struct pool_config *find_conf(const struct config *c, const char *name)
{
	for (unsigned i = 0; i < c->npools; i++)
		if (strcmp(c->pools[i]->name, name) == 0)
			return c->pools[i];
	return NULL;
}

static bool has_total(const struct pool_config *c)
{
	return limits_any(&c->total);
}

static void plan_pool(struct apply_step *s)
{
	const struct pool *p = s->pool;

	if (!p) {
		s->action = APPLY_START;
		return;
	}
	if (p->retiring || p->pending) {
		s->action = APPLY_REFUSE;
		s->why.code = err_set(&s->why, -EBUSY,
				      "it is on its way out still: apply again when its last "
				      "worker has gone");
		return;
	}
	if (p->gen && s->conf->broken) {
		s->action = APPLY_REFUSE;
		s->why.code = err_set(&s->why, s->conf->broken_code, "%s", s->conf->broken);
		pool_config_place(s->conf, &s->why);
		return;
	}
	/* What a person has set by hand is not in the file. */
	pool_config_diff(p->file_conf, s->conf, &s->diff);
	if (!p->gen)
		s->action = APPLY_OPEN;
	else if (s->diff.n == 0)
		s->action = APPLY_KEEP;
	else if (s->diff.need == CHANGE_LIVE && has_total(s->conf) == (p->total.name[0] != '\0'))
		s->action = APPLY_LIVE;
	else if (has_total(s->conf) != (p->total.name[0] != '\0'))
		s->action = APPLY_REPLACE; /* leaves do not move into another folder */
	else
		s->action = needs_other_sockets(s) ? APPLY_REPLACE : APPLY_ROLL;
}

/* Two masters of one address there cannot be: who gives it to another pool of the plan stops
 * first, and so does who gets it from one that runs, since that may give its own away, too. */
static void plan_moves(struct apply_plan *plan)
{
	for (unsigned i = 0; i < plan->n; i++)
		for (unsigned k = 0; moves_addresses(&plan->steps[i]) && k < plan->n; k++) {
			struct apply_step *to = &plan->steps[i], *from = &plan->steps[k];

			if (i == k || from->action == APPLY_START || from->action == APPLY_OPEN ||
			    !pool_configs_share(from->pool->conf, to->conf))
				continue;
			if (from->action == APPLY_ROLL)
				from->action = APPLY_REPLACE;
			if (to->action == APPLY_ROLL)
				to->action = APPLY_REPLACE;
		}
}

static struct apply_step *add(struct apply_plan *plan)
{
	return &plan->steps[plan->n++];
}

int apply_plan_make(struct apply_plan *plan, struct master *m, const struct config *wanted,
		    const char *only, struct err *e)
{
	*plan = (struct apply_plan){ .steps = calloc(m->npools + wanted->npools + 1,
						     sizeof(*plan->steps)) };
	if (!plan->steps)
		return err_set(e, -ENOMEM, "out of memory");
	config_diff(m->config, wanted, &plan->instance);
	for (unsigned i = 0; i < wanted->npools; i++) {
		struct apply_step *s;

		if (only && strcmp(wanted->pools[i]->name, only) != 0)
			continue;
		s = add(plan);
		s->conf = pool_config_ref(wanted->pools[i]);
		s->pool = find_pool(m, s->conf->name);
		plan_pool(s);
	}
	for (unsigned i = 0; i < m->npools; i++) {
		struct pool *p = m->pools[i];

		if ((only && strcmp(p->conf->name, only) != 0) || p->retiring ||
		    find_conf(wanted, p->conf->name))
			continue;
		*add(plan) = (struct apply_step){ .action = APPLY_REMOVE, .pool = p };
	}
	plan_moves(plan);
	return 0;
}

/* A pool that is only in the memory of a command line. */
static int read_again(struct apply_plan *plan, struct pool *p, struct err *e)
{
	struct apply_step *s = add(plan);
	int r = pool_config_changed(p->file_conf, NULL, 0, &s->conf, e);

	if (r < 0)
		return r;
	s->pool = p;
	plan_pool(s);
	return 0;
}

int apply_plan_reload(struct apply_plan *plan, struct master *m, const struct config *wanted,
		      const char *only, struct err *e)
{
	int r = 0;

	if (wanted) {
		r = apply_plan_make(plan, m, wanted, only, e);
	} else {
		*plan = (struct apply_plan){ .steps = calloc(m->npools + 1, sizeof(*plan->steps)) };
		if (!plan->steps)
			return err_set(e, -ENOMEM, "out of memory");
		for (unsigned i = 0; i < m->npools && r == 0; i++)
			if (!only || strcmp(m->pools[i]->conf->name, only) == 0)
				r = read_again(plan, m->pools[i], e);
		if (r < 0)
			apply_plan_done(plan);
	}
	for (unsigned i = 0; r == 0 && i < plan->n; i++) {
		struct apply_step *s = &plan->steps[i];

		s->anew = s->action == APPLY_KEEP || s->action == APPLY_LIVE ||
			  s->action == APPLY_ROLL;
		if (s->action == APPLY_KEEP)
			s->action = APPLY_ROLL;
	}
	return r;
}

void apply_plan_done(struct apply_plan *plan)
{
	for (unsigned i = 0; i < plan->n; i++)
		pool_config_unref(plan->steps[i].conf);
	free(plan->steps);
	*plan = (struct apply_plan){ 0 };
}

/* ---- its doing ---- */

static int start(struct master *m, struct apply_step *s)
{
	struct pool *p = pool_new(m, s->conf);
	int r;

	if (!p)
		return err_set(&s->why, -ENOMEM, "out of memory");
	s->pool = p;
	r = m->on_pool ? m->on_pool(m, p, &s->why) : 0;
	if (r == 0)
		return pool_come(p, &s->why);
	pool_break(p, &s->why);
	return r;
}

static int open_again(struct apply_step *s)
{
	struct pool *p = s->pool;

	pool_config_unref(p->conf);
	p->conf = pool_config_ref(s->conf);
	pool_keep_file_conf(p, s->conf);
	if (pool_must_wait(p) || pool_begin(p, -1, &s->why) == 0)
		return 0;
	pool_break(p, &s->why);
	return s->why.code;
}

/* Its values with what a person has set by hand, as long as the file says the same there. */
static int merged(const struct apply_step *s, struct pool_config **ret, struct err *e)
{
	const struct givens *set = &s->pool->overrides.given;
	struct given keep[DIFF_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < set->n; i++) {
		bool changed = false;

		for (unsigned k = 0; k < s->diff.n; k++)
			changed |= s->diff.keys[k] == set->list[i].key;
		if (!changed && n < DIFF_MAX)
			keep[n++] = set->list[i];
	}
	if (n == 0) {
		*ret = pool_config_ref(s->conf);
		return 0;
	}
	return pool_config_changed(s->conf, keep, n, ret, e);
}

static int roll(struct master *m, struct apply_step *s, struct pool_config *conf)
{
	struct pool *p = s->pool;
	struct generation *g = NULL;
	/* One that waits and is not wanted any more leaves its number. */
	unsigned number = p->roll.next ? p->roll.next->number : p->generation + 1;
	int r = generation_make(m, conf, number, &g, &s->why);

	if (r < 0)
		return r;
	/* Its sockets are others than the text alone told. */
	if (conf->protocol != p->conf->protocol || conf->balance != p->conf->balance) {
		generation_unref(g);
		s->action = APPLY_REPLACE;
		return 0;
	}
	g->file_conf = pool_config_ref(s->conf);
	r = pool_roll(p, g, &s->why);
	if (r < 0)
		return r;
	/* While it rolls: once it has, so that a failure leaves as many as there were. */
	if (p->rolled_from || (unsigned)conf->workers == pool_count_places(p))
		return 0;
	return pool_resize(p, (unsigned)conf->workers, &s->why);
}

static int change(struct master *m, struct apply_step *s)
{
	struct pool *p = s->pool;
	struct pool_config *conf = NULL;
	int r = merged(s, &conf, &s->why);

	if (r < 0)
		return r;
	pool_lend_uid(p, conf);
	r = config_resolve_pool(m->config, conf, &s->why);
	if (r == 0 && s->action == APPLY_LIVE)
		r = pool_adopt(p, conf, &s->why);
	if (r == 0 && (s->action == APPLY_ROLL || s->anew))
		r = roll(m, s, conf);
	/* What can be known before is no reason to stop those who serve. */
	if (r == 0 && s->action == APPLY_REPLACE)
		r = listeners_try(m, conf, &s->why);
	if (r == 0 && s->action == APPLY_REPLACE)
		pool_replace(p, conf);
	if (r < 0) {
		pool_config_inherit(p->conf, conf);
		pool_config_place(conf, &s->why);
	} else {
		pool_keep_file_conf(p, s->conf);
		pool_drop_overrides(p, &s->diff);
	}
	pool_config_unref(conf);
	return r;
}

static int do_step(struct master *m, struct apply_step *s)
{
	switch (s->action) {
	case APPLY_START:
		return start(m, s);
	case APPLY_OPEN:
		return open_again(s);
	case APPLY_REMOVE:
		pool_retire(s->pool);
		return 0;
	case APPLY_LIVE:
	case APPLY_ROLL:
	case APPLY_REPLACE:
		return change(m, s);
	case APPLY_REFUSE:
		return s->why.code;
	case APPLY_KEEP:
		break;
	}
	return 0;
}

static int weight(enum apply_action a)
{
	/* What goes makes room, of addresses too, for what comes. */
	return a == APPLY_REMOVE ? 0 : a == APPLY_START || a == APPLY_OPEN ? 2 : 1;
}

unsigned apply_plan_do(struct apply_plan *plan, struct master *m)
{
	unsigned failed = 0;

	filters_read_again(m);
	m->batch = true;
	for (int pass = 0; pass < 3; pass++)
		for (unsigned i = 0; i < plan->n; i++) {
			struct apply_step *s = &plan->steps[i];
			const char *name = s->conf ? s->conf->name : s->pool->conf->name;

			if (weight(s->action) != pass || s->action == APPLY_KEEP)
				continue;
			if (s->pool && !s->pool->rolled_from)
				s->pool->roll.failed = false; /* that of the last one */
			if (do_step(m, s) < 0) {
				failed++;
				log_error("pool %s: apply: %s", name, s->why.msg);
			}
		}
	m->batch = false;
	return failed;
}
