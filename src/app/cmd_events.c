/* SPDX-License-Identifier: MIT */
/* cmd_events.c - `mpsup events`: what happened, and what happens. */
#define _GNU_SOURCE
#include "app/client.h"
#include "app/cmd.h"
#include "app/opts.h"
#include "base/clock.h"
#include "base/parse.h"

struct show {
	struct render render;
	bool as_json;
};

/* On stderr: what a script reads on stdout are events. */
static void tell_missed(const json_t *missed)
{
	long long after = json_integer_value(json_object_get(missed, "after"));
	long long before = json_integer_value(json_object_get(missed, "before"));

	if (json_is_true(json_object_get(missed, "anew")))
		(void)fprintf(stderr,
			      "mpsup: there is no event %lld: this instance has begun to count "
			      "anew; events before %lld are gone\n",
			      after, before);
	else
		(void)fprintf(stderr, "mpsup: events before %lld are gone\n", before);
}

static bool show_event(void *ctx, const json_t *line)
{
	const struct show *show = ctx;
	const json_t *event = json_object_get(line, "event");

	if (json_object_get(line, "missed")) {
		tell_missed(json_object_get(line, "missed"));
		return true;
	}
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
	const char *since = NULL;
	uint64_t seq = 0;
	int64_t since_ms = 0;
	const struct opt opts[] = {
		{ .letter = 'f',
		  .name = "follow",
		  .help = "go on with what happens, until interrupted",
		  .on = &follow },
		{ .name = "since",
		  .arg = "SEQ|TIME",
		  .help = "only events after this number, or since 10m ago, or a UTC time",
		  .value = &since },
		{ .name = "json",
		  .help = "one JSON object a line, for scripts",
		  .on = &show.as_json },
		{ 0 },
	};
	const struct usage usage = {
		.verb = "events",
		.args = "[TARGET]",
		.opts = opts,
		.text = "Show what happened, in one pool or in all: births, deaths and their "
			"reasons, limits, who\nasked for what. The last 1024 events are kept, fewer "
			"when they are long; their numbers go\non over restarts of the instance. "
			"Who comes back with the number of the last one that it saw\nmisses none, "
			"or is told.\n",
	};
	const char *target;
	json_t *ask;
	int r = opts_parse(&usage, argc, argv, &target);

	if (r >= 0)
		return r;
	client_setup(&show.render);
	ask = json_pack("{s:b}", "follow", (int)follow);
	if (since && parse_u64(since, 0, INT64_MAX - 1, &seq) == 0) {
		(void)json_object_set_new(ask, "since", json_integer((json_int_t)seq));
	} else if (since && parse_time(since, clock_real_ms(), &since_ms) == 0) {
		(void)json_object_set_new(ask, "since_ms", json_integer(since_ms));
	} else if (since) {
		json_decref(ask);
		(void)fprintf(stderr,
			      "mpsup events: --since '%.40s' is no number of an event and no time "
			      "(10m, 2026-11-24T08:00:00Z)\n",
			      since);
		return CLIENT_USAGE;
	}
	r = client_run(target, "events", ask, follow ? -1 : CONNECT_WAIT_MS, show_event, &show,
		       NULL);
	return client_finish(r);
}
