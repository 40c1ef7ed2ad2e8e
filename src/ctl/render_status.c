/* SPDX-License-Identifier: MIT */
/* render_status.c - `status` and `list` for people. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <string.h>

#include "base/base.h"
#include "base/text.h"
#include "ctl/render.h"

#define CPUS_SHOWN 12

PRINTF(3, 4) static void cell(struct table_row *row, unsigned c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(row->cell[c], TABLE_CELL_BYTES, fmt, ap);
	va_end(ap);
}

static void cell_int(struct table_row *row, unsigned c, json_int_t n)
{
	if (n < 0)
		cell(row, c, "-");
	else
		cell(row, c, "%lld", (long long)n);
}

static void cell_size(struct table_row *row, unsigned c, json_int_t bytes)
{
	char text[TEXT_SIZE_BYTES] = "-";

	if (bytes >= 0)
		text_size((uint64_t)bytes, text);
	cell(row, c, "%s", text);
}

static void cell_duration(struct table_row *row, unsigned c, json_int_t ms)
{
	char text[TEXT_DURATION_BYTES] = "-";

	if (ms >= 0)
		text_duration((uint64_t)ms, text);
	cell(row, c, "%s", text);
}

/* ---- workers ---- */

enum {
	W_SLOT,
	W_STATE,
	W_PID,
	W_CPUS,
	W_UPTIME,
	W_RESTARTS,
	W_MEMORY,
	W_TASKS,
	W_CPU,
	W_CONNS,
	W_STATUS
};

static const char *const worker_heads[] = {
	">SLOT",   "STATE",  ">PID", "CPUS",   ">UPTIME", ">RESTARTS",
	">MEMORY", ">TASKS", ">CPU", ">CONNS", "STATUS",
};

static void cell_cpus(struct table_row *row, const json_t *w)
{
	char cpus[TABLE_CELL_BYTES];

	(void)render_text(w, "cpus", cpus, sizeof(cpus));
	if (strlen(cpus) > CPUS_SHOWN)
		cell(row, W_CPUS, "%.*s...", CPUS_SHOWN - 3, cpus);
	else
		cell(row, W_CPUS, "%s", cpus);
}

/* What it says of itself; of one that is not up, how the last life ended. */
static void cell_status(struct table_row *row, const json_t *w, const char *state)
{
	const json_t *death = json_object_get(w, "last_exit");
	char text[TABLE_CELL_BYTES], end[RENDER_END_BYTES];

	if (json_is_string(json_object_get(w, "status_text"))) {
		cell(row, W_STATUS, "%s", render_text(w, "status_text", text, sizeof(text)));
	} else if (json_is_object(death) && strcmp(state, "ready") != 0) {
		render_end(death, end);
		cell(row, W_STATUS, "was %s", end);
		row->tone[W_STATUS] = TONE_DIM;
	}
}

/* "43M/64M", "5/64": use against limit. */
static void cell_of_limit(struct table_row *row, unsigned c, json_int_t limit, bool size)
{
	char use[TABLE_CELL_BYTES], text[TEXT_SIZE_BYTES + 8];

	if (limit < 0 || strcmp(row->cell[c], "-") == 0)
		return;
	(void)snprintf(use, sizeof(use), "%s", row->cell[c]);
	if (size)
		text_size((uint64_t)limit, text);
	else
		(void)snprintf(text, sizeof(text), "%lld", (long long)limit);
	cell(row, c, "%.40s/%s", use, text);
}

static void add_worker(struct table *t, const json_t *w, const json_t *limits)
{
	struct table_row *row = table_add(t);
	json_int_t slot = render_int(w, "slot"), cpu = render_int(w, "cpu_usec");
	char state[24];

	if (!row)
		return;
	(void)render_text(w, "state", state, sizeof(state));
	if (slot < 0)
		cell(row, W_SLOT, "s");
	else
		cell_int(row, W_SLOT, slot);
	cell(row, W_STATE, "%s", state);
	row->tone[W_STATE] = render_state_tone(state);
	cell_int(row, W_PID, render_int(w, "pid"));
	cell_cpus(row, w);
	cell_duration(row, W_UPTIME, render_int(w, "uptime_ms"));
	cell_int(row, W_RESTARTS, render_int(w, "restarts"));
	cell_size(row, W_MEMORY, render_int(w, "memory_bytes"));
	cell_of_limit(row, W_MEMORY, render_int(w, "memory_max_bytes"), true);
	cell_int(row, W_TASKS, render_int(w, "pids"));
	cell_of_limit(row, W_TASKS, render_int(limits, "pids"), false);
	cell_duration(row, W_CPU, cpu < 0 ? -1 : cpu / 1000);
	cell_int(row, W_CONNS, render_int(w, "connections"));
	cell_status(row, w, state);
}

