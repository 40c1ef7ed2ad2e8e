/* SPDX-License-Identifier: MIT */
/* pm2_write.c - from what a file of PM2 holds to its apps, and their pools one by one. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "import/pm2_inner.h"

/* ---- which apps ---- */

static bool is_app(const json_t *v)
{
	return json_is_object(v) && pm2_get(v, "script");
}

/* A new array of what may be apps: `apps` or `pm2` with a list or one, a list, one. */
static json_t *apps_of(const json_t *root)
{
	const json_t *list = json_object_get(root, "apps");
	json_t *apps;

	if (!list)
		list = json_object_get(root, "pm2");
	if (!list && (json_is_array(root) || is_app(root)))
		list = root;
	if (json_is_array(list))
		return json_copy((json_t *)(uintptr_t)list);
	apps = json_array();
	if (json_is_object(list) && json_array_append(apps, (json_t *)(uintptr_t)list) < 0) {
		json_decref(apps);
		return NULL;
	}
	return apps;
}

/* ---- names ---- */

static bool name_is_taken(const struct pm2_pool *pools, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(pools[i].name, name) == 0)
			return true;
	return false;
}

/* "My App" is my-app; the second one my-app-2. */
static void name_it(struct pm2_pool *pools, unsigned n, struct pm2_pool *p)
{
	char base[POOL_NAME_BYTES];
	size_t len = 0;

	for (const char *c = p->theirs; *c && len < sizeof(base) - 1; c++) {
		char ch = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
		bool letter = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9');

		if (letter || (len > 0 && strchr("._-", ch)))
			base[len++] = ch;
		else if (len > 0 && base[len - 1] != '-')
			base[len++] = '-';
	}
	while (len > 0 && strchr("._-", base[len - 1]))
		len--;
	base[len] = '\0';
	(void)snprintf(p->name, sizeof(p->name), "%s", len ? base : "app");
	for (unsigned k = 2; name_is_taken(pools, n, p->name); k++)
		(void)snprintf(p->name, sizeof(p->name), "%.27s-%u", len ? base : "app", k);
}

/* PM2's: the script's name without its end. malloc()ed. */
static char *theirs_of(const json_t *conf)
{
	const char *name = json_string_value(json_object_get(conf, "name"));
	const char *script = json_string_value(pm2_get(conf, "script")), *base, *dot;

	if (name && *name)
		return strdup(name);
	if (!script)
		return strdup("app");
	base = strrchr(script, '/') && strrchr(script, '/')[1] ? strrchr(script, '/') + 1 : script;
	dot = strrchr(base, '.');
	return dot && dot > base ? strndup(base, (size_t)(dot - base)) : strdup(base);
}

/* ---- pools ---- */

struct pools {
	struct pm2_pool *list;
	unsigned n;
};

static void pools_done(struct pools *ps)
{
	for (unsigned i = 0; i < ps->n; i++) {
		free((char *)(uintptr_t)ps->list[i].theirs);
		pm2_pool_done(&ps->list[i]);
	}
	free(ps->list);
}

/* A dump has each process: those of one app are one pool. */
static struct pm2_pool *same_app(struct pools *ps, const json_t *conf, const char *theirs)
{
	const char *script = json_string_value(pm2_get(conf, "script"));

	for (unsigned i = 0; i < ps->n; i++) {
		const char *other = json_string_value(pm2_get(ps->list[i].conf, "script"));

		if (ps->list[i].dumped && strcmp(ps->list[i].theirs, theirs) == 0 && script &&
		    other && strcmp(script, other) == 0)
			return &ps->list[i];
	}
	return NULL;
}

static int take_app(struct pools *ps, const json_t *conf, const struct pm2_request *rq, FILE *notes,
		    struct err *e)
{
	struct pm2_pool *p = &ps->list[ps->n], *same;
	bool dumped = json_object_get(conf, "pm_exec_path") != NULL;

	*p = (struct pm2_pool){ .rq = rq, .conf = conf, .notes = notes, .dumped = dumped };
	p->theirs = theirs_of(conf);
	if (!p->theirs)
		return err_set(e, -ENOMEM, "out of memory");
	same = dumped ? same_app(ps, conf, p->theirs) : NULL;
	if (same) {
		same->count++;
		free((char *)(uintptr_t)p->theirs);
		return 0;
	}
	p->count = 1;
	name_it(ps->list, ps->n, p);
	ps->n++;
	return 0;
}

