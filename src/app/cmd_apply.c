/* SPDX-License-Identifier: MIT */
/* cmd_apply.c - `mpsup apply`: the plan as it will be done, then how it went. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "app/client.h"
#include "app/cmd.h"
#include "app/opts.h"
#include "base/text.h"

struct shown_plan {
	bool as_json, dry;
};

static const struct {
	const char *action, *sign, *text;
} actions[] = {
	{ "start", "+", "starts" },
	{ "remove", "-", "drains and goes" },
	{ "change", "~", "changes as it runs" },
	{ "roll", "~", "new workers, one after the other" },
	{ "replace", "~", "stops and starts again, for its sockets are others" },
	{ "refuse", "!", "stays as it is" },
};

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void print_keys(const json_t *keys)
{
	size_t n = json_array_size(keys);

	for (size_t i = 0; i < n; i++)
		(void)printf("%s%s", i ? ", " : ": ", json_string_value(json_array_get(keys, i)));
}

static bool print_step(const json_t *step)
{
	const char *action = text_of(step, "action");
	char safe[1100];

	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (strcmp(actions[i].action, action) != 0)
			continue;
		(void)printf("%s %s: %s", actions[i].sign, text_of(step, "pool"), actions[i].text);
		print_keys(json_object_get(step, "keys"));
		(void)putchar('\n');
		(void)text_safe(text_of(step, "error"), strlen(text_of(step, "error")), safe,
				sizeof(safe));
		if (*safe)
			(void)printf("    but: %s\n", safe);
		return true;
	}
	return false;
}

static void print_plan(const json_t *plan)
{
	const json_t *steps = json_object_get(plan, "steps");
	const json_t *instance = json_object_get(plan, "instance");
	size_t n = json_array_size(steps), kept = 0;

	for (size_t i = 0; i < n; i++)
		kept += !print_step(json_array_get(steps, i));
	if (kept > 0)
		(void)printf("= %zu pool%s as %s\n", kept, kept == 1 ? "" : "s",
			     kept == 1 ? "it is" : "they are");
	if (json_array_size(instance) > 0) {
		(void)printf("! the instance: only a new start of mpsup changes");
		print_keys(instance);
		(void)putchar('\n');
	}
	(void)fflush(stdout);
}

static bool on_line(void *ctx, const json_t *line)
{
	const struct shown_plan *s = ctx;
	const json_t *plan = json_object_get(line, "plan"), *said = json_object_get(line, "said");

	if (plan && s->as_json)
		client_print_json(plan);
	else if (plan)
		print_plan(plan);
	else if (said)
		(void)fprintf(stderr, "mpsup: %s\n", text_of(line, "said"));
	return true;
}

int cmd_apply(int argc, char **argv)
{
	bool no_wait = false;
	struct shown_plan shown = { 0 };
	const struct opt opts[] = {
		{ .name = "dry-run", .help = "only say what would be done", .on = &shown.dry },
		{ .name = "no-wait", .help = "do not wait until it is done", .on = &no_wait },
		{ .name = "json", .help = "the plan as one JSON object", .on = &shown.as_json },
		{ 0 },
	};
	const struct usage usage = {
		.verb = "apply",
		.args = "[TARGET]",
		.opts = opts,
		.text = "Read the file that the instance was started with again, and do what "
			"differs: new pools\nstart, those that are not in it any more drain and "
			"go, changed ones change; the others keep\ntheir workers. A file with an "
			"error in it changes nothing. Returns when all of it is done:\nwith 1 "
			"when a pool did not get ready.\n",
	};
	struct render render;
	const char *target;
	json_t *final = NULL;
	int r = opts_parse(&usage, argc, argv, &target);

	if (r >= 0)
		return r;
	client_setup(&render);
	r = client_run(target, "apply",
		       json_pack("{s:b, s:b}", "dry_run", shown.dry, "no_wait", no_wait), -1,
		       on_line, &shown, &final);
	json_decref(final);
	return client_finish(r);
}
