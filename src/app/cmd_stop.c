/* SPDX-License-Identifier: MIT */
/* cmd_stop.c - `mpsup stop`: end an instance, a pool or a worker, and wait until it has ended. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "app/client.h"
#include "app/cmd.h"
#include "app/opts.h"

#define END_WAIT_MS 10000 /* after the last worker: giving back takes milliseconds */

static int stop(struct remote *r)
{
	bool master = !r->target[0];
	int status = client_ask(r, "stop", NULL, -1, NULL, NULL, NULL);

	if (status > 0)
		return status;
	/* A script that starts it again next must find name and port free. */
	if ((master || status == -ECONNRESET) && !remote_is_gone(r, END_WAIT_MS)) {
		(void)fprintf(stderr, "mpsup: instance %s %s\n", r->instance,
			      status ? "ended the connection before it said that it has stopped" :
				       "has no workers left, but its master does not end");
		return CLIENT_NO;
	}
	if (master || status == -ECONNRESET)
		(void)printf("stopped %s\n", r->instance);
	else
		(void)printf("stopped %s:%s; `mpsup start %s:%s` starts it again\n", r->instance,
			     r->target, r->instance, r->target);
	return CLIENT_OK;
}

int cmd_stop(int argc, char **argv)
{
	static const struct opt opts[] = { { 0 } };
	const struct usage usage = {
		.verb = "stop",
		.args = "[TARGET]",
		.opts = opts,
		.text = "Stop an instance, or one pool or worker of it, each worker with the time "
			"its pool grants\n(--drain-timeout, --stop-timeout). A stopped pool keeps "
			"its place, not its sockets; with its\nlast worker the pool is stopped. "
			"Returns when all of it has ended.\n",
	};
	struct render render;
	struct remote remote;
	const char *target;
	int r = opts_parse(&usage, argc, argv, &target);

	if (r >= 0)
		return r;
	client_setup(&render);
	r = client_connect(&remote, target);
	if (r == 0)
		r = stop(&remote);
	remote_close(&remote);
	return client_finish(r);
}
