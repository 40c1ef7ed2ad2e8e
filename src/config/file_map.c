/* SPDX-License-Identifier: MIT */
/* file_map.c - mappings: each key once, found in the table, or named with the nearest. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "config/file.h"

#define MERGE_DEPTH 8

static bool is_merge(const yaml_node_t *key)
{
	return key->type == YAML_SCALAR_NODE && key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       strcmp((const char *)key->data.scalar.value, "<<") == 0;
}

static yaml_node_t *find(struct file_reader *r, const yaml_node_t *map, const char *key,
			 unsigned depth)
{
	struct doc *d = &r->f->doc;
	yaml_node_t *found = doc_find(d, map, key), *from;

	if (found || depth == MERGE_DEPTH)
		return found;
	from = doc_find(d, map, "<<");
	if (from && from->type == YAML_MAPPING_NODE)
		return find(r, from, key, depth + 1);
	for (yaml_node_item_t *i = from && from->type == YAML_SEQUENCE_NODE ?
					   from->data.sequence.items.start :
					   NULL;
	     i && !found && i < from->data.sequence.items.top; i++)
		if (doc_node(d, *i)->type == YAML_MAPPING_NODE)
			found = find(r, doc_node(d, *i), key, depth + 1);
	return found;
}

yaml_node_t *file_find(struct file_reader *r, const yaml_node_t *map, const char *key)
{
	return map->type == YAML_MAPPING_NODE ? find(r, map, key, 0) : NULL;
}

struct walk {
	yaml_node_t *root; /* the mapping that was meant: its own keys come first */
	const char *what;
	file_pair_fn *fn;
	void *ctx;
};

static void walk(struct file_reader *r, yaml_node_t *map, const struct walk *w, unsigned depth);

/* What is merged has its keys only where the mapping has none. */
static void walk_merged(struct file_reader *r, yaml_node_t *from, const struct walk *w,
			unsigned depth)
{
	if (from->type == YAML_MAPPING_NODE && depth < MERGE_DEPTH) {
		walk(r, from, w, depth + 1);
		return;
	}
	if (from->type != YAML_SEQUENCE_NODE) {
		file_wrong(r, from, "<<: %s is found; right is a mapping, or a list of them",
			   depth < MERGE_DEPTH ? doc_kind(from) : "too deep a nest");
		return;
	}
	for (yaml_node_item_t *i = from->data.sequence.items.start;
	     i < from->data.sequence.items.top; i++) {
		yaml_node_t *item = doc_node(&r->f->doc, *i);

		if (!file_count(r, item))
			return;
		if (item->type == YAML_MAPPING_NODE)
			walk_merged(r, item, w, depth);
		else
			file_wrong(r, item, "<<: %s is found; right is a mapping", doc_kind(item));
	}
}

static void walk(struct file_reader *r, yaml_node_t *map, const struct walk *w, unsigned depth)
{
	struct doc *d = &r->f->doc;

	if (!file_fits(r, map, w->what,
		       (size_t)(map->data.mapping.pairs.top - map->data.mapping.pairs.start)))
		return;
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
	     p++) {
		yaml_node_t *key = doc_node(d, p->key), *value = doc_node(d, p->value);
		const char *text = doc_text(key);

		if (!file_count(r, key))
			return;
		if (!text)
			file_wrong(r, key, "%s: a key must be a word, %s is found", w->what,
				   doc_kind(key));
		else if (doc_find(d, map, text) != value)
			file_wrong(r, key, "%s: the key '%.60s' was there before", w->what, text);
		else if (is_merge(key))
			walk_merged(r, value, w, depth);
		else if (find(r, w->root, text, 0) == value)
			w->fn(r, text, key, value, w->ctx);
	}
}

void file_pairs(struct file_reader *r, yaml_node_t *map, const char *what, file_pair_fn *fn,
		void *ctx)
{
	struct walk w = { .root = map, .what = what, .fn = fn, .ctx = ctx };

	if (map->type != YAML_MAPPING_NODE)
		file_wrong(r, map, "%s: %s is found; right is: keys and their values", what,
			   doc_kind(map));
	else
		walk(r, map, &w, 0);
}

static const char *level_name(enum key_level level)
{
	static char name[16];
	const char *folder = keys_folder(level);

	(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(folder, "."), folder);
	return name;
}

