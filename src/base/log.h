/* SPDX-License-Identifier: MIT */
/* log.h - the one log sink of a process; only super/, ctl/ and app/ call it.
 *
 * The floors below return errors; the floor that knows which worker it was
 * writes one line. A line is one write; when the reader is stuck it is handed
 * to the sink's queue and, past that, counted and dropped: a log never blocks
 * the master. */
#ifndef MPSUP_BASE_LOG_H
#define MPSUP_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"

enum log_level { LOG_L_ERROR, LOG_L_WARN, LOG_L_INFO, LOG_L_DEBUG };
enum log_format { LOG_F_TEXT, LOG_F_JSON };

/* Receives one finished line, newline included. */
typedef void log_writer(void *ctx, enum log_level level, const char *line, size_t len);

/* Lines above max_level are dropped. Until log_to() is called lines go to descriptor 2. */
void log_setup(enum log_level max_level, enum log_format format);
void log_to(log_writer *writer, void *ctx);
bool log_wants(enum log_level level);

PRINTF(2, 3) void log_line(enum log_level level, const char *fmt, ...);

#define log_error(...) log_line(LOG_L_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_L_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_L_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_L_DEBUG, __VA_ARGS__)

/* First line of a freshly cloned child: from here on a log call is a bug, and
 * writes one fixed string and aborts instead of touching the master's buffers. */
void log_forbid(void);

#endif
