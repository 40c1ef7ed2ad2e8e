/* SPDX-License-Identifier: MIT */
/* mpsup.c - from the first word of the command line to its verb. */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "app/cmd.h"
#include "app/help.h"
#include "app/run.h"
#include "base/base.h"
#include "base/title.h"

enum { STATUS_OK = 0, STATUS_USAGE = 2 };

const struct cmd cmds[] = {
	{ "run", "supervise a command, or the built-in worker", cmd_run },
	{ "status", "pools and workers; of one worker also how its last lives ended", cmd_status },
	{ "list", "the instances that run", cmd_list },
	{ "logs", "what the workers wrote", cmd_logs },
	{ "events", "what happened", cmd_events },
	{ "stop", "end an instance, a pool or a worker, and wait for it", cmd_stop },
	{ "reload", "new workers for old ones, hitless, or back", cmd_reload },
	{ "upgrade", "the program that is installed now in the place of the master", cmd_upgrade },
	{ "restart", "end workers as in a stop, start new ones", cmd_restart },
	{ "start", "start what has failed or waits", cmd_start },
	{ "check", "what this host gives, and whether a file is right", cmd_check },
	{ "config", "what runs, as a file for -c, each line with its origin", cmd_config },
	{ "apply", "read the file again and do what differs", cmd_apply },
	{ "scale", "another number of workers of a pool", cmd_scale },
	{ "set", "other limits and the like, as it runs", cmd_set },
	{ "signal", "a signal to workers", cmd_signal },
	{ "send", "a message to workers", cmd_send },
	{ "wait", "until it is ready, or stopped", cmd_wait },
	{ "reopen", "open the log files again", cmd_reopen },
	{ "reset", "forget the deaths, start what was given up", cmd_reset },
	{ "import", "make such a file from one of PM2's", cmd_import },
	{ 0 },
};

const struct cmd *cmd_find(const char *name)
{
	for (const struct cmd *c = cmds; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
	return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

static int help(int argc, char **argv)
{
	char *only_help[] = { (char[]){ "--help" }, NULL };
	const struct cmd *c;

	if (argc == 1 && strcmp(argv[0], "--json") == 0) {
		help_json(stdout);
		return STATUS_OK;
	}
	if (argc < 1 || argv[0][0] == '-') {
		help_overview(stdout);
		return STATUS_OK;
	}
	if (strcmp(argv[0], "help") == 0) {
		help_overview(stdout);
		return STATUS_OK;
	}
	if (strcmp(argv[0], "version") == 0) {
		(void)puts(
			"usage: mpsup version\n\nShow this version, and the library's that makes "
			"its filters.");
		return STATUS_OK;
	}
	c = cmd_find(argv[0]);
	if (c)
		return c->fn(1, only_help);
	help_unknown_verb(argv[0]);
	return STATUS_USAGE;
}

int main(int argc, char **argv)
{
	const struct cmd *c;

	title_init(argc, argv);
	if (argc < 2) {
		help_common(stderr);
		return STATUS_USAGE;
	}
	if (is_one_of(argv[1], "help", "--help", "-h"))
		return help(argc - 2, argv + 2);
	if (is_one_of(argv[1], "version", "--version", "-V")) {
		help_version(stdout);
		return STATUS_OK;
	}
	if (argv[1][0] == '-')
		return cmd_run(argc - 1, argv + 1);
	/* Not for people: the two halves of an upgrade. */
	if (strcmp(argv[1], "resume") == 0)
		return cmd_resume(argc - 2, argv + 2);
	if (strcmp(argv[1], "upgrade-check") == 0)
		return cmd_upgrade_check(argc - 2, argv + 2);
	c = cmd_find(argv[1]);
	if (c)
		return c->fn(argc - 2, argv + 2);
	help_unknown_verb(argv[1]);
	return STATUS_USAGE;
}
