/* SPDX-License-Identifier: MIT */
/* reading.c - what all options share: errors in one form, numbers, words, lists. */
#define _GNU_SOURCE
#include "config/reading.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "base/parse.h"

int reading_wrong(const struct key *k, struct err *e, int code, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
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
int reading_one_of(const struct key *k, const char *value, const char *const *words, int *ret,
		   struct err *e)
{
	const char *near;

	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], value) == 0) {
			*ret = i;
			return 0;
		}
	near = nearest_word(value, words);
	return reading_wrong(k, e, -EINVAL, "'%.100s' is not known; right is: %s%s%s%s", value,
			     k->form, near ? " (did you mean '" : "", near ? near : "",
			     near ? "'?)" : "");
}

int reading_append_text(struct reading *rd, const char ***list, const char *text)
{
	size_t n = 0;
	const char **more;

	while (*list && (*list)[n])
		n++;
	more = arena_alloc(&rd->c->arena, (n + 2) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	if (n)
		memcpy(more, *list, n * sizeof(*more));
	more[n] = arena_strdup(&rd->c->arena, text);
	*list = more;
	return more[n] ? 0 : -ENOMEM;
}

int reading_append_env(struct reading *rd, const char *name, const char *value)
{
	struct pool_config *p = rd->p;
	struct env_var *more = arena_alloc(&rd->c->arena, (p->nenv + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	if (p->nenv)
		memcpy(more, p->env, p->nenv * sizeof(*more));
	more[p->nenv] = (struct env_var){ .name = arena_strdup(&rd->c->arena, name),
					  .value = arena_strdup(&rd->c->arena, value) };
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
	*to = arena_strdup(&rd->c->arena, value);
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
	char *copy = arena_strdup(&rd->c->arena, value), *save = NULL;

	*list = NULL;
	if (!copy)
		return reading_no_memory(e);
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save))
		if (reading_append_text(rd, list, w) < 0)
			return reading_no_memory(e);
	return *list ? 0 : reading_not_right(k, value, -EINVAL, e);
}
