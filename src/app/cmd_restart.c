/* SPDX-License-Identifier: MIT */
/* cmd_restart.c - `mpsup restart` and `mpsup start`: workers that are born anew, and
 * the wait until they are ready. */
#define _GNU_SOURCE
#include "app/client.h"
#include "app/cmd.h"
#include "app/opts.h"

static int begin(const struct usage *usage, const char *done, int argc, char **argv)
{
	struct render render;
	const char *target;
	json_t *final = NULL;
	json_int_t n;
	int r = opts_parse(usage, argc, argv, &target);

	if (r >= 0)
		return r;
	client_setup(&render);
	/* As long as the drains and boots take: each has a deadline in the master. */
	r = client_run(target, usage->verb, NULL, -1, NULL, NULL, &final);
	if (r != 0)
		return r;
	if (!final) {
		(void)fprintf(stderr, "mpsup: the instance ended meanwhile\n");
		return CLIENT_NO;
	}
	n = render_int(final, "ready");
	(void)printf("%s: %lld worker%s ready\n", done, (long long)n, n == 1 ? "" : "s");
	json_decref(final);
	return client_finish(CLIENT_OK);
}

int cmd_restart(int argc, char **argv)
{
	static const struct opt opts[] = { { 0 } };
	const struct usage usage = {
		.verb = "restart",
		.args = "[TARGET]",
		.opts = opts,
		.text = "End the workers of TARGET as in a stop, all at once, and start new ones; "
			"connections wait in\nthe queue meanwhile. Returns when all of them are "
			"ready, or with 1 when one has failed.\n",
	};

	return begin(&usage, "restarted", argc, argv);
}

int cmd_start(int argc, char **argv)
{
	static const struct opt opts[] = { { 0 } };
	const struct usage usage = {
		.verb = "start",
		.args = "[TARGET]",
		.opts = opts,
		.text = "Start what was stopped, has failed or waits for its backoff, and forget "
			"why. Returns when\nall workers of TARGET are ready, or with 1 when one has "
			"failed. A new instance is started\nby 'mpsup run'.\n",
	};

	return begin(&usage, "started", argc, argv);
}
