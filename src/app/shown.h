/* SPDX-License-Identifier: MIT */
/* shown.h - where our words and the workers' lines go: the terminal, the journal,
 * --log-file, the files of a daemon and of pools. A reader that is stuck stops nobody. */
#ifndef MPSUP_APP_SHOWN_H
#define MPSUP_APP_SHOWN_H

#include "app/poollog.h"
#include "config/config.h"
#include "super/super.h"

struct shown {
	const struct config *config;
	struct loop *loop;
	bool terminal;	      /* false: a daemon that has told its starter that it is ready */
	struct sink out, err; /* the terminal's */
	bool out_tty, err_tty;
	bool err_journal;   /* systemd has connected it: lines have a priority there */
	struct logfile own; /* --log-file, or a daemon's mpsup.log */
	struct poollogs pools;
};

/* Opens the files, if any, and takes over base/log. */
MUST_CHECK int shown_open(struct shown *s, struct loop *loop, const struct config *c,
			  struct err *e);
/* A daemon's files are named after the instance: once that is settled. */
MUST_CHECK int shown_open_daemon(struct shown *s, struct err *e);
/* The same two after an upgrade: our own file is the one that was open then. Takes over fd;
 * -1: there was none. -ENOMEM. */
MUST_CHECK int shown_go_on(struct shown *s, struct loop *loop, const struct config *c,
			   const char *path, int fd, struct err *e);
void shown_close(struct shown *s);

/* What waits for a slow reader: now, or never by us. */
void shown_flush(struct shown *s);
/* From here on nothing goes to the terminal. */
void shown_leave_terminal(struct shown *s);
/* Each pool has a log of its own: poollog.h. */
MUST_CHECK int shown_add_pool(struct shown *s, struct pool *p, struct err *e);
void shown_event(const struct event *ev);
/* USR1: somebody renamed the files. */
void shown_reopen(struct shown *s, const struct master *m);

#endif
