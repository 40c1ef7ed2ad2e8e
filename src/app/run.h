/* SPDX-License-Identifier: MIT */
/* run.h - a running instance, all its rooms together: for cmd_run.c and what goes on with
 * it in another program (upgrade.c). */
#ifndef MPSUP_APP_RUN_H
#define MPSUP_APP_RUN_H

#include <limits.h>
#include <time.h>

#include "app/daemon.h"
#include "app/instance.h"
#include "app/pidfile.h"
#include "app/shown.h"
#include "app/signals.h"
#include "app/state.h"
#include "app/upward.h"
#include "ctl/ctl.h"
#include "kernel/pidfd.h"

/* The program that is to follow, from its being asked for to its exec. */
struct upgrade {
	enum upgrade_step {
		UPGRADE_NONE,
		UPGRADE_CHECK, /* it is tried with what it would get */
		UPGRADE_WAIT,  /* for the master to be quiet */
	} step;
	char path[PATH_MAX];	 /* of our own program, as it was at our start */
	int exe_fd;		 /* of the one there now, as it was checked */
	struct timespec written; /* when it was, then */
	struct pidfd child;	 /* of the check */
	struct source child_src, said_src;
	int said_fd;
	char said[600];
	size_t said_len;
	struct timer timer; /* its time is over, or: look again */
	uint64_t asked_ms;
	bool said_waits;
};

struct run {
	struct master master;
	struct instance instance;
	struct ctl ctl;
	struct signals signals;
	struct shown shown;
	struct daemon daemon;
	struct pidfile pidfile;
	struct upward upward;
	struct state state;
	struct upgrade upgrade;
};

/* Nothing is open yet; NULL: no memory. With all signals blocked. */
struct run *run_new(void);
/* The loop, until it is over, and everything given back; r: how the start ended. The exit
 * status. */
int run_serve(struct run *run, int r, struct err *e);
/* What both kinds of start end with: signals, the service manager. */
MUST_CHECK int run_listen(struct run *run, struct err *e);
void run_follow_events(struct run *run);

/* upgrade.c: the half of the program that runs */
void upgrade_init(struct run *run);
/* Somebody asks for it. -errno with a sentence: it was not begun. */
MUST_CHECK int upgrade_begin(struct run *run, struct err *e);
void upgrade_done(struct run *run);
/* resume.c: `mpsup run`, of an image: the second half, in the program that follows. */
int cmd_resume(int argc, char **argv);
/* The same in a child of the old one: would it work? */
int cmd_upgrade_check(int argc, char **argv);

#endif
