/* SPDX-License-Identifier: MIT */
/* verbs_change.c - what a person changes of pools that run: how many, limits; what is told
 * to workers. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "config/keys.h"
#include "ctl/verbs.h"
#include "super/adopt.h"
#include "super/bus.h"
#include "super/life.h"
#include "super/pool.h"

#define SET_MAX 64

/* ---- set, scale ---- */

static const char *value_of(const struct pool_config *c, const struct key *k)
{
	for (unsigned i = c->given.n; i > 0; i--)
		if (c->given.list[i - 1].key == k)
			return c->given.list[i - 1].value ? c->given.list[i - 1].value : "true";
	return k->standard ? k->standard : "none";
}

static void tell_change(struct pool *p, const char *name, const char *text)
{
	struct event ev = { .name = name, .pool = p, .slot = -1, .text = text };

	master_event(p->master, &ev);
}

/* {"key", "old", "new"} of each. */
static void answer_changes(struct ctl_client *cl, struct pool *p, const char *event,
			   const struct given *changes, char *const *old, unsigned n)
{
	json_t *all = json_array();
	char name[96], text[512];

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "%s%s", keys_folder(changes[i].key->level),
			       changes[i].key->key);
		(void)json_array_append_new(all, json_pack("{s:s, s:o, s:o}", "key", name, "old",
							   json_safe(old[i]), "new",
							   json_safe(changes[i].value)));
		(void)snprintf(text, sizeof(text), "%s: %.180s -> %.180s", name, old[i],
			       changes[i].value);
		tell_change(p, event, text);
	}
	cl->closing = true;
	client_send(cl, json_pack("{s:b, s:o}", "ok", 1, "changes", all));
}

static void change(struct ctl_client *cl, struct pool *p, const char *event,
		   const struct given *changes, unsigned n)
{
	char *old[SET_MAX] = { NULL };
	struct err e = { 0 };
	int r = 0;

	for (unsigned i = 0; i < n; i++)
		old[i] = strdup(value_of(p->conf, changes[i].key));
	for (unsigned i = 0; i < n && r == 0; i++)
		if (!old[i])
			r = err_set(&e, -ENOMEM, "out of memory");
	if (r == 0)
		r = pool_set(p, changes, n, &e);
	if (r < 0)
		(void)keys_in_words_of_file(e.msg, sizeof(e.msg));
	if (r < 0)
		client_fail(cl,
			    r == -EOPNOTSUPP ? 69 :
			    r == -EINVAL     ? 2 :
					       1,
			    "pool %s: %s; nothing has changed", p->conf->name, e.msg);
	else
		answer_changes(cl, p, event, changes, old, n);
	if (r == 0)
		ctl_open_to_groups(cl->ctl); /* control.group may be one of them */
	for (unsigned i = 0; i < n; i++)
		free(old[i]);
}

static bool want_pool(struct ctl_client *cl, const struct target *t, const char *verb)
{
	if (t->pool && t->slot < 0)
		return true;
	client_fail(cl, 2, "%s needs a pool: mpsup %s POOL ...", verb, verb);
	return false;
}

