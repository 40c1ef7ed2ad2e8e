/* SPDX-License-Identifier: MIT */
/* poollog.h - where the lines of one pool's workers go: its file, the journal, the
 * terminal, or nowhere; and how many of each worker. It follows the pool's configuration:
 * what `set` and `apply` change holds from the next line on. */
#ifndef MPSUP_APP_POOLLOG_H
#define MPSUP_APP_POOLLOG_H

#include <limits.h>

#include "ctl/logfile.h"
#include "super/super.h"

/* What all pools have in common; outlives them. */
struct poollogs {
	struct loop *loop;
	enum log_format format; /* where a pool has none of its own */
	char dir[PATH_MAX / 2]; /* a daemon's pools have POOL.log there; "": none */
	const char *journal;	/* its socket, where it is the default; NULL: it is not */
	void (*to_terminal)(void *ctx, const struct logline *line, enum log_format format);
	void *ctx;
};

/* Into p->ctx. -ENOMEM. */
MUST_CHECK int poollog_add(const struct poollogs *all, struct pool *p, struct err *e);
void poollog_drop(struct pool *p); /* harmless when it has none */

void poollog_line(const struct logline *line);
/* Its world is open: its file can be made. */
void poollog_follow(struct pool *p);
/* This worker has ended: its stream is closed. */
void poollog_worker_gone(struct pool *p, int slot);
/* Somebody renamed the file. Returns whether there is one. */
bool poollog_reopen(struct pool *p);

#endif
