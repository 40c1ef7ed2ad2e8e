/* SPDX-License-Identifier: MIT */
/* cmd_wait.c - `mpsup wait`: until what it names is ready, or has stopped. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "app/client.h"
#include "app/cmd.h"
#include "app/opts.h"
#include "base/parse.h"

static int wait_for(const char *target, const char *what, int timeout_ms)
{
	struct remote remote;
	int r = client_connect(&remote, target);

	remote.own_deadline = timeout_ms >= 0;
	if (r == 0)
		r = client_ask(&remote, "wait", json_pack("{s:s}", "what", what), timeout_ms, NULL,
			       NULL, NULL);
	/* The end of the instance is what was waited for. */
	if (r == -ECONNRESET && strcmp(what, "stopped") == 0)
		r = CLIENT_OK;
	else if (r == -ECONNRESET) {
		(void)fprintf(stderr, "mpsup: instance %s has ended\n", remote.instance);
		r = CLIENT_NO;
	}
	if (r == CLIENT_TIMEOUT && remote.own_deadline)
		(void)fprintf(stderr, "mpsup wait: %s is not %s by now\n",
			      target ? target : "the instance", what);
	remote_close(&remote);
	return r;
}

int cmd_wait(int argc, char **argv)
{
	const char *duration = NULL, *what = NULL;
	const struct opt opts[] = {
		{ .name = "timeout",
		  .arg = "DURATION",
		  .help = "exit with 124 when it takes longer",
		  .value = &duration },
		{ 0 },
	};
	const struct usage usage = {
		.verb = "wait",
		.args = "TARGET ready|stopped",
		.opts = opts,
		.words = &what,
		.max_words = 1,
		.text = "Wait until all workers of TARGET are ready, or have stopped. Exits with 1 "
			"when they cannot\nget ready any more.\n",
	};
	struct render render;
	const char *target;
	uint64_t ms = 0;
	int r = opts_parse(&usage, argc, argv, &target);

	if (r >= 0)
		return r;
	client_setup(&render);
	/* The whole of the only instance needs no target. */
	if (target && !what && (!strcmp(target, "ready") || !strcmp(target, "stopped"))) {
		what = target;
		target = NULL;
	}
	if (!what || (strcmp(what, "ready") != 0 && strcmp(what, "stopped") != 0)) {
		(void)fprintf(stderr, "mpsup wait: for what? right is: mpsup wait web ready, or "
				      "mpsup wait web stopped\n");
		return CLIENT_USAGE;
	}
	if (duration && (parse_duration(duration, &ms) < 0 || ms > INT_MAX)) {
		(void)fprintf(stderr, "mpsup wait: --timeout '%.40s' is no duration like 10s\n",
			      duration);
		return CLIENT_USAGE;
	}
	return client_finish(wait_for(target, what, duration ? (int)ms : -1));
}