/* ---- certificates: how the last lives of one place ended ---- */

enum { C_TIME, C_PID, C_ENDED, C_UPTIME, C_CPU, C_PEAK };

static const char *const death_heads[] = { "ENDED", ">PID", "BY", ">UPTIME", ">CPU", ">PEAK" };

static void add_death(struct table *t, const json_t *death)
{
	static const char *const words[] = { "hint", "detail", "status_text" };
	struct table_row *row = table_add(t);
	char text[TABLE_CELL_BYTES], end[RENDER_END_BYTES];

	if (!row)
		return;
	render_end(death, end);
	cell(row, C_TIME, "%s", render_text(death, "time", text, sizeof(text)));
	cell_int(row, C_PID, render_int(death, "pid"));
	cell(row, C_ENDED, "%s", end);
	cell_duration(row, C_UPTIME, render_int(death, "uptime_ms"));
	cell_duration(row, C_CPU, render_int(death, "cpu_ms"));
	cell_size(row, C_PEAK, render_int(death, "memory_peak_bytes"));
	for (size_t i = 0; i < ARRAY_LEN(words) && !row->note[0]; i++)
		if (json_is_string(json_object_get(death, words[i])))
			(void)render_text(death, words[i], row->note, sizeof(row->note));
}

static void show_deaths(const struct render *r, const char *pool, const json_t *w)
{
	const json_t *deaths = json_object_get(w, "certificates"), *death;
	struct table t = { .ncolumns = ARRAY_LEN(death_heads), .heads = death_heads, .indent = 2 };
	size_t i;

	if (!json_is_array(deaths))
		return;
	if (json_array_size(deaths) == 0) {
		(void)fprintf(r->out, "\n%s/%lld has never ended\n", pool,
			      (long long)render_int(w, "slot"));
		return;
	}
	json_array_foreach(deaths, i, death) add_death(&t, death);
	(void)fprintf(r->out, "\nlast ends of %s/%lld, newest first\n", pool,
		      (long long)render_int(w, "slot"));
	table_print(&t, r);
	table_done(&t);
}

/* ---- pools ---- */

static void show_listens(const struct render *r, const json_t *pool)
{
	const json_t *listens = json_object_get(pool, "listen"), *l;
	char text[TABLE_CELL_BYTES];
	size_t i;

	json_array_foreach(listens, i, l)
	{
		(void)text_safe(json_is_string(l) ? json_string_value(l) : "",
				json_string_length(l), text, sizeof(text));
		(void)fprintf(r->out, "%s %s", i ? "," : " ", text);
	}
}

static void show_facts(const struct render *r, const json_t *pool)
{
	const json_t *usage = json_object_get(pool, "usage");
	json_int_t queue = render_int(pool, "accept_queue"), deaths = render_int(usage, "deaths");
	char a[64], b[64], n[RENDER_INT_BYTES];

	(void)fprintf(r->out, "  protocol %s, policy %s, generation %s",
		      render_text(pool, "protocol", a, sizeof(a)),
		      render_text(pool, "policy", b, sizeof(b)),
		      render_number(pool, "generation", n));
	if (queue >= 0)
		(void)fprintf(r->out, ", accept queue %lld", (long long)queue);
	if (deaths > 0)
		(void)fprintf(r->out, ", deaths %lld", (long long)deaths);
	(void)fputc('\n', r->out);
}

