/* SPDX-License-Identifier: MIT */
/* reading.c - what all options share: errors in one form, numbers, words, lists. */
#define _GNU_SOURCE
#include "config/reading.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "base/parse.h"

int reading_wrong(const struct key *k, struct err *e, int code, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!k->option)
		return err_set(e, code, "%s%s: %s", keys_folder(k->level), k->key, text);
	return err_set(e, code, "--%s: %s", k->option, text);
}

/* The common error: what was found, what would be right. */
int reading_not_right(const struct key *k, const char *value, int why, struct err *e)
{
	if (why == -ENOMEM)
		return err_set(e, -ENOMEM, "out of memory");
	return reading_wrong(k, e, -EINVAL, "'%.100s' is %s; right is: %s", value,
			     why == -ERANGE ? "out of range" : "not understood", k->form);
}

int reading_no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

/* One word of a NULL-terminated list; -EINVAL with the nearest. */
int reading_one_of(const struct key *k, const char *value, int *ret, struct err *e)
{
	const char *near;

	for (int i = 0; k->words[i]; i++)
		if (strcmp(k->words[i], value) == 0) {
			*ret = i;
			return 0;
		}
	near = nearest_word(value, k->words);
	return reading_wrong(k, e, -EINVAL, "'%.100s' is not known; right is: %s%s%s%s", value,
			     k->form, near ? " (did you mean '" : "", near ? near : "",
			     near ? "'?)" : "");
}

/* Lists grow by powers of 2, with the NULL at their end: what an arena has given it does
 * not take back. */
int reading_append_text(struct reading *rd, const char ***list, const char *text)
{
	size_t n = 0;
	const char **more = *list;
	const char *copy = arena_strdup(rd->arena, text);

	while (*list && (*list)[n])
		n++;
	if ((n & (n + 1)) == 0) {
		more = arena_alloc(rd->arena, 2 * (n + 1) * sizeof(*more));
		if (more && n)
			memcpy(more, *list, n * sizeof(*more));
	}
	if (!more || !copy)
		return -ENOMEM;
	more[n] = copy;
	more[n + 1] = NULL;
	*list = more;
	return 0;
}

int reading_append_env(struct reading *rd, const char *name, const char *value)
{
	struct pool_config *p = rd->p;
	struct env_var *more = p->env;

	if ((p->nenv & (p->nenv - 1)) == 0) {
		more = arena_alloc(rd->arena, (p->nenv ? 2 * p->nenv : 1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		if (p->nenv)
			memcpy(more, p->env, p->nenv * sizeof(*more));
	}
	more[p->nenv] = (struct env_var){ .name = arena_strdup(rd->arena, name),
					  .value = arena_strdup(rd->arena, value) };
	if (!more[p->nenv].name || !more[p->nenv].value)
		return -ENOMEM;
	p->env = more;
	p->nenv++;
	return 0;
}

int reading_text(struct reading *rd, const char **to, const struct key *k, const char *value,
		 struct err *e)
{
	if (!*value)
		return reading_not_right(k, value, -EINVAL, e);
	*to = arena_strdup(rd->arena, value);
	return *to ? 0 : reading_no_memory(e);
}

int reading_number(const struct key *k, const char *value, uint64_t min, uint64_t max,
		   uint64_t *ret, struct err *e)
{
	int r = parse_u64(value, min, max, ret);

	return r < 0 ? reading_not_right(k, value, r, e) : 0;
}

int reading_duration(const struct key *k, const char *value, uint64_t min_ms, uint64_t *ret,
		     struct err *e)
{
	uint64_t ms = 0;
	int r = parse_duration(value, &ms);

	if (r == 0 && ms < min_ms)
		r = -ERANGE;
	if (r < 0)
		return reading_not_right(k, value, r, e);
	*ret = ms;
	return 0;
}

/* Words with commas into a NULL-terminated list. */
int reading_words(struct reading *rd, const char ***list, const struct key *k, const char *value,
		  struct err *e)
{
	char *copy = arena_strdup(rd->arena, value), *save = NULL;

	*list = NULL;
	if (!copy)
		return reading_no_memory(e);
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save))
		if (reading_append_text(rd, list, w) < 0)
			return reading_no_memory(e);
	return *list ? 0 : reading_not_right(k, value, -EINVAL, e);
}

