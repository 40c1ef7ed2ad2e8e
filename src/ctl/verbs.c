/* SPDX-License-Identifier: MIT */
/* verbs.c - the permit table: what can be asked, and what it needs. */
#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "config/show.h"
#include "ctl/ctl.h"
#include "ctl/rights.h"
#include "ctl/verbs.h"
#include "super/life.h"
#include "super/pool.h"

struct verb {
	const char *name;
	unsigned needs;
	bool changes; /* a control event tells who did it */
	void (*run)(struct ctl_client *cl, const struct target *t, const json_t *args);
};

static void do_status(struct ctl_client *cl, const struct target *t, const json_t *args)
{
	struct ctl *c = cl->ctl;

	(void)args;
	cl->closing = true;
	status_send(cl, t->pool, t->slot);
	if (c->looked)
		c->looked(c);
}

static bool may_see(const struct ctl_client *cl, const struct ctl_event *e)
{
	const struct master *m = cl->ctl->master;

	if (cl->rights & RIGHT_VIEW)
		return true;
	for (unsigned i = 0; i < m->npools; i++)
		if (strcmp(m->pools[i]->conf->name, e->pool) == 0)
			return client_rights(cl, m->pools[i]) & RIGHT_VIEW;
	return false;
}

/* Who comes back for what happened meanwhile is told what is not there any more. Returns
 * the number after which it gets them. */
static uint64_t tell_missed(struct ctl_client *cl, const json_t *args)
{
	const json_t *asked = json_object_get(args, "since");
	uint64_t since = (uint64_t)json_integer_value(asked);
	int64_t since_ms = json_integer_value(json_object_get(args, "since_ms"));
	const struct ctl *c = cl->ctl;
	const struct ctl_event *e = container_of(c->events.next, struct ctl_event, node);
	uint64_t first = c->nevents > 0 ? e->seq : c->seq + 1;
	/* It has seen more than there were: what was kept of the numbers is lost. */
	bool anew = since > c->seq;
	bool missed = asked ? first > since + 1 :
			      since_ms && first > 1 && (c->nevents == 0 || e->time_ms > since_ms);

	if (anew || missed)
		client_send(cl,
			    json_pack("{s:{s:I, s:I, s:b}}", "missed", "after", (json_int_t)since,
				      "before", (json_int_t)first, "anew", (int)anew));
	return anew ? 0 : since;
}

static void do_events(struct ctl_client *cl, const struct target *t, const json_t *args)
{
	int64_t since_ms = json_integer_value(json_object_get(args, "since_ms"));
	uint64_t since;

	if (t->slot >= 0) {
		client_fail(cl, 2,
			    "events are shown of a pool, or of the whole instance: "
			    "mpsup events %s",
			    t->pool->conf->name);
		return;
	}
	since = tell_missed(cl, args);
	list_each(it, &cl->ctl->events) {
		const struct ctl_event *e = container_of(it, struct ctl_event, node);

		if (e->seq > since && e->time_ms >= since_ms && may_see(cl, e) &&
		    (!t->pool || strcmp(e->pool, t->pool->conf->name) == 0))
			client_send_text(cl, "{\"event\":", e->line, e->len, "}\n");
	}
	cl->event_pool = t->pool;
	if (json_is_true(json_object_get(args, "follow")))
		cl->want_events = true;
	else
		client_ok(cl);
}

static json_t *log_json(const struct logline *line)
{
	char safe[LOG_LINE_MAX * 2], when[TEXT_TIME_BYTES];
	const struct pool *p = line->slot->pool;
	bool spare = line->slot == &p->spare_slot;

	(void)text_safe(line->text, line->len, safe, sizeof(safe));
	text_time(line->time_ms, when);
	return json_pack("{s:{s:s, s:o, s:s, s:s, s:s}}", "log", "pool", p->conf->name, "slot",
			 spare ? json_null() : json_integer(line->slot->index), "stream",
			 line->is_err ? "err" : "out", "time", when, "line", safe);
}