static bool take_change(struct ctl_client *cl, const char *text, struct given *ret, char **ret_copy)
{
	const char *eq = strchr(text, '=');
	const struct key *k = eq ? keys_find(text, (size_t)(eq - text), 1) : NULL;
	char name[64];
	const char *near;

	if (!eq || eq == text) {
		client_fail(cl, 2, "'%.100s' is not KEY=VALUE, as memory=512M", text);
		return false;
	}
	if (!k) {
		(void)snprintf(name, sizeof(name), "%.*s", (int)(eq - text > 63 ? 63 : eq - text),
			       text);
		near = keys_nearest(name, 1);
		client_fail(cl, 2, "there is no key '%s'%s%s%s", name,
			    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
		return false;
	}
	*ret_copy = strdup(eq + 1);
	*ret = (struct given){ .key = k, .value = *ret_copy };
	return *ret_copy != NULL;
}

void verb_set(struct ctl_client *cl, const struct target *t, const json_t *args)
{
	const json_t *list = json_object_get(args, "set");
	struct given changes[SET_MAX];
	char *copies[SET_MAX] = { NULL };
	size_t n = json_array_size(list), k = 0;
	bool good = want_pool(cl, t, "set");

	if (good && (n == 0 || n > SET_MAX)) {
		client_fail(cl, 2, "set needs KEY=VALUE, as memory=512M");
		good = false;
	}
	for (; good && k < n; k++) {
		const char *text = json_string_value(json_array_get(list, k));

		good = take_change(cl, text ? text : "", &changes[k], &copies[k]);
	}
	if (good)
		change(cl, t->pool, "pool.set", changes, (unsigned)n);
	for (size_t i = 0; i < n && i < SET_MAX; i++)
		free(copies[i]);
}

/* "4", "+1", "-1" */
static bool take_number(struct ctl_client *cl, const struct pool *p, const char *text,
			char value[16])
{
	bool relative = text[0] == '+' || text[0] == '-';
	uint64_t n = 0;
	int64_t all;

	if (parse_u64(text + relative, relative ? 0 : 1, 4096, &n) < 0) {
		client_fail(cl, 2,
			    "'%.20s' is no number of workers; right is: 1 to 4096, +N or -N; "
			    "mpsup stop %s ends all of them",
			    text, p->conf->name);
		return false;
	}
	all = relative ?
		      (int64_t)pool_count_places(p) + (text[0] == '-' ? -(int64_t)n : (int64_t)n) :
		      (int64_t)n;
	if (all < 1 || all > 4096) {
		client_fail(cl, 2, "pool %s would have %lld workers; right is: 1 to 4096",
			    p->conf->name, (long long)all);
		return false;
	}
	(void)snprintf(value, 16, "%lld", (long long)all);
	return true;
}

void verb_scale(struct ctl_client *cl, const struct target *t, const json_t *args)
{
	const char *text = json_string_value(json_object_get(args, "workers"));
	char value[16];
	struct given change_of_n = { .key = keys_find_at(LEVEL_POOL, "workers"), .value = value };

	if (want_pool(cl, t, "scale") && take_number(cl, t->pool, text ? text : "", value))
		change(cl, t->pool, "pool.scale", &change_of_n, 1);
}

void ctl_scale(struct ctl *c, int by)
{
	struct master *m = c->master;
	struct pool *p = m->pools[0];
	struct err e = { 0 };
	char value[16], text[100];
	struct given change_of_n = { .key = keys_find_at(LEVEL_POOL, "workers"), .value = value };
	int was = (int)pool_count_places(p);

	if (m->npools != 1) {
		log_warn("%s: there are %u pools; mpsup scale POOL %+d says which",
			 by > 0 ? "TTIN" : "TTOU", m->npools, by);
		return;
	}
	if (!p->gen || was + by < 1 || was + by > 4096) {
		log_warn("%s: pool %s stays at %d worker%s", by > 0 ? "TTIN" : "TTOU",
			 p->conf->name, was, was == 1 ? "" : "s");
		return;
	}
	(void)snprintf(value, sizeof(value), "%d", was + by);
	(void)snprintf(text, sizeof(text), "workers: %d -> %d", was, was + by);
	if (pool_set(p, &change_of_n, 1, &e) < 0) {
		log_error("pool %s: %s", p->conf->name, e.msg);
		return;
	}
	log_info("pool %s: %s", p->conf->name, text);
	tell_change(p, "pool.scale", text);
}

/* ---- signal, send ---- */

typedef bool life_fn(struct life *l, void *ctx);

/* The workers of the target that are there, without spares. Returns of how many fn was true. */
static unsigned each_worker(struct ctl_client *cl, const struct target *t, life_fn *fn, void *ctx)
{
	struct master *m = cl->ctl->master;
	unsigned n = 0;

	for (unsigned i = 0; i < m->npools; i++) {
		struct pool *p = m->pools[i];

		for (unsigned k = 0; (!t->pool || t->pool == p) && k < p->nslots; k++)
			if ((t->slot < 0 || (unsigned)t->slot == k) && p->slots[k]->current)
				n += fn(p->slots[k]->current, ctx);
	}
	return n;
}

static void answer_count(struct ctl_client *cl, unsigned n, const char *what)
{
	if (n == 0) {
		client_fail(cl, 3, "no worker of the target %s", what);
		return;
	}
	cl->closing = true;
	client_send(cl, json_pack("{s:b, s:i}", "ok", 1, "workers", (int)n));
}

static bool send_signal(struct life *l, void *ctx)
{
	if (l->pid <= 0 || l->certified)
		return false;
	l->master->world->signal(l, *(int *)ctx);
	return true;
}

void verb_signal(struct ctl_client *cl, const struct target *t, const json_t *args)
{
	const char *text = json_string_value(json_object_get(args, "signal"));
	int sig = 0;

	if (!text || parse_signal(text, &sig) < 0) {
		client_fail(cl, 2, "'%.20s' is no signal; right is a name like TERM, or a number",
			    text ? text : "");
		return;
	}
	answer_count(cl, each_worker(cl, t, send_signal, &sig), "runs");
}

static bool send_message(struct life *l, void *ctx)
{
	return bus_tell(l, ctx) == 0;
}

/* As a worker's message is: an object with an action, and who says so. */
static char *as_message(json_t *message)
{
	json_t *o = json_is_object(message) ?
			    json_copy(message) :
			    json_pack("{s:s, s:O}", "action", "message", "data", message);
	char *json = NULL;

	if (o && json_object_set_new(o, "from", json_string("master")) == 0)
		json = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return json;
}

void verb_send(struct ctl_client *cl, const struct target *t, const json_t *args)
{
	json_t *message = json_object_get(args, "message");
	char *json = message ? as_message(message) : NULL;

	if (!json)
		client_fail(cl, 2, "send needs a message");
	else if (strlen(json) > CTL_LINE_MAX / 2)
		client_fail(cl, 2, "the message has %zu bytes; right is: at most %u", strlen(json),
			    CTL_LINE_MAX / 2);
	else
		answer_count(cl, each_worker(cl, t, send_message, json),
			     "takes messages: its protocol has none, or it is not ready");
	free(json);
}

void verb_reopen(struct ctl_client *cl, const struct target *t, const json_t *args)
{
	struct master *m = cl->ctl->master;

	(void)args;
	/* Who has rights on one pool has none on the others' files. */
	if (t->pool) {
		client_fail(cl, 2,
			    "reopen: the log files of all pools are opened again together; "
			    "right is: mpsup reopen [INSTANCE:]");
		return;
	}
	if (m->on_reopen)
		m->on_reopen(m);
	client_ok(cl);
}
