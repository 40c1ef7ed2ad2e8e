/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/upward.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "super/listeners.h"
#include "super/pool.h"
#include "super/seats.h"

#define STATUS_MS 1000 /* a crash loop is not news a hundred times a second */

static void describe(const struct upward *u, char *buf, size_t size)
{
	const struct master *m = u->master;
	unsigned ready = 0, all = 0, failed = 0, stopped = 0;

	for (unsigned i = 0; i < m->npools; i++) {
		const struct pool *p = m->pools[i];

		ready += pool_count_ready(p);
		all += m->stopping ? p->nslots : pool_count_wanted(p);
		failed += p->phase == POOL_FAILED;
		stopped += p->phase == POOL_STOPPED;
	}
	(void)snprintf(buf, size, "%s%u of %u workers ready", m->stopping ? "stopping, " : "",
		       ready, all);
	if (failed > 0)
		(void)snprintf(buf + strlen(buf), size - strlen(buf), ", %u pool%s failed", failed,
			       failed == 1 ? "" : "s");
	if (stopped > 0 && !m->stopping)
		(void)snprintf(buf + strlen(buf), size - strlen(buf), ", %u pool%s stopped",
			       stopped, stopped == 1 ? "" : "s");
}

static void tell_status(struct upward *u)
{
	char now[sizeof(u->last)];

	describe(u, now, sizeof(now));
	if (strcmp(now, u->last) == 0)
		return;
	memcpy(u->last, now, sizeof(now));
	u->told_ms = clock_boot_ms();
	sdnotify_mention(&u->to, "STATUS=%s", now);
}

static void on_status(struct timer *t)
{
	tell_status(container_of(t, struct upward, status));
}

static void on_watchdog(struct timer *t)
{
	struct upward *u = container_of(t, struct upward, watchdog);

	/* That this runs means that the loop does. */
	sdnotify_mention(&u->to, "WATCHDOG=1");
	timer_set(&u->master->loop, t, clock_boot_ms() + u->to.watchdog_usec / 2000);
}

static const char *stored_name(const struct listener *l, char name[96])
{
	(void)snprintf(name, 96, INHERITED_NAME "-%.40s-%u", l->pool->conf->name, l->index);
	return name;
}

/* A socket that all workers share: who waits in its queue outlives a killed master. */
static void store(struct upward *u, const struct seat *s)
{
	char name[96];

	if (seat_can_be_kept(s))
		sdnotify_store(&u->to, s->fd, stored_name(s->listener, name));
}

/* What an earlier master gave into the store and nobody has a use for: by name, and so
 * before others come there with the same one. */
static void forget_stale(struct upward *u)
{
	const struct inherited *in = &u->master->inherited;

	for (unsigned i = 0; i < in->n; i++)
		if (in->list[i].stale)
			sdnotify_tell(&u->to, "FDSTOREREMOVE=1\nFDNAME=%s", in->list[i].name);
}

static void tell_ready(struct upward *u)
{
	describe(u, u->last, sizeof(u->last));
	sdnotify_tell(&u->to, "READY=1\nMAINPID=%d\nSTATUS=%s", (int)getpid(), u->last);
}

void upward_open(struct upward *u, struct master *m)
{
	int r;

	*u = (struct upward){ .master = m };
	timer_init(&u->status, on_status);
	timer_init(&u->watchdog, on_watchdog);
	r = sdnotify_open(&u->to, &m->loop);
	if (r < 0)
		log_warn(
			"NOTIFY_SOCKET cannot be reached (%s): the service manager is told nothing",
			strerror(-r));
	if (u->to.watchdog_usec > 0)
		on_watchdog(&u->watchdog);
	forget_stale(u);
	for (unsigned i = 0; i < m->npools; i++)
		each_listener(l, m->pools[i]) each_seat(s, l, FORM_CONFIGURED) store(u, s);
	/* Before an upgrade that word may have waited. */
	if (m->announced)
		tell_ready(u);
}

void upward_socket(struct upward *u, const struct seat *s, bool listens)
{
	char name[96];

	if (!u->master || u->to.fd < 0)
		return;
	if (listens)
		store(u, s);
	else
		sdnotify_tell(&u->to, "FDSTOREREMOVE=1\nFDNAME=%s", stored_name(s->listener, name));
}

void upward_close(struct upward *u)
{
	if (!u->master)
		return;
	timer_clear(&u->master->loop, &u->status);
	timer_clear(&u->master->loop, &u->watchdog);
	sdnotify_close(&u->to);
}

/* A start takes as long as its boots take, each with --ready-timeout: the manager's own
 * patience (TimeoutStartSec=) would end the third of five. */
static void ask_for_time(struct upward *u, const struct event *ev)
{
	sdnotify_tell(&u->to, "EXTEND_TIMEOUT_USEC=%" PRIu64,
		      (ev->pool->conf->ready_timeout_ms + ev->pool->conf->backoff_max_ms) * 1000);
}

void upward_event(struct upward *u, const struct event *ev)
{
	uint64_t now;

	if (!u->master || u->to.fd < 0)
		return;
	if (strcmp(ev->name, "master.ready") == 0) {
		tell_ready(u);
		return;
	}
	if (strcmp(ev->name, "master.stop") == 0)
		sdnotify_tell(&u->to, "STOPPING=1");
	if (!u->master->announced && ev->pool && strcmp(ev->name, "worker.spawn") == 0)
		ask_for_time(u, ev);
	now = clock_boot_ms();
	if (u->status.armed)
		return;
	timer_set(&u->master->loop, &u->status,
		  now >= u->told_ms + STATUS_MS ? now : u->told_ms + STATUS_MS);
}
