/* SPDX-License-Identifier: MIT */
/* file_pool.c - the pools of a file: defaults, then their own keys; what two of them
 * cannot both have. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "config/file.h"
#include "config/logplace.h"

struct taking {
	const char *where; /* "pool", "defaults" */
	bool of_defaults;
	struct file_skip own; /* of_defaults: the pool itself */
};

static void take_key(struct file_reader *r, const char *name, yaml_node_t *key_node,
		     yaml_node_t *value, void *ctx)
{
	const struct taking *t = ctx;
	const struct key *k = keys_find_at(LEVEL_POOL, name);
	enum key_level folder = file_folder(true, name);
	struct file_skip skip = { .file = t->own.file };
	struct source_file *f = r->f;

	if (strcmp(name, "name") == 0) {
		if (t->of_defaults)
			file_wrong(r, key_node, "defaults: each pool has a name of its own");
	} else if (folder != LEVELS) {
		if (t->own.map) {
			r->f = t->own.file;
			skip.map = file_find(r, t->own.map, name);
			r->f = f;
		}
		file_take_folder(r, folder, value, &skip);
	} else if (!k) {
		file_unknown(r, key_node, name, true, t->where);
	} else if (!file_skips(r, &t->own, k)) {
		file_take(r, k, value);
	}
}

/* The blocks of the files that include this one come first. */
static void take_defaults(struct file_reader *r, struct source_file *from, struct taking *t)
{
	struct source_file *f = r->f;

	if (!from)
		return;
	take_defaults(r, from->from, t);
	if (!from->defaults)
		return;
	r->f = from;
	r->rd.dir = from->dir;
	file_pairs(r, from->defaults, "defaults", take_key, t);
	r->f = f;
}

static bool good_name(const char *name)
{
	size_t n = strlen(name);

	return n >= 1 && n <= 32 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n &&
	       !strchr("._-", name[0]);
}

static const char *pool_name(struct file_reader *r, yaml_node_t *map)
{
	yaml_node_t *n = file_find(r, map, "name");
	const char *name = n ? file_text(r, n, "name") : NULL;

	if (!n) {
		file_wrong(r, map, "a pool's name is missing: - name: web");
		return NULL;
	}
	if (!name)
		return NULL;
	if (!good_name(name)) {
		file_wrong(r, n,
			   "name: '%.60s' is not understood; right is: a to z, 0 to 9 and . _ -, "
			   "at most 32",
			   name);
		return name;
	}
	for (unsigned i = 0; i < r->rd.c->npools; i++) {
		const struct pool_config *other = r->rd.c->pools[i];

		if (strcmp(other->name, name) == 0) {
			file_wrong(r, n, "name: a pool '%s' is there already, at %s:%u:%u", name,
				   other->file, other->line, other->column);
			break;
		}
	}
	return name;
}

static void check(struct file_reader *r, struct pool_config *p, const yaml_node_t *map)
{
	struct err e = { 0 };

	if (reading_check_pool(p, &e) == 0 && reading_finish_pool(&r->rd, &e) == 0)
		return;
	(void)keys_in_words_of_file(e.msg, sizeof(e.msg));
	file_wrong(r, map, "pool %s: %s", p->name, e.msg);
}

