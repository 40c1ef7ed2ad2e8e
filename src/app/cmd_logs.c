/* SPDX-License-Identifier: MIT */
/* cmd_logs.c - `mpsup logs`: what the workers wrote. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "app/client.h"
#include "app/cmd.h"
#include "app/opts.h"
#include "base/clock.h"
#include "base/parse.h"

static bool show_line(void *ctx, const json_t *line)
{
	const json_t *log = json_object_get(line, "log");

	if (json_is_object(log))
		render_log(ctx, log);
	return !ferror(stdout);
}

#define UNSET UINT64_MAX

static bool keep_line(void *ctx, const json_t *line)
{
	json_t *log = json_object_get(line, "log");

	return !json_is_object(log) || json_array_append((json_t *)ctx, log) == 0;
}

struct entry {
	const char *time;
	size_t order;
	const json_t *log;
};

/* RFC 3339 in UTC sorts as text; lines of the same moment stay as they came. */
static int by_time(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int r = strcmp(x->time, y->time);

	return r ? r : (x->order > y->order) - (x->order < y->order);
}

/* The master tells one worker after the other; people read one story. */
static void show_sorted(const struct render *render, const json_t *kept)
{
	size_t n = json_array_size(kept);
	struct entry *entries = n ? calloc(n, sizeof(*entries)) : NULL;

	for (size_t i = 0; entries && i < n; i++) {
		const json_t *log = json_array_get(kept, i);
		const char *time = json_string_value(json_object_get(log, "time"));

		entries[i] = (struct entry){ time ? time : "", i, log };
	}
	if (entries)
		qsort(entries, n, sizeof(*entries), by_time);
	for (size_t i = 0; entries && i < n; i++)
		render_log(render, entries[i].log);
	free(entries);
}

static int show_kept(const char *target, json_t *args, const struct render *render)
{
	json_t *kept = json_array();
	int r = client_run(target, "logs", args, CONNECT_WAIT_MS, keep_line, kept, NULL);

	show_sorted(render, kept);
	json_decref(kept);
	return r;
}

int cmd_logs(int argc, char **argv)
{
	bool follow = false, only_err = false;
	unsigned long long lines = UNSET;
	const char *since = NULL;
	int64_t since_ms = 0;
	const struct opt opts[] = {
		{ .letter = 'f',
		  .name = "follow",
		  .help = "go on with what is written, until interrupted",
		  .on = &follow },
		{ .letter = 'n',
		  .name = "lines",
		  .arg = "N",
		  .help = "the last N lines of each worker (20; all with --since)",
		  .number = &lines },
		{ .name = "since",
		  .arg = "TIME",
		  .help = "only lines since 10m ago, or a UTC time",
		  .value = &since },
		{ .name = "err", .help = "only what went to stderr", .on = &only_err },
		{ 0 },
	};
	const struct usage usage = {
		.verb = "logs",
		.args = "[TARGET]",
		.opts = opts,
		.text = "Show what the workers wrote: POOL/SLOT, | for stdout and ! for stderr, "
			"the line.\nThe last 64 KiB of each worker are kept.\n",
	};
	struct render render;
	const char *target;
	json_t *args;
	int r = opts_parse(&usage, argc, argv, &target);

	if (r >= 0)
		return r;
	client_setup(&render);
	if (since && parse_time(since, clock_real_ms(), &since_ms) < 0) {
		(void)fprintf(stderr,
			      "mpsup logs: --since '%.40s' is no time (10m, "
			      "2026-11-24T08:00:00Z)\n",
			      since);
		return CLIENT_USAGE;
	}
	args = json_pack("{s:b, s:b, s:I}", "follow", (int)follow, "err", (int)only_err, "since_ms",
			 (json_int_t)since_ms);
	if (lines != UNSET)
		(void)json_object_set_new(args, "lines", json_integer((json_int_t)lines));
	if (follow)
		r = client_run(target, "logs", args, -1, show_line, &render, NULL);
	else
		r = show_kept(target, args, &render);
	return client_finish(r);
}
