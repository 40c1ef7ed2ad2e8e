/* SPDX-License-Identifier: MIT */
/* life.h - what happens to one process, from clone to an empty leaf. */
#ifndef MPSUP_SUPER_LIFE_H
#define MPSUP_SUPER_LIFE_H

#include "super/super.h"

/* A life for a slot, or for a spare (slot NULL). NULL: out of memory. */
struct life *life_new(struct pool *p, struct slot *s, struct generation *gen);
/* Clone it. On failure it is certified at once (reason start). */
void life_start(struct life *l);

/* Facts from the world or the wire. */
void life_born(struct life *l, pid_t pid);
void life_exec_seen(struct life *l);
void life_parked(struct life *l);
void life_ready(struct life *l);
void life_suicide(struct life *l, const char *text, size_t len);
void life_leaving(struct life *l); /* STOPPING=1 of its own accord */
void life_protocol_error(struct life *l, const char *what);
void life_drained(struct life *l);  /* while it leaves: nothing is left to serve */
void life_emptied(struct life *l);  /* nobody waits for it any more: now the word */
void life_observed(struct life *l); /* its connections are done, as far as one can see */
void life_watchdog_ping(struct life *l);
void life_watchdog_set(struct life *l, uint64_t usec);
void life_online(struct life *l); /* Node's cluster module has started */
/* What its certificate adds to the reason. */
PRINTF(2, 3) void life_detail(struct life *l, const char *fmt, ...);
/* What may be wrong: one line, once a life. The text may be the worker's. */
void life_hint(struct life *l, const char *text);
/* Its process is gone; the certificate follows, when it is known how. */
void life_lost(struct life *l);
/* Its end is known (or will not become clearer): write the certificate, decide. */
void life_certify(struct life *l);

/* Intentions. */
bool life_promote(struct life *l, struct slot *s); /* false: it does not take the socket */
void life_stop(struct life *l, enum reason why);   /* drain, else signal, else kill */
void life_kill(struct life *l, enum reason why);
/* Ended since something else was asked for, not for what it did. */
bool life_was_unwanted(const struct life *l);
void life_extend(struct life *l, uint64_t usec);

/* "web/3", "web/spare"; for log lines. */
#define LIFE_NAME_BYTES 64
const char *life_name(const struct life *l, char buf[LIFE_NAME_BYTES]);
const char *slot_name(const struct slot *s, char buf[LIFE_NAME_BYTES]);

/* Between life.c and life_end.c. */
void life_deadline_in(struct life *l, uint64_t ms);
void life_on_deadline(struct timer *t);
void life_tell(struct life *l, const char *name, const char *text); /* an event */

/* death.c */
void death_fill(struct death *d, const struct life *l);
/* "exit 1", "signal SIGKILL", "start (drop capabilities: EPERM)": the cause alone */
void death_cause(const struct death *d, char *buf, size_t size);
void death_hint(struct death *d, const struct life *l);

/* output.c */
void output_drain(struct life *l); /* read what is there, without waiting */
void output_flush(struct life *l); /* unfinished lines, held stderr */
void output_hold(struct life *l);  /* its stderr may only repeat the last boot's */
/* The last `max` stderr lines of life `number` in the slot's log, each made safe. */
void output_tail(const struct slot *s, uint64_t number, unsigned max,
		 void (*fn)(void *ctx, const char *line), void *ctx);

/* The world as it is. */
extern const struct world world_real;

#endif