struct replay {
	struct ctl_client *cl;
	const struct slot *slot;
	size_t skip;
	bool count_only;
	size_t seen;
	int64_t since_ms;
};

static void replay_line(void *ctx, const struct logline *line)
{
	struct replay *r = ctx;
	struct logline l = *line;

	if ((r->cl->logs_err_only && !l.is_err) || l.time_ms < r->since_ms)
		return;
	if (r->seen++ < r->skip || r->count_only)
		return;
	l.slot = r->slot;
	client_send(r->cl, log_json(&l));
}

static void replay(struct ctl_client *cl, const struct slot *s, size_t max, int64_t since_ms)
{
	struct replay r = { .cl = cl, .slot = s, .count_only = true, .since_ms = since_ms };

	logring_each(&s->log, replay_line, &r);
	r.skip = r.seen > max ? r.seen - max : 0;
	r.seen = 0;
	r.count_only = false;
	logring_each(&s->log, replay_line, &r);
}

static void do_logs(struct ctl_client *cl, const struct target *t, const json_t *args)
{
	const json_t *n = json_object_get(args, "lines");
	int64_t since_ms = json_integer_value(json_object_get(args, "since_ms"));
	size_t max = json_is_integer(n) ? (size_t)json_integer_value(n) : since_ms ? SIZE_MAX : 20;
	struct master *m = cl->ctl->master;

	cl->logs_err_only = json_is_true(json_object_get(args, "err"));
	for (unsigned i = 0; i < m->npools; i++) {
		struct pool *p = m->pools[i];

		if ((t->pool && t->pool != p) || !(client_rights(cl, p) & RIGHT_VIEW))
			continue;
		for (unsigned k = 0; k < p->nslots; k++)
			if (t->slot < 0 || (unsigned)t->slot == k)
				replay(cl, p->slots[k], max, since_ms);
		if (t->slot < 0)
			replay(cl, &p->spare_slot, max, since_ms);
	}
	cl->log_pool = t->pool;
	cl->log_slot = t->slot;
	if (json_is_true(json_object_get(args, "follow")))
		cl->want_logs = true;
	else
		client_ok(cl);
}

void ctl_on_log(struct master *m, const struct logline *line)
{
	struct ctl *c = m->ctx;

	list_each(it, &c->clients) {
		struct ctl_client *cl = container_of(it, struct ctl_client, node);

		if (!cl->want_logs || !(client_rights(cl, line->slot->pool) & RIGHT_VIEW) ||
		    (cl->logs_err_only && !line->is_err) ||
		    (cl->log_pool && cl->log_pool != line->slot->pool) ||
		    (cl->log_slot >= 0 && (unsigned)cl->log_slot != line->slot->index))
			continue;
		client_send(cl, log_json(line));
	}
}

static void do_stop(struct ctl_client *cl, const struct target *t, const json_t *args)
{
	(void)args;
	cl->want_stop = true;
	cl->stop_pool = t->pool;
	cl->stop_slot = t->slot;
	if (!t->pool) {
		master_stop(cl->ctl->master, 0);
		return; /* it ends, and ctl_stopped() tells */
	}
	if (t->slot >= 0)
		pool_halt(t->pool, (unsigned)t->slot);
	else
		pool_stop(t->pool);
	if (cl->want_stop)
		client_check_stopped(cl);
}

static void do_reset(struct ctl_client *cl, const struct target *t, const json_t *args)
{
	struct master *m = cl->ctl->master;
	unsigned started = 0;

	(void)args;
	for (unsigned i = 0; i < m->npools; i++)
		if (!t->pool || t->pool == m->pools[i])
			started += pool_reset(m->pools[i], t->slot);
	cl->closing = true;
	client_send(cl, json_pack("{s:b, s:i}", "ok", 1, "started", (int)started));
}

