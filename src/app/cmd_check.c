/* SPDX-License-Identifier: MIT */
/* cmd_check.c - `mpsup check`: its options. */
#define _GNU_SOURCE
#include "app/check.h"
#include "app/client.h"
#include "app/cmd.h"
#include "app/opts.h"

int cmd_check(int argc, char **argv)
{
	bool as_json = false, strict = false;
	const char *file = NULL;
	const struct opt opts[] = {
		{ .letter = 'c',
		  .name = "config",
		  .arg = "FILE",
		  .help = "is this file right, here? - is standard input",
		  .value = &file },
		{ .name = "strict",
		  .help = "one pool that cannot start is enough for a no",
		  .on = &strict },
		{ .name = "json", .help = "one JSON object, for scripts", .on = &as_json },
		{ 0 },
	};
	const struct usage usage = {
		.verb = "check",
		.args = "",
		.opts = opts,
		.text = "Say what this host gives mpsup, what is lost without it, and how to get "
			"it. Exits with 1 when\na start would be refused. With -c: is the file "
			"right? 2 when its text is wrong, each mistake\nwith its place; 1 when no "
			"pool of it could start here, with --strict or strict: true when one\n"
			"could not: a start serves with the others, so that is a warning.\n",
	};
	struct render render;
	const char *target;
	int status = opts_parse(&usage, argc, argv, &target);

	if (status >= 0)
		return status;
	client_setup(&render);
	return client_finish(check_run(file, as_json, strict));
}
