/* SPDX-License-Identifier: MIT */
/* watchdog.c - signs of life: is a ready worker still there (--watchdog), and does a
 * Node program that has started ever listen? */
#define _GNU_SOURCE
#include "super/watchdog.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "super/life.h"

#define AWAY_MS		1000 /* a timer that is so late tells of our own sleep, not of the worker's */
#define WATCHDOG_MIN_MS 100
#define WATCHDOG_MAX_MS (400ull * 86400 * 1000) /* as --watchdog */
#define QUIET_MS	5000 /* contract: a Node program that has not listened gets a hint */

static uint64_t now(const struct life *l)
{
	return l->master->world->now_ms();
}

/* At half of the time it is asked, where it can be: then less than all of it is never
 * the end of a worker, and one and a half of it always is. */
static void set(struct life *l, bool is_asked)
{
	uint64_t ms = l->watchdog_ms;
	uint64_t at = l->silent_since_ms + ms;

	if (is_asked && at > now(l) + ms / 2)
		at = now(l) + ms / 2;
	timer_set(&l->master->loop, &l->watchdog, at);
}

static void bite(struct life *l, int why)
{
	unsigned long long ms = l->watchdog_ms;
	char name[LIFE_NAME_BYTES];

	if (why == -EBUSY)
		life_detail(l, "event loop blocked for %llu ms", ms);
	else
		life_detail(l, "silent for %llu ms%s", ms,
			    why == -EPIPE ? ", it has closed its channel" : "");
	log_warn("%s (pid %d): %s (--watchdog); it is ended", life_name(l, name), (int)l->pid,
		 l->detail ? l->detail : "");
	life_kill(l, REASON_WATCHDOG);
}

static void on_watchdog(struct timer *t)
{
	struct life *l = container_of(t, struct life, watchdog);
	uint64_t ms = l->watchdog_ms;
	bool was_away = now(l) - t->at_ms > AWAY_MS;
	int r = l->master->world->ask(l);

	/* Asked just now, or not listened to: its silence begins, or says nothing. */
	if (r == 0 || r == -EAGAIN || was_away)
		l->silent_since_ms = now(l);
	if (ms > 0 && now(l) - l->silent_since_ms >= ms)
		bite(l, r);
	else if (ms > 0)
		set(l, r != -EOPNOTSUPP);
}

void life_watchdog_ping(struct life *l)
{
	if (l->watchdog_ms == 0 || l->state != LIFE_READY)
		return;
	l->silent_since_ms = now(l);
	if (!l->gen->wire->ask) /* else the timer goes on to the next question */
		set(l, false);
}

/* WATCHDOG_USEC=n: from now on, whatever --watchdog says. It cannot be switched off. */
void life_watchdog_set(struct life *l, uint64_t usec)
{
	uint64_t ms = usec / 1000;

	if (usec == 0)
		return;
	if (ms < WATCHDOG_MIN_MS)
		ms = WATCHDOG_MIN_MS;
	if (ms > WATCHDOG_MAX_MS)
		ms = WATCHDOG_MAX_MS;
	l->watchdog_ms = ms;
	if (l->state == LIFE_READY)
		watchdog_start(l);
}

void watchdog_start(struct life *l)
{
	if (l->watchdog_ms == 0)
		return;
	l->silent_since_ms = now(l);
	set(l, l->gen->wire->ask != NULL);
}

/* ---- a program that never listens ---- */

static void on_quiet(struct timer *t)
{
	struct life *l = container_of(t, struct life, quiet);
	char text[160];

	if (l->state != LIFE_STARTING || l->wants_socket)
		return;
	(void)snprintf(text, sizeof(text),
		       "it is up and has not listened in %d s; a program that gets its server as "
		       "a message needs --protocol node-ipc",
		       QUIET_MS / 1000);
	life_hint(l, text);
}

void life_online(struct life *l)
{
	if (l->online || l->state != LIFE_STARTING)
		return;
	l->online = true;
	timer_set(&l->master->loop, &l->quiet, now(l) + QUIET_MS);
}

/* It ended by itself without an error, or at a readiness timeout shorter than the hint. */
void watchdog_hint(struct death *d, const struct life *l)
{
	bool silent = !d->hint[0] && l->online && !l->was_ready && !l->wants_socket && !l->hinted;

	if (silent &&
	    (d->reason == REASON_READY_TIMEOUT || (d->reason == REASON_EXIT && d->code == 0)))
		(void)snprintf(d->hint, sizeof(d->hint),
			       "it never listened; a program that gets its server as a message "
			       "needs --protocol node-ipc");
}

void watchdog_init(struct life *l)
{
	l->watchdog_ms = l->pool->conf->watchdog_ms;
	timer_init(&l->watchdog, on_watchdog);
	timer_init(&l->quiet, on_quiet);
}

void watchdog_stop(struct life *l)
{
	timer_clear(&l->master->loop, &l->watchdog);
	timer_clear(&l->master->loop, &l->quiet);
}
