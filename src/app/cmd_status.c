/* SPDX-License-Identifier: MIT */
/* cmd_status.c - `mpsup status`: what runs, as a table or as JSON. */
#define _GNU_SOURCE
#include "app/client.h"
#include "app/cmd.h"
#include "app/opts.h"

int cmd_status(int argc, char **argv)
{
	bool as_json = false;
	const struct opt opts[] = {
		{ .name = "json",
		  .help = "one JSON object on one line, for scripts",
		  .on = &as_json },
		{ 0 },
	};
	const struct usage usage = {
		.verb = "status",
		.args = "[TARGET]",
		.opts = opts,
		.text = "Show pools and workers. Of one worker (web/3) also how its last 8 lives "
			"ended.\nA spare is in slot s. CONNS are open connections, CPU is time "
			"used.\n",
	};
	const char *target;
	json_t *final = NULL;
	struct render render;
	int r = opts_parse(&usage, argc, argv, &target);

	if (r >= 0)
		return r;
	client_setup(&render);
	if (as_json)
		return client_finish(client_run_json(target, "status", "status"));
	r = client_run(target, "status", NULL, CONNECT_WAIT_MS, NULL, NULL, &final);
	if (r != 0)
		return r;
	render_status(&render, json_object_get(final, "status"));
	json_decref(final);
	return client_finish(CLIENT_OK);
}
