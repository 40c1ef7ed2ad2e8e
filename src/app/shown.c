/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/shown.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/paths.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "ctl/logframe.h"
#include "kernel/journal.h"

#define LOG_BYTES 4096 /* the longest line of base/log */

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

static void write_stderr(struct shown *s, enum log_level level, const char *line, size_t len)
{
	static const int priority[] = {
		[LOG_L_ERROR] = JOURNAL_ERR,
		[LOG_L_WARN] = JOURNAL_WARNING,
		[LOG_L_INFO] = JOURNAL_INFO,
		[LOG_L_DEBUG] = JOURNAL_DEBUG,
	};
	char text[LOG_BYTES + JOURNAL_MORE];

	if (!s->err_journal || len > LOG_BYTES) {
		sink_write(&s->err, line, len);
		return;
	}
	len = journal_line(priority[level], line, len - 1, text);
	sink_write(&s->err, text, len);
}

static void write_log(void *ctx, enum log_level level, const char *line, size_t len)
{
	struct shown *s = ctx;

	if (s->own.fd >= 0)
		write_own_file(s, line, len);
	/* A daemon's starter is told what it would have read in the foreground. */
	if (s->terminal && (s->own.fd < 0 || s->config->daemonize))
		write_stderr(s, level, line, len);
}

/* ---- the workers' ---- */

static void write_terminal(void *ctx, const struct logline *line, enum log_format format)
{
	struct shown *s = ctx;
	bool tty = line->is_err ? s->err_tty : s->out_tty;
	char text[LOGFRAME_BYTES];
	size_t n;

	if (!s->terminal)
		return;
	n = format == LOG_F_JSON ? logframe_json(line, text) : logframe_text(line, tty, text);
	sink_write(line->is_err ? &s->err : &s->out, text, n);
}

/* ---- opening and closing ---- */

static int open_own(struct shown *s, const char *path, struct err *e)
{
	char whole[PATH_MAX];
	int r = paths_absolute(whole, path);

	return r < 0 ? err_sys(e, r, "log file %s", path) :
		       logfile_open(&s->own, s->loop, whole, NULL, e);
}

static void take_over(struct shown *s, struct loop *loop, const struct config *c)
{
	*s = (struct shown){ .config = c, .loop = loop, .terminal = true, .own = LOGFILE_NONE };
	s->pools = (struct poollogs){ .loop = loop,
				      .format = c->log_format,
				      .to_terminal = write_terminal,
				      .ctx = s };
	s->out_tty = isatty(STDOUT_FILENO);
	s->err_tty = isatty(STDERR_FILENO);
	s->err_journal = journal_has(STDERR_FILENO);
	/* A service that goes to the background by itself has files, as anywhere. */
	if ((s->err_journal || journal_has(STDOUT_FILENO)) && !c->daemonize)
		s->pools.journal = JOURNAL_SOCKET;
	sink_init(&s->out, loop, STDOUT_FILENO);
	sink_init(&s->err, loop, STDERR_FILENO);
	log_setup(c->log_level, c->log_format);
	log_to(write_log, s);
}

int shown_open(struct shown *s, struct loop *loop, const struct config *c, struct err *e)
{
	take_over(s, loop, c);
	return c->log_file ? open_own(s, c->log_file, e) : 0;
}

static int make_dir(struct shown *s, struct err *e)
{
	paths_log_dir(s->pools.dir, sizeof(s->pools.dir), s->config->name);
	return paths_make(s->pools.dir, 0750, e); /* for root and its group alone */
}

static void set_bound(struct shown *s)
{
	s->own.rotate_bytes = LOG_ROTATE_BYTES;
	s->own.keep = LOG_KEEP;
}

int shown_open_daemon(struct shown *s, struct err *e)
{
	int r = make_dir(s, e);
	char path[PATH_MAX];

	if (r < 0)
		return err_wrap(e, "log folder");
	if (s->own.fd < 0) {
		(void)snprintf(path, sizeof(path), "%s/mpsup.log", s->pools.dir);
		r = open_own(s, path, e);
		set_bound(s);
	}
	return r;
}

int shown_go_on(struct shown *s, struct loop *loop, const struct config *c, const char *path,
		int fd, struct err *e)
{
	struct err ignored;

	take_over(s, loop, c);
	/* Nobody ends because a folder of logs is gone: pools say so when they miss it. */
	if (c->daemonize)
		ignore(make_dir(s, &ignored));
	if (fd < 0)
		return 0;
	if (c->daemonize && !c->log_file)
		set_bound(s);
	return logfile_go_on(&s->own, loop, path, fd, e);
}

int shown_add_pool(struct shown *s, struct pool *p, struct err *e)
{
	return poollog_add(&s->pools, p, e);
}

void shown_event(const struct event *ev)
{
	struct pool *p = (struct pool *)(uintptr_t)ev->pool; /* its log is ours */

	if (!p)
		return;
	poollog_follow(p);
	if (strcmp(ev->name, "worker.exit") == 0)
		poollog_worker_gone(p, ev->slot);
}

void shown_leave_terminal(struct shown *s)
{
	sink_done(&s->out);
	sink_done(&s->err);
	s->terminal = false;
}

void shown_flush(struct shown *s)
{
	if (!s->terminal)
		return;
	sink_done(&s->out);
	sink_done(&s->err);
	sink_init(&s->out, s->loop, STDOUT_FILENO);
	sink_init(&s->err, s->loop, STDERR_FILENO);
}

void shown_reopen(struct shown *s, const struct master *m)
{
	bool any = s->own.fd >= 0;
	struct err e;

	if (any && logfile_reopen(&s->own, &e) < 0)
		log_error("%s; the old file is kept", e.msg);
	for (unsigned i = 0; i < m->npools; i++)
		any |= poollog_reopen(m->pools[i]);
	if (any)
		log_info("log reopened");
}

void shown_close(struct shown *s)
{
	log_to(NULL, NULL);
	shown_leave_terminal(s);
	logfile_close(&s->own);
}
