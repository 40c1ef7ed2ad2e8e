/* SPDX-License-Identifier: MIT */
/* cmd_events.c - `mpsup events`: what happened, and what happens. */
#define _GNU_SOURCE
#include "app/client.h"
#include "app/cmd.h"
#include "app/opts.h"

struct show {
	struct render render;
	bool as_json;
};

static bool show_event(void *ctx, const json_t *line)
{
	const struct show *show = ctx;
	const json_t *event = json_object_get(line, "event");

	if (!json_is_object(event))
		return true;
	if (show->as_json)
		client_print_json(event);
	else
		render_event(&show->render, event);
	return !ferror(stdout);
}

int cmd_events(int argc, char **argv)
{
	struct show show = { .as_json = false };
	bool follow = false;
	unsigned long long since = 0;
	const struct opt opts[] = {
		{ 'f', "follow", NULL, "go on with what happens, until interrupted", &follow,
		  NULL },
		{ 0, "since", "SEQ", "only events after this number", NULL, &since },
		{ 0, "json", NULL, "one JSON object a line, for scripts", &show.as_json, NULL },
		{ 0 },
	};
	const struct usage usage = {
		.verb = "events",
		.args = "[INSTANCE:]",
		.opts = opts,
		.text = "Show what happened: births, deaths and their reasons, limits, who asked "
			"for what.\nThe last 1024 events are kept.\n",
	};
	const char *target;
	int r = opts_parse(&usage, argc, argv, &target);

	if (r >= 0)
		return r;
	client_setup(&show.render);
	r = client_run(target, "events",
		       json_pack("{s:I, s:b}", "since", (json_int_t)since, "follow", (int)follow),
		       follow ? -1 : CONNECT_WAIT_MS, show_event, &show, NULL);
	return client_finish(r);
}
