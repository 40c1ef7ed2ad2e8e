/* SPDX-License-Identifier: MIT */
/* cmd_stop.c - `mpsup stop`: end an instance or a pool, and wait until it has ended. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "app/client.h"
#include "app/cmd.h"
#include "app/opts.h"

#define END_WAIT_MS 10000 /* after the last worker: giving back takes milliseconds */

/* The only pool of an instance takes the master with it. */
static bool ends_master(const struct remote *r)
{
	struct instance_ref ref = { .forbidden = false };
	const struct instance_refs refs = { &ref, 1 };
	struct remote other = REMOTE_NONE;
	json_t *final = NULL;
	struct err e = { 0 };
	bool only = !r->target[0];

	if (only)
		return true;
	memcpy(ref.name, r->instance, sizeof(ref.name));
	memcpy(ref.path, r->path, sizeof(ref.path));
	if (remote_open(&other, &refs, &e) == 0 && remote_ask(&other, "status", NULL, &e) == 0 &&
	    remote_next(&other, CONNECT_WAIT_MS, &final, &e) == 0)
		only = json_array_size(
			       json_object_get(json_object_get(final, "status"), "pools")) == 1;
	json_decref(final);
	remote_close(&other);
	return only;
}

static int stop(struct remote *r)
{
	bool master = ends_master(r);
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
	if (master)
		(void)printf("stopped %s\n", r->instance);
	else
		(void)printf("stopped %s:%s\n", r->instance, r->target);
	return CLIENT_OK;
}

int cmd_stop(int argc, char **argv)
{
	static const struct opt opts[] = { { 0 } };
	const struct usage usage = {
		.verb = "stop",
		.args = "[TARGET]",
		.opts = opts,
		.text = "Stop an instance or one pool of it, workers first, each with the time its "
			"pool grants\n(--drain-timeout, --stop-timeout). Returns when all of it has "
			"ended.\n",
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
