/* SPDX-License-Identifier: MIT */
/* verb_reload.c - `mpsup reload` and HUP: the file again, and new workers for every pool of
 * the target, whatever differs; the answer is the verdict. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "ctl/verbs.h"
#include "super/apply.h"
#include "super/pool.h"

/* ---- the verdict ---- */

static json_t *verdict_json(const char *pool, const char *result, const struct roll *roll,
			    const char *reason)
{
	bool failed = strcmp(result, "ok") != 0;

	return json_pack("{s:s, s:s, s:o, s:i, s:i, s:o, s:o}", "pool", pool, "result", result,
			 "generation", roll ? json_integer(roll->generation) : json_null(),
			 "replaced", roll ? (int)roll->replaced : 0, "cut",
			 roll ? (int)roll->cut : 0, "reason",
			 failed ? json_safe(reason) : json_null(), "stderr",
			 failed && roll && roll->words ? json_string(roll->words) : json_null());
}

static json_t *of_pool(const struct pool *p)
{
	if (p->roll.failed)
		return verdict_json(p->conf->name, "rolled_back", &p->roll, pool_roll_reason(p));
	if (p->phase == POOL_FAILED)
		return verdict_json(p->conf->name, "refused", NULL, p->reason);
	/* It was to be the only one of an instance that ends with it. */
	if (p->master->stopping && !p->ever_ready)
		return verdict_json(p->conf->name, "refused", NULL,
				    "its new workers never got ready, and the instance ends");
	return verdict_json(p->conf->name, "ok", &p->roll, "");
}

static json_t *all_verdicts(const struct ctl_client *cl)
{
	const struct master *m = cl->ctl->master;
	json_t *a = cl->refused ? json_deep_copy(cl->refused) : json_array();

	for (unsigned i = 0; i < m->npools; i++) {
		const struct pool *p = m->pools[i];
		bool told = false;

		for (size_t k = 0; k < json_array_size(cl->refused); k++)
			told |= strcmp(json_string_value(json_object_get(
					       json_array_get(cl->refused, k), "pool")),
				       p->conf->name) == 0;
		if (client_touches(cl, p) && !told)
			(void)json_array_append_new(a, of_pool(p));
	}
	return a;
}

/* The keys of the contract: of the only pool, or of all of them together. */
static json_t *sum_up(json_t *pools)
{
	json_t *sum = NULL;
	json_int_t replaced = 0, cut = 0;

	for (size_t i = 0; i < json_array_size(pools); i++) {
		json_t *v = json_array_get(pools, i);
		const char *result = json_string_value(json_object_get(v, "result"));

		replaced += json_integer_value(json_object_get(v, "replaced"));
		cut += json_integer_value(json_object_get(v, "cut"));
		if (!sum || (strcmp(result, "ok") != 0 &&
			     strcmp(json_string_value(json_object_get(sum, "result")), "ok") == 0))
			sum = v;
	}
	sum = sum ? json_copy(sum) : verdict_json("", "ok", NULL, "");
	(void)json_object_del(sum, "pool");
	(void)json_object_set_new(sum, "replaced", json_integer(replaced));
	(void)json_object_set_new(sum, "cut", json_integer(cut));
	(void)json_object_set_new(sum, "pools", pools);
	return sum;
}

void client_reloaded(struct ctl_client *cl)
{
	json_t *sum = sum_up(all_verdicts(cl));
	const char *result = json_string_value(json_object_get(sum, "result"));
	bool ok = strcmp(result, "ok") == 0;
	char reason[600];

	cl->want_applied = false;
	(void)snprintf(reason, sizeof(reason), "%s",
		       ok ? "" : json_string_value(json_object_get(sum, "reason")));
	client_send(cl, json_pack("{s:o}", "verdict", sum));
	if (cl->fd < 0)
		return;
	if (ok)
		client_ok(cl);
	else
		client_fail(cl, 1, "%s", reason);
}

static void refuse(struct ctl_client *cl, const struct complaints *cs, const struct err *e,
		   int exit)
{
	json_t *pools = json_array();
	json_t *sum;

	(void)json_array_append_new(pools, verdict_json("", "refused", NULL, e->msg));
	sum = sum_up(pools);
	(void)json_object_del(sum, "pools");
	client_send(cl, json_pack("{s:o}", "verdict", sum));
	if (cl->fd >= 0)
		apply_refuse(cl, cs, e, exit);
}

