/* SPDX-License-Identifier: MIT */
#include "policy/groups.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/names.h"

struct same {
	const char *text;
	bool found;
	struct doc *doc;
	struct err *e;
};

static int compare(void *ctx, yaml_node_t *item)
{
	struct same *s = ctx;
	const char *text = doc_text(item);

	if (!text)
		return doc_error(s->doc, item, s->e, "the name of a system call, found %s",
				 doc_kind(item));
	if (strcmp(text, s->text) == 0)
		s->found = true;
	return 0;
}

int groups_resolve(struct doc *d, yaml_node_t *n, yaml_node_t *optional, int *ret_nr, struct err *e)
{
	struct same s = { .text = doc_text(n), .doc = d, .e = e };
	char hint[NAMES_HINT_BYTES];
	int r;

	if (!s.text)
		return doc_error(d, n, e, "expected the name of a system call, found %s",
				 doc_kind(n));
	r = names_call(s.text, ret_nr);
	if (r >= 0)
		return r;
	if (optional) {
		r = doc_each(d, optional, compare, &s);
		if (r < 0 || s.found)
			return r;
	}
	names_call_hint(s.text, hint);
	return doc_error(d, n, e,
			 "unknown system call '%s'%s (a name that only newer machines "
			 "know also goes under 'optional')",
			 s.text, hint);
}

struct check {
	struct groups *g;
	struct err *e;
};

static int check_call(void *ctx, yaml_node_t *item)
{
	struct check *c = ctx;
	yaml_node_t *optional = doc_find(&c->g->doc, doc_root(&c->g->doc), "optional");
	int nr, r = groups_resolve(&c->g->doc, item, optional, &nr, c->e);

	if (r > 0 && nr > c->g->highest)
		c->g->highest = nr;
	return r;
}

static int check_group(void *ctx, yaml_node_t *key, yaml_node_t *value)
{
	struct check *c = ctx;

	(void)key;
	return doc_each(&c->g->doc, value, check_call, c);
}

static int check_key(void *ctx, yaml_node_t *key, yaml_node_t *value)
{
	static const char *const known[] = { "groups", "optional", NULL };
	struct check *c = ctx;
	char hint[NAMES_HINT_BYTES];

	if (strcmp(doc_text(key), "groups") == 0) {
		c->g->map = value;
		return doc_pairs(&c->g->doc, value, "groups", check_group, c, c->e);
	}
	if (strcmp(doc_text(key), "optional") == 0)
		return 0; /* read where a name is unknown */
	names_word_hint(doc_text(key), known, hint);
	return doc_error(&c->g->doc, key, c->e, "unknown key '%s'%s", doc_text(key), hint);
}

int groups_load(struct groups *g, const char *path, struct err *e)
{
	struct check c = { .g = g, .e = e };
	int r;

	*g = (struct groups){ .highest = -1 };
	r = doc_load(&g->doc, path, e);
	if (r == 0)
		r = doc_pairs(&g->doc, doc_root(&g->doc), "the file", check_key, &c, e);
	if (r == 0 && !g->map)
		r = doc_error(&g->doc, doc_root(&g->doc), e, "key 'groups' is missing");
	return r;
}

void groups_done(struct groups *g)
{
	doc_done(&g->doc);
}

struct each {
	groups_fn *fn;
	void *ctx;
};

static int call_fn(void *ctx, yaml_node_t *item)
{
	struct each *each = ctx;
	int nr, r = names_call(doc_text(item), &nr);

	/* Unknown here means optional: groups_load() has seen to the others. */
	return r > 0 ? each->fn(each->ctx, nr, doc_text(item)) : 0;
}

int groups_each(struct groups *g, const char *group, groups_fn *fn, void *ctx)
{
	struct each each = { .fn = fn, .ctx = ctx };
	yaml_node_t *list = doc_find(&g->doc, g->map, group);

	return list ? doc_each(&g->doc, list, call_fn, &each) : -ENOENT;
}

void groups_hint(struct groups *g, const char *group, char hint[GROUPS_HINT_BYTES])
{
	const char *names[64] = { NULL };
	char plain[NAMES_HINT_BYTES];
	unsigned n = 0;

	for (yaml_node_pair_t *p = g->map->data.mapping.pairs.start;
	     p < g->map->data.mapping.pairs.top && n + 1 < ARRAY_LEN(names); p++)
		names[n++] = doc_text(doc_node(&g->doc, p->key));
	names_word_hint(group, names, plain);
	hint[0] = '\0';
	if (plain[0]) /* ", did you mean 'io'?": the name begins after the quote */
		(void)snprintf(hint, GROUPS_HINT_BYTES, ", did you mean '@%s",
			       strchr(plain, '\'') + 1);
}
