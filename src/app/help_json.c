/* SPDX-License-Identifier: MIT */
/* help_json.c - the tables of options, keys and verbs as JSON: man pages, completion and
 * schema are made of it (scripts/make-docs.py). */
#include <jansson.h>
#include <stdlib.h>

#include "app/cmd.h"
#include "app/help.h"
#include "config/keys.h"

static json_t *text(const char *s)
{
	return s && *s ? json_string(s) : json_null();
}

static json_t *words(const char *const *list)
{
	json_t *all = json_array();

	for (; list && *list; list++)
		(void)json_array_append_new(all, json_string(*list));
	return all;
}

static json_t *key_json(const struct key *k)
{
	static const char *const shapes[] = {
		[SHAPE_ONE] = "one",	 [SHAPE_EACH] = "each",	      [SHAPE_WORDS] = "words",
		[SHAPE_PAIRS] = "pairs", [SHAPE_COMMAND] = "command", [SHAPE_ARGV_ONLY] = "argv"
	};
	static const char *const changes[] = { [CHANGE_LIVE] = "live",
					       [CHANGE_RELOAD] = "reload",
					       [CHANGE_RESTART] = "restart" };
	char letter[2] = { k->letter, '\0' };

	return json_pack("{s:o, s:o, s:o, s:s, s:b, s:s, s:s, s:o, s:o, s:s, s:o, s:o, s:b}",
			 "option", text(k->option), "letter", text(letter), "key", text(k->key),
			 "folder", keys_folder(k->level), "pool", keys_is_pool(k), "shape",
			 shapes[k->shape], "change", changes[k->change], "value", text(k->value),
			 "default", text(k->standard), "help", k->help, "form", text(k->form),
			 "words", words(k->words), "open", !k->words || k->open);
}

void help_json(FILE *f)
{
	json_t *all = json_array(), *verbs = json_array(), *o;
	char *out;

	for (size_t i = 0; i < keys_count; i++)
		(void)json_array_append_new(all, key_json(&keys[i]));
	for (const struct cmd *c = cmds; c->name; c++)
		(void)json_array_append_new(verbs, json_pack("{s:s, s:s}", "name", c->name, "help",
							     c->summary));
	o = json_pack("{s:s, s:o, s:o}", "version", MPSUP_VERSION, "keys", all, "verbs", verbs);
	out = json_dumps(o, JSON_INDENT(1));
	(void)fprintf(f, "%s\n", out ? out : "{}");
	free(out);
	json_decref(o);
}
