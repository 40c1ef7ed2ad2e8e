/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "ctl/kept.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "ctl/facts.h"

#define SCHEMA	1
#define SEQ_MAX (UINT64_C(1) << 53) /* beyond, readers of JSON lose digits */

void kept_done(struct kept *k)
{
	for (size_t i = 0; i < k->npools; i++)
		json_decref(k->pools[i].rest);
	free(k->pools);
	json_decref(k->rest);
	*k = (struct kept){ 0 };
}

/* NULL: no memory. */
static struct kept_pool *add(struct kept *k, const char *name)
{
	struct kept_pool *more = realloc(k->pools, (k->npools + 1) * sizeof(*more)), *p;

	if (!more)
		return NULL;
	k->pools = more;
	p = &k->pools[k->npools++];
	*p = (struct kept_pool){ .gone_ms = 0 };
	(void)snprintf(p->name, sizeof(p->name), "%s", name);
	return p;
}

static struct kept_pool *find(const struct kept *k, const char *name)
{
	for (size_t i = 0; i < k->npools; i++)
		if (strcmp(k->pools[i].name, name) == 0)
			return &k->pools[i];
	return NULL;
}

/* ---- reading ---- */

/* Each takes the key away, if it is there: what is left is not known. */

static int take_number(json_t *o, const char *where, const char *key, uint64_t *ret, struct err *e)
{
	const json_t *v = json_object_get(o, key);

	if (!v)
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return err_set(e, -EINVAL, "%s%s is not a number from 0 on", where, key);
	*ret = (uint64_t)json_integer_value(v);
	(void)json_object_del(o, key);
	return 0;
}

static int take_time(json_t *o, const char *where, const char *key, int64_t *ret, struct err *e)
{
	const json_t *v = json_object_get(o, key);
	const char *text = json_string_value(v);

	if (!v)
		return 0;
	/* Not what parse_time() takes besides: a duration. */
	if (!text || strlen(text) < 10 || text[4] != '-' || parse_time(text, 0, ret) < 0)
		return err_set(e, -EINVAL, "%s%s is not a time (2026-11-24T08:00:00Z)", where, key);
	(void)json_object_del(o, key);
	return 0;
}

static json_t *rest_of(json_t *o)
{
	return json_object_size(o) ? json_incref(o) : NULL;
}

static int take_pool(struct kept *k, const char *name, json_t *o, struct err *e)
{
	char where[96], safe[64];
	struct kept_pool *p;
	int r = 0;

	(void)text_safe(name, strnlen(name, 48), safe, sizeof(safe));
	if (!json_is_object(o) || !*name || strlen(name) >= sizeof(p->name))
		return err_set(e, -EINVAL, "pools: '%s' is no pool", safe);
	p = add(k, name);
	if (!p)
		return err_set(e, -ENOMEM, "out of memory");
	(void)snprintf(where, sizeof(where), "pools: %s: ", safe);
	for (size_t i = 0; r == 0 && i < usage_nfields; i++)
		r = take_number(o, where, usage_fields[i].name,
				usage_at(&p->usage, &usage_fields[i]), e);
	if (r == 0)
		r = take_time(o, where, "since", &p->usage.since_ms, e);
	if (r == 0)
		r = take_time(o, where, "gone", &p->gone_ms, e);
	if (r == 0)
		p->rest = rest_of(o);
	return r;
}

static int take_pools(struct kept *k, json_t *root, struct err *e)
{
	json_t *pools = json_object_get(root, "pools"), *o;
	const char *name;
	void *next;
	int r;

	if (!pools)
		return 0;
	if (!json_is_object(pools) || json_object_size(pools) > KEPT_POOLS_MAX)
		return err_set(e, -EINVAL, "pools is not an object of at most %d pools",
			       KEPT_POOLS_MAX);
	json_object_foreach_safe(pools, next, name, o)
	{
		r = take_pool(k, name, o, e);
		if (r < 0)
			return r;
	}
	(void)json_object_del(root, "pools");
	return 0;
}

static int take_root(struct kept *k, json_t *root, struct err *e)
{
	uint64_t schema = 0;
	int r;

	if (!json_is_object(root))
		return err_set(e, -EINVAL, "it is not a JSON object");
	r = take_number(root, "", "schema", &schema, e);
	if (r == 0 && schema != SCHEMA)
		return err_set(e, -EINVAL, "schema is not %d", SCHEMA);
	if (r == 0)
		r = take_number(root, "", "seq", &k->seq, e);
	if (r == 0 && k->seq > SEQ_MAX)
		return err_set(e, -EINVAL, "seq is not a number up to %" PRIu64, SEQ_MAX);
	(void)json_object_del(root, "saved");
	if (r == 0)
		r = take_pools(k, root, e);
	if (r == 0)
		k->rest = rest_of(root);
	return r;
}

