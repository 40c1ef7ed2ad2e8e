/* SPDX-License-Identifier: MIT */
/* keys_help.c - the table of options as a page for people, 80 columns wide. */
#include <string.h>

#include "config/keys.h"

#define WIDTH  80
#define INDENT 32

static const struct {
	enum key_level level;
	const char *title;
} groups[] = { { LEVEL_POOL, "What runs, where, as whom, in which cage" },
	       { LEVEL_LIMITS, "Limits of each worker" },
	       { LEVEL_RESTART, "Life and restarts" },
	       { LEVEL_LOG, "Log" },
	       { LEVEL_INSTANCE, "The instance" },
	       { LEVEL_CONTROL, "Who may look and change" } };

/* Words from column INDENT on, further lines likewise. */
static void print_wrapped(FILE *to, const char *text)
{
	size_t at = INDENT;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (at > INDENT && at + 1 + n > WIDTH) {
			(void)fprintf(to, "\n%*s", INDENT, "");
			at = INDENT;
		} else if (at > INDENT) {
			(void)fputc(' ', to);
			at++;
		}
		(void)fprintf(to, "%.*s", (int)n, text);
		at += n;
		text += n + strspn(text + n, " ");
	}
	(void)fputc('\n', to);
}

static void print_key(FILE *to, const struct key *k)
{
	char left[96], text[256];
	int n = snprintf(left, sizeof(left), "  %c%c%s --%s%s%s", k->letter ? '-' : ' ',
			 k->letter ? k->letter : ' ', k->letter ? "," : " ", k->option,
			 k->value ? " " : "", k->value ? k->value : "");

	(void)snprintf(text, sizeof(text), "%s%s%s%s", k->help, k->standard ? " [" : "",
		       k->standard ? k->standard : "", k->standard ? "]" : "");
	if (n + 2 > INDENT)
		(void)fprintf(to, "%s\n%*s", left, INDENT, "");
	else
		(void)fprintf(to, "%-*s", INDENT, left);
	print_wrapped(to, text);
}

void keys_print_help(FILE *to)
{
	(void)fprintf(
		to, "usage: mpsup [run] [options] [-- COMMAND ARG...]\n\n"
		    "Supervise COMMAND, or the built-in worker: one caged worker per CPU, all of\n"
		    "them accepting from one socket.\n");
	for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
		(void)fprintf(to, "\n%s:\n", groups[g].title);
		for (size_t i = 0; i < keys_count; i++)
			if (keys[i].option && keys[i].level == groups[g].level)
				print_key(to, &keys[i]);
	}
	(void)fprintf(
		to,
		"\nDURATION: 100ms 10s 5m 2h 1d, bare is seconds. SIZE: 512K 256M 2G, bare is\n"
		"bytes. Exit status: 0 stopped as asked, 2 usage or configuration, 69 this host\n"
		"cannot give what was asked, 70 every worker is past its limit, 1 anything else.\n");
}
