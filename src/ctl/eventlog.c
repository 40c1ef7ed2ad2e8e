/* SPDX-License-Identifier: MIT */
/* eventlog.c - facts as JSON lines, each with its number, the last ones kept. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "ctl/ctl.h"

static json_t *or_null(uint64_t n)
{
	return n == UINT64_MAX ? json_null() : json_integer((json_int_t)n);
}

static json_t *text_or_null(const char *s)
{
	return s && s[0] ? json_safe(s) : json_null();
}

json_t *json_safe(const char *text)
{
	char safe[1024];

	(void)text_safe(text, strlen(text), safe, sizeof(safe));
	return json_string(safe);
}

static void set_time(json_t *o, const char *key, int64_t ms)
{
	char t[TEXT_TIME_BYTES];

	text_time(ms, t);
	(void)json_object_set_new(o, key, json_string(t));
}

static void add_death(json_t *o, const struct death *d)
{
	(void)json_object_set_new(o, "reason", json_string(reason_name(d->reason)));
	(void)json_object_set_new(o, "code", d->code < 0 ? json_null() : json_integer(d->code));
	(void)json_object_set_new(o, "signal", d->sig ? json_integer(d->sig) : json_null());
	(void)json_object_set_new(o, "syscall", json_null());
	(void)json_object_set_new(o, "step", text_or_null(d->step));
	(void)json_object_set_new(o, "errno", d->error ? json_integer(d->error) : json_null());
	(void)json_object_set_new(o, "core_dumped", json_boolean(d->core_dumped));
	(void)json_object_set_new(o, "ready", json_boolean(d->ready));
	(void)json_object_set_new(o, "uptime_ms", or_null(d->uptime_ms));
	(void)json_object_set_new(o, "cpu_ms", or_null(d->cpu_ms));
	(void)json_object_set_new(o, "memory_peak_bytes", or_null(d->memory_peak_bytes));
	(void)json_object_set_new(o, "pids_refused", or_null(d->pids_refused));
	(void)json_object_set_new(o, "throttled_usec", or_null(d->throttled_usec));
	(void)json_object_set_new(o, "status_text", text_or_null(d->status_text));
	(void)json_object_set_new(o, "detail", text_or_null(d->detail));
	(void)json_object_set_new(o, "hint", text_or_null(d->hint));
}

json_t *death_json(const struct death *d)
{
	json_t *o = json_object();

	if (!o)
		return NULL;
	set_time(o, "time", d->time_ms);
	(void)json_object_set_new(o, "event", json_string("worker.exit"));
	(void)json_object_set_new(o, "generation", json_integer(d->generation));
	(void)json_object_set_new(o, "pid", d->pid ? json_integer(d->pid) : json_null());
	add_death(o, d);
	return o;
}

static void add_who(json_t *o, const struct event *ev)
{
	(void)json_object_set_new(o, "pool",
				  ev->pool ? json_string(ev->pool->conf->name) : json_null());
	(void)json_object_set_new(o, "slot", ev->slot >= 0 ? json_integer(ev->slot) : json_null());
	(void)json_object_set_new(o, "generation",
				  ev->life ? json_integer(ev->life->generation) :
				  ev->pool ? json_integer(ev->pool->gen ? ev->pool->gen->number :
									  0) :
					     json_null());
	(void)json_object_set_new(
		o, "pid", ev->life && ev->life->pid ? json_integer(ev->life->pid) : json_null());
}

static void add_more(json_t *o, const struct event *ev)
{
	if (ev->death)
		add_death(o, ev->death);
	if (strcmp(ev->name, "worker.spawn") == 0) {
		(void)json_object_set_new(o, "ns_pid",
					  ev->life->inner_pid ? json_integer(ev->life->inner_pid) :
								json_null());
		(void)json_object_set_new(o, "init_pid", json_integer(ev->life->init.pid));
		/* ppid as the worker sees it: init is PID 1 of its namespace. */
		(void)json_object_set_new(
			o, "ppid", json_integer(ev->life->inner_pid ? 1 : ev->life->init.pid));
		(void)json_object_set_new(o, "role",
					  json_string(ev->life->slot ? "worker" : "spare"));
		(void)json_object_set_new(
			o, "cgroup", json_string(ev->life->leaf_name ? ev->life->leaf_name : ""));
	}
	if (strcmp(ev->name, "worker.respawn") == 0) {
		(void)json_object_set_new(o, "delay_ms", json_integer((json_int_t)ev->delay_ms));
		(void)json_object_set_new(o, "count", json_integer(ev->count));
		(void)json_object_set_new(o, "limit", json_integer(ev->limit));
		(void)json_object_set_new(o, "from",
					  json_string(ev->from_spare ? "spare" : "cold"));
	}
	if (ev->verb) {
		(void)json_object_set_new(o, "uid", json_integer(ev->uid));
		(void)json_object_set_new(o, "pid", json_integer(ev->pid));
		(void)json_object_set_new(o, "verb", json_safe(ev->verb));
	}
	if (ev->verb || ev->result) {
		(void)json_object_set_new(o, "target", text_or_null(ev->target));
		(void)json_object_set_new(o, "result", text_or_null(ev->result));
	}
	if (ev->text && ev->text[0])
		(void)json_object_set_new(o, "text", json_safe(ev->text));
}

static void forget_first(struct ctl *c)
{
	struct ctl_event *e = container_of(c->events.next, struct ctl_event, node);

	list_remove(&e->node);
	c->nevents--;
	c->event_bytes -= sizeof(*e) + e->len + 1;
	free(e);
}

static void keep(struct ctl *c, const char *line, const struct pool *p)
{
	size_t len = strlen(line);
	struct ctl_event *e = malloc(sizeof(*e) + len + 1);

	if (!e)
		return;
	e->seq = ++c->seq;
	e->time_ms = clock_real_ms();
	(void)snprintf(e->pool, sizeof(e->pool), "%s", p ? p->conf->name : "");
	e->len = len;
	memcpy(e->line, line, len + 1);
	list_append(&c->events, &e->node);
	c->nevents++;
	c->event_bytes += sizeof(*e) + len + 1;
	while (c->nevents > 1 && (c->nevents > EVENTS_KEPT || c->event_bytes > EVENTS_BYTES))
		forget_first(c);
}

void eventlog_add(struct ctl *c, const struct event *ev)
{
	json_t *o = json_object();
	char *line;

	if (!o)
		return;
	if (c->seq >= c->reserved && c->reserve)
		c->reserve(c);
	(void)json_object_set_new(o, "seq", json_integer((json_int_t)(c->seq + 1)));
	set_time(o, "time", clock_real_ms());
	(void)json_object_set_new(o, "event", json_string(ev->name));
	add_who(o, ev);
	add_more(o, ev);
	line = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (line)
		keep(c, line, ev->pool);
	free(line);
}

void eventlog_add_again(struct ctl *c, const struct ctl_event *was, const char *line, size_t len)
{
	struct ctl_event *e = malloc(sizeof(*e) + len + 1);

	if (!e)
		return;
	*e = *was;
	e->len = len;
	memcpy(e->line, line, len);
	e->line[len] = '\0';
	list_append(&c->events, &e->node);
	c->nevents++;
	c->event_bytes += sizeof(*e) + len + 1;
}

void eventlog_done(struct ctl *c)
{
	while (c->nevents > 0)
		forget_first(c);
}