int kept_parse(const char *text, size_t len, struct kept *ret, struct err *e)
{
	struct kept k = { 0 };
	json_error_t why;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	int r;

	if (!root) {
		char safe[160];

		(void)text_safe(why.text, strnlen(why.text, sizeof(why.text)), safe, sizeof(safe));
		return err_set(e, -EINVAL, "line %d: %s", why.line, safe);
	}
	r = take_root(&k, root, e);
	json_decref(root);
	if (r < 0)
		kept_done(&k);
	else
		*ret = k;
	return r;
}

/* ---- writing ---- */

/* Straight to the stream: a tree of 200 pools would cost more than all else of them. */

static void write_rest(const json_t *rest, FILE *f)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)rest, key, v)
	{
		json_t *name = json_string(key);
		char *k = json_dumps(name, JSON_ENCODE_ANY);
		char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

		if (k && text)
			(void)fprintf(f, ", %s: %s", k, text);
		free(k);
		free(text);
		json_decref(name);
	}
}

static void write_time(const char *key, int64_t ms, FILE *f)
{
	char t[TEXT_TIME_BYTES];

	text_time(ms, t);
	(void)fprintf(f, ", \"%s\": \"%s\"", key, t);
}

static void write_name(const char *name, FILE *f)
{
	char text[sizeof(((struct kept_pool *)NULL)->name) * 6 + 1];

	(void)text_json(name, text, sizeof(text));
	(void)fprintf(f, "\"%s\"", text);
}

static void write_pool(const struct kept_pool *p, FILE *f)
{
	struct usage u = p->usage;

	write_name(p->name, f);
	for (size_t i = 0; i < usage_nfields; i++)
		(void)fprintf(f, "%s\"%s\": %" PRIu64, i ? ", " : ": {", usage_fields[i].name,
			      *usage_at(&u, &usage_fields[i]));
	write_time("since", u.since_ms, f);
	if (p->gone_ms)
		write_time("gone", p->gone_ms, f);
	write_rest(p->rest, f);
	(void)fputc('}', f);
}

void kept_write(const struct kept *k, int64_t now_ms, FILE *f)
{
	(void)fprintf(f, "{\"schema\": %d, \"seq\": %" PRIu64, SCHEMA, k->seq);
	write_time("saved", now_ms, f);
	write_rest(k->rest, f);
	(void)fputs(", \"pools\": {", f);
	for (size_t i = 0; i < k->npools; i++) {
		(void)fputs(i ? ",\n  " : "\n  ", f);
		write_pool(&k->pools[i], f);
	}
	(void)fputs(k->npools ? "\n}}\n" : "}}\n", f);
}

/* ---- pools ---- */

void kept_give(const struct kept *k, struct pool *p)
{
	const struct kept_pool *from = find(k, p->conf->name);

	if (from)
		usage_join(&p->usage, &from->usage);
}

static bool is_there(const struct master *m, const char *name)
{
	for (unsigned i = 0; i < m->npools; i++)
		if (strcmp(m->pools[i]->conf->name, name) == 0)
			return true;
	return false;
}

static void forget_old(struct kept *k, const struct master *m, int64_t now_ms)
{
	size_t n = 0;

	for (size_t i = 0; i < k->npools; i++) {
		struct kept_pool *p = &k->pools[i];

		if (is_there(m, p->name))
			p->gone_ms = 0;
		else if (!p->gone_ms || p->gone_ms > now_ms) /* also a clock that was wrong */
			p->gone_ms = now_ms;
		if (p->gone_ms && now_ms - p->gone_ms > KEPT_GONE_MS)
			json_decref(p->rest);
		else
			k->pools[n++] = *p;
	}
	k->npools = n;
}

int kept_take(struct kept *k, const struct master *m, int64_t now_ms)
{
	int r = 0;

	for (unsigned i = 0; i < m->npools; i++) {
		const char *name = m->pools[i]->conf->name;
		struct kept_pool *p = find(k, name);

		if (!p)
			p = add(k, name);
		if (p)
			facts_usage(m->pools[i], &p->usage);
		else
			r = -ENOMEM;
	}
	forget_old(k, m, now_ms);
	return r;
}
