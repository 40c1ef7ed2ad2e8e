/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "config/carried.h"

#include <string.h>

#include "config/reading.h"

/* ---- values as they were given ---- */

void givens_put(struct image *im, json_t *array, const struct givens *g)
{
	for (unsigned i = 0; i < g->n; i++) {
		static const struct field fields[] = {
			FIELD(KEPT, given, value),
			FIELD(KEPT, given, file),
			FIELD(NUM, given, line),
			FIELD(NUM, given, column),
		};
		json_t *o = image_add(im, array);

		image_put_json(im, o, "level", json_integer(g->list[i].key->level));
		image_put_json(im, o, "key", json_string(g->list[i].key->key));
		image_put(im, o, fields, ARRAY_LEN(fields), &g->list[i]);
	}
}

static void get_given(struct image *im, const json_t *o, struct given *g)
{
	static const struct field fields[] = {
		FIELD(KEPT, given, value),
		FIELD(KEPT, given, file),
		FIELD(NUM, given, line),
		FIELD(NUM, given, column),
	};
	const char *key = json_string_value(json_object_get(o, "key"));
	json_int_t level = json_integer_value(json_object_get(o, "level"));

	g->key = key && level >= 0 && level < LEVELS ? keys_find_at((enum key_level)level, key) :
						       NULL;
	if (!g->key)
		image_fail(im, "the key '%.60s' is in use, and not known", key ? key : "");
	image_get(im, o, fields, ARRAY_LEN(fields), g);
	if (g->key && g->key->value && !g->value)
		image_fail(im, "the key '%.60s' without its value", key);
}

void givens_get(struct image *im, const json_t *array, struct arena *a, struct givens *ret)
{
	size_t n = json_array_size(array);

	im->arena = a;
	*ret = (struct givens){ .list = arena_alloc(a, (n + 1) * sizeof(*ret->list)) };
	if (!ret->list) {
		image_fail(im, "out of memory");
		return;
	}
	for (size_t i = 0; i < n && !im->err.code; i++)
		get_given(im, json_array_get(array, i), &ret->list[ret->n++]);
}

/* ---- a pool's ---- */

static const struct field origin[] = {
	FIELD(KEPT, pool_config, name),	 FIELD(KEPT, pool_config, file),
	FIELD(KEPT, pool_config, dir),	 FIELD(NUM, pool_config, line),
	FIELD(NUM, pool_config, column),
};

/* What config_resolve_pool() has found, and what the text alone does not tell. */
static const struct field found[] = {
	FIELD(KEPT, pool_config, broken),
	FIELD(INT, pool_config, broken_code),
	FIELD(KEPT, pool_config, exec_path),
	FIELD(NUM, pool_config, protocol),
	FIELD(KEPT, pool_config, eats_channel),
	FIELD(NUM, pool_config, balance),
	FIELD(NUM, pool_config, unlisted),
	FIELD(KEPT, pool_config, cwd),
	FIELD(RAW, pool_config, cpus),
	FIELD(NUM, pool_config, ncpus),
	FIELD(KEPT, pool_config, cpus_reason),
	FIELD(INT, pool_config, workers),
	FIELD(NUM, pool_config, parallel),
	FIELD(NUM, pool_config, dynamic_uid),
	FIELD(NUM, pool_config, caller_uid),
	FIELD(FD, pool_config, uid_lock_fd),
	FIELD(NUM, pool_config, uid),
	FIELD(NUM, pool_config, gid),
	FIELD(KEPT, pool_config, user_name),
	FIELD(KEPT, pool_config, home),
	FIELD(KEPT, pool_config, shell),
	FIELD(NUM, pool_config, control_gid),
	FIELD(NUM, pool_config, view_gid),
	FIELD(NUM, pool_config, nofile),
	FIELD(NUM, pool_config, recycle_memory),
};

static void put_env(struct image *im, json_t *o, const struct pool_config *p)
{
	static const struct field fields[] = {
		FIELD(KEPT, env_var, name),
		FIELD(KEPT, env_var, value),
	};
	json_t *list = json_array();

	image_put_json(im, o, "env", list);
	for (unsigned i = 0; i < p->nenv; i++)
		image_put(im, image_add(im, list), fields, ARRAY_LEN(fields), &p->env[i]);
}

/* Those of files too, as they were read. */
static void get_env(struct image *im, const json_t *o, struct pool_config *p)
{
	static const struct field fields[] = {
		FIELD(KEPT, env_var, name),
		FIELD(KEPT, env_var, value),
	};
	const json_t *list = json_object_get(o, "env");
	size_t n = json_array_size(list);

	p->nenv = 0;
	p->env = arena_alloc(&p->arena, (n + 1) * sizeof(*p->env));
	if (!p->env) {
		image_fail(im, "out of memory");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct env_var *v = &p->env[p->nenv];

		image_get(im, json_array_get(list, i), fields, ARRAY_LEN(fields), v);
		if (v->name && v->value)
			p->nenv++;
	}
}

static void put_devices(struct image *im, json_t *o, const char *name, const struct limits *l)
{
	static const struct field fields[] = {
		FIELD(NUM, io_limit, major),
		FIELD(NUM, io_limit, minor),
	};
	json_t *list = json_array();

	image_put_json(im, o, name, list);
	for (unsigned i = 0; i < l->nio; i++)
		image_put(im, image_add(im, list), fields, ARRAY_LEN(fields), &l->io[i]);
}