static void show_pool(const struct render *r, const json_t *pool)
{
	const json_t *workers = json_object_get(pool, "workers"), *w;
	struct table t = { .ncolumns = ARRAY_LEN(worker_heads),
			   .heads = worker_heads,
			   .indent = 2 };
	char name[64], state[24], reason[TABLE_CELL_BYTES];
	const char *bold = render_tone(r, TONE_BOLD), *tone;
	size_t i;

	(void)render_text(pool, "name", name, sizeof(name));
	(void)render_text(pool, "state", state, sizeof(state));
	tone = render_tone(r, render_state_tone(state));
	(void)fprintf(r->out, "\n%s%s%s  %s%s%s", bold, name, *bold ? "\033[0m" : "", tone, state,
		      *tone ? "\033[0m" : "");
	show_listens(r, pool);
	(void)fputc('\n', r->out);
	if (json_is_string(json_object_get(pool, "reason")))
		(void)fprintf(r->out, "  reason: %s\n",
			      render_text(pool, "reason", reason, sizeof(reason)));
	show_facts(r, pool);
	json_array_foreach(workers, i, w) add_worker(&t, w, json_object_get(pool, "limits"));
	table_print(&t, r);
	table_done(&t);
	json_array_foreach(workers, i, w) show_deaths(r, name, w);
}

void render_status(const struct render *r, const json_t *status)
{
	const json_t *master = json_object_get(status, "master"), *pool;
	char name[64], version[32], pid[RENDER_INT_BYTES], up[TEXT_DURATION_BYTES] = "-";
	json_int_t ms = render_int(master, "uptime_ms");
	size_t i;

	if (ms >= 0)
		text_duration((uint64_t)ms, up);
	(void)fprintf(r->out, "%s: mpsup %s, master %s, up %s\n",
		      render_text(status, "name", name, sizeof(name)),
		      render_text(status, "version", version, sizeof(version)),
		      render_number(master, "pid", pid), up);
	json_array_foreach(json_object_get(status, "pools"), i, pool) show_pool(r, pool);
}

/* ---- list ---- */

static void count_workers(const json_t *pools, unsigned *ret_ready, unsigned *ret_all)
{
	const json_t *pool, *w;
	size_t i, k;

	json_array_foreach(pools, i, pool)
		json_array_foreach(json_object_get(pool, "workers"), k, w)
	{
		const char *role = json_string_value(json_object_get(w, "role"));
		const char *state = json_string_value(json_object_get(w, "state"));

		if (!role || !state || strcmp(role, "worker") != 0)
			continue;
		*ret_all += 1;
		*ret_ready += strcmp(state, "ready") == 0;
	}
}

void render_list_head(const struct render *r)
{
	const char *dim = render_tone(r, TONE_DIM);

	(void)fprintf(r->out, "%s%-24s  %7s  %9s  %7s  POOLS%s\n", dim, "INSTANCE", "PID", "UPTIME",
		      "WORKERS", *dim ? "\033[0m" : "");
}

void render_list_line(const struct render *r, const json_t *status)
{
	const json_t *master = json_object_get(status, "master");
	const json_t *pools = json_object_get(status, "pools"), *pool;
	char name[64], state[24], up[TEXT_DURATION_BYTES] = "-", ratio[32];
	char pid[RENDER_INT_BYTES];
	json_int_t ms = render_int(master, "uptime_ms");
	unsigned ready = 0, all = 0;
	size_t i;

	if (ms >= 0)
		text_duration((uint64_t)ms, up);
	count_workers(pools, &ready, &all);
	(void)snprintf(ratio, sizeof(ratio), "%u/%u", ready, all);
	(void)fprintf(r->out, "%-24s  %7s  %9s  %7s ",
		      render_text(status, "name", name, sizeof(name)),
		      render_number(master, "pid", pid), up, ratio);
	json_array_foreach(pools, i, pool)
	{
		const char *tone;

		(void)render_text(pool, "state", state, sizeof(state));
		tone = render_tone(r, render_state_tone(state));
		(void)fprintf(r->out, " %s %s%s%s", render_text(pool, "name", name, sizeof(name)),
			      tone, state, *tone ? "\033[0m" : "");
	}
	(void)fputc('\n', r->out);
}
