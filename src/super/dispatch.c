/* SPDX-License-Identifier: MIT */
/* dispatch.c - a connection's way from the accept queue to a worker that takes it. */
#define _GNU_SOURCE
#include "super/dispatch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "kernel/accept.h"
#include "super/life.h"
#include "super/listeners.h"
#include "super/pool.h"
#include "super/seats.h"

#define SAY_MS 10000 /* the same line is not said more often */

static uint64_t now(const struct pool *p)
{
	return p->master->world->now_ms();
}

static bool may_say(const struct pool *p, uint64_t *said_ms)
{
	if (*said_ms && now(p) - *said_ms < SAY_MS)
		return false;
	*said_ms = now(p);
	return true;
}

static void each_life(struct pool *p, void (*fn)(struct life *l))
{
	for (unsigned i = 0; i < p->nslots; i++) {
		if (p->slots[i]->current)
			fn(p->slots[i]->current);
		list_each(it, &p->slots[i]->beside)
			fn(container_of(it, struct life, node));
	}
}

/* ---- one connection ---- */

static void forget(struct pool *p, struct conn *c)
{
	list_remove(&c->node);
	free(c);
	p->dispatch.nheld--;
}

/* It is a worker's now. */
static void let_go(struct pool *p, struct conn *c)
{
	accepted_let_go(&c->fd);
	forget(p, c);
}

static void drop(struct pool *p, struct conn *c)
{
	p->dispatch.closed++;
	accepted_abort(&c->fd);
	forget(p, c);
}

static void close_unserved(struct pool *p, struct conn *c)
{
	if (may_say(p, &p->dispatch.said_closed_ms))
		log_warn("%s: a connection that %u worker%s did not take is closed (%" PRIu64
			 " so far)",
			 p->conf->name, c->ntried, c->ntried == 1 ? "" : "s",
			 p->dispatch.closed + 1);
	drop(p, c);
}

/* After those that came back before it, in front of those that are new. */
static void wait_in_front(struct pool *p, struct conn *c, struct list **after)
{
	list_append((*after)->next, &c->node);
	*after = &c->node;
	p->dispatch.anew = true;
}

/* What is dealt to it and not sent is anybody's. all: also what it could take. */
static void give_up_queue(struct life *l, struct list *after, bool all)
{
	list_each(it, &l->dispatch.queue) {
		struct conn *c = container_of(it, struct conn, node);

		if (!all && dispatch_able(l, c->listener))
			continue;
		list_remove(it);
		l->dispatch.nqueued--;
		wait_in_front(l->pool, c, &after);
	}
}

static struct conn *take_sent(struct life *l)
{
	struct conn *c = l->dispatch.sent;

	l->dispatch.sent = NULL;
	timer_clear(&l->master->loop, &l->dispatch.late);
	return c;
}

/* Refused, or its worker died with it. One that was read from is not whole any more: who
 * got it would wait for what the client has said already. */
static void try_another(struct life *l, struct conn *c, struct list **after)
{
	struct pool *p = l->pool;

	c->tried[c->ntried++] = l->number;
	if (!accepted_is_untouched(c->fd) || dispatch_is_hopeless(p, c)) {
		close_unserved(p, c);
		return;
	}
	p->dispatch.redispatched++;
	wait_in_front(p, c, after);
}

/* ---- to a worker ---- */

static void say_late(struct life *l)
{
	char name[LIFE_NAME_BYTES];

	if (l->dispatch.said_late)
		return;
	l->dispatch.said_late = true;
	log_warn("%s (pid %d) has not taken a connection for %d ms: it keeps that one, others go "
		 "to its siblings until it does",
		 life_name(l, name), (int)l->pid, DISPATCH_LATE_MS);
}

static void stall(struct life *l)
{
	l->dispatch.stalled = true;
	give_up_queue(l, &l->pool->dispatch.waiting, true);
}

static void watch_answer(struct life *l)
{
	timer_set(&l->master->loop, &l->dispatch.late, now(l->pool) + DISPATCH_LATE_MS);
}

static void send_next(struct life *l)
{
	struct conn *c;
	int r;

	if (l->dispatch.sent || l->dispatch.stalled || list_empty(&l->dispatch.queue))
		return;
	c = container_of(l->dispatch.queue.next, struct conn, node);
	c->number = ++l->pool->dispatch.number;
	r = l->master->world->give(l, c->listener, c->number, c->fd);
	/* It does not read just now: dispatch_room(), or the time is over. */
	if (r < 0) {
		if (!l->dispatch.late.armed)
			watch_answer(l);
		return;
	}
	watch_answer(l);
	list_remove(&c->node);
	l->dispatch.nqueued--;
	l->dispatch.sent = c;
}

static bool place(struct pool *p, struct conn *c)
{
	struct life *l = dispatch_choose(p, c);

	if (!l)
		return false;
	list_remove(&c->node);
	list_append(&l->dispatch.queue, &c->node);
	l->dispatch.nqueued++;
	send_next(l);
	return true;
}

/* ---- all of them ---- */

static bool somebody_waits(const struct pool *p, unsigned listener)
{
	list_each(it, &((struct pool *)(uintptr_t)p)->dispatch.waiting)
		if (container_of(it, struct conn, node)->listener == listener)
			return true;
	return false;
}

static bool may_accept(const struct pool *p, unsigned listener)
{
	if (p->dispatch.pause.armed || p->dispatch.nheld >= DISPATCH_HELD ||
	    somebody_waits(p, listener))
		return false;
	for (unsigned i = 0; i < p->nslots; i++) {
		const struct life *l = p->slots[i]->current;

		if (l && !l->dispatch.stalled && dispatch_able(l, listener) && dispatch_has_room(l))
			return true;
	}
	return false;
}