static void get_devices(struct image *im, const json_t *o, const char *name, struct limits *l)
{
	static const struct field fields[] = {
		FIELD(NUM, io_limit, major),
		FIELD(NUM, io_limit, minor),
	};
	const json_t *list = json_object_get(o, name);

	for (unsigned i = 0; i < l->nio; i++)
		image_get(im, json_array_get(list, i), fields, ARRAY_LEN(fields), &l->io[i]);
}

static void put_owners(struct image *im, json_t *o, const struct pool_config *p)
{
	static const struct field fields[] = {
		FIELD(NUM, listen_spec, uid),
		FIELD(NUM, listen_spec, gid),
	};
	json_t *list = json_array();

	image_put_json(im, o, "owners", list);
	for (unsigned i = 0; i < p->nlistens; i++)
		image_put(im, image_add(im, list), fields, ARRAY_LEN(fields), &p->listens[i]);
}

static void get_owners(struct image *im, const json_t *o, struct pool_config *p)
{
	static const struct field fields[] = {
		FIELD(NUM, listen_spec, uid),
		FIELD(NUM, listen_spec, gid),
	};
	const json_t *list = json_object_get(o, "owners");

	for (unsigned i = 0; i < p->nlistens; i++)
		image_get(im, json_array_get(list, i), fields, ARRAY_LEN(fields), &p->listens[i]);
}

void pool_config_put(struct image *im, json_t *o, const struct pool_config *p)
{
	json_t *given = json_array();

	image_put(im, o, origin, ARRAY_LEN(origin), p);
	image_put_json(im, o, "given", given);
	givens_put(im, given, &p->given);
	image_put(im, o, found, ARRAY_LEN(found), p);
	put_env(im, o, p);
	put_owners(im, o, p);
	put_devices(im, o, "io", &p->limits);
	put_devices(im, o, "total_io", &p->total);
	image_put_bytes(im, o, "gids", p->gids, p->ngids * sizeof(*p->gids));
}

static void get_gids(struct image *im, const json_t *o, struct pool_config *p)
{
	size_t len;
	const void *data = image_get_bytes(im, o, "gids", &len);

	p->gids = arena_alloc(&p->arena, len + sizeof(*p->gids));
	if (!p->gids) {
		image_fail(im, "out of memory");
		return;
	}
	if (data)
		memcpy(p->gids, data, len);
	p->ngids = (unsigned)(len / sizeof(*p->gids));
}

/* From the values, as if they were given again. */
static struct pool_config *build(struct image *im, const json_t *o, struct pool_config *was)
{
	struct pool_config *p = NULL;
	struct err e = { 0 };

	was->name = NULL;
	im->arena = &was->arena;
	image_get(im, o, origin, ARRAY_LEN(origin), was);
	givens_get(im, json_object_get(o, "given"), &was->arena, &was->given);
	if (!was->name)
		image_fail(im, "a pool without a name");
	else if (!im->err.code && pool_config_again(was, &p, &e) < 0)
		image_fail(im, "pool %s: %s", was->name, e.msg);
	return p;
}

struct pool_config *pool_config_get(struct image *im, const json_t *o)
{
	struct pool_config *was = pool_config_new(), *p = was ? build(im, o, was) : NULL;

	if (!was)
		image_fail(im, "out of memory");
	pool_config_unref(was);
	if (!p)
		return NULL;
	im->arena = &p->arena;
	image_get(im, o, found, ARRAY_LEN(found), p);
	get_env(im, o, p);
	get_owners(im, o, p);
	get_devices(im, o, "io", &p->limits);
	get_devices(im, o, "total_io", &p->total);
	get_gids(im, o, p);
	if (!im->err.code)
		return p;
	pool_config_unref(p);
	return NULL;
}

/* ---- the instance's ---- */

static const struct field instance[] = {
	FIELD(KEPT, config, file),	    FIELD(NUM, config, strict),
	FIELD(NUM, config, parallel),	    FIELD(KEPT, config, name),
	FIELD(NUM, config, name_given),	    FIELD(NUM, config, daemonize),
	FIELD(KEPT, config, pidfile),	    FIELD(KEPT, config, log_file),
	FIELD(NUM, config, log_format),	    FIELD(NUM, config, log_level),
	FIELD(KEPT, config, control_group), FIELD(KEPT, config, view_group),
	FIELD(NUM, config, control_gid),    FIELD(NUM, config, view_gid),
};

void config_put(struct image *im, json_t *o, const struct config *c)
{
	json_t *given = json_array();

	image_put(im, o, instance, ARRAY_LEN(instance), c);
	image_put_json(im, o, "given", given);
	givens_put(im, given, &c->given);
}

struct config *config_get(struct image *im, const json_t *o)
{
	struct config *c = config_new();

	if (!c) {
		image_fail(im, "out of memory");
		return NULL;
	}
	im->arena = &c->arena;
	image_get(im, o, instance, ARRAY_LEN(instance), c);
	givens_get(im, json_object_get(o, "given"), &c->arena, &c->given);
	if (!c->name)
		image_fail(im, "an instance without a name");
	if (!im->err.code)
		return c;
	config_unref(c);
	return NULL;
}