static void take_pool(struct file_reader *r, yaml_node_t *map)
{
	struct taking t = { .where = "defaults", .of_defaults = true, .own = { r->f, map } };
	unsigned before = r->complained;
	struct pool_config *p;
	const char *name;

	if (map->type != YAML_MAPPING_NODE) {
		file_wrong(r, map, "pools: %s is found; right is: - name: web, and its keys",
			   doc_kind(map));
		return;
	}
	if (r->rd.c->npools == FILE_MAX_POOLS) {
		file_wrong(r, map, "more than %u pools", FILE_MAX_POOLS);
		return;
	}
	name = pool_name(r, map);
	p = pool_config_new();
	if (!p || config_add_pool(r->rd.c, p) < 0) {
		pool_config_unref(p);
		file_wrong(r, map, "out of memory");
		return;
	}
	p->name = arena_strdup(&p->arena, name ? name : "(without a name)");
	p->file = arena_strdup(&p->arena, r->f->doc.path);
	if (!strchr(r->f->doc.path, '/'))
		p->dir = arena_strdup(&p->arena, r->f->dir);
	p->line = (unsigned)map->start_mark.line + 1;
	p->column = (unsigned)map->start_mark.column + 1;
	p->env_inherit = ENV_INHERIT_NONE;
	r->rd.p = p;
	if (p->name && p->file) {
		take_defaults(r, r->f, &t);
		t = (struct taking){ .where = "pool" };
		r->rd.dir = r->f->dir;
		file_pairs(r, map, "pool", take_key, &t);
	}
	/* What is missing because it was wrong would only be said twice. */
	if (r->complained == before)
		check(r, p, map);
	r->rd.p = NULL;
}

void file_take_pools(struct file_reader *r, yaml_node_t *list)
{
	if (list->type != YAML_SEQUENCE_NODE) {
		file_wrong(r, list, "pools: %s is found; right is a list: - name: web",
			   doc_kind(list));
		return;
	}
	for (yaml_node_item_t *i = list->data.sequence.items.start;
	     i < list->data.sequence.items.top; i++) {
		yaml_node_t *item = doc_node(&r->f->doc, *i);

		if (!file_count(r, item))
			return;
		take_pool(r, item);
	}
}

/* ---- between pools ---- */

static void check_two(struct file_reader *r, const struct pool_config *a,
		      const struct pool_config *b)
{
	for (unsigned i = 0; i < a->nlistens; i++)
		for (unsigned k = 0; k < b->nlistens; k++) {
			struct err e = { 0 };

			if (!listen_specs_collide(&a->listens[i], &b->listens[k]))
				continue;
			(void)err_set(&e, -EINVAL,
				      "--%s: pool %s cannot have %s: pool %s, at %s:%u, has %s",
				      strchr(b->listens[k].text, ':') ? "listen" : "port", b->name,
				      b->listens[k].shown, a->name, a->file, a->line,
				      a->listens[i].shown);
			pool_config_place(b, &e);
			file_complain(r, &e);
		}
}

static void check_logs(struct file_reader *r, const struct pool_config *a,
		       const struct pool_config *b)
{
	struct err e = { 0 };

	if (!logplace_collide(&a->log, &b->log))
		return;
	(void)err_set(&e, -EINVAL, "log.file: pool %s cannot have %.200s: pool %s, at %s:%u, %s",
		      b->name, b->log.file, a->name, a->file, a->line,
		      strcmp(a->log.file, b->log.file) == 0 ? "has it" : "renames its own there");
	pool_config_place(b, &e);
	file_complain(r, &e);
}

/* mpsup's own words among a pool's lines, and rotated with them. */
static void check_own_log(struct file_reader *r, const struct pool_config *p)
{
	const struct pool_log own = { .file = r->rd.c->log_file };
	struct err e = { 0 };

	if (!logplace_collide(&p->log, &own))
		return;
	(void)err_set(&e, -EINVAL, "log.file: pool %s cannot have %.200s: mpsup's own log has it",
		      p->name, p->log.file);
	pool_config_place(p, &e);
	file_complain(r, &e);
}

void file_check_pools(struct file_reader *r)
{
	for (unsigned i = 0; i < r->rd.c->npools; i++)
		check_own_log(r, r->rd.c->pools[i]);
	for (unsigned i = 0; i < r->rd.c->npools; i++)
		for (unsigned k = i + 1; k < r->rd.c->npools; k++) {
			check_two(r, r->rd.c->pools[i], r->rd.c->pools[k]);
			check_logs(r, r->rd.c->pools[i], r->rd.c->pools[k]);
		}
}
