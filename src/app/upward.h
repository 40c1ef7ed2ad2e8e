/* SPDX-License-Identifier: MIT */
/* upward.h - what the service manager that started us is told, and when. */
#ifndef MPSUP_APP_UPWARD_H
#define MPSUP_APP_UPWARD_H

#include "kernel/sdnotify.h"
#include "super/super.h"

struct upward {
	struct master *master;
	struct sdnotify to;
	struct timer status, watchdog;
	uint64_t told_ms; /* the last STATUS= */
	char last[128];
};

/* Without NOTIFY_SOCKET nothing is ever told. Warns when it cannot be reached. */
void upward_open(struct upward *u, struct master *m);
void upward_close(struct upward *u);
/* This one listens from now on, or does not any more: into the manager's store, or out. */
void upward_socket(struct upward *u, const struct seat *s, bool listens);
void upward_event(struct upward *u, const struct event *ev);

#endif
