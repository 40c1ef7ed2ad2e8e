/* SPDX-License-Identifier: MIT */
/* render.c - events and lines of output for people. */
#define _GNU_SOURCE
#include "ctl/render.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/text.h"

void render_end(const json_t *death, char out[RENDER_END_BYTES])
{
	char reason[32], step[48];
	json_int_t sig = render_int(death, "signal"), code = render_int(death, "code");
	json_int_t error = render_int(death, "errno");
	const char *name = sig > 0 && sig < 65 ? sigabbrev_np((int)sig) : NULL;
	const char *errno_name = error > 0 && error < 4096 ? strerrorname_np((int)error) : NULL;
	bool plain, has_step = json_is_string(json_object_get(death, "step"));
	size_t n = 0;

	(void)render_text(death, "reason", reason, sizeof(reason));
	(void)render_text(death, "step", step, sizeof(step));
	/* The reason says it already where it only names the kind of end. */
	plain = strcmp(reason, "signal") == 0 || strcmp(reason, "exit") == 0 ||
		strcmp(reason, "-") == 0;
	if (!plain)
		n = (size_t)snprintf(out, RENDER_END_BYTES, "%s%s", reason,
				     sig > 0 || code >= 0 || has_step ? ", " : "");
	if (sig > 0)
		(void)snprintf(out + n, RENDER_END_BYTES - n, "signal %d (%s)%s", (int)sig,
			       name ? name : "?",
			       json_is_true(json_object_get(death, "core_dumped")) ? ", core" : "");
	else if (has_step)
		(void)snprintf(out + n, RENDER_END_BYTES - n, "%s: %s", step,
			       errno_name ? errno_name : "failed");
	else if (code >= 0)
		(void)snprintf(out + n, RENDER_END_BYTES - n, "code %d", (int)code);
	else if (plain)
		(void)snprintf(out, RENDER_END_BYTES, "%s", reason);
}

/* Keys of a worker.exit that render_end() has told, and those of every event. */
static bool is_told(const char *key, bool is_exit)
{
	static const char *const always[] = { "seq",  "time",	    "event", "pool",
					      "slot", "generation", "pid" };
	static const char *const of_exit[] = {
		"reason",	"code",		 "signal",    "step",	"errno",
		"core_dumped",	"ready",	 "uptime_ms", "cpu_ms", "memory_peak_bytes",
		"pids_refused", "throttled_usec"
	};

	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		if (strcmp(key, always[i]) == 0)
			return true;
	for (size_t i = 0; is_exit && i < ARRAY_LEN(of_exit); i++)
		if (strcmp(key, of_exit[i]) == 0)
			return true;
	return false;
}

static void show_value(const struct render *r, const char *key, const json_t *v)
{
	char safe_key[48], text[TEXT_SHORT_BYTES];

	if (json_is_null(v))
		return;
	(void)text_safe(key, strlen(key), safe_key, sizeof(safe_key));
	if (json_is_string(v)) {
		(void)text_safe(json_string_value(v), json_string_length(v), text, sizeof(text));
		(void)fprintf(r->out, strchr(text, ' ') ? "  %s=\"%s\"" : "  %s=%s", safe_key,
			      text);
	} else if (json_is_integer(v)) {
		(void)fprintf(r->out, "  %s=%lld", safe_key, (long long)json_integer_value(v));
	} else if (json_is_boolean(v)) {
		(void)fprintf(r->out, "  %s=%s", safe_key, json_is_true(v) ? "yes" : "no");
	} else {
		char *more = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

		(void)fprintf(r->out, "  %s=%.200s", safe_key, more ? more : "?");
		free(more);
	}
}

static void show_death(const struct render *r, const json_t *ev)
{
	char end[RENDER_END_BYTES], took[TEXT_DURATION_BYTES];
	json_int_t up = render_int(ev, "uptime_ms");

	render_end(ev, end);
	(void)fprintf(r->out, "  %s", end);
	if (up < 0)
		return;
	text_duration((uint64_t)up, took);
	(void)fprintf(r->out, " after %s%s", took,
		      json_is_false(json_object_get(ev, "ready")) ? ", never ready" : "");
}

static enum tone event_tone(const char *name)
{
	if (strstr(name, "fail") || strstr(name, "denied"))
		return TONE_BAD;
	if (strstr(name, "exit") || strstr(name, "degraded") || strstr(name, "limit"))
		return TONE_WARN;
	return strstr(name, "ready") || strstr(name, "promoted") ? TONE_GOOD : TONE_NONE;
}

void render_event(const struct render *r, const json_t *event)
{
	char seq[RENDER_INT_BYTES], when[40], name[48], pool[64], who[96] = "-";
	json_int_t slot = render_int(event, "slot"), pid = render_int(event, "pid");
	const char *tone, *key;
	json_t *v;
	bool is_exit;

	(void)render_text(event, "time", when, sizeof(when));
	(void)render_text(event, "event", name, sizeof(name));
	(void)render_text(event, "pool", pool, sizeof(pool));
	is_exit = strcmp(name, "worker.exit") == 0;
	tone = render_tone(r, event_tone(name));
	if (slot >= 0)
		(void)snprintf(who, sizeof(who), "%s/%lld", pool, (long long)slot);
	else if (pool[0] != '-')
		(void)snprintf(who, sizeof(who),
			       strncmp(name, "worker.", 7) == 0 ? "%s/spare" : "%s", pool);
	(void)fprintf(r->out, "%s %6s  %s%-16s%s  %-10s", when, render_number(event, "seq", seq),
		      tone, name, *tone ? "\033[0m" : "", who);
	if (pid >= 0)
		(void)fprintf(r->out, "  pid %lld", (long long)pid);
	if (is_exit)
		show_death(r, event);
	json_object_foreach((json_t *)(uintptr_t)event, key, v) if (!is_told(key, is_exit))
		show_value(r, key, v);
	(void)fputc('\n', r->out);
}

void render_log(const struct render *r, const json_t *log)
{
	char pool[64], line[16385];
	const char *stream = json_string_value(json_object_get(log, "stream"));
	const char *tone = render_tone(r, TONE_DIM), *off = *tone ? "\033[0m" : "";
	const json_t *text = json_object_get(log, "line");
	json_int_t slot = render_int(log, "slot");

	(void)render_text(log, "pool", pool, sizeof(pool));
	(void)text_safe(json_is_string(text) ? json_string_value(text) : "",
			json_string_length(text), line, sizeof(line));
	if (slot >= 0)
		(void)fprintf(r->out, "%s%s/%lld", tone, pool, (long long)slot);
	else
		(void)fprintf(r->out, "%s%s/spare", tone, pool);
	(void)fprintf(r->out, " %c%s %s\n", stream && strcmp(stream, "err") == 0 ? '!' : '|', off,
		      line);
}