static const char *nearest_at(const char *key, bool of_pool, char buf[96])
{
	static const char *const of_instance[] = { "version", "include", "pools", "defaults" };
	const char *words[160], *near;
	size_t n = 0;

	for (size_t i = 0; i < keys_count && n < ARRAY_LEN(words) - 16; i++)
		if (keys_level_is_pool(keys[i].level) == of_pool &&
		    keys[i].shape != SHAPE_ARGV_ONLY)
			words[n++] = keys[i].key;
	for (size_t i = 0; !of_pool && i < ARRAY_LEN(of_instance); i++)
		words[n++] = of_instance[i];
	if (of_pool) {
		words[n++] = "limits";
		words[n++] = "restart";
		words[n++] = "name";
	} else {
		words[n++] = "log";
		words[n++] = "control";
	}
	words[n] = NULL;
	near = nearest_word(key, words);
	if (!near)
		return NULL;
	for (size_t i = 0; i < keys_count; i++)
		if (keys_level_is_pool(keys[i].level) == of_pool &&
		    strcmp(keys[i].key, near) == 0) {
			(void)snprintf(buf, 96, "%s%s", keys_folder(keys[i].level), near);
			return buf;
		}
	(void)snprintf(buf, 96, "%s", near);
	return buf;
}

void file_unknown(struct file_reader *r, const yaml_node_t *key_node, const char *key, bool of_pool,
		  const char *where)
{
	const struct key *here = keys_find_any(of_pool, key);
	const struct key *there = keys_find_any(!of_pool, key);
	char dashed[64], buf[96];
	const char *near;

	if (here) {
		file_wrong(r, key_node, "%s has no key '%s'; it belongs there: %s%s", where, key,
			   keys_folder(here->level), here->key);
		return;
	}
	(void)snprintf(dashed, sizeof(dashed), "%s", key);
	for (char *p = dashed; *p; p++)
		if (*p == '_')
			*p = '-';
	if (keys_is_planned(dashed, strlen(dashed)) || strcmp(key, "agents") == 0 ||
	    strcmp(key, "schedule") == 0 || strcmp(key, "messages") == 0) {
		file_wrong(r, key_node, "%s: %.60s is not built yet in mpsup %s", where, key,
			   MPSUP_VERSION);
		return;
	}
	near = nearest_at(key, of_pool, buf);
	if (near)
		file_wrong(r, key_node, "%s has no key '%.60s'; did you mean '%s'?", where, key,
			   near);
	else if (there)
		file_wrong(r, key_node, "%s has no key '%.60s'; it is one of %s", where, key,
			   of_pool ? "the file itself" : "a pool");
	else
		file_wrong(r, key_node, "%s has no key '%.60s'", where, key);
}

enum key_level file_folder(bool of_pool, const char *name)
{
	for (enum key_level l = 0; l < LEVELS; l++)
		if (keys_level_is_pool(l) == of_pool && *keys_folder(l) &&
		    strcmp(level_name(l), name) == 0)
			return l;
	return LEVELS;
}

struct folder {
	enum key_level level;
	const struct file_skip *skip;
};

bool file_skips(struct file_reader *r, const struct file_skip *skip, const struct key *k)
{
	struct source_file *f = r->f;
	bool there;

	/* Pairs are merged, all else is replaced. */
	if (!skip || !skip->map || k->shape == SHAPE_PAIRS)
		return false;
	r->f = skip->file;
	there = file_find(r, skip->map, k->key) != NULL;
	r->f = f;
	return there;
}

static void take_in_folder(struct file_reader *r, const char *name, yaml_node_t *key_node,
			   yaml_node_t *value, void *ctx)
{
	const struct folder *f = ctx;
	const struct key *k = keys_find_at(f->level, name);

	if (!k)
		file_unknown(r, key_node, name, keys_level_is_pool(f->level), level_name(f->level));
	else if (!file_skips(r, f->skip, k))
		file_take(r, k, value);
}

void file_take_folder(struct file_reader *r, enum key_level level, yaml_node_t *map,
		      const struct file_skip *skip)
{
	struct folder f = { .level = level, .skip = skip };

	if (file_count(r, map))
		file_pairs(r, map, level_name(level), take_in_folder, &f);
}
