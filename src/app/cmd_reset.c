/* SPDX-License-Identifier: MIT */
/* cmd_reset.c - `mpsup reset`: forget the deaths, start what was given up. */
#define _GNU_SOURCE
#include "app/client.h"
#include "app/cmd.h"
#include "app/opts.h"

int cmd_reset(int argc, char **argv)
{
	static const struct opt opts[] = { { 0 } };
	const struct usage usage = {
		.verb = "reset",
		.args = "[TARGET]",
		.opts = opts,
		.text = "Clear the restart counters and start failed and waiting workers now.\n",
	};
	struct render render;
	const char *target;
	json_t *final = NULL;
	json_int_t n;
	int r = opts_parse(&usage, argc, argv, &target);

	if (r >= 0)
		return r;
	client_setup(&render);
	r = client_run(target, "reset", NULL, CONNECT_WAIT_MS, NULL, NULL, &final);
	if (r != 0)
		return r;
	n = render_int(final, "started");
	(void)printf("counters cleared, %lld worker%s started\n", (long long)(n < 0 ? 0 : n),
		     n == 1 ? "" : "s");
	json_decref(final);
	return client_finish(CLIENT_OK);
}