/* Asks each pool of the target, and answers when its workers are ready. */
static void begin_again(struct ctl_client *cl, const struct target *t,
			int (*ask)(struct pool *p, int slot, struct err *e), uint64_t after)
{
	struct master *m = cl->ctl->master;
	struct err e, first = { 0 };

	for (unsigned i = 0; i < m->npools; i++)
		if ((!t->pool || t->pool == m->pools[i]) && ask(m->pools[i], t->slot, &e) < 0 &&
		    !first.code)
			first = e;
	if (first.code) {
		client_fail(cl, 1, "%s", first.msg);
		return;
	}
	/* Only now: what one pool tells is no answer while another was not asked. */
	cl->want_ready = true;
	cl->ready_pool = t->pool;
	cl->ready_slot = t->slot;
	cl->ready_after = after;
	client_check_ready(cl);
}

static void do_restart(struct ctl_client *cl, const struct target *t, const json_t *args)
{
	(void)args;
	begin_again(cl, t, pool_restart, cl->ctl->master->born);
}

static void do_start(struct ctl_client *cl, const struct target *t, const json_t *args)
{
	(void)args;
	begin_again(cl, t, pool_begin, 0);
}

static void do_config(struct ctl_client *cl, const struct target *t, const json_t *args)
{
	const struct master *m = cl->ctl->master;
	const struct pool_config **confs = calloc(m->npools + 1, sizeof(*confs));
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	unsigned n = 0;

	(void)args;
	for (unsigned i = 0; confs && i < m->npools; i++)
		if ((!t->pool || t->pool == m->pools[i]) &&
		    (client_rights(cl, m->pools[i]) & RIGHT_VIEW))
			confs[n++] = m->pools[i]->conf;
	if (confs && f)
		config_show(f, m->config, confs, n);
	if (f && fclose(f) == 0 && text) {
		cl->closing = true;
		client_send(cl, json_pack("{s:b, s:s}", "ok", 1, "config", text));
	} else {
		client_fail(cl, 1, "out of memory");
	}
	free(text);
	free(confs);
}

static void do_apply(struct ctl_client *cl, const struct target *t, const json_t *args)
{
	const char *only = t->text && *t->text ? t->text : NULL;

	client_apply(cl, t->pool ? t->pool->conf->name : only, args);
}

static const struct verb verbs[] = {
	{ "status", RIGHT_VIEW, false, do_status },
	{ "events", RIGHT_VIEW, false, do_events },
	{ "logs", RIGHT_VIEW, false, do_logs },
	{ "stop", RIGHT_CHANGE, true, do_stop },
	{ "reset", RIGHT_CHANGE, true, do_reset },
	{ "start", RIGHT_CHANGE, true, do_start },
	{ "restart", RIGHT_CHANGE, true, do_restart },
	{ "apply", RIGHT_ROOT, true, do_apply },
	{ "config", RIGHT_VIEW, false, do_config },
	{ "scale", RIGHT_CHANGE, true, verb_scale },
	{ "set", RIGHT_ROOT, true, verb_set },
	{ "signal", RIGHT_ROOT, true, verb_signal },
	{ "send", RIGHT_CHANGE, true, verb_send },
	{ "wait", RIGHT_VIEW, false, verb_wait },
	{ "reopen", RIGHT_CHANGE, true, verb_reopen },
	{ "reload", RIGHT_CHANGE, true, verb_reload },
	{ "upgrade", RIGHT_ROOT, true, verb_upgrade },
};

/* With a name that it may see: of the others nothing is shown. */
static void no_such_pool(struct ctl_client *cl, const char *text, size_t n)
{
	const struct master *m = cl->ctl->master;
	const char *first = NULL;
	unsigned seen = 0;

	for (unsigned i = 0; i < m->npools; i++)
		if ((client_rights(cl, m->pools[i]) & RIGHT_VIEW) && seen++ == 0)
			first = m->pools[i]->conf->name;
	client_fail(cl, 3, "instance %s has no pool '%.*s'%s%s%s%s", m->config->name,
		    (int)(n > 64 ? 64 : n), text, first ? "; it has '" : "", first ? first : "",
		    first ? "'" : "", seen > 1 ? " and others" : "");
}

