/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "config/show.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/keys.h"
#include "policy/policy.h"

#define PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./%+-@"

/* ---- values ---- */

/* Nothing that YAML would read as something else, or as nothing. */
static bool is_plain(const char *text)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on",
					     "off",  "null",  "y",   "n",  "~" };

	if (!*text || strchr("-.%@", *text) || text[strspn(text, PLAIN)])
		return false;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcasecmp(text, words[i]) == 0)
			return false;
	return true;
}

/* Characters of more than a byte that YAML takes for the end of a line, or does not take:
 * U+0080 to U+009F, U+2028, U+2029, U+FEFF, U+FFFE and U+FFFF. Their length, or 0. */
static size_t put_odd(FILE *to, const unsigned char *p)
{
	unsigned rune;

	if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f) {
		(void)fprintf(to, "\\x%02X", p[1]);
		return 2;
	}
	if ((p[0] & 0xf0) != 0xe0 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80)
		return 0;
	rune = (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	if (rune != 0x2028 && rune != 0x2029 && rune != 0xfeff && rune < 0xfffe)
		return 0;
	(void)fprintf(to, "\\u%04X", rune);
	return 3;
}

/* In double quotes, and without variables: "${" is "$${". */
void config_put_text(FILE *to, const char *text)
{
	if (is_plain(text)) {
		(void)fputs(text, to);
		return;
	}
	(void)fputc('"', to);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		size_t odd = *p >= 0x80 ? put_odd(to, p) : 0;

		if (odd)
			p += odd - 1;
		else if (*p == '$' && p[1] == '{')
			(void)fputs("$$", to);
		else if (*p == '"' || *p == '\\')
			(void)fprintf(to, "\\%c", *p);
		else if (*p < 0x20 || *p == 0x7f)
			(void)fprintf(to, "\\x%02X", *p);
		else
			(void)fputc(*p, to);
	}
	(void)fputc('"', to);
}

static void put_origin(FILE *to, const struct given *g, bool of_file)
{
	if (g->file)
		(void)fprintf(to, "  # %s:%u:%u\n", g->file, g->line, g->column);
	else if (of_file) /* with a file no option is a pool's */
		(void)fputs("  # mpsup set, scale\n", to);
	else if (g->key->option)
		(void)fprintf(to, "  # --%s\n", g->key->option);
	else
		(void)fputs("  # command line\n", to);
}

bool config_is_secret(const char *pair)
{
	static const char *const words[] = { "PASS", "SECRET",	"TOKEN", "KEY",	  "CRED",
					     "AUTH", "PRIVATE", "DSN",	 "COOKIE" };
	const char *eq = strchr(pair, '=');
	char name[128];

	(void)snprintf(name, sizeof(name), "%.*s", (int)(eq ? eq - pair : 0), pair);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcasestr(name, words[i]))
			return true;
	/* postgres://user:password@host/ */
	return eq && strstr(eq, "://") && strchr(strstr(eq, "://"), '@');
}

static bool is_path(const struct key *k, const char *value)
{
	static const char *const keys_of_paths[] = { "env_file", "pidfile" };

	if (k->level == LEVEL_POOL_LOG && strcmp(k->key, "file") == 0)
		return strcmp(value, "none") != 0;
	if (strcmp(k->key, "policy") == 0)
		return policy_is_file(value);
	for (size_t i = 0; i < ARRAY_LEN(keys_of_paths); i++)
		if (strcmp(k->key, keys_of_paths[i]) == 0)
			return true;
	return false;
}

/* Where the path in it begins; NULL: it holds none. */
static const char *path_in(const struct given *g)
{
	if (strcmp(g->key->key, "credential") == 0)
		return strchr(g->value, '=') + 1;
	return is_path(g->key, g->value) ? g->value : NULL;
}

/* A relative path was meant from its file's folder, and is read from another place. */
static void put_value(FILE *to, const struct given *g)
{
	const char *slash = g->file ? strrchr(g->file, '/') : NULL, *path = path_in(g);
	char *text = NULL;
	int n = 0;

	if (strcmp(g->key->key, "env") == 0 && config_is_secret(g->value))
		n = asprintf(&text, "%.*s=***", (int)strcspn(g->value, "="), g->value);
	else if (path && *path != '/' && slash)
		n = asprintf(&text, "%.*s%.*s/%s", (int)(path - g->value), g->value,
			     (int)(slash - g->file), g->file, path);
	config_put_text(to, text && n >= 0 ? text : g->value);
	if (n >= 0)
		free(text);
}

/* ---- keys ---- */

static const struct given *last_of(const struct givens *gs, const struct key *k)
{
	for (unsigned i = gs->n; i > 0; i--)
		if (gs->list[i - 1].key == k)
			return &gs->list[i - 1];
	return NULL;
}

static bool is_list(const struct key *k)
{
	return k->shape == SHAPE_EACH || k->shape == SHAPE_PAIRS || k->shape == SHAPE_COMMAND;
}

static void put_default(FILE *to, const struct key *k, int indent)
{
	(void)fprintf(to, "%*s# %s: %s  # default\n", indent, "", k->key,
		      k->standard ? k->standard :
		      k->value	  ? "none" :
				    "false");
}

