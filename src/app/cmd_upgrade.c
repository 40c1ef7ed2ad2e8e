/* SPDX-License-Identifier: MIT */
/* cmd_upgrade.c - `mpsup upgrade`: another program in the place of the running master. */
#define _GNU_SOURCE
#include <stdio.h>

#include "app/client.h"
#include "app/cmd.h"
#include "app/opts.h"

int cmd_upgrade(int argc, char **argv)
{
	bool as_json = false;
	const struct opt opts[] = {
		{ .name = "json", .help = "the answer as one JSON object", .on = &as_json },
		{ 0 },
	};
	const struct usage usage = {
		.verb = "upgrade",
		.args = "[INSTANCE:]",
		.opts = opts,
		.text = "Let the program that is installed now go on in the place of the running "
			"master: same process,\nsame workers, same sockets. It is tried first with "
			"all that it would get; if it cannot go on\nthe master stays as it is, and "
			"the exit status is 1. The master waits until nothing is being\nstarted, "
			"replaced or ended, at most a minute.\n",
	};
	struct render render;
	const char *target;
	json_t *final = NULL;
	int r = opts_parse(&usage, argc, argv, &target);

	if (r >= 0)
		return r;
	client_setup(&render);
	r = client_run(target, "upgrade", NULL, -1, NULL, NULL, &final);
	if (r != CLIENT_OK)
		return r;
	if (as_json)
		client_print_json(final);
	else
		(void)printf("upgraded from %s to %s in %lld ms\n",
			     json_string_value(json_object_get(final, "from")),
			     json_string_value(json_object_get(final, "to")),
			     (long long)render_int(final, "ms"));
	json_decref(final);
	return client_finish(CLIENT_OK);
}
