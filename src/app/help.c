/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/help.h"

#include <seccomp.h>
#include <stdbool.h>
#include <string.h>

#include "app/cmd.h"
#include "base/base.h"
#include "base/nearest.h"
#include "base/text.h"

/* The contract's verbs that this version does not have. */
static const char *const not_yet[] = {
	"top", "audit", "exec", "learn", "policy", "startup", "run-now",
};

/* What people who come from PM2, or from elsewhere, type. */
static const struct {
	const char *theirs, *ours;
} other_names[] = {
	{ "monit", "top" },
	{ "ls", "list" },
	{ "l", "list" },
	{ "ps", "status" },
	{ "describe", "status" },
	{ "desc", "status" },
	{ "show", "status" },
	{ "info", "status" },
	{ "jlist", "status --json" },
	{ "delete", "stop" },
	{ "del", "stop" },
	{ "kill", "stop" },
	{ "save", "config" },
	{ "dump", "config" },
	{ "resurrect", "run -c FILE" },
	{ "startOrReload", "apply" },
	{ "gracefulReload", "reload" },
	{ "startOrRestart", "apply" },
	{ "startOrGracefulReload", "apply" },
	{ "sendSignal", "signal" },
	{ "reloadLogs", "reopen" },
	{ "trigger", "send" },
	{ "log", "logs" },
	{ "unstartup", "startup --remove" },
};

void help_common(FILE *f)
{
	(void)fputs(
		"usage: mpsup [run] [options] [-- CMD ARG...]\n"
		"       mpsup VERB [options] [TARGET]\n\n"
		"  sudo mpsup --cpus all --port 3000                  the built-in worker, one per "
		"CPU\n"
		"  sudo mpsup --cpus all --port 3000 -- node app.js   any server, unmodified\n"
		"  mpsup status                                       what runs\n"
		"  mpsup logs -f                                      what it writes\n"
		"  mpsup stop                                         end it\n\n"
		"`mpsup help` shows all verbs, `mpsup help run` every option.\n",
		f);
}

void help_overview(FILE *f)
{
	(void)fputs("usage: mpsup [run] [options] [-- CMD ARG...]\n"
		    "       mpsup VERB [options] [TARGET]\n\n"
		    "Runs a server as one caged worker per CPU behind one socket, and replaces "
		    "workers that die.\n\n",
		    f);
	for (const struct cmd *c = cmds; c->name; c++)
		(void)fprintf(f, "  %-8s  %s\n", c->name, c->summary);
	(void)fputs("  help      this text; `help VERB` and `VERB --help` show one verb\n"
		    "  version   this version\n\n"
		    "TARGET is [INSTANCE:][POOL[/SLOT]]: web is a pool, web/3 a worker, shop: an "
		    "instance,\nshop:web/3 all of it. Without an instance, the only one that "
		    "runs.\n\n"
		    "Exit status of run: 0 stopped as asked, 2 usage, 69 this host cannot give it, "
		    "70 every\nworker past its limit, 1 else. Of the others: 0, 1 no, 2 usage or "
		    "ambiguous target,\n3 not running, 4 not permitted, 124 timeout.\n",
		    f);
}

void help_version(FILE *f)
{
	const struct scmp_version *v = seccomp_version();

	(void)fprintf(f, "mpsup %s (libseccomp %u.%u.%u, Linux 5.15 or newer)\n", MPSUP_VERSION,
		      v ? v->major : 0, v ? v->minor : 0, v ? v->micro : 0);
}

/* verb may have options behind it: "startup --remove" */
static bool is_not_yet(const char *verb)
{
	size_t len = strcspn(verb, " ");

	for (size_t i = 0; i < ARRAY_LEN(not_yet); i++)
		if (strlen(not_yet[i]) == len && strncmp(not_yet[i], verb, len) == 0)
			return true;
	return false;
}

static const char *nearest_verb(const char *typed)
{
	const char *words[64];
	size_t n = 0;

	for (const struct cmd *c = cmds; c->name && n < 30; c++)
		words[n++] = c->name;
	for (size_t i = 0; i < ARRAY_LEN(not_yet); i++)
		words[n++] = not_yet[i];
	words[n++] = "help";
	words[n++] = "version";
	words[n] = NULL;
	return nearest_word(typed, words);
}

void help_unknown_verb(const char *verb)
{
	const char *near = NULL;
	char safe[80];

	(void)text_safe(verb, strlen(verb), safe, sizeof(safe));
	if (is_not_yet(verb)) {
		(void)fprintf(stderr, "mpsup: '%s' is not built yet in mpsup %s\n", safe,
			      MPSUP_VERSION);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(other_names) && !near; i++)
		if (strcmp(other_names[i].theirs, verb) == 0)
			near = other_names[i].ours;
	if (near) {
		(void)fprintf(stderr, "mpsup: '%s' is called '%s' here%s%s\n", safe, near,
			      is_not_yet(near) ? ", and not built yet in mpsup " : "",
			      is_not_yet(near) ? MPSUP_VERSION : "");
		return;
	}
	near = nearest_verb(verb);
	if (near)
		(void)fprintf(stderr, "mpsup: no verb '%s'; did you mean '%s'?\n", safe, near);
	else
		(void)fprintf(stderr,
			      "mpsup: no verb '%s' (`mpsup help` shows them; a command to "
			      "supervise comes after --)\n",
			      safe);
}
