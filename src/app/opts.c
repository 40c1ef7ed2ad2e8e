/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/opts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/nearest.h"
#include "base/text.h"

enum { GO_ON = -1, STATUS_OK = 0, STATUS_USAGE = 2 };
#define OPTS_MAX 16

PRINTF(2, 3) static int complain(const struct usage *u, const char *fmt, ...)
{
	char text[300], safe[400];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(text))
		n = (int)sizeof(text) - 1;
	(void)text_safe(text, n > 0 ? (size_t)n : 0, safe, sizeof(safe));
	(void)fprintf(stderr, "mpsup %s: %s (see `mpsup %s --help`)\n", u->verb, safe, u->verb);
	return STATUS_USAGE;
}

static int show_help(const struct usage *u)
{
	(void)printf("usage: mpsup %s [options]%s%s\n\n%s\n", u->verb, *u->args ? " " : "", u->args,
		     u->text);
	for (const struct opt *o = u->opts; o->name; o++) {
		char left[64];

		(void)snprintf(left, sizeof(left), "%c%c%s--%s%s%s", o->letter ? '-' : ' ',
			       o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
			       o->arg ? " " : "", o->arg ? o->arg : "");
		(void)printf("  %-20s  %s\n", left, o->help);
	}
	(void)printf("  -h, --help            this text\n");
	if (strstr(u->args, "TARGET"))
		(void)printf("\nTARGET is [INSTANCE:][POOL[/SLOT]]: web is a pool, web/3 a worker, "
			     "shop: an instance,\nshop:web/3 all of it. Without an instance, the "
			     "only one that runs.\n");
	return STATUS_OK;
}

static int unknown(const struct usage *u, const char *name)
{
	const char *words[OPTS_MAX + 2] = { "help" };
	const char *near;
	size_t n = 1;

	for (const struct opt *o = u->opts; o->name && n <= OPTS_MAX; o++)
		words[n++] = o->name;
	near = nearest_word(name, words);
	if (near)
		return complain(u, "no option '--%.60s'; did you mean --%s?", name, near);
	return complain(u, "no option '--%.60s'", name);
}

static int take(const struct usage *u, const struct opt *o, const char *value)
{
	unsigned long long n;
	char *end;

	if (!o->arg) {
		*o->on = true;
		return GO_ON;
	}
	if (value && o->value) {
		*o->value = value;
		return GO_ON;
	}
	errno = 0;
	n = value ? strtoull(value, &end, 10) : 0;
	if (!value)
		return complain(u, "--%s needs a value: %s", o->name, o->arg);
	if (*value < '0' || *value > '9' || *end || errno || n > INT64_MAX)
		return complain(u, "--%s takes a whole number, not '%.40s'", o->name, value);
	*o->number = n;
	return GO_ON;
}

/* --name, --name=value, --name value; *i moves on when a word more was taken. */
static int parse_long(const struct usage *u, int argc, char **argv, int *i)
{
	const char *name = argv[*i] + 2, *eq = strchrnul(name, '=');
	size_t len = (size_t)(eq - name);

	if (strcmp(name, "help") == 0)
		return show_help(u);
	for (const struct opt *o = u->opts; o->name; o++) {
		if (strlen(o->name) != len || strncmp(o->name, name, len) != 0)
			continue;
		if (!o->arg && *eq)
			return complain(u, "--%s takes no value", o->name);
		if (*eq || !o->arg)
			return take(u, o, *eq ? eq + 1 : NULL);
		if (*i + 1 < argc)
			return take(u, o, argv[++*i]);
		return take(u, o, NULL);
	}
	return unknown(u, name);
}

/* -f, -fn5, -n 5 */
static int parse_short(const struct usage *u, int argc, char **argv, int *i)
{
	for (const char *p = argv[*i] + 1; *p; p++) {
		const struct opt *o = u->opts;
		int status;

		if (*p == 'h')
			return show_help(u);
		while (o->name && o->letter != *p)
			o++;
		if (!o->name)
			return complain(u, "no option '-%c'", *p);
		if (!o->arg) {
			*o->on = true;
			continue;
		}
		if (p[1])
			return take(u, o, p + 1);
		status = take(u, o, *i + 1 < argc ? argv[*i + 1] : NULL);
		*i += 1;
		return status;
	}
	return GO_ON;
}

static bool is_word(const struct usage *u, const char *arg)
{
	if (arg[0] != '-' || !arg[1])
		return true;
	return u->numbers && arg[1] >= '0' && arg[1] <= '9';
}

static int take_word(const struct usage *u, const char *word, unsigned n, const char **ret_target)
{
	if (!*u->args)
		return complain(u, "takes no target, not '%.60s'", word);
	if (n == 0)
		*ret_target = word;
	else if (n <= u->max_words)
		u->words[n - 1] = word;
	else if (u->max_words == 0)
		return complain(u, "one target only; '%.60s' is a second", word);
	else
		return complain(u, "'%.60s' is one word too many", word);
	return GO_ON;
}

int opts_parse(const struct usage *u, int argc, char **argv, const char **ret_target)
{
	bool only_words = false;
	unsigned n = 0;

	*ret_target = NULL;
	for (unsigned i = 0; i < u->max_words; i++)
		u->words[i] = NULL;
	for (int i = 0; i < argc; i++) {
		int status = GO_ON;

		if (only_words || is_word(u, argv[i]))
			status = take_word(u, argv[i], n++, ret_target);
		else if (strcmp(argv[i], "--") == 0)
			only_words = true;
		else if (argv[i][1] == '-')
			status = parse_long(u, argc, argv, &i);
		else
			status = parse_short(u, argc, argv, &i);
		if (status != GO_ON)
			return status;
	}
	return GO_ON;
}
