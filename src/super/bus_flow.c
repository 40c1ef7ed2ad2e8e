/* SPDX-License-Identifier: MIT */
/* bus_flow.c - how fast messages go. Nothing is lost between workers that read: when
 * the queue of one is full, who writes to it is not listened to before there is room.
 *
 * But nobody may hold others back for ever. A worker has a credit of time, which
 * holding others costs and each message that it takes earns: one that takes fewer than
 * ten a second while others wait for it is deaf, once the credit is gone. What comes
 * for it is then dropped and counted, until it has read all that waits. So no number
 * of messages, and nothing that a worker does not read, costs its siblings more than
 * that, or the master more than a queue for each worker and a message for each sender. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "super/bus.h"
#include "super/life.h"
#include "super/pool.h"

static size_t waiting(const struct life *l, uint64_t *ret_taken)
{
	return l->master->world->waiting(l, ret_taken);
}

static bool is_full(const struct life *l)
{
	uint64_t taken;

	return waiting(l, &taken) >= BUS_QUEUE_MAX;
}

static bool is_held(const struct life *l)
{
	return !list_empty(&l->bus.waits);
}

/* One that has gone has only what is in its socket; one that was handed its socket has
 * a few milliseconds to say READY. */
static bool can_wait(const struct life *l)
{
	return !l->channel.hung && l->state != LIFE_JOINING;
}

/* Full, and not known to be deaf. */
static bool is_in_the_way(const struct life *l)
{
	return bus_hears(l) && !l->bus.deaf && is_full(l);
}

/* What it took since the last time, whether or not somebody waited. */
static void earn(struct life *l)
{
	uint64_t taken;
	int64_t earned;

	ignore((int)waiting(l, &taken));
	earned = (int64_t)(taken - l->bus.taken) * BUS_EARNED_MS;
	l->bus.taken = taken;
	l->bus.credit_ms += earned;
	if (l->bus.credit_ms > BUS_CREDIT_MS)
		l->bus.credit_ms = BUS_CREDIT_MS;
}

static void look_again(struct life *l)
{
	timer_set(&l->master->loop, &l->bus.look, l->master->world->now_ms() + BUS_LOOK_MS);
}

static void start_looking(struct life *full)
{
	if (full->bus.look.armed)
		return;
	earn(full);
	look_again(full);
}

/* The credit of all that are full runs at once, however many they are. */
static bool look_at_the_full(struct pool *p)
{
	bool any = false;

	for (unsigned i = 0; i < p->nslots; i++) {
		struct slot *s = p->slots[i];

		if (s->current && is_in_the_way(s->current)) {
			start_looking(s->current);
			any = true;
		}
		list_each(it, &s->beside) {
			struct life *l = container_of(it, struct life, node);

			if (is_in_the_way(l)) {
				start_looking(l);
				any = true;
			}
		}
	}
	return any;
}

static void let_go(struct list *waiters)
{
	list_each(it, waiters) {
		list_remove(it);
		channel_hold(&container_of(it, struct life, bus.waits)->channel, false);
	}
}

/* l is not in the way any more. */
static void let_waiters_go(struct life *l)
{
	let_go(&l->bus.waiters);
	if (!list_empty(&l->pool->held_for_all) && !look_at_the_full(l->pool))
		let_go(&l->pool->held_for_all);
}

int bus_post(struct life *from, struct life *to, struct packet *p)
{
	int r = -EAGAIN;

	if (!to->bus.deaf && (can_wait(from) || !is_full(to)))
		r = to->master->world->post(to, p);
	if (r == 0)
		to->bus.received++;
	else
		to->bus.dropped++;
	return r;
}

void bus_hold_if_full(struct life *from, struct life *to)
{
	/* Held already: the rest of a datagram. */
	if (is_held(from) || !can_wait(from))
		return;
	if (!to ? !look_at_the_full(from->pool) : !is_in_the_way(to))
		return;
	list_append(to ? &to->bus.waiters : &from->pool->held_for_all, &from->bus.waits);
	if (to)
		start_looking(to);
	channel_hold(&from->channel, true);
}

/* Named once a life; how often it happens, status counts. */
static void say_limit(struct life *l, bool *said, const char *text)
{
	char name[LIFE_NAME_BYTES];
	struct event ev = { .name = "worker.limit",
			    .pool = l->pool,
			    .life = l,
			    .slot = l->slot ? (int)l->slot->index : -1,
			    .text = text };

	if (*said)
		return;
	*said = true;
	master_event(l->master, &ev);
	log_warn("%s (pid %d) %s", life_name(l, name), (int)l->pid, text);
}

void bus_say_fast(struct life *l)
{
	say_limit(l, &l->bus.said_fast,
		  "sends more than 100 messages a second; the rest waits for the next one");
}

static void say_deaf(struct life *l)
{
	uint64_t taken;
	char text[128];

	(void)snprintf(
		text, sizeof(text),
		"does not read its messages: %zu KiB wait, what else comes for it is dropped",
		waiting(l, &taken) / 1024);
	say_limit(l, &l->bus.said_deaf, text);
}

static void on_look(struct timer *t)
{
	struct life *l = container_of(t, struct life, bus.look);

	/* The kernel tells of room late, when three quarters of the socket are empty. */
	l->master->world->flush(l);
	if (list_empty(&l->bus.waiters) && list_empty(&l->pool->held_for_all))
		return;
	if (!is_in_the_way(l)) { /* or it was sent the stop signal */
		let_waiters_go(l);
		return;
	}
	earn(l);
	l->bus.credit_ms -= BUS_LOOK_MS;
	if (l->bus.credit_ms > 0) {
		look_again(l);
		return;
	}
	l->bus.deaf = true;
	say_deaf(l);
	let_waiters_go(l);
}

void bus_init(struct life *l)
{
	list_init(&l->bus.waiters);
	list_init(&l->bus.waits);
	timer_init(&l->bus.look, on_look);
	l->bus.credit_ms = BUS_CREDIT_MS;
}

static void hears_again(struct life *l)
{
	char name[LIFE_NAME_BYTES];

	l->bus.deaf = false;
	if (!l->bus.said_again)
		log_info("%s (pid %d) reads its messages again; %" PRIu64 " were dropped",
			 life_name(l, name), (int)l->pid, l->bus.dropped);
	l->bus.said_again = true;
}

void bus_room(struct life *l)
{
	uint64_t taken;
	size_t bytes = waiting(l, &taken);

	if (l->bus.deaf && bytes == 0 && !l->channel.hung)
		hears_again(l);
	if (bytes < BUS_QUEUE_MAX)
		let_waiters_go(l);
}

void bus_let_go(struct life *l)
{
	list_remove(&l->bus.waits);
	channel_hold(&l->channel, false);
}

void bus_gone(struct life *l)
{
	timer_clear(&l->master->loop, &l->bus.look);
	list_remove(&l->bus.waits);
	let_waiters_go(l);
}