static void no_such_slot(struct ctl_client *cl, const struct pool *p, const char *slot)
{
	if (p->nslots == 0)
		client_fail(cl, 3, "pool %s has no workers: %s", p->conf->name, p->reason);
	else
		client_fail(cl, 3, "pool %s has no worker '%.32s'; it has 0 to %u", p->conf->name,
			    slot, p->nslots - 1);
}

/* POOL, POOL/SLOT or nothing; the instance part is the client's business. */
static bool find_target(struct ctl_client *cl, const char *text, bool may_be_new,
			struct target *ret)
{
	struct master *m = cl->ctl->master;
	const char *slash;
	size_t n;

	*ret = (struct target){ .slot = -1, .text = text };
	if (!text || !*text)
		return true;
	slash = strchr(text, '/');
	n = slash ? (size_t)(slash - text) : strlen(text);
	for (unsigned i = 0; i < m->npools; i++)
		if (strlen(m->pools[i]->conf->name) == n &&
		    strncmp(m->pools[i]->conf->name, text, n) == 0)
			ret->pool = m->pools[i];
	if (!ret->pool && may_be_new && !slash)
		return true;
	if (!ret->pool) {
		no_such_pool(cl, text, n);
		return false;
	}
	if (slash) {
		uint64_t slot;

		if (parse_u64(slash + 1, 0, INT_MAX, &slot) < 0 || slot >= ret->pool->nslots) {
			no_such_slot(cl, ret->pool, slash + 1);
			return false;
		}
		ret->slot = (int)slot;
	}
	return true;
}

static void tell_control(struct ctl_client *cl, const struct verb *v, const struct target *t)
{
	struct event ev = { .name = "control",
			    .slot = -1,
			    .verb = v->name,
			    .uid = cl->uid,
			    .pid = cl->pid,
			    .target = t->text,
			    .result = "accepted" };

	master_event(cl->ctl->master, &ev);
	log_info("%s%s%s by uid %u (pid %d)", v->name, t->text && *t->text ? " " : "",
		 t->text ? t->text : "", cl->uid, (int)cl->pid);
}

/* To look is possible without rights on the whole: what is shown is what may be seen. */
static bool may(struct ctl_client *cl, const struct verb *v, const struct target *t)
{
	unsigned has = client_rights(cl, t->pool);

	if ((has & v->needs) == v->needs ||
	    (!t->pool && v->needs == RIGHT_VIEW && v->run != verb_wait))
		return true;
	if (has & RIGHT_VIEW)
		client_fail(cl, 4, "uid %u may look at %s%s, not '%s' it", cl->uid,
			    t->pool ? "pool " : "this instance", t->pool ? t->pool->conf->name : "",
			    v->name);
	else
		client_fail(cl, 4, "uid %u has no rights on %s%s", cl->uid,
			    t->pool ? "pool " : "the whole instance; name a pool of it",
			    t->pool ? t->pool->conf->name : "");
	return false;
}

static void run(struct ctl_client *cl, const json_t *req)
{
	const char *name = json_string_value(json_object_get(req, "verb"));
	struct target t;

	for (size_t i = 0; name && i < ARRAY_LEN(verbs); i++) {
		const struct verb *v = &verbs[i];

		if (strcmp(v->name, name) != 0)
			continue;
		if (!find_target(cl, json_string_value(json_object_get(req, "target")),
				 v->run == do_apply || v->run == verb_reload, &t))
			return;
		if (!may(cl, v, &t))
			return;
		if (v->changes)
			tell_control(cl, v, &t);
		v->run(cl, &t, json_object_get(req, "args"));
		return;
	}
	client_fail(cl, 2, "this master does not know '%.40s'", name ? name : "(no verb)");
}

void verb_run(struct ctl_client *cl, const char *line, size_t len)
{
	json_error_t why;
	json_t *req = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);

	if (!json_is_object(req))
		client_fail(cl, 2, "a request that is not a JSON object");
	else
		run(cl, req);
	json_decref(req);
}