static void put_key(FILE *to, const struct givens *gs, bool of_file, const struct key *k,
		    int indent)
{
	const struct given *last = last_of(gs, k);

	if (!last) {
		put_default(to, k, indent);
		return;
	}
	(void)fprintf(to, "%*s%s:", indent, "", k->key);
	if (!is_list(k)) {
		(void)fputc(' ', to);
		if (last->value)
			put_value(to, last);
		else
			(void)fputs("true", to);
		put_origin(to, last, of_file);
		return;
	}
	(void)fputc('\n', to);
	for (unsigned i = 0; i < gs->n; i++) {
		const struct given *g = &gs->list[i];

		if (g->key != k)
			continue;
		(void)fprintf(to, "%*s- ", indent + 2, "");
		put_value(to, g);
		put_origin(to, g, of_file);
	}
}

static void put_level(FILE *to, const struct givens *gs, bool of_file, enum key_level level,
		      int indent)
{
	const char *folder = keys_folder(level);
	bool any = false;

	for (size_t i = 0; i < keys_count; i++)
		any |= keys[i].level == level && last_of(gs, &keys[i]);
	if (*folder) {
		/* A mapping with nothing but comments would be none. */
		(void)fprintf(to, "%*s%s%.*s:\n", indent, "", any ? "" : "# ",
			      (int)strcspn(folder, "."), folder);
		indent += 2;
	}
	for (size_t i = 0; i < keys_count; i++)
		if (keys[i].level == level && keys[i].shape != SHAPE_ARGV_ONLY)
			put_key(to, gs, of_file, &keys[i], indent);
}

/* ---- what was not given, and is not the same in a file ---- */

static bool has(const struct pool_config *p, const char *key)
{
	return last_of(&p->given, keys_find_at(LEVEL_POOL, key)) != NULL;
}

static void put_own_defaults(FILE *to, const struct pool_config *p)
{
	const struct given *cwd = last_of(&p->given, keys_find_at(LEVEL_POOL, "cwd"));

	if (p->cwd) {
		(void)fputs("    cwd: ", to);
		config_put_text(to, p->cwd);
		if (cwd)
			put_origin(to, cwd, p->file != NULL);
		else
			(void)fputs("  # default\n", to);
	}
	if (p->file)
		return;
	if (!has(p, "env_inherit"))
		(void)fputs("    env_inherit: all  # default of a command line\n", to);
	if (!has(p, "user") && p->caller_uid)
		(void)fprintf(to, "    user: %u  # default: the one who called sudo\n", p->uid);
}

/* Another of its name came after it: of the pool itself, or out of a file. */
static bool is_overruled(const struct pool_config *p, const struct given *g)
{
	const char *eq = strchr(g->value, '=');

	for (unsigned i = p->nenv; eq && i > 0; i--) {
		const struct env_var *v = &p->env[i - 1];

		if (strlen(v->name) == (size_t)(eq - g->value) &&
		    strncmp(v->name, g->value, (size_t)(eq - g->value)) == 0)
			return strcmp(v->value, eq + 1) != 0;
	}
	return false;
}

/* Of variables the later wins, whether a file has it or not: files first, then those that
 * none of them overrules. */
static void put_variables(FILE *to, const struct pool_config *p)
{
	const struct key *k = keys_find_at(LEVEL_POOL, "env");
	bool any = false;

	put_key(to, &p->given, p->file != NULL, keys_find_at(LEVEL_POOL, "env_file"), 4);
	for (unsigned i = 0; i < p->given.n; i++) {
		const struct given *g = &p->given.list[i];

		if (g->key != k || is_overruled(p, g))
			continue;
		(void)fputs(any ? "      - " : "    env:\n      - ", to);
		put_value(to, g);
		put_origin(to, g, p->file != NULL);
		any = true;
	}
	if (!any)
		put_default(to, k, 4);
}

static void put_pool_level(FILE *to, const struct pool_config *p)
{
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *k = &keys[i];

		if (strcmp(k->key, "env_file") == 0)
			continue;
		if (k->level == LEVEL_POOL && strcmp(k->key, "env") == 0) {
			put_variables(to, p);
			continue;
		}
		if (k->level != LEVEL_POOL || strcmp(k->key, "cwd") == 0 ||
		    (!p->file && strcmp(k->key, "env_inherit") == 0 && !has(p, k->key)) ||
		    (!p->file && strcmp(k->key, "user") == 0 && !has(p, k->key) && p->caller_uid))
			continue;
		put_key(to, &p->given, p->file != NULL, k, 4);
	}
}

static void put_pool(FILE *to, const struct pool_config *p)
{
	(void)fprintf(to, "  - name: %s", p->name);
	if (p->file)
		(void)fprintf(to, "  # %s:%u:%u\n", p->file, p->line, p->column);
	else
		(void)fputs("  # default of a command line\n", to);
	put_own_defaults(to, p);
	put_pool_level(to, p);
	for (enum key_level l = LEVEL_POOL + 1; l < LEVELS; l++)
		put_level(to, &p->given, p->file != NULL, l, 4);
}

void config_show(FILE *to, const struct config *c, const struct pool_config *const *pools,
		 unsigned n)
{
	const struct key *name = keys_find_at(LEVEL_INSTANCE, "name");

	(void)fputs("version: 1\n", to);
	if (!last_of(&c->given, name))
		(void)fprintf(to, "name: %s  # default\n", c->name);
	for (size_t i = 0; i < keys_count; i++)
		if (keys[i].level == LEVEL_INSTANCE && keys[i].shape != SHAPE_ARGV_ONLY &&
		    (&keys[i] != name || last_of(&c->given, name)))
			put_key(to, &c->given, false, &keys[i], 0);
	for (enum key_level l = LEVEL_INSTANCE + 1; l < LEVEL_POOL; l++)
		put_level(to, &c->given, false, l, 0);
	(void)fputs("pools:\n", to);
	for (unsigned i = 0; i < n; i++)
		put_pool(to, pools[i]);
}
