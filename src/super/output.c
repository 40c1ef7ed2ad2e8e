/* SPDX-License-Identifier: MIT */
/* output.c - what workers write: from the pipes, cut into lines, kept for
 * certificates and handed to whoever shows it. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"
#include "super/life.h"
#include "super/pipes.h"

#define BUDGET_BYTES 65536 /* a turn of the loop, for one pipe */
#define HELD_MAX     65536

static struct slot *place_of(struct life *l)
{
	return l->slot ? l->slot : &l->pool->spare_slot;
}

static void show(struct life *l, bool is_err, const char *text, size_t len)
{
	struct slot *s = place_of(l);
	struct logline line = { .slot = s,
				.life = l->number,
				.time_ms = clock_real_ms(),
				.is_err = is_err,
				.text = text,
				.len = len };

	if (l->master->on_log)
		l->master->on_log(l->master, &line);
}

static bool remember(struct life *l, const char *text, size_t len)
{
	char *held;

	if (l->held_len + len + 1 > HELD_MAX)
		return false;
	held = realloc(l->held, l->held_len + len + 1);
	if (!held)
		return false;
	memcpy(held + l->held_len, text, len);
	held[l->held_len + len] = '\n';
	l->held = held;
	l->held_len += len + 1;
	return true;
}

/* Kept always; shown at once, unless it may be a repetition (see output_hold).
 * The words of a boot are remembered either way, to know the next repetition. */
static void take_line(struct life *l, struct output *o, const char *text, size_t len)
{
	struct slot *s = place_of(l);
	struct logline line = { .slot = s,
				.life = l->number,
				.time_ms = clock_real_ms(),
				.is_err = o->is_err,
				.text = text,
				.len = len };

	logring_add(&s->log, &line);
	if (o->is_err && !l->was_ready && remember(l, text, len) && l->holding)
		return;
	show(l, o->is_err, text, len);
}

static void take(struct life *l, struct output *o, const char *data, size_t n)
{
	while (n > 0) {
		const char *nl = memchr(data, '\n', n);
		size_t part = nl ? (size_t)(nl - data) : n;

		if (o->len + part > LOG_LINE_MAX)
			part = LOG_LINE_MAX - o->len;
		if (o->len == 0 && nl && part == (size_t)(nl - data)) {
			take_line(l, o, data, part); /* the usual case: no copy */
		} else {
			if (!o->line)
				o->line = malloc(LOG_LINE_MAX);
			if (!o->line)
				return;
			memcpy(o->line + o->len, data, part);
			o->len += part;
			if (o->len == LOG_LINE_MAX || (nl && part == (size_t)(nl - data))) {
				take_line(l, o, o->line, o->len);
				o->len = 0;
			}
		}
		if (nl && part == (size_t)(nl - data))
			part++;
		data += part;
		n -= part;
	}
}

/* Returns false at the end of the pipe. */
static bool read_some(struct life *l, struct output *o, size_t budget)
{
	static char buf[16384]; /* single-threaded; nothing stays in it */
	size_t got = 0;

	while (o->fd >= 0 && got < budget) {
		ssize_t n = read(o->fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		if (n == 0)
			return false;
		take(l, o, buf, (size_t)n);
		got += (size_t)n;
		if ((size_t)n < sizeof(buf))
			break;
	}
	return o->fd >= 0;
}

static void on_output(struct life *l, struct output *o)
{
	if (read_some(l, o, BUDGET_BYTES))
		return;
	pipes_close(l, o);
	life_check_gone(l);
}

static void on_out(struct source *s, uint32_t events)
{
	struct life *l = container_of(s, struct life, out.src);

	(void)events;
	on_output(l, &l->out);
}

static void on_err(struct source *s, uint32_t events)
{
	struct life *l = container_of(s, struct life, err.src);

	(void)events;
	on_output(l, &l->err);
}

int pipes_watch(struct life *l)
{
	int r = 0;

	/* A worker may have closed its end. */
	if (l->out.fd >= 0)
		r = source_add(&l->master->loop, &l->out.src, l->out.fd, EPOLLIN, on_out);
	if (r == 0 && l->err.fd >= 0)
		r = source_add(&l->master->loop, &l->err.src, l->err.fd, EPOLLIN, on_err);
	return r;
}

void pipes_close(struct life *l, struct output *o)
{
	if (o->fd < 0)
		return;
	source_remove(&l->master->loop, &o->src);
	fd_close(&o->fd);
	if (o->len > 0)
		take_line(l, o, o->line, o->len);
	free(o->line);
	o->line = NULL;
	o->len = 0;
}

void output_drain(struct life *l)
{
	ignore(read_some(l, &l->out, BUDGET_BYTES));
	ignore(read_some(l, &l->err, BUDGET_BYTES));
	if (!l->was_ready)
		output_flush(l);
}

void output_hold(struct life *l)
{
	l->holding = true;
}

static void show_held(struct life *l)
{
	const char *p = l->held, *end = p + l->held_len;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		show(l, true, p, (size_t)(nl - p));
		p = nl + 1;
	}
}

void output_flush(struct life *l)
{
	struct pool *p = l->pool;
	bool same = p->boot_stderr && p->boot_stderr_len == l->held_len && l->held_len > 0 &&
		    memcmp(p->boot_stderr, l->held, l->held_len) == 0;

	if (l->holding && l->held_len > 0 && (l->was_ready || !same))
		show_held(l);
	free(p->boot_stderr);
	p->boot_stderr = NULL;
	p->boot_stderr_len = 0;
	if (l->was_ready) {
		free(l->held);
	} else {
		p->boot_stderr = l->held;
		p->boot_stderr_len = l->held_len;
	}
	l->held = NULL;
	l->held_len = 0;
	l->holding = false;
}

struct tail {
	uint64_t number;
	unsigned skip, seen;
	bool count_only;
	void (*fn)(void *ctx, const char *line);
	void *ctx;
};

static void tail_line(void *ctx, const struct logline *line)
{
	struct tail *t = ctx;
	char safe[512];

	if (line->life != t->number || !line->is_err || line->len == 0)
		return;
	t->seen++;
	if (t->count_only || t->seen <= t->skip)
		return;
	(void)text_safe(line->text, line->len, safe, sizeof(safe));
	t->fn(t->ctx, safe);
}

void output_tail(const struct slot *s, uint64_t number, unsigned max,
		 void (*fn)(void *ctx, const char *line), void *ctx)
{
	struct tail t = { .number = number, .count_only = true, .fn = fn, .ctx = ctx };

	/* Two passes: count, then show all but the first seen - max. */
	logring_each(&s->log, tail_line, &t);
	t.skip = t.seen > max ? t.seen - max : 0;
	t.seen = 0;
	t.count_only = false;
	logring_each(&s->log, tail_line, &t);
}