static void keep_refused(struct ctl_client *cl, const struct apply_plan *plan)
{
	for (unsigned i = 0; i < plan->n; i++) {
		const struct apply_step *s = &plan->steps[i];

		if (s->why.code == 0)
			continue;
		if (!cl->refused)
			cl->refused = json_array();
		(void)json_array_append_new(cl->refused, verdict_json(s->conf ? s->conf->name :
										s->pool->conf->name,
								      "refused", NULL, s->why.msg));
	}
}

/* ---- one worker ---- */

/* By another of its generation, which is ready before it leaves. */
static void reload_slot(struct ctl_client *cl, const struct target *t)
{
	struct slot *s = t->pool->slots[t->slot];

	if (t->pool->rolled_from || s->twin) {
		client_fail(cl, 1, "%s is being replaced already", t->text);
		return;
	}
	if (!s->current || s->current->state != LIFE_READY) {
		client_fail(cl, 1, "%s has no worker that is ready: mpsup start %s", t->text,
			    t->text);
		return;
	}
	cl->ready_after = t->pool->master->born;
	if (!slot_twin(s, t->pool->gen, REASON_RELOAD)) {
		client_fail(cl, 1, "out of memory");
		return;
	}
	cl->want_ready = cl->by_twin = true;
	cl->ready_pool = t->pool;
	cl->ready_slot = t->slot;
	client_check_ready(cl);
}

/* ---- pools ---- */

static int make_plan(struct master *m, bool by_hand, const char *only, struct apply_plan *plan,
		     struct complaints *cs, struct err *e)
{
	struct config *wanted = NULL;
	int r = m->stopping ? err_set(e, -EBUSY, "the instance is stopping") :
			      apply_read(m, by_hand, true, cs, &wanted, e);

	if (r == 0)
		r = apply_plan_reload(plan, m, wanted, only, e);
	config_unref(wanted);
	if (r == 0 && only && plan->n == 0) {
		apply_plan_done(plan);
		r = err_set(e, -ESRCH, "instance %s has no pool '%.64s', nor has its file",
			    m->config->name, only);
	}
	return r;
}

void verb_reload(struct ctl_client *cl, const struct target *t, const json_t *args)
{
	struct master *m = cl->ctl->master;
	const char *only = t->pool ? t->pool->conf->name : t->text && *t->text ? t->text : NULL;
	struct complaints cs = { 0 };
	struct apply_plan plan = { 0 };
	struct err e = { 0 };
	int r;

	if (t->slot >= 0) {
		reload_slot(cl, t);
		return;
	}
	/* Files of the one who typed sudo are his to have read again, and nobody else's. */
	r = make_plan(m, cl->uid == geteuid(), only, &plan, &cs, &e);
	if (r < 0) {
		refuse(cl, &cs, &e, r == -ESRCH ? 3 : 2);
		complaints_done(&cs);
		return;
	}
	cl->reload = true;
	cl->apply_failed = apply_plan_do(&plan, m);
	apply_note(cl, &plan);
	keep_refused(cl, &plan);
	ctl_open_to_groups(cl->ctl);
	cl->want_drained = json_is_true(json_object_get(args, "drained"));
	cl->want_applied = true;
	if (json_is_true(json_object_get(args, "no_wait")))
		client_reloaded(cl);
	else
		client_check_applied(cl);
	apply_plan_done(&plan);
	complaints_done(&cs);
}

void ctl_reload(struct ctl *c)
{
	struct complaints cs = { 0 };
	struct apply_plan plan = { 0 };
	struct err e = { 0 };
	int r = make_plan(c->master, true, NULL, &plan, &cs, &e);

	for (unsigned i = 0; r < 0 && i < cs.n; i++)
		log_error("%s", cs.text[i]);
	if (r < 0) {
		log_error("nothing is reloaded: %s", e.msg);
	} else {
		(void)apply_plan_do(&plan, c->master);
		ctl_open_to_groups(c);
		apply_plan_done(&plan);
	}
	complaints_done(&cs);
}
