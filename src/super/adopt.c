/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/adopt.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "config/diff.h"
#include "super/leaf.h"
#include "super/life.h"
#include "super/listeners.h"
#include "super/pool.h"
#include "super/recycle.h"
#include "super/scale.h"
#include "super/total.h"

/* ---- limits ---- */

typedef int leaf_fn(struct life *l, const struct leaf_plan *plan, struct err *e);

static int each_leaf(struct pool *p, leaf_fn *fn, const struct leaf_plan *plan, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; i < p->nslots && r == 0; i++) {
		struct slot *s = p->slots[i];

		if (s->current)
			r = fn(s->current, plan, e);
		list_each(it, &s->beside)
			if (r == 0)
				r = fn(container_of(it, struct life, node), plan, e);
	}
	list_each(it, &p->spares)
		if (r == 0)
			r = fn(container_of(it, struct life, node), plan, e);
	return r;
}

static int write_leaf(struct life *l, const struct leaf_plan *plan, struct err *e)
{
	char name[LIFE_NAME_BYTES];
	int r = l->leaf_fd < 0 || l->certified ? 0 : leaf_plan_write(plan, l->leaf_fd, e);

	return r < 0 ? err_wrap(e, "%s", life_name(l, name)) : 0;
}

static int change_limits(struct pool *p, struct pool_config *conf, struct err *e)
{
	struct generation next = { .conf = conf };
	struct leaf_plan change, back;
	struct err ignored;
	int r = leaf_limits_prepare(p->master, &next, e);

	if (r == 0 &&
	    (leaf_plan_change(&p->gen->leaf_plan, &next.leaf_plan, &conf->arena, &change) < 0 ||
	     leaf_plan_change(&next.leaf_plan, &p->gen->leaf_plan, &conf->arena, &back) < 0))
		r = err_set(e, -ENOMEM, "out of memory");
	if (r == 0)
		r = each_leaf(p, write_leaf, &change, e);
	if (r < 0) {
		if (r != -EOPNOTSUPP && r != -ENOMEM && next.leaf_plan.writes)
			ignore(each_leaf(p, write_leaf, &back, &ignored));
		return r;
	}
	p->gen->leaf_plan = next.leaf_plan;
	pool_config_ref(conf);
	pool_config_unref(p->gen->plan_conf);
	p->gen->plan_conf = conf;
	return 0;
}

/* ---- the rest ---- */

static void end_surplus_spares(struct pool *p)
{
	unsigned n = 0;

	list_each(it, &p->spares) {
		struct life *l = container_of(it, struct life, node);

		if (l->state < LIFE_STOPPING && ++n > p->conf->spares)
			life_stop(l, REASON_SCALE);
	}
}

static void take(struct pool *p, struct pool_config *conf)
{
	pool_config_ref(conf);
	pool_config_unref(p->conf);
	p->conf = conf;
	listeners_rebase(p);
}

static bool has_level(const struct config_diff *d, enum key_level level)
{
	for (unsigned i = 0; i < d->n; i++)
		if (d->keys[i]->level == level)
			return true;
	return false;
}

int pool_adopt(struct pool *p, struct pool_config *conf, struct err *e)
{
	unsigned workers = (unsigned)conf->workers;
	struct config_diff d;
	int r = 0;

	pool_config_diff(p->conf, conf, &d);
	if (p->gen && has_level(&d, LEVEL_LIMITS))
		r = change_limits(p, conf, e);
	if (r == 0 && p->gen && has_level(&d, LEVEL_TOTAL))
		r = total_change(p, conf, e);
	if (r < 0)
		return r;
	if (p->gen && workers != pool_count_places(p)) {
		struct pool_config *before = pool_config_ref(p->conf);

		take(p, conf);
		r = pool_resize(p, workers, e);
		if (r < 0)
			take(p, before);
		pool_config_unref(before);
		if (r < 0)
			return r;
	} else {
		take(p, conf);
	}
	for (unsigned i = 0; i < p->nslots; i++)
		if (p->slots[i]->current)
			recycle_watch(p->slots[i]->current);
	end_surplus_spares(p);
	pool_kick(p);
	return 0;
}

static int set(struct pool *p, const struct given *changes, unsigned n, struct err *e)
{
	struct pool_config *conf = NULL;
	struct config_diff d;
	int r = pool_config_changed(p->conf, changes, n, &conf, e);

	if (r < 0)
		return r;
	pool_config_diff(p->conf, conf, &d);
	if (d.n > 0 && d.need != CHANGE_LIVE) {
		for (unsigned i = 0; i < d.n; i++)
			if (d.keys[i]->change != CHANGE_LIVE)
				r = err_set(e, -EINVAL,
					    "%s%s cannot change in workers that run: write it in "
					    "the file, and apply",
					    keys_folder(d.keys[i]->level), d.keys[i]->key);
		pool_config_unref(conf);
		return r;
	}
	if (p->gen) {
		pool_lend_uid(p, conf);
		r = config_resolve_pool(p->master->config, conf, e);
	}
	if (r == 0)
		r = pool_adopt(p, conf, e);
	if (r < 0 && p->gen)
		pool_config_inherit(p->conf, conf);
	pool_config_unref(conf);
	return r;
}

int pool_set(struct pool *p, const struct given *changes, unsigned n, struct err *e)
{
	int r = set(p, changes, n, e);

	for (unsigned i = 0; r == 0 && i < n; i++)
		r = pool_add_override(p, &changes[i]);
	return r;
}

int pool_set_again(struct pool *p, struct err *e)
{
	const struct givens *all = &p->overrides.given;
	struct pool_config *conf = NULL;
	struct config_diff d = { 0 };
	int r = all->n ? pool_config_changed(p->conf, all->list, all->n, &conf, e) : 0;

	if (r == 0 && conf)
		pool_config_diff(p->conf, conf, &d);
	pool_config_unref(conf);
	return r == 0 && d.n > 0 ? set(p, all->list, all->n, e) : r;
}
