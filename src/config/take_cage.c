/* SPDX-License-Identifier: MIT */
/* take_cage.c - the options of the cage: view, policy, network, its words. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "config/reading.h"
#include "policy/policy.h"

const char *const words_view[] = { "app", "host", NULL };

TAKE(view)
{
	int i = 0, r = reading_one_of(k, value, &i, e);

	if (r == 0)
		rd->p->view = i ? VIEW_KIND_HOST : VIEW_KIND_APP;
	return r;
}

static int path_into(struct reading *rd, const char ***list, const struct key *k, const char *value,
		     struct err *e)
{
	if (value[0] != '/')
		return reading_not_right(k, value, -EINVAL, e);
	return reading_append_text(rd, list, value) < 0 ? reading_no_memory(e) : 0;
}

TAKE(ro)
{
	return path_into(rd, &rd->p->ro, k, value, e);
}

TAKE(rw)
{
	return path_into(rd, &rd->p->rw, k, value, e);
}

TAKE(hide)
{
	return path_into(rd, &rd->p->hide, k, value, e);
}

TAKE(policy)
{
	int r = reading_text(rd, &rd->p->policy, k, value, e);

	if (r < 0 || !policy_is_file(value))
		return r;
	rd->p->policy = reading_path(rd, value);
	return rd->p->policy ? 0 : reading_no_memory(e);
}

const char *const words_net[] = { "host", "none", NULL };

TAKE(net)
{
	int i = 0, r = reading_one_of(k, value, &i, e);

	if (r == 0)
		rd->p->net_none = i == 1;
	return r;
}

static int cage_word(const struct key *k, const char *word, size_t len, uint32_t *ret_bits,
		     struct err *e)
{
	char text[32], all[256] = "";
	const char *near;
	int w = cage_word_find(word, len);

	if (w >= 0) {
		*ret_bits |= CAGE_BIT(w);
		return 0;
	}
	(void)snprintf(text, sizeof(text), "%.*s", (int)(len > 31 ? 31 : len), word);
	for (int i = 0; i < CAGE_WORDS; i++) {
		strncat(all, i ? " " : "", sizeof(all) - strlen(all) - 1);
		strncat(all, cage_word_name[i], sizeof(all) - strlen(all) - 1);
	}
	near = nearest_word(text, k->words);
	return reading_wrong(k, e, -EINVAL, "'%s' is no word of the cage%s%s%s; they are: %s", text,
			     near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "",
			     all);
}

static int cage_words(const struct key *k, const char *value, uint32_t *ret_bits, struct err *e)
{
	while (1) {
		size_t n = strcspn(value, ",");
		int r = cage_word(k, value, n, ret_bits, e);

		if (r < 0 || !value[n])
			return r;
		value += n + 1;
	}
}

TAKE(no_sandbox)
{
	return cage_words(k, value, &rd->p->cage_off, e);
}

TAKE(require)
{
	if (strcmp(value, "all") == 0) {
		/* All that can be had here; user namespaces, Landlock and an empty
		 * network are had where they are asked for by their own options. */
		rd->p->cage_required |= (CAGE_BIT(CAGE_WORDS) - 1u) & ~CAGE_BIT(CAGE_USER) &
					~CAGE_BIT(CAGE_LANDLOCK) & ~CAGE_BIT(CAGE_NET);
		return 0;
	}
	return cage_words(k, value, &rd->p->cage_required, e);
}
