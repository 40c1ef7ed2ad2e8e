/* SPDX-License-Identifier: MIT */
/* shown.h - where our words and the workers' lines go: the terminal, --log-file,
 * the files of a daemon. A reader that is stuck stops nobody. */
#ifndef MPSUP_APP_SHOWN_H
#define MPSUP_APP_SHOWN_H

#include "app/logfile.h"
#include "config/config.h"
#include "super/super.h"

struct shown {
	const struct config *config;
	bool terminal;	      /* false: a daemon that has told its starter that it is ready */
	struct sink out, err; /* the terminal's */
	bool out_tty, err_tty;
	struct logfile own; /* --log-file, or a daemon's mpsup.log */
	/* A daemon's: */
	struct loop *loop;
	char dir[PATH_MAX / 2]; /* of its pools' files; "" for others */
};

/* Opens the files, if any, and takes over base/log. */
MUST_CHECK int shown_open(struct shown *s, struct loop *loop, const struct config *c,
			  struct err *e);
/* A daemon's files are named after the instance: once that is settled. */
MUST_CHECK int shown_open_daemon(struct shown *s, struct loop *loop, struct err *e);
void shown_close(struct shown *s);

void shown_line(struct shown *s, const struct logline *line);
/* From here on nothing goes to the terminal. */
void shown_leave_terminal(struct shown *s);
/* A daemon's pool has a file of its own. */
MUST_CHECK int shown_add_pool(struct shown *s, struct pool *p, struct err *e);
void shown_drop_pool(struct shown *s, struct pool *p);
/* USR1: somebody renamed the files. */
void shown_reopen(struct shown *s, const struct master *m);

#endif
