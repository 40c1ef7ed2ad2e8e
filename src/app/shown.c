/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/shown.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/paths.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "super/life.h"

#define LOG_BYTES  4096 /* the longest line of base/log */
#define LINE_BYTES (LOG_LINE_MAX * 4 + 256)

/* ---- our own words ---- */

static void write_own_file(struct shown *s, const char *line, size_t len)
{
	char text[TEXT_TIME_BYTES + LOG_BYTES + 2], when[TEXT_TIME_BYTES];
	int n;

	/* JSON lines carry their time; a terminal's reader has a clock. */
	if (s->config->log_format == LOG_F_JSON) {
		logfile_write(&s->own, line, len);
		return;
	}
	text_time(clock_real_ms(), when);
	n = snprintf(text, sizeof(text), "%s %.*s", when, (int)len, line);
	logfile_write(&s->own, text, (size_t)n);
}

static void write_log(void *ctx, const char *line, size_t len)
{
	struct shown *s = ctx;

	if (s->own.fd >= 0)
		write_own_file(s, line, len);
	/* A daemon's starter is told what it would have read in the foreground. */
	if (s->terminal && (s->own.fd < 0 || s->config->daemonize))
		sink_write(&s->err, line, len);
}

/* ---- the workers' ---- */

static size_t frame(const struct logline *line, bool safe, char text[LINE_BYTES])
{
	char name[LIFE_NAME_BYTES];
	size_t n = (size_t)snprintf(text, 128, "%s | ", slot_name(line->slot, name));

	if (safe) {
		n += text_safe(line->text, line->len, text + n, LINE_BYTES - n - 1);
	} else {
		memcpy(text + n, line->text, line->len);
		n += line->len;
	}
	text[n++] = '\n';
	return n;
}

static size_t frame_json(const struct logline *line, char text[LINE_BYTES])
{
	char name[LIFE_NAME_BYTES], when[TEXT_TIME_BYTES];
	char safe[LOG_LINE_MAX * 2], quoted[LOG_LINE_MAX * 4];

	text_time(line->time_ms, when);
	(void)text_safe(line->text, line->len, safe, sizeof(safe));
	(void)text_json(safe, quoted, sizeof(quoted));
	return (size_t)snprintf(
		text, LINE_BYTES,
		"{\"time\":\"%s\",\"worker\":\"%s\",\"stream\":\"%s\",\"line\":\"%s\"}\n", when,
		slot_name(line->slot, name), line->is_err ? "err" : "out", quoted);
}

static struct logfile *file_of(const struct logline *line)
{
	return line->slot->pool->ctx;
}

static void line_to_file(struct shown *s, struct logfile *f, const struct logline *line)
{
	char text[TEXT_TIME_BYTES + 1 + LINE_BYTES], when[TEXT_TIME_BYTES];
	size_t n = 0;

	if (s->config->log_format == LOG_F_JSON) {
		n = frame_json(line, text);
	} else {
		text_time(line->time_ms, when);
		n = (size_t)snprintf(text, sizeof(text), "%s ", when);
		n += frame(line, false, text + n);
	}
	logfile_write(f, text, n);
}

void shown_line(struct shown *s, const struct logline *line)
{
	struct logfile *f = file_of(line);
	bool tty = line->is_err ? s->err_tty : s->out_tty;
	char text[LINE_BYTES];
	size_t n;

	if (f)
		line_to_file(s, f, line);
	if (!s->terminal)
		return;
	n = s->config->log_format == LOG_F_JSON ? frame_json(line, text) : frame(line, tty, text);
	sink_write(line->is_err ? &s->err : &s->out, text, n);
}

/* ---- opening and closing ---- */

int shown_open(struct shown *s, struct loop *loop, const struct config *c, struct err *e)
{
	*s = (struct shown){ .config = c, .terminal = true, .own = LOGFILE_NONE };
	s->out_tty = isatty(STDOUT_FILENO);
	s->err_tty = isatty(STDERR_FILENO);
	sink_init(&s->out, loop, STDOUT_FILENO);
	sink_init(&s->err, loop, STDERR_FILENO);
	log_setup(c->log_level, c->log_format);
	log_to(write_log, s);
	return c->log_file ? logfile_open(&s->own, loop, c->log_file, false, e) : 0;
}

int shown_open_daemon(struct shown *s, struct loop *loop, struct err *e)
{
	char path[PATH_MAX];
	int r;

	paths_log_dir(s->dir, sizeof(s->dir), s->config->name);
	s->loop = loop;
	r = paths_make(s->dir, 0750, e); /* for root and its group alone */
	if (r < 0)
		return err_wrap(e, "log folder");
	if (s->own.fd < 0) {
		(void)snprintf(path, sizeof(path), "%s/mpsup.log", s->dir);
		r = logfile_open(&s->own, loop, path, true, e);
	}
	return r;
}

int shown_add_pool(struct shown *s, struct pool *p, struct err *e)
{
	char path[PATH_MAX];
	struct logfile *f;
	int r;

	if (!s->dir[0])
		return 0;
	f = malloc(sizeof(*f));
	if (!f)
		return err_set(e, -ENOMEM, "out of memory");
	*f = LOGFILE_NONE;
	(void)snprintf(path, sizeof(path), "%s/%s.log", s->dir, p->conf->name);
	r = logfile_open(f, s->loop, path, true, e);
	if (r < 0)
		free(f);
	else
		p->ctx = f;
	return r;
}

void shown_drop_pool(struct shown *s, struct pool *p)
{
	struct logfile *f = p->ctx;

	(void)s;
	if (f)
		logfile_close(f);
	free(f);
	p->ctx = NULL;
}

void shown_leave_terminal(struct shown *s)
{
	sink_done(&s->out);
	sink_done(&s->err);
	s->terminal = false;
}

void shown_reopen(struct shown *s, const struct master *m)
{
	bool any = s->own.fd >= 0;
	struct err e;

	if (any && logfile_reopen(&s->own, &e) < 0)
		log_error("%s; the old file is kept", e.msg);
	for (unsigned i = 0; i < m->npools; i++)
		if (m->pools[i]->ctx && logfile_reopen(m->pools[i]->ctx, &e) < 0)
			log_error("%s; the old file is kept", e.msg);
	if (any)
		log_info("log reopened");
}

void shown_close(struct shown *s)
{
	log_to(NULL, NULL);
	shown_leave_terminal(s);
	logfile_close(&s->own);
}
