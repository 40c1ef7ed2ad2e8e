/* SPDX-License-Identifier: MIT */
/* heard.c - what the wires understood, as facts about one life. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/text.h"
#include "kernel/listener.h"
#include "kernel/proc.h"
#include "super/binds.h"
#include "super/bus.h"
#include "super/dispatch.h"
#include "super/life.h"
#include "super/life_sockets.h"
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
	life_hint(life_of(ch), text);
}

static void up_parked(struct channel *ch)
{
	life_parked(life_of(ch));
}

static void up_ready(struct channel *ch)
{
	struct life *l = life_of(ch);

	/* Its sockets are not handed over yet: who serves already serves something else. */
	if (!l->slot && l->gen->wire->notifies && l->state == LIFE_STARTING)
		life_protocol_error(l, "a spare says READY=1 and has asked for no socket");
	else if (readiness_takes_word(l))
		life_ready(l);
}

static void up_status(struct channel *ch, const char *text, size_t len)
{
	struct life *l = life_of(ch);

	char safe[STATUS_TEXT_BYTES];
	char *copy;

	(void)text_safe(text, len, safe, sizeof(safe));
	if (l->status_text && strcmp(l->status_text, safe) == 0)
		return;
	copy = *safe ? strdup(safe) : NULL;
	if (*safe && !copy)
		return; /* the last one stays */
	free(l->status_text);
	l->status_text = copy;
}

static void up_watchdog(struct channel *ch)
{
	life_watchdog_ping(life_of(ch));
}

static void up_watchdog_usec(struct channel *ch, uint64_t usec)
{
	life_watchdog_set(life_of(ch), usec);
}

/* WATCHDOG=trigger: it asks to be ended as if it were silent. */
static void up_trigger(struct channel *ch)
{
	struct life *l = life_of(ch);
	char name[LIFE_NAME_BYTES];

	life_detail(l, "WATCHDOG=trigger");
	log_warn("%s (pid %d) says that it hangs (WATCHDOG=trigger); it is ended",
		 life_name(l, name), (int)l->pid);
	life_kill(l, REASON_WATCHDOG);
}

/* 1, 0: it is somebody else's, or -ESRCH: it has ended. */
static int is_own(const struct life *l, pid_t pid)
{
	if (pid <= 0) /* outside of what we see */
		return 0;
	return l->leaf_fd >= 0 ? cgroup_leaf_holds(&l->master->cgroup, l->leaf_name, pid) :
				 proc_descends(pid, l->init.pid);
}

/* A sender that has ended already, as systemd-notify may have, cannot be looked up: it is
 * believed where nobody else can reach the socket. */
bool live_owns(struct life *l, pid_t pid, uid_t uid, const char *where)
{
	const struct cage *c = &l->gen->cage;
	char name[LIFE_NAME_BYTES];
	int own = is_own(l, pid);

	/* It was born before it could say anything; let us know that first. */
	live_catch_up(l);
	if (own == -ESRCH)
		own = l->notify_is_sealed;
	if (own > 0 && (!cage_has(c, CAGE_UID) || uid == c->uid))
		return true;
	if (l->strangers++ == 0)
		log_warn("%s: process %d of uid %u, which is not its own, wrote to its "
			 "%s; ignored",
			 life_name(l, name), (int)pid, (unsigned)uid, where);
	return false;
}

static bool up_owns(struct channel *ch, pid_t pid, uid_t uid)
{
	return live_owns(life_of(ch), pid, uid, "NOTIFY_SOCKET");
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
	dispatch_room(life_of(ch));
}

/* Its number. It may be closed since none of this generation had asked, or was another's. */
static int give_listener(struct life *l, struct listener *on)
{
	int r = life_sockets_add(l, on);
	struct err e;

	if (r < 0)
		return -EADDRINUSE; /* more than anybody has */
	if (!l->slot)
		return r; /* once it has one */
	if (!listener_is_leaving(on) && listener_occupy(on, l, &e) < 0)
		life_hint(l, e.msg);
	return life_sockets_fds(l)[r] < 0 ? -EADDRINUSE : r;
}

/* Node's cluster module cannot open one by itself: pass is open for it. */
static int up_listener(struct channel *ch, const struct listen_want *w)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&w->addr;
	struct life *l = life_of(ch);
	struct listener *found = NULL;
	struct err e;
	int r = listeners_find(l, w, &found, &e);

	l->wants_socket = true;
	if (r == 0)
		return give_listener(l, found);
	if (r == -ENOENT) /* what is left is a path: in the worker's view, not in ours */
		(void)err_set(&e, r,
			      "app listens on %s, which mpsup was not given; listen({path, "
			      "exclusive: true}) makes it its own",
			      un->sun_path);
	life_hint(l, e.msg);
	return r;
}

/* Its bind(2) to port 0 would be let through as well. */
static int up_free_port(struct channel *ch, const struct listen_want *w)
{
	struct life *l = life_of(ch);
	struct listener_spec s = { .shown = "a free port",
				   .addr = w->addr,
				   .addr_len = w->addr_len,
				   .dual_stack = w->addr.ss_family == AF_INET6,
				   .backlog = l->pool->conf->backlog };
	struct err e;
	int fd = -1;
	int r = l->pool->conf->net_none ? err_set(&e, -EADDRNOTAVAIL,
						  "app listens on a free port, and --net none "
						  "leaves it no address") :
					  listener_open(&s, &fd, &e);

	if (r == 0)
		return fd;
	life_hint(l, e.msg);
	return r;
}

static int up_socket(struct channel *ch, unsigned listener)
{
	const struct life *l = life_of(ch);

	return life_sockets_of(l, listener) ? life_sockets_fds(l)[listener] : -1;
}

static void up_listening(struct channel *ch, unsigned listener)
{
	binds_listening(life_of(ch), listener);
}

static void up_online(struct channel *ch)
{
	life_online(life_of(ch));
}

static void up_protocol_error(struct channel *ch, const char *what)
{
	life_protocol_error(life_of(ch), what);
}

/* It closed its channel: nothing more can be said; whether it serves is another
 * question, and its readiness timeout or its death answers it. */
static void up_closed(struct channel *ch)
{
	struct life *l = life_of(ch);

	dispatch_gone(l);
	if (l->gen->wire->closes_when_drained)
		life_drained(l);
}

static bool up_answered(struct channel *ch, uint64_t number, bool taken)
{
	return dispatch_answered(life_of(ch), number, taken);
}

static void up_takes(struct channel *ch)
{
	dispatch_room(life_of(ch));
	dispatch_update(life_of(ch)->pool);
}

const struct wire_up live_wire_up = {
	.parked = up_parked,
	.ready = up_ready,
	.status = up_status,
	.watchdog = up_watchdog,
	.watchdog_usec = up_watchdog_usec,
	.trigger = up_trigger,
	.owns = up_owns,
	.stopping = up_stopping,
	.extend = up_extend,
	.suicide = up_suicide,
	.message = up_message,
	.listener = up_listener,
	.free_port = up_free_port,
	.socket = up_socket,
	.listening = up_listening,
	.online = up_online,
	.hint = up_hint,
	.protocol_error = up_protocol_error,
	.closed = up_closed,
	.room = up_room,
	.answered = up_answered,
	.takes = up_takes,
};
