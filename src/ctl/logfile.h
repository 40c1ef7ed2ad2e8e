/* SPDX-License-Identifier: MIT */
/* logfile.h - a log that is appended to, line by line, and never followed through
 * a symbolic link (traps 41). One with a bound is renamed to PATH.1 (that to PATH.2,
 * and so on up to PATH.keep) when it is full: a worker that writes without end fills
 * keep + 1 files and no disk. What the disk does not take is counted, and told when it
 * takes lines again. */
#ifndef MPSUP_CTL_LOGFILE_H
#define MPSUP_CTL_LOGFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "config/config.h"
#include "kernel/sink.h"

struct logfile {
	char *path; /* owned, absolute */
	int fd;	    /* owned; -1: closed */
	/* NULL: the master's own file; else of this pool: opened and renamed as logplace.h
	 * says. A reference. */
	struct pool_config *owner;
	uint64_t bytes, rotate_bytes; /* 0: no bound */
	unsigned keep;
	bool regular; /* else its reader may be slow: through the sink */
	struct sink sink;
	unsigned long lost;
	int why;   /* of the last loss */
	bool torn; /* the last line is there in part */
	bool said; /* that it cannot be renamed */
};
#define LOGFILE_NONE ((struct logfile){ .fd = -1, .sink = { .fd = -1, .src = SOURCE_NONE } })

/* On LOGFILE_NONE, with rotate_bytes and keep set or set later; path is absolute. */
MUST_CHECK int logfile_open(struct logfile *f, struct loop *loop, const char *path,
			    struct pool_config *owner, struct err *e);
/* The master's own, as the program before us had it open, wherever it is by now: its folder
 * may be gone, or another one have its name. Takes over fd. -ENOMEM. */
MUST_CHECK int logfile_go_on(struct logfile *f, struct loop *loop, const char *path, int fd,
			     struct err *e);
void logfile_set_owner(struct logfile *f, struct pool_config *owner);
/* After somebody renamed it (USR1). On failure the old one is kept. */
MUST_CHECK int logfile_reopen(struct logfile *f, struct err *e);
void logfile_write(struct logfile *f, const char *line, size_t len);
void logfile_close(struct logfile *f); /* harmless when closed */

#endif
