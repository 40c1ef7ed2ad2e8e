/* SPDX-License-Identifier: MIT */
#include "config/diff.h"

#include <string.h>

/* The next value of a key from *at on, NULL: no more. */
static const struct given *next(const struct givens *g, const struct key *k, unsigned *at)
{
	while (*at < g->n)
		if (g->list[(*at)++].key == k)
			return &g->list[*at - 1];
	return NULL;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* A list is the same in the same order; of one value the last counts. */
static bool same_values(const struct givens *a, const struct givens *b, const struct key *k)
{
	const struct given *x, *y, *last_x = NULL, *last_y = NULL;
	unsigned i = 0, j = 0;

	if (k->shape == SHAPE_ONE) {
		while ((x = next(a, k, &i)))
			last_x = x;
		while ((y = next(b, k, &j)))
			last_y = y;
		return last_x && last_y ? same_text(last_x->value, last_y->value) :
					  last_x == last_y;
	}
	do {
		x = next(a, k, &i);
		y = next(b, k, &j);
		if (!x != !y || (x && !same_text(x->value, y->value)))
			return false;
	} while (x);
	return true;
}

static void add(struct config_diff *d, const struct key *k)
{
	if (d->n == DIFF_MAX || (d->n && d->keys[d->n - 1] == k))
		return;
	d->keys[d->n++] = k;
	if (k->change > d->need)
		d->need = k->change;
}

static void compare(const struct givens *a, const struct givens *b, struct config_diff *d)
{
	*d = (struct config_diff){ .need = CHANGE_LIVE };
	for (size_t i = 0; i < keys_count; i++)
		if (!same_values(a, b, &keys[i]))
			add(d, &keys[i]);
}

static bool same_environment(const struct pool_config *a, const struct pool_config *b)
{
	if (a->nenv != b->nenv)
		return false;
	for (unsigned i = 0; i < a->nenv; i++)
		if (strcmp(a->env[i].name, b->env[i].name) != 0 ||
		    strcmp(a->env[i].value, b->env[i].value) != 0)
			return false;
	return true;
}

bool diff_has(const struct config_diff *d, const char *key)
{
	for (unsigned i = 0; i < d->n; i++)
		if (d->keys[i]->level == LEVEL_POOL && strcmp(d->keys[i]->key, key) == 0)
			return true;
	return false;
}

void pool_config_diff(const struct pool_config *a, const struct pool_config *b,
		      struct config_diff *ret)
{
	compare(&a->given, &b->given, ret);
	if (!diff_has(ret, "env") && !diff_has(ret, "env_file") && !same_environment(a, b))
		add(ret, keys_find_at(LEVEL_POOL, "env_file"));
}

void config_diff(const struct config *a, const struct config *b, struct config_diff *ret)
{
	compare(&a->given, &b->given, ret);
}
