/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "base/log.h"

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

/* A write of at most PIPE_BUF bytes is never torn by another writer's line,
 * and does not block on a pipe that poll() calls writable. */
#define LINE_BYTES PIPE_BUF
#define MSG_BYTES  1900 /* twice this (JSON doubles a quote), and the frame, fit in a line */

static const char *const level_json[] = {
	[LOG_L_ERROR] = "error",
	[LOG_L_WARN] = "warn",
	[LOG_L_INFO] = "info",
	[LOG_L_DEBUG] = "debug",
};

static const char *const level_text[] = {
	[LOG_L_ERROR] = "error: ",
	[LOG_L_WARN] = "warning: ",
	[LOG_L_INFO] = "",
	[LOG_L_DEBUG] = "debug: ",
};

/* The only globals of the program. */
static struct {
	enum log_level max_level;
	enum log_format format;
	log_writer *writer;
	void *ctx;
	unsigned long lost; /* lines that descriptor 2 had no room for */
	bool forbidden;
} sink = { .max_level = LOG_L_INFO };

void log_setup(enum log_level max_level, enum log_format format)
{
	sink.max_level = max_level;
	sink.format = format;
}

void log_to(log_writer *writer, void *ctx)
{
	sink.writer = writer;
	sink.ctx = ctx;
}

bool log_wants(enum log_level level)
{
	return level <= sink.max_level;
}

void log_forbid(void)
{
	sink.forbidden = true;
}

static void stop_forbidden(void)
{
	static const char words[] = "mpsup: bug: a log call between clone and exec\n";

	ignore(write(STDERR_FILENO, words, sizeof(words) - 1) < 0);
	abort();
}

/* msg may hold anything: it leaves as one line of valid UTF-8. */
static size_t line_build(enum log_level level, const char *msg, char out[LINE_BYTES])
{
	char safe[MSG_BYTES], quoted[2 * MSG_BYTES], time[TEXT_TIME_BYTES];
	int n;

	(void)text_safe(msg, strlen(msg), safe, sizeof(safe));
	if (sink.format == LOG_F_JSON) {
		(void)text_json(safe, quoted, sizeof(quoted));
		text_time(clock_real_ms(), time);
		n = snprintf(out, LINE_BYTES, "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":\"%s\"}\n",
			     time, level_json[level], quoted);
	} else {
		n = snprintf(out, LINE_BYTES, "%s%s\n", level_text[level], safe);
	}
	return n < 0 ? 0 : (size_t)n;
}

static bool stderr_put(const char *line, size_t len)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	/* A terminal that was stopped or a pipe nobody reads must not stop the master. */
	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
		return false;
	return write(STDERR_FILENO, line, len) >= 0;
}

static void stderr_write(const char *line, size_t len)
{
	char note[LINE_BYTES], words[64];

	if (sink.lost > 0) {
		(void)snprintf(words, sizeof(words), "%lu lines of log were lost", sink.lost);
		if (!stderr_put(note, line_build(LOG_L_WARN, words, note))) {
			sink.lost++;
			return;
		}
		sink.lost = 0;
	}
	if (!stderr_put(line, len))
		sink.lost++;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char msg[MSG_BYTES], line[LINE_BYTES];
	va_list ap;
	size_t len;

	if (sink.forbidden)
		stop_forbidden();
	if (!log_wants(level))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	len = line_build(level, msg, line);
	if (sink.writer)
		sink.writer(sink.ctx, level, line, len);
	else
		stderr_write(line, len);
}
