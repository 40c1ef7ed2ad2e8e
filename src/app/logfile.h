/* SPDX-License-Identifier: MIT */
/* logfile.h - a log that is appended to, line by line, and never followed through
 * a symbolic link (traps 41). One with a bound is renamed to PATH.1 (that to PATH.2,
 * and so on up to LOGFILE_KEEP) when it is full: a worker that writes without end
 * fills LOGFILE_KEEP + 1 files and no disk. */
#ifndef MPSUP_APP_LOGFILE_H
#define MPSUP_APP_LOGFILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "kernel/sink.h"

#define LOGFILE_BYTES (32u << 20)
#define LOGFILE_KEEP  4

struct logfile {
	char path[PATH_MAX];
	int fd; /* owned; -1: closed */
	uint64_t bytes;
	bool bounded;
	struct sink sink;
};
#define LOGFILE_NONE ((struct logfile){ .fd = -1, .sink = { .fd = -1, .src = SOURCE_NONE } })

/* path may be relative: it is meant from here. -ENAMETOOLONG or open(2)'s. */
MUST_CHECK int logfile_open(struct logfile *f, struct loop *loop, const char *path, bool bounded,
			    struct err *e);
/* After somebody renamed it (USR1). On failure the old one is kept. */
MUST_CHECK int logfile_reopen(struct logfile *f, struct err *e);
void logfile_write(struct logfile *f, const char *line, size_t len);
void logfile_close(struct logfile *f); /* harmless when closed */

#endif
