/* SPDX-License-Identifier: MIT */
/* cmd_config.c - `mpsup config`: what runs, as a file for --config. */
#define _GNU_SOURCE
#include <stdio.h>

#include "app/client.h"
#include "app/cmd.h"
#include "app/opts.h"

int cmd_config(int argc, char **argv)
{
	static const struct opt opts[] = { { 0 } };
	const struct usage usage = {
		.verb = "config",
		.args = "[TARGET]",
		.opts = opts,
		.text = "Print the effective configuration of an instance, or of one pool of it, "
			"as a file for -c,\neach line with where it came from; what was not given "
			"is a comment with its default. Values\nof variables that look like "
			"secrets are ***.\n",
	};
	struct render render;
	const char *target;
	json_t *final = NULL;
	int r = opts_parse(&usage, argc, argv, &target);

	if (r >= 0)
		return r;
	client_setup(&render);
	r = client_run(target, "config", NULL, CONNECT_WAIT_MS, NULL, NULL, &final);
	if (r != 0)
		return r;
	(void)fputs(json_string_value(json_object_get(final, "config")), stdout);
	json_decref(final);
	return client_finish(CLIENT_OK);
}
