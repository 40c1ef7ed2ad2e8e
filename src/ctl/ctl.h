/* SPDX-License-Identifier: MIT */
/* ctl.h - requests in, answers out: the control socket of one instance.
 *
 * JSON lines over a unix stream socket. Who may do what comes from the peer's
 * credentials and one permit table; a peer that lives in a worker's cgroup or
 * in another PID namespace is refused whatever its uid.
 *
 * Layer: ctl. */
#ifndef MPSUP_CTL_CTL_H
#define MPSUP_CTL_CTL_H

#include <jansson.h>

#include "super/super.h"

#define CTL_LINE_MAX  65536
#define CTL_QUEUE_MAX (8u << 20) /* a client that does not read is let go */
#define CTL_OF_A_UID  64	 /* connections of one who is not root: descriptors are births */
#define EVENTS_KEPT   1024
#define EVENTS_BYTES  (512u << 10) /* that all of them take, at the most */

struct ctl_event {
	struct list node;
	uint64_t seq;
	int64_t time_ms; /* CLOCK_REALTIME */
	char pool[40];	 /* "": of the instance */
	size_t len;
	char line[]; /* JSON, no newline */
};

struct ctl {
	struct master *master;
	int fd;
	struct source src;
	struct timer again; /* no descriptor was left for a client */
	char path[108];
	struct list clients;
	struct grave turn;  /* waits for its end: see ctl_on_event() */
	struct list events; /* struct ctl_event, oldest first */
	unsigned nevents;
	size_t event_bytes;
	uint64_t seq;
	uint64_t reserved; /* no greater seq is given out before `reserve` was asked */
	void (*reserve)(struct ctl *c);
	void (*looked)(struct ctl *c); /* somebody was told the figures of now */
	void *state;		       /* of these two */
	/* Another program in our place; -errno with a sentence: it was not begun. NULL: none. */
	int (*upgrade)(struct ctl *c, struct err *e);
	void *upgrader; /* of this one */
};

struct ctl_client {
	struct grave grave;
	struct list node;
	struct ctl *ctl;
	int fd;
	struct source src;
	pid_t pid;
	uid_t uid;
	gid_t gid;
	unsigned rights; /* on the whole instance; see client_rights() */
	char *in;	 /* an unfinished request */
	size_t in_len;
	char *out; /* what it has not read yet */
	size_t out_len, out_size;
	bool closing; /* after the queue is sent */
	bool want_events, want_logs, logs_err_only, want_stop;
	bool only_waits;	 /* want_stop of `wait`: it has not asked for the stop */
	int log_slot, stop_slot; /* -1: all */
	const struct pool *log_pool, *stop_pool, *event_pool; /* NULL: all */
	bool want_ready;
	const struct pool *ready_pool; /* NULL: all */
	int ready_slot;		       /* -1: all */
	uint64_t ready_after;	       /* lives with a greater number count */
	bool by_twin;		       /* of reload: there is no second try */
	bool want_applied;
	json_t *touched;       /* names of the pools that its apply or reload changes; or NULL */
	unsigned apply_failed; /* steps that failed at once */
	bool reload;	       /* it hears a verdict */
	bool want_drained;     /* also those that were replaced are gone */
	bool want_upgrade;     /* it hears from the program that follows */
	json_t *refused;       /* verdicts on pools that were not begun with; or NULL */
};

/* RUN/NAME.sock, made in RUN/NAME, which the caller holds (0700), and renamed into place. */
MUST_CHECK int ctl_open(struct ctl *c, struct master *m, const char *run_dir, struct err *e);
/* What both kinds of beginning share, this one and that after an upgrade (carried.h). */
void ctl_init(struct ctl *c, struct master *m);
MUST_CHECK int ctl_watch(struct ctl *c, struct err *e);
void ctl_close(struct ctl *c);

/* The groups of the pools have changed: who may connect. */
void ctl_open_to_groups(struct ctl *c);

/* Hooks for struct master. */
void ctl_on_event(struct master *m, const struct event *ev);
void ctl_on_log(struct master *m, const struct logline *line);
/* Answer those who wait for a stop: the instance ends now. Sends what it can. */
void ctl_stopped(struct ctl *c);

/* one connection: peer.c */
struct ctl_client *client_new(struct ctl *c, int fd); /* NULL: it is closed */
void client_accept(struct ctl *c, int fd);
void client_free(struct ctl_client *cl);
void client_send(struct ctl_client *cl, json_t *answer); /* steals answer */
void client_send_text(struct ctl_client *cl, const char *head, const char *json, size_t len,
		      const char *tail);
/* A part of an answer, not sent before the next client_flush(). */
void client_append(struct ctl_client *cl, const char *text, size_t len);
void client_ok(struct ctl_client *cl);
/* What it may do with this pool; NULL: with the whole. */
unsigned client_rights(const struct ctl_client *cl, const struct pool *p);
void client_flush(struct ctl_client *cl);
PRINTF(3, 4) void client_fail(struct ctl_client *cl, int exit_code, const char *fmt, ...);

/* verbs.c */
void verb_run(struct ctl_client *cl, const char *line, size_t len);

/* waits.c: answer one that waits for its workers to be ready, once they are or cannot be. */
void client_check_ready(struct ctl_client *cl);
/* The same for one that waits until its pool or slot has stopped. */
void client_check_stopped(struct ctl_client *cl);

/* verb_apply.c: only: a pool's name, or NULL. */
void client_apply(struct ctl_client *cl, const char *only, const json_t *args);
/* One that waits for it: answered once all that it touched has come to rest. */
void client_check_applied(struct ctl_client *cl);
bool client_touches(const struct ctl_client *cl, const struct pool *p);
void client_applied(struct ctl_client *cl, unsigned failed);
/* verbs_change.c: TTIN, TTOU: one worker more or less, of the only pool. */
void ctl_scale(struct ctl *c, int by);
/* verb_reload.c: HUP. What is wrong is logged. */
void ctl_reload(struct ctl *c);
/* The verdict, when nothing of it moves any more. */
void client_reloaded(struct ctl_client *cl);

/* verb_upgrade.c: answer who asked for it. */
void ctl_upgraded(struct ctl *c, const char *from, const char *to, uint64_t ms);
void ctl_not_upgraded(struct ctl *c, const char *why);

/* A pool is going: nobody waits for it any more. */
void ctl_pool_gone(struct ctl *c, const struct pool *p);

/* status.c, eventlog.c */
/* The whole answer; only: one pool, or NULL; slot: -1 for all. */
void status_send(struct ctl_client *cl, const struct pool *only, int slot);
json_t *death_json(const struct death *d);
json_t *json_safe(const char *text); /* a JSON string of any bytes of ours */
void eventlog_add(struct ctl *c, const struct event *ev);
/* One that was told before an upgrade. */
void eventlog_add_again(struct ctl *c, const struct ctl_event *was, const char *line, size_t len);
void eventlog_done(struct ctl *c);

#endif