static int keep_given(struct givens *to, struct arena *a, const struct given *g)
{
	struct given *more;

	if ((to->n & (to->n - 1)) == 0) {
		more = arena_alloc(a, (to->n ? 2 * to->n : 1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		if (to->n)
			memcpy(more, to->list, to->n * sizeof(*more));
		to->list = more;
	}
	to->list[to->n] = *g;
	if (g->value)
		to->list[to->n].value = arena_strdup(a, g->value);
	/* Most come from the same file. */
	if (g->file && to->n > 0 && to->list[to->n - 1].file &&
	    strcmp(to->list[to->n - 1].file, g->file) == 0)
		to->list[to->n].file = to->list[to->n - 1].file;
	else if (g->file)
		to->list[to->n].file = arena_strdup(a, g->file);
	if ((g->value && !to->list[to->n].value) || (g->file && !to->list[to->n].file))
		return -ENOMEM;
	to->n++;
	return 0;
}

int reading_take(struct reading *rd, const struct key *k, const char *value, struct err *e)
{
	bool of_pool = keys_is_pool(k);
	struct given g = rd->at;
	int r;

	rd->arena = of_pool ? &rd->p->arena : &rd->c->arena;
	if (of_pool)
		rd->limits = k->level == LEVEL_TOTAL ? &rd->p->total : &rd->p->limits;
	r = k->take(rd, k, value, e);
	/* What is only of the command line (--set, --help) has done its work. */
	if (r < 0 || k->shape == SHAPE_ARGV_ONLY)
		return r;
	g.key = k;
	g.value = value;
	r = keep_given(of_pool ? &rd->p->given : &rd->c->given, rd->arena, &g);
	return r < 0 ? reading_no_memory(e) : 0;
}

const char *reading_path(struct reading *rd, const char *path)
{
	if (!rd->dir || path[0] == '/')
		return arena_strdup(rd->arena, path);
	if (strcmp(path, ".") == 0)
		return arena_strdup(rd->arena, rd->dir);
	return arena_printf(rd->arena, "%s/%s", rd->dir, path);
}

const char *reading_here(struct arena *a)
{
	char here[PATH_MAX];

	return arena_strdup(a, getcwd(here, sizeof(here)) && here[0] == '/' ? here : "/");
}

int reading_finish_pool(struct reading *rd, struct err *e)
{
	struct pool_config *p = rd->p;

	rd->arena = &p->arena;
	/* The built-in worker needs no folder: root's 0700 home is not in its way. */
	if (!p->cwd)
		p->cwd = p->command ? reading_path(rd, ".") : "/";
	return p->cwd ? 0 : reading_no_memory(e);
}

/* The values of a key that has changed come where its first one was, or last. */
static const struct given *change_of(const struct key *k, const struct given *changes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (changes[i].key == k)
			return &changes[i];
	return NULL;
}

/* What paths in it were relative to. */
static const char *folder_of(const struct reading *rd, const char *file)
{
	const char *slash = file ? strrchr(file, '/') : NULL;

	return slash ? arena_strndup(&rd->p->arena, file, (size_t)(slash - file)) : rd->p->dir;
}

static int take_given(struct reading *rd, const struct given *g, struct err *e)
{
	rd->at = *g;
	rd->dir = folder_of(rd, g->file);
	return reading_take(rd, g->key, g->value, e);
}

/* Of `mpsup set`, whose folder is nobody's. */
static int take_change(struct reading *rd, const struct given *g, struct err *e)
{
	rd->at = *g;
	rd->dir = NULL;
	return reading_take(rd, g->key, g->value, e);
}

static int rebuild(const struct pool_config *p, const struct given *changes, unsigned n, bool again,
		   struct pool_config **ret, struct err *e)
{
	struct reading rd = { .p = pool_config_new(), .again = again };
	int r = 0;

	if (!rd.p)
		return reading_no_memory(e);
	rd.p->name = arena_strdup(&rd.p->arena, p->name);
	rd.p->dir = p->dir ? arena_strdup(&rd.p->arena, p->dir) : NULL;
	rd.p->line = p->line;
	rd.p->column = p->column;
	if (p->file) {
		rd.p->file = arena_strdup(&rd.p->arena, p->file);
		rd.p->env_inherit = ENV_INHERIT_NONE;
	}
	for (unsigned i = 0; r == 0 && i < p->given.n; i++)
		if (!change_of(p->given.list[i].key, changes, n))
			r = take_given(&rd, &p->given.list[i], e);
	for (unsigned i = 0; r == 0 && i < n; i++)
		if (changes[i].value)
			r = take_change(&rd, &changes[i], e);
	if (r == 0)
		r = reading_check_pool(rd.p, e);
	rd.dir = folder_of(&rd, rd.p->file);
	if (r == 0)
		r = reading_finish_pool(&rd, e);
	if (r < 0)
		pool_config_unref(rd.p);
	else
		*ret = rd.p;
	return r;
}

int pool_config_changed(const struct pool_config *p, const struct given *changes, unsigned n,
			struct pool_config **ret, struct err *e)
{
	return rebuild(p, changes, n, false, ret, e);
}

int pool_config_again(const struct pool_config *was, struct pool_config **ret, struct err *e)
{
	return rebuild(was, NULL, 0, true, ret, e);
}
