/* SPDX-License-Identifier: MIT */
/* options.c - from the words of a command line to a configuration. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/reading.h"

/* "--port --demo": a value was forgotten; a value that looks so is written with =. */
static bool is_option(const char *word)
{
	size_t len = strcspn(word, "=");

	return strncmp(word, "--", 2) == 0 &&
	       (len == 2 || keys_find(word + 2, len - 2, 0) || keys_is_planned(word + 2, len - 2));
}

static int unknown_option(const char *name, size_t len, struct err *e)
{
	char text[64];
	const char *near;

	(void)snprintf(text, sizeof(text), "%.*s", (int)(len > 63 ? 63 : len), name);
	if (keys_is_planned(name, len))
		return err_set(e, -EINVAL, "--%s is not built yet in mpsup %s", text,
			       MPSUP_VERSION);
	near = keys_nearest(text, 0);
	return err_set(e, -EINVAL, "unknown option '--%s'%s%s%s", text,
		       near ? "; did you mean '--" : "; see mpsup --help", near ? near : "",
		       near ? "'?" : "");
}

static int take(struct reading *rd, const struct key *k, const char *attached, int *i, int argc,
		char **argv, struct err *e)
{
	const char *value = attached;

	if (!k->value) {
		if (attached)
			return reading_wrong(k, e, -EINVAL, "it takes no value");
		return reading_take(rd, k, NULL, e);
	}
	if (!value && (*i + 1 >= argc || is_option(argv[*i + 1])))
		return reading_wrong(k, e, -EINVAL, "its %s is missing", k->value);
	if (!value)
		value = argv[++*i];
	return reading_take(rd, k, value, e);
}

static int take_long(struct reading *rd, int *i, int argc, char **argv, struct err *e)
{
	const char *name = argv[*i] + 2, *eq = strchr(name, '=');
	size_t len = eq ? (size_t)(eq - name) : strlen(name);
	const struct key *k = keys_find(name, len, 0);

	return k ? take(rd, k, eq ? eq + 1 : NULL, i, argc, argv, e) : unknown_option(name, len, e);
}

static int take_short(struct reading *rd, int *i, int argc, char **argv, struct err *e)
{
	for (const char *p = argv[*i] + 1; *p; p++) {
		const struct key *k = keys_find_letter(*p);
		int r;

		if (!k)
			return err_set(e, -EINVAL, "unknown option '-%.8s'; see mpsup --help", p);
		if (k->value) /* the rest of the word, or the next one */
			return take(rd, k, p[1] ? p + 1 : NULL, i, argc, argv, e);
		r = reading_take(rd, k, NULL, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_rest(struct reading *rd, int argc, char **argv, struct err *e)
{
	const struct key *k = keys_find_at(LEVEL_POOL, "command");
	int r = 0;

	if (argc == 0)
		return err_set(e, -EINVAL, "the command after -- is missing");
	if (!*argv[0])
		return err_set(e, -EINVAL, "the command after -- is empty");
	for (int i = 0; r == 0 && i < argc; i++)
		r = reading_take(rd, k, argv[i], e);
	return r;
}

int reading_take_argv(struct reading *rd, int argc, char **argv, struct err *e)
{
	for (int i = 0; i < argc; i++) {
		int r;

		if (strcmp(argv[i], "--") == 0)
			return take_rest(rd, argc - i - 1, argv + i + 1, e);
		if (strncmp(argv[i], "--", 2) == 0)
			r = take_long(rd, &i, argc, argv, e);
		else if (argv[i][0] == '-' && argv[i][1])
			r = take_short(rd, &i, argc, argv, e);
		else
			r = err_set(e, -EINVAL,
				    "'%.60s' is no option; a command comes after --: "
				    "mpsup ... -- %.60s",
				    argv[i], argv[i]);
		if (r < 0 || rd->help || rd->version)
			return r;
	}
	return 0;
}

/* It has an ending; an address or a number has none. */
static bool is_script(const char *word)
{
	const char *dot = strrchr(word, '.');

	return word[0] != '-' && dot && ((dot[1] | 32) >= 'a' && (dot[1] | 32) <= 'z');
}

/* "server" of /srv/app/server.js, "mpsup" for the built-in worker. */
static const char *default_name(struct config *c)
{
	char **argv = c->pools[0]->command;
	const char *word = "mpsup", *base;
	char *name;
	size_t n = 0;

	if (argv) {
		word = argv[0];
		for (int i = 1; argv[i]; i++)
			if (is_script(argv[i])) {
				word = argv[i]; /* the script, not its interpreter */
				break;
			}
	}
	base = strrchr(word, '/') ? strrchr(word, '/') + 1 : word;
	name = arena_strndup(&c->arena, base, 28);
	for (char *p = name; p && *p; p++) {
		char ch = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;

		if (ch == '.' && strcspn(p + 1, ".") == strlen(p + 1))
			break; /* the ending */
		if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') ||
		    (n > 0 && (ch == '_' || ch == '-' || ch == '.')))
			name[n++] = ch;
	}
	if (name)
		name[n] = '\0';
	return name && *name ? name : "mpsup";
}

/* A command line's instance has one pool, "web". */
static int finish_argv(struct reading *rd, struct err *e)
{
	int r;

	if (rd->quiet && rd->verbose)
		return err_set(e, -EINVAL, "--quiet and --verbose contradict each other");
	rd->p->name = "web";
	rd->p->dir = reading_here(&rd->p->arena);
	r = rd->p->dir ? reading_check_pool(rd->p, e) : reading_no_memory(e);
	if (r == 0)
		r = reading_finish_pool(rd, e);
	if (r == 0 && !rd->c->name)
		rd->c->name = default_name(rd->c);
	return r;
}

/* With a file an option may only be the instance's. */
static int finish_file(struct reading *rd, struct complaints *cs, struct config **ret,
		       struct err *e)
{
	const struct key *k;

	if (rd->quiet && rd->verbose)
		return err_set(e, -EINVAL, "--quiet and --verbose contradict each other");
	if (rd->p->given.n == 0)
		return config_from_file(rd->c->file, &rd->c->given, true, cs, ret, e);
	k = rd->p->given.list[0].key;
	if (k->shape == SHAPE_COMMAND)
		return err_set(e, -EINVAL,
			       "with --config the commands are in the file: no command after --");
	return err_set(e, -EINVAL, "--%s: with --config it is a pool's key in the file, %s%s",
		       k->option, keys_folder(k->level), k->key);
}

static void ask_for(const struct reading *rd, char *ret_ask)
{
	*ret_ask = rd->help ? 'h' : rd->version ? 'v' : 0;
}

int config_from_argv(int argc, char **argv, struct complaints *cs, struct config **ret_config,
		     char *ret_ask, struct err *e)
{
	struct reading rd = { .c = config_new(), .p = pool_config_new() };
	struct config *done = NULL;
	int r = -ENOMEM;

	*ret_ask = 0;
	*ret_config = NULL;
	if (rd.c && rd.p)
		r = config_add_pool(rd.c, rd.p);
	if (r < 0) {
		(void)err_set(e, r, "out of memory");
		if (!rd.c || rd.c->npools == 0)
			pool_config_unref(rd.p);
		config_unref(rd.c);
		return r;
	}
	r = reading_take_argv(&rd, argc, argv, e);
	if (r == 0)
		ask_for(&rd, ret_ask);
	if (r == 0 && !*ret_ask)
		r = rd.c->file ? finish_file(&rd, cs, &done, e) : finish_argv(&rd, e);
	if (r == 0 && !*ret_ask)
		*ret_config = done ? done : config_ref(rd.c);
	config_unref(rd.c);
	return r;
}
