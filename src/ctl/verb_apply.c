/* SPDX-License-Identifier: MIT */
/* verb_apply.c - `mpsup apply`: read the file again, answer with the plan, do it, and say
 * how it went when it is over. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/verbs.h"
#include "super/apply.h"
#include "super/pool.h"

static void set(json_t *o, const char *key, json_t *value)
{
	(void)json_object_set_new(o, key, value);
}

static json_t *keys_json(const struct config_diff *d)
{
	json_t *a = json_array();
	char name[96];

	for (unsigned i = 0; i < d->n; i++) {
		(void)snprintf(name, sizeof(name), "%s%s", keys_folder(d->keys[i]->level),
			       d->keys[i]->key);
		(void)json_array_append_new(a, json_string(name));
	}
	return a;
}

static json_t *step_json(const struct apply_step *s)
{
	json_t *o = json_object();

	set(o, "pool", json_string(s->conf ? s->conf->name : s->pool->conf->name));
	set(o, "action", json_string(apply_action_name(s->action)));
	set(o, "keys", keys_json(&s->diff));
	set(o, "error", s->why.code < 0 ? json_safe(s->why.msg) : json_null());
	return o;
}

static json_t *plan_json(const struct apply_plan *plan)
{
	json_t *o = json_object(), *steps = json_array();

	for (unsigned i = 0; i < plan->n; i++)
		(void)json_array_append_new(steps, step_json(&plan->steps[i]));
	set(o, "steps", steps);
	set(o, "instance", keys_json(&plan->instance));
	return o;
}

void apply_refuse(struct ctl_client *cl, const struct complaints *cs, const struct err *e, int exit)
{
	json_t *errors = json_array();

	for (unsigned i = 0; i < cs->n; i++)
		(void)json_array_append_new(errors, json_safe(cs->text[i]));
	cl->closing = true;
	client_send(cl, json_pack("{s:b, s:i, s:o, s:o}", "ok", 0, "exit", exit, "error",
				  json_safe(e->msg), "errors", errors));
}

int apply_read(const struct master *m, bool by_hand, bool may_be_none, struct complaints *cs,
	       struct config **ret, struct err *e)
{
	const struct config *c = m->config;

	*ret = NULL;
	if (may_be_none && (!c->file || strcmp(c->file, "-") == 0))
		return 0;
	if (!c->file)
		return err_set(e, -EINVAL,
			       "instance %s was started by a command line: there is no file to "
			       "apply",
			       c->name);
	if (strcmp(c->file, "-") == 0)
		return err_set(e, -EINVAL,
			       "instance %s was started with a file on its standard input, which "
			       "cannot be read again",
			       c->name);
	return config_from_file(c->file, &c->given, by_hand, cs, ret, e);
}

/* Without those that the last look at all pools finds failed. */
static unsigned count_refused(const struct apply_plan *plan)
{
	unsigned n = 0;

	for (unsigned i = 0; i < plan->n; i++) {
		const struct apply_step *s = &plan->steps[i];

		n += s->why.code < 0 && !(s->pool && s->pool->phase == POOL_FAILED);
	}
	return n;
}

static bool changes_nothing(const struct apply_plan *plan)
{
	for (unsigned i = 0; i < plan->n; i++)
		if (plan->steps[i].action != APPLY_KEEP)
			return false;
	return true;
}

/* By name: a pool may go, and another come, while it waits. */
void apply_note(struct ctl_client *cl, const struct apply_plan *plan)
{
	if (!cl->touched)
		cl->touched = json_array();
	for (unsigned i = 0; i < plan->n; i++) {
		const struct apply_step *s = &plan->steps[i];

		if (s->action != APPLY_KEEP)
			(void)json_array_append_new(cl->touched,
						    json_string(s->conf ? s->conf->name :
									  s->pool->conf->name));
	}
}

bool client_touches(const struct ctl_client *cl, const struct pool *p)
{
	for (size_t i = 0; i < json_array_size(cl->touched); i++)
		if (strcmp(json_string_value(json_array_get(cl->touched, i)), p->conf->name) == 0)
			return true;
	return false;
}

void client_apply(struct ctl_client *cl, const char *only, const json_t *args)
{
	struct master *m = cl->ctl->master;
	bool dry = json_is_true(json_object_get(args, "dry_run"));
	struct complaints cs = { 0 };
	struct config *wanted = NULL;
	struct apply_plan plan;
	struct err e = { 0 };
	unsigned failed = 0;
	int r = m->stopping ? err_set(&e, -EBUSY, "the instance is stopping") :
			      apply_read(m, true, false, &cs, &wanted, &e);

	if (r == 0)
		r = apply_plan_make(&plan, m, wanted, only, &e);
	if (r == 0 && only && plan.n == 0) {
		apply_plan_done(&plan);
		r = err_set(&e, -ESRCH, "instance %s has no pool '%.64s', nor has %s",
			    m->config->name, only, m->config->file);
	}
	if (r < 0) {
		apply_refuse(cl, &cs, &e, r == -ESRCH ? 3 : 2);
		complaints_done(&cs);
		config_unref(wanted);
		return;
	}
	if (!dry) {
		failed = apply_plan_do(&plan, m);
		ctl_open_to_groups(cl->ctl);
	}
	client_send(cl, json_pack("{s:o}", "plan", plan_json(&plan)));
	apply_note(cl, &plan);
	cl->apply_failed = count_refused(&plan);
	cl->want_applied = true;
	if (dry || changes_nothing(&plan) || json_is_true(json_object_get(args, "no_wait")))
		client_applied(cl, failed);
	else
		client_check_applied(cl);
	apply_plan_done(&plan);
	complaints_done(&cs);
	config_unref(wanted);
}

void client_applied(struct ctl_client *cl, unsigned failed)
{
	cl->want_applied = false;
	if (failed > 0)
		client_fail(cl, 1, "%u pool%s not as the file says", failed,
			    failed == 1 ? " is" : "s are");
	else
		client_ok(cl);
}

/* On its way: to be ready, to be gone. */
static bool is_moving(const struct pool *p, bool drained)
{
	if (p->retiring || p->rolled_from || p->later.armed)
		return true;
	for (unsigned i = 0; drained && i < p->nslots; i++)
		if (!list_empty(&p->slots[i]->beside))
			return true;
	if (p->draining)
		return p->phase != POOL_STOPPED;
	return p->phase == POOL_STARTING || p->phase == POOL_RELOADING;
}

void client_check_applied(struct ctl_client *cl)
{
	const struct master *m = cl->ctl->master;
	unsigned failed = cl->apply_failed;
	char text[600];

	for (unsigned i = 0; i < m->npools; i++) {
		const struct pool *p = m->pools[i];

		if (!client_touches(cl, p))
			continue;
		if (is_moving(p, cl->want_drained))
			return;
		if (cl->reload)
			continue;
		if (p->phase != POOL_FAILED && !p->roll.failed)
			continue;
		failed++;
		(void)snprintf(text, sizeof(text), "pool %s: %s", p->conf->name,
			       p->roll.failed ? pool_roll_reason(p) : p->reason);
		client_send(cl, json_pack("{s:o}", "said", json_safe(text)));
		if (cl->fd < 0)
			return;
	}
	if (cl->reload)
		client_reloaded(cl);
	else
		client_applied(cl, failed);
}
