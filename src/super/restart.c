/* SPDX-License-Identifier: MIT */
/* restart.c - what a person asks of slots: end, stay away, begin again. */
#define _GNU_SOURCE
#include <errno.h>

#include "base/log.h"
#include "super/life.h"
#include "super/pool.h"

static void forget(struct slot *s)
{
	restarts_reset(&s->restarts);
	s->boot_failures = 0;
}

static bool is_meant(const struct slot *s, int slot)
{
	return !s->surplus && (slot < 0 || s->index == (unsigned)slot);
}

/* A stopped pool comes back as at the start: with new sockets, one worker tried first.
 * Only this slot, or all (-1). */
static int reopen(struct pool *p, int slot, struct err *e)
{
	int r = p->master->world->listen(p, e);

	if (r < 0)
		return r;
	p->draining = p->announced = p->ever_ready = false;
	p->phase = POOL_STARTING;
	p->exit_code = 0;
	p->started_ms = p->master->world->now_ms();
	for (unsigned i = 0; i < p->nslots; i++)
		p->slots[i]->halted = !is_meant(p->slots[i], slot);
	return 0;
}

static void unfail(struct pool *p)
{
	if (p->phase != POOL_FAILED)
		return;
	p->phase = p->ever_ready ? POOL_DEGRADED : POOL_STARTING;
	p->reason[0] = '\0';
}

/* 1: it can have workers. 0: it is on its way to the end. */
static int revive(struct pool *p, int slot, struct err *e)
{
	if (p->retiring)
		return err_set(e, -EBUSY, "pool %s is not in the file any more, and on its way out",
			       p->conf->name);
	/* It was stopped when an apply gave it other sockets. */
	if (p->pending && p->phase == POOL_STOPPED && !p->master->stopping)
		pool_take_pending(p);
	if (!p->gen && !p->master->stopping) {
		int r = pool_must_wait(p) ? 0 : p->master->world->open(p, e);

		if (r < 0 && p->phase != POOL_FAILED)
			pool_break(p, e);
		if (r < 0)
			return r;
		p->draining = false; /* it may have been stopped as it was */
		if (p->waits_for_address)
			return 0;
		p->phase = POOL_STARTING;
		p->reason[0] = '\0';
		p->exit_code = 0;
		p->started_ms = p->master->world->now_ms();
		for (unsigned i = 0; i < p->nslots; i++)
			p->slots[i]->halted = !is_meant(p->slots[i], slot);
		return 1;
	}
	if (p->phase == POOL_STOPPED && !p->master->stopping) {
		int r = reopen(p, slot, e);

		return r < 0 ? r : 1;
	}
	if (p->draining)
		return 0;
	unfail(p);
	return 1;
}

/* Born now if it has given up or waits; one that was stopped, or not begun yet, is
 * pool_kick()'s. */
static bool hurry(struct slot *s)
{
	forget(s);
	if (s->state != SLOT_FAILED && s->state != SLOT_BACKOFF)
		return false;
	slot_birth(s);
	return true;
}

static void begin_slot(struct slot *s)
{
	s->halted = false;
	if (!s->current)
		(void)hurry(s);
}

static void restart_slot(struct slot *s)
{
	if (!s->current) {
		begin_slot(s);
		return;
	}
	s->halted = false;
	forget(s);
	s->renew = true;		  /* slot_died() gives birth */
	slot_end_twin(s, REASON_RESTART); /* it is older than the order */
	life_stop(s->current, REASON_RESTART);
}

static void forget_spares(struct pool *p)
{
	restarts_reset(&p->spare_slot.restarts);
	timer_clear(&p->master->loop, &p->spare_slot.timer);
}

static void settle(struct pool *p)
{
	pool_update(p);
	pool_kick(p);
}

/* As revive(). */
static int each_slot(struct pool *p, int slot, void (*fn)(struct slot *s), struct err *e)
{
	int r = revive(p, slot, e);

	for (unsigned i = 0; r > 0 && i < p->nslots; i++)
		if (is_meant(p->slots[i], slot))
			fn(p->slots[i]);
	return r;
}

static bool is_over(const struct pool *p)
{
	return p->phase == POOL_FAILED || p->phase == POOL_STOPPED;
}

int pool_restart(struct pool *p, int slot, struct err *e)
{
	/* Who restarts all of it has deployed something, or mended it. */
	int r = slot < 0 || is_over(p) ? p->master->world->renew(p, e) : 0;

	if (r == 0)
		r = each_slot(p, slot, restart_slot, e);
	if (r <= 0)
		return r;
	if (slot < 0) {
		forget_spares(p);
		list_each(it, &p->spares)
			life_stop(container_of(it, struct life, node), REASON_RESTART);
	}
	settle(p);
	return 0;
}

int pool_begin(struct pool *p, int slot, struct err *e)
{
	int r = is_over(p) ? p->master->world->renew(p, e) : 0;

	if (r == 0)
		r = each_slot(p, slot, begin_slot, e);

	if (r <= 0)
		return r;
	settle(p);
	return 0;
}

unsigned pool_reset(struct pool *p, int slot)
{
	unsigned started = 0;
	struct err e;

	if (p->draining)
		return 0;
	if (!p->gen) {
		return pool_begin(p, slot, &e) == 0 ? p->nslots : 0;
	}
	if (is_over(p) && p->master->world->renew(p, &e) < 0)
		log_warn("%s: as it was before: %s", p->conf->name, e.msg);
	unfail(p);
	if (slot < 0)
		forget_spares(p);
	for (unsigned i = 0; i < p->nslots; i++)
		if (is_meant(p->slots[i], slot)) {
			p->slots[i]->total_restarts = 0;
			started += hurry(p->slots[i]);
		}
	settle(p);
	return started;
}

void pool_halt(struct pool *p, unsigned slot)
{
	struct slot *s = p->slots[slot];

	if (!slot_is_wanted(s))
		return;
	s->halted = true;
	/* Sockets that nobody accepts from would keep clients waiting for ever. */
	if (pool_count_wanted(p) == 0) {
		pool_stop(p);
		return;
	}
	slot_stop(s);
	settle(p); /* its birth may have been what the others waited for */
}

bool slot_is_empty(const struct slot *s)
{
	if (s->current && !s->current->certified)
		return false;
	list_each(it, &s->beside)
		if (!container_of(it, struct life, node)->certified)
			return false;
	return true;
}
