/* SPDX-License-Identifier: MIT */
/* heard.c - what the wires understood, as facts about one life. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "super/bus.h"
#include "super/life.h"
#include "super/listeners.h"
#include "super/live.h"
#include "super/pool.h"
#include "super/readiness.h"

static struct life *life_of(struct channel *ch)
{
	return container_of(ch, struct life, channel);
}

static void up_hint(struct channel *ch, const char *text)
{
	struct life *l = life_of(ch);
	char name[LIFE_NAME_BYTES], safe[TEXT_SHORT_BYTES + 1];

	if (l->hinted)
		return;
	l->hinted = true;
	(void)text_safe(text, strlen(text), safe, sizeof(safe));
	log_warn("%s: %s", life_name(l, name), safe);
}

static void up_parked(struct channel *ch)
{
	life_parked(life_of(ch));
}

static void up_ready(struct channel *ch)
{
	struct life *l = life_of(ch);

	/* Its sockets are not handed over yet: who serves already serves something else. */
	if (!l->slot && l->pool->wire->notifies && l->state == LIFE_STARTING)
		life_protocol_error(l, "a spare says READY=1 and has asked for no socket");
	else if (readiness_takes_word(l))
		life_ready(l);
}

static void up_status(struct channel *ch, const char *text, size_t len)
{
	struct life *l = life_of(ch);

	(void)text_safe(text, len, l->status_text, sizeof(l->status_text));
}

static void up_watchdog(struct channel *ch)
{
	life_watchdog_ping(life_of(ch));
}

/* WATCHDOG=trigger: it asks to be ended as if it were silent. */
static void up_trigger(struct channel *ch)
{
	struct life *l = life_of(ch);
	char name[LIFE_NAME_BYTES];

	log_warn("%s (pid %d) says that it hangs (WATCHDOG=trigger); it is ended",
		 life_name(l, name), (int)l->pid);
	life_kill(l, REASON_WATCHDOG);
}

/* 1, 0: it is somebody else's, or -ESRCH: it has ended. */
static int leaf_holds(const struct life *l, pid_t pid)
{
	pid_t pids[1024];
	size_t n = 0;

	if (pid <= 0 || l->leaf_fd < 0 || cgroup_pids(l->leaf_fd, pids, ARRAY_LEN(pids), &n) < 0)
		return -ESRCH;
	for (size_t i = 0; i < n && i < ARRAY_LEN(pids); i++)
		if (pids[i] == pid)
			return 1;
	return kill(pid, 0) < 0 && errno == ESRCH ? -ESRCH : 0;
}

/* A sender that has ended already, as systemd-notify does, cannot be looked up: it is
 * believed where nobody else can reach the socket. */
static bool up_owns(struct channel *ch, pid_t pid, uid_t uid)
{
	struct life *l = life_of(ch);
	const struct cage *c = &l->pool->cage;
	bool alone = c->mold_fd >= 0;
	int in_leaf = leaf_holds(l, pid);
	bool mine = (!cage_has(c, CAGE_UID) || uid == c->uid) && (in_leaf < 0 ? alone : in_leaf);

	if (!mine)
		up_hint(ch, "a process that is not its own wrote to its notify socket; ignored");
	return mine;
}

static void up_stopping(struct channel *ch)
{
	life_leaving(life_of(ch));
}

static void up_extend(struct channel *ch, uint64_t usec)
{
	life_extend(life_of(ch), usec);
}

static void up_suicide(struct channel *ch, const char *text, size_t len)
{
	life_suicide(life_of(ch), text, len);
}

static void up_message(struct channel *ch, const json_t *msg, const char *text, size_t len)
{
	bus_message(life_of(ch), msg, text, len);
}

static void up_room(struct channel *ch)
{
	bus_room(life_of(ch));
}

/* Node's cluster module cannot open one by itself: pass is open for it. */
static int up_listener(struct channel *ch, const struct listen_want *w)
{
	struct life *l = life_of(ch);
	struct listener *found = NULL;
	struct err e = { .msg = "app listens on a port or path that mpsup does not know" };
	int r = listeners_find(l->pool, w, &found, &e);

	if (r == 0)
		return (int)found->index;
	l->channel.up->hint(ch, e.msg);
	return r;
}

static void up_protocol_error(struct channel *ch, const char *what)
{
	life_protocol_error(life_of(ch), what);
}

/* It closed its channel: nothing more can be said; whether it serves is another
 * question, and its readiness timeout or its death answers it. */
static void up_closed(struct channel *ch)
{
	(void)ch;
}

const struct wire_up live_wire_up = {
	.parked = up_parked,
	.ready = up_ready,
	.status = up_status,
	.watchdog = up_watchdog,
	.trigger = up_trigger,
	.owns = up_owns,
	.stopping = up_stopping,
	.extend = up_extend,
	.suicide = up_suicide,
	.message = up_message,
	.listener = up_listener,
	.hint = up_hint,
	.protocol_error = up_protocol_error,
	.closed = up_closed,
	.room = up_room,
};
