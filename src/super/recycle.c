/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/recycle.h"

#include "base/log.h"
#include "base/text.h"
#include "super/births.h"
#include "super/leaf.h"
#include "super/life.h"
#include "super/pool.h"
#include "super/total.h"

#define BUSY_MS	 1000  /* another one of the pool is being replaced */
#define RETRY_MS 60000 /* its twin did not get ready: not more often, nor a crowd */

static uint64_t now(const struct life *l)
{
	return l->master->world->now_ms();
}

/* Up to a tenth earlier, so that those that were born together do not end together. */
static uint64_t due(const struct life *l)
{
	uint64_t age = l->pool->conf->max_age_ms;
	uint64_t spread = (l->number * 2654435761u >> 7) % 1000u;

	return l->ready_ms + age - age / 10 * spread / 1000;
}

/* Everybody else is there, and stays. */
static bool may(const struct life *l)
{
	const struct pool *p = l->pool;

	if (p->rolled_from || p->draining)
		return false;
	for (unsigned i = 0; i < p->nslots; i++) {
		const struct slot *s = p->slots[i];

		if (s->twin || s->renew)
			return false;
	}
	return true;
}

static void recycle(struct life *l, enum reason why)
{
	struct slot *s = l->slot;
	char name[LIFE_NAME_BYTES];
	uint64_t bytes;

	l->recycle.why = why;
	if (!s || s->current != l || l->state != LIFE_READY || !slot_is_wanted(s))
		return;
	if (!may(l) || !births_may(l->pool)) {
		timer_set(&l->master->loop, &l->recycle.timer, now(l) + BUSY_MS);
		return;
	}
	bytes = total_room(l->pool);
	if (bytes < total_need(l)) {
		log_info("%s (pid %d): %s; the pool's total has no room for two: it leaves first",
			 life_name(l, name), (int)l->pid, reason_name(why));
		s->renew = true; /* slot_died() gives birth */
		life_stop(l, why);
		return;
	}
	log_info("%s (pid %d): %s; another one takes its place", life_name(l, name), (int)l->pid,
		 reason_name(why));
	if (!slot_twin(s, l->gen == l->pool->gen ? l->gen : l->pool->gen, why))
		recycle_failed(l);
}

static void on_time(struct timer *t)
{
	struct life *l = container_of(t, struct life, recycle.timer);

	if (l->recycle.why != REASON_NONE)
		recycle(l, l->recycle.why);
	else if (l->pool->conf->max_age_ms > 0 && now(l) >= due(l))
		recycle(l, REASON_MAX_AGE);
	else
		recycle_watch(l);
}

void recycle_init(struct life *l)
{
	timer_init(&l->recycle.timer, on_time);
}

void recycle_watch(struct life *l)
{
	if (l->state != LIFE_READY || l->recycle.why != REASON_NONE)
		return;
	if (l->pool->conf->max_age_ms > 0)
		timer_set(&l->master->loop, &l->recycle.timer, due(l));
	else
		timer_clear(&l->master->loop, &l->recycle.timer);
}

void recycle_done(struct life *l)
{
	timer_clear(&l->master->loop, &l->recycle.timer);
}

bool recycle_large(struct life *l)
{
	if (l->pool->conf->recycle_memory == 0)
		return false;
	if (l->recycle.why != REASON_NONE)
		return true;
	/* What slows it down now would be its clients' loss. */
	leaf_lift_high(l);
	recycle(l, REASON_RECYCLE_MEMORY);
	return true;
}

void recycle_failed(struct life *l)
{
	if (l->recycle.why != REASON_NONE)
		timer_set(&l->master->loop, &l->recycle.timer, now(l) + RETRY_MS);
}
