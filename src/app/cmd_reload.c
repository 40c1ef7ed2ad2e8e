/* SPDX-License-Identifier: MIT */
/* cmd_reload.c - `mpsup reload`: its words and its exit status are the verdict. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "app/client.h"
#include "app/cmd.h"
#include "app/opts.h"
#include "base/text.h"

struct heard {
	bool as_json, begun, verdict;
};

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void print_stderr(const char *words)
{
	char safe[1100];

	while (*words) {
		size_t n = strcspn(words, "\n");

		(void)text_safe(words, n, safe, sizeof(safe));
		(void)fprintf(stderr, "    %s\n", safe);
		words += n + (words[n] == '\n');
	}
}

static void print_pool(const json_t *v, bool begun)
{
	long long replaced = render_int(v, "replaced"), cut = render_int(v, "cut");
	char safe[1100];

	if (strcmp(text_of(v, "result"), "ok") == 0) {
		if (begun)
			(void)printf("%s: the reload has begun\n", text_of(v, "pool"));
		else
			(void)printf("%s: generation %lld, %lld worker%s replaced%s\n",
				     text_of(v, "pool"), (long long)render_int(v, "generation"),
				     replaced, replaced == 1 ? "" : "s", cut ? "" : ", none cut");
		if (cut)
			(void)printf("    %lld connection%s did not end in time\n", cut,
				     cut == 1 ? "" : "s");
		return;
	}
	(void)text_safe(text_of(v, "reason"), strlen(text_of(v, "reason")), safe, sizeof(safe));
	(void)fprintf(stderr, "%s%s%s: %s\n", text_of(v, "pool"), *text_of(v, "pool") ? ": " : "",
		      strcmp(text_of(v, "result"), "refused") == 0 ? "refused" : "rolled back",
		      safe);
	print_stderr(text_of(v, "stderr"));
}

static bool on_line(void *ctx, const json_t *line)
{
	struct heard *h = ctx;
	const json_t *v = json_object_get(line, "verdict"), *pools;

	if (!v)
		return true;
	h->verdict = true;
	if (h->as_json) {
		client_print_json(v);
		return true;
	}
	pools = json_object_get(v, "pools");
	for (size_t i = 0; i < json_array_size(pools); i++)
		print_pool(json_array_get(pools, i), h->begun);
	(void)fflush(stdout);
	return true;
}

int cmd_reload(int argc, char **argv)
{
	const char *until = NULL, *target;
	bool no_wait = false;
	struct heard heard = { 0 };
	const struct opt opts[] = {
		{ .name = "no-wait", .help = "do not wait for the verdict", .on = &no_wait },
		{ .name = "wait",
		  .arg = "ready|drained",
		  .help = "until the new workers are ready, or also the old ones gone",
		  .value = &until },
		{ .name = "json", .help = "the verdict as one JSON object", .on = &heard.as_json },
		{ 0 },
	};
	const struct usage usage = {
		.verb = "reload",
		.args = "[TARGET]",
		.opts = opts,
		.text = "Read the file again (and what it names), and replace every worker of "
			"TARGET: each new one is\nready before its old one leaves, and no "
			"connection is refused or cut meanwhile. When a new one\ndoes not get "
			"ready, the old ones stay: exit status 1, with its last words. A file with "
			"an\nerror in it changes nothing (2).\n",
	};
	struct render render;
	json_t *final = NULL;
	int r = opts_parse(&usage, argc, argv, &target);

	if (r >= 0)
		return r;
	if (until && strcmp(until, "ready") != 0 && strcmp(until, "drained") != 0) {
		(void)fprintf(stderr, "mpsup: --wait %s: right is: ready or drained\n", until);
		return CLIENT_USAGE;
	}
	client_setup(&render);
	heard.begun = no_wait;
	r = client_run(target, "reload",
		       json_pack("{s:b, s:b}", "no_wait", no_wait, "drained",
				 until && strcmp(until, "drained") == 0),
		       -1, on_line, &heard, &final);
	if (r == CLIENT_OK && !heard.verdict && final && !heard.as_json)
		(void)printf("%s: replaced\n", target);
	json_decref(final);
	return client_finish(r);
}