static void watch(struct pool *p)
{
	each_listener(l, p)
	{
		bool on = may_accept(p, l->index);

		for (unsigned f = 0; f < FORMS; f++)
			each_seat(s, l, f) seat_accept(s, on);
	}
}

/* Of an earlier generation: who has it still takes nothing new. */
static bool is_shut(const struct pool *p, unsigned listener)
{
	const struct listener *l = NULL;

	if (!p->listeners)
		return false; /* what waits is closed with its pool */
	if (listener < p->nlisteners)
		l = p->listeners[listener];
	return !l || (listener_is_leaving(l) && !listener_is_open(l));
}

/* Each stall sends some back and takes a worker out, so this ends. */
static void pump(struct pool *p)
{
	do {
		p->dispatch.anew = false;
		list_each(it, &p->dispatch.waiting) {
			struct conn *c = container_of(it, struct conn, node);

			/* Nobody comes who could take it. */
			if (p->draining || p->phase == POOL_FAILED || is_shut(p, c->listener))
				drop(p, c);
			else if (!place(p, c) && dispatch_is_hopeless(p, c))
				close_unserved(p, c);
		}
	} while (p->dispatch.anew);
	watch(p);
}

void dispatch_forget(struct pool *p, unsigned listener)
{
	list_each(it, &p->dispatch.waiting) {
		struct conn *c = container_of(it, struct conn, node);

		if (c->listener == listener)
			drop(p, c);
	}
}

static void let_go_if_unable(struct life *l)
{
	give_up_queue(l, &l->pool->dispatch.waiting, false);
}

void dispatch_update(struct pool *p)
{
	if (!p->slots || !config_dispatches(p->conf))
		return;
	each_life(p, let_go_if_unable);
	pump(p);
}

/* ---- what happens ---- */

static void out_of(struct pool *p, int error)
{
	timer_set(&p->master->loop, &p->dispatch.pause, now(p) + DISPATCH_PAUSE_MS);
	if (may_say(p, &p->dispatch.said_full_ms))
		log_warn("%s: cannot accept connections: %s; they wait in the kernel's queue",
			 p->conf->name, strerror(error));
}

static int accept_one(struct seat *s)
{
	struct pool *p = s->listener->pool;
	struct conn *c = calloc(1, sizeof(*c));
	struct sockaddr_storage peer;
	int r = c ? accept_next(s->fd, &c->fd, &peer) : -ENOMEM;

	if (r < 0) {
		free(c);
		return r;
	}
	list_init(&c->node);
	c->listener = s->listener->index;
	c->has_home = p->conf->balance == BALANCE_STICKY && dispatch_home(&peer, &c->home);
	list_append(&p->dispatch.waiting, &c->node);
	p->dispatch.nheld++;
	ignore((int)place(p, c));
	return 0;
}

void dispatch_accept(struct seat *s)
{
	struct pool *p = s->listener->pool;
	int r = 0;

	for (unsigned i = 0; i < DISPATCH_BATCH && may_accept(p, s->listener->index); i++) {
		r = accept_one(s);
		if (r < 0 && r != -ECONNABORTED)
			break;
	}
	if (r < 0 && r != -EAGAIN && r != -ECONNABORTED)
		out_of(p, -r);
	pump(p);
}

static void say_strange(struct life *l)
{
	char name[LIFE_NAME_BYTES];

	l->dispatch.strange++;
	if (l->dispatch.said_strange)
		return;
	l->dispatch.said_strange = true;
	log_warn("%s (pid %d) answers for connections that it was not given", life_name(l, name),
		 (int)l->pid);
}

bool dispatch_answered(struct life *l, uint64_t number, bool taken)
{
	struct list *front = &l->pool->dispatch.waiting;
	struct conn *c = l->dispatch.sent;

	if (!c || c->number != number) {
		say_strange(l);
		return false;
	}
	take_sent(l);
	l->dispatch.stalled = false;
	if (taken) {
		l->dispatch.taken++;
		let_go(l->pool, c);
	} else {
		l->dispatch.refused++;
		try_another(l, c, &front);
	}
	send_next(l);
	pump(l->pool);
	return true;
}

static void on_late(struct timer *t)
{
	struct life *l = container_of(t, struct life, dispatch.late);

	if (l->dispatch.sent) {
		say_late(l);
		stall(l);
	} else if (!l->dispatch.stalled && !list_empty(&l->dispatch.queue)) {
		stall(l);
		watch_answer(l); /* then it is tried again */
	} else {
		l->dispatch.stalled = false;
	}
	pump(l->pool);
}

void dispatch_room(struct life *l)
{
	if (l->dispatch.sent)
		return;
	if (l->dispatch.late.armed) /* that was what it was for */
		l->dispatch.stalled = false;
	send_next(l);
	pump(l->pool);
}

void dispatch_gone(struct life *l)
{
	struct list *after = &l->pool->dispatch.waiting;
	struct conn *c = take_sent(l);

	l->dispatch.stalled = true;
	if (c)
		try_another(l, c, &after);
	give_up_queue(l, after, true);
	dispatch_update(l->pool);
}

static void on_pause_over(struct timer *t)
{
	pump(container_of(t, struct pool, dispatch.pause));
}

void dispatch_init_life(struct life *l)
{
	list_init(&l->dispatch.queue);
	timer_init(&l->dispatch.late, on_late);
}

void dispatch_init(struct pool *p)
{
	list_init(&p->dispatch.waiting);
	timer_init(&p->dispatch.pause, on_pause_over);
}

void dispatch_done(struct pool *p)
{
	if (!p->slots)
		return;
	timer_clear(&p->master->loop, &p->dispatch.pause);
	list_each(it, &p->dispatch.waiting)
		drop(p, container_of(it, struct conn, node));
}
