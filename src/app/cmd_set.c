/* SPDX-License-Identifier: MIT */
/* cmd_set.c - `mpsup set` and `mpsup scale`: what a pool can change while it runs. */
#define _GNU_SOURCE
#include <stdio.h>

#include "app/client.h"
#include "app/cmd.h"
#include "app/opts.h"

#define WORDS_MAX 32

static int change(const char *target, const char *verb, json_t *args)
{
	json_t *final = NULL, *all;
	int r = client_run(target, verb, args, CONNECT_WAIT_MS, NULL, NULL, &final);

	if (r != 0)
		return r;
	all = json_object_get(final, "changes");
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *c = json_array_get(all, i);

		(void)printf("%s: %s → %s\n", json_string_value(json_object_get(c, "key")),
			     json_string_value(json_object_get(c, "old")),
			     json_string_value(json_object_get(c, "new")));
	}
	json_decref(final);
	return client_finish(CLIENT_OK);
}

int cmd_set(int argc, char **argv)
{
	static const struct opt opts[] = { { 0 } };
	const char *words[WORDS_MAX];
	const struct usage usage = {
		.verb = "set",
		.args = "POOL KEY=VALUE ...",
		.opts = opts,
		.words = words,
		.max_words = WORDS_MAX,
		.text = "Give keys of a pool other values while it runs, as in 'mpsup set web "
			"memory=768M': limits of\nits workers, the restart policy, deadlines. It "
			"holds over respawns, until the file has another\nvalue for that key. "
			"Prints old and new value. Keys that a running worker cannot change are\n"
			"refused. mpsup.yaml(5) has them all.\n",
	};
	struct render render;
	const char *target;
	json_t *list;
	int r = opts_parse(&usage, argc, argv, &target);

	if (r >= 0)
		return r;
	client_setup(&render);
	list = json_array();
	for (unsigned i = 0; i < WORDS_MAX && words[i]; i++)
		(void)json_array_append_new(list, json_string(words[i]));
	return change(target, "set", json_pack("{s:o}", "set", list));
}

int cmd_scale(int argc, char **argv)
{
	static const struct opt opts[] = { { 0 } };
	const char *word = NULL;
	const struct usage usage = {
		.verb = "scale",
		.args = "POOL N|+N|-N",
		.opts = opts,
		.words = &word,
		.max_words = 1,
		.numbers = true,
		.text = "Change the number of a pool's workers: more are started, those with the "
			"highest numbers are\nended as in a stop. It holds until the file has "
			"another number.\n",
	};
	struct render render;
	const char *target;
	int r = opts_parse(&usage, argc, argv, &target);

	if (r >= 0)
		return r;
	client_setup(&render);
	return change(target, "scale", json_pack("{s:s}", "workers", word ? word : ""));
}