static int take_apps(struct pools *ps, const json_t *apps, const struct pm2_request *rq,
		     FILE *notes, struct err *e)
{
	size_t n = json_array_size(apps), i;
	const json_t *conf;
	int r = 0;

	if (n == 0)
		return err_set(e, -EINVAL,
			       "%s: there is no app in it: PM2's files have apps: [{script: ...}]",
			       rq->path);
	if (n > PM2_APPS_MAX)
		return err_set(e, -E2BIG, "%s: %zu apps; a file has at most %u pools", rq->path, n,
			       PM2_APPS_MAX);
	ps->list = calloc(n, sizeof(*ps->list));
	if (!ps->list)
		return err_set(e, -ENOMEM, "out of memory");
	json_array_foreach(apps, i, conf)
	{
		if (!json_is_object(conf))
			return err_set(e, -EINVAL, "%s: app %zu is not a mapping of keys to values",
				       rq->path, i + 1);
		if (r == 0)
			r = take_app(ps, conf, rq, notes, e);
	}
	return r;
}

/* ---- --env ---- */

/* A typing error would write another file than was meant, and nobody would see it. */
static int check_env(const json_t *apps, const struct pm2_request *rq, struct err *e)
{
	char names[200] = "";
	size_t i, used = 0;
	const json_t *conf;
	const char *key;
	json_t *v;

	if (!rq->env)
		return 0;
	json_array_foreach(apps, i, conf)
	{
		json_object_foreach((json_t *)(uintptr_t)conf, key, v)
		{
			char *safe = strncmp(key, "env_", 4) == 0 && json_is_object(v) ?
					     pm2_one_line(key + 4) :
					     NULL;

			if (safe && strcmp(safe, rq->env) == 0) {
				free(safe);
				return 0;
			}
			if (safe && !strstr(names, safe) && used + strlen(safe) + 3 < sizeof(names))
				used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
							 used ? ", " : "", safe);
			free(safe);
		}
	}
	return err_set(e, -EINVAL, "--env %.60s: no app has env_%.60s; %s%s", rq->env, rq->env,
		       used ? "there is: " : "the file has no env_NAME at all", names);
}

/* ---- the file ---- */

static void put_head(const json_t *root, const struct pm2_request *rq, FILE *out)
{
	char *path = pm2_one_line(rq->path), *env = rq->env ? pm2_one_line(rq->env) : NULL;

	(void)fprintf(out, "# Made by `mpsup import pm2 %s%s%s` (mpsup %s).\n", path ? path : "",
		      env ? " --env " : "", env ? env : "", MPSUP_VERSION);
	pm2_put_comment(out, 0, "",
			"Workers see the system and their own folder read-only: rw: [DIR] is for a "
			"folder that a program writes to. Of the environment they get env and "
			"PATH, LANG, TZ alone: env_inherit: [NAME] passes more on.");
	if (json_object_get(root, "deploy"))
		pm2_put_comment(out, 0, "deploy",
				"`pm2 deploy` has no equal: bring the files there by what you "
				"have, then `mpsup apply` or `mpsup restart`.");
	(void)fputs("version: 1\npools:\n", out);
	free(path);
	free(env);
}

static void note_top(const json_t *root, const struct pm2_request *rq, FILE *notes)
{
	static const char *const known[] = { "apps", "pm2", "deploy" };
	const char *key;
	json_t *v;

	if (!json_is_object(root) || is_app(root))
		return;
	json_object_foreach((json_t *)(uintptr_t)root, key, v)
	{
		bool found = false;
		char *safe;

		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			found |= strcmp(known[i], key) == 0;
		safe = found ? NULL : pm2_one_line(key);
		if (safe)
			(void)fprintf(notes,
				      "%s: '%.60s' beside apps is none of PM2's keys and is "
				      "left out\n",
				      rq->path, safe);
		free(safe);
	}
}

static void note_name(struct pm2_pool *p)
{
	if (strcmp(p->theirs, p->name) == 0)
		return;
	pm2_remark(p, "name", "'%s' at PM2's", p->theirs);
	pm2_note(p, "it is '%.60s' at PM2's; names of pools are a to z, 0 to 9 and . _ -",
		 p->theirs);
}

int pm2_write(const json_t *root, const struct pm2_request *rq, FILE *out, FILE *notes,
	      struct err *e)
{
	CLEANUP(pools_done) struct pools ps = { 0 };
	json_t *apps = apps_of(root);
	int r = apps ? take_apps(&ps, apps, rq, notes, e) : err_set(e, -ENOMEM, "out of memory");

	if (r == 0)
		r = check_env(apps, rq, e);
	if (r == 0) {
		put_head(root, rq, out);
		note_top(root, rq, notes);
	}
	for (unsigned i = 0; i < ps.n && r == 0; i++) {
		struct pm2_pool *p = &ps.list[i];

		r = pm2_pool_open(p) < 0 ? err_set(e, -ENOMEM, "out of memory") : 0;
		if (r == 0) {
			note_name(p);
			r = pm2_put_pool(p, e);
		}
		if (r == 0)
			pm2_pool_print(p, out);
	}
	json_decref(apps);
	return r;
}
