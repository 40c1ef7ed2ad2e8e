/* SPDX-License-Identifier: MIT */
/* restart.c - what a person asks of slots: end, stay away, begin again. */
#define _GNU_SOURCE
#include "super/life.h"
#include "super/pool.h"

static void forget(struct slot *s)
{
	restarts_reset(&s->restarts);
	s->boot_failures = 0;
}

static bool is_meant(const struct slot *s, int slot)
{
	return slot < 0 || s->index == (unsigned)slot;
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
		p->slots[i].halted = !is_meant(&p->slots[i], slot);
	return 0;
}

/* 1: it can have workers. 0: it is on its way to the end. */
static int revive(struct pool *p, int slot, struct err *e)
{
	if (p->phase == POOL_STOPPED && !p->master->stopping) {
		int r = reopen(p, slot, e);

		return r < 0 ? r : 1;
	}
	if (p->draining)
		return 0;
	if (p->phase == POOL_FAILED) {
		p->phase = p->ever_ready ? POOL_DEGRADED : POOL_STARTING;
		p->reason[0] = '\0';
	}
	return 1;
}

static void begin_slot(struct slot *s)
{
	s->halted = false;
	if (s->current)
		return;
	forget(s);
	/* One that was stopped, or not begun yet, is pool_kick()'s. */
	if (s->state == SLOT_FAILED || s->state == SLOT_BACKOFF)
		slot_birth(s);
}

static void restart_slot(struct slot *s)
{
	if (!s->current) {
		begin_slot(s);
		return;
	}
	s->halted = false;
	forget(s);
	life_stop(s->current, REASON_RESTART); /* slot_died() gives birth */
}

static void restart_spares(struct pool *p)
{
	restarts_reset(&p->spare_slot.restarts);
	timer_clear(&p->master->loop, &p->spare_slot.timer);
	list_each(it, &p->spares)
		life_stop(container_of(it, struct life, node), REASON_RESTART);
}

int pool_restart(struct pool *p, int slot, struct err *e)
{
	int r = revive(p, slot, e);

	if (r <= 0)
		return r;
	for (unsigned i = 0; i < p->nslots; i++)
		if (is_meant(&p->slots[i], slot))
			restart_slot(&p->slots[i]);
	if (slot < 0)
		restart_spares(p);
	pool_update(p);
	pool_kick(p);
	return 0;
}

int pool_begin(struct pool *p, int slot, struct err *e)
{
	int r = revive(p, slot, e);

	if (r <= 0)
		return r;
	for (unsigned i = 0; i < p->nslots; i++)
		if (is_meant(&p->slots[i], slot))
			begin_slot(&p->slots[i]);
	pool_update(p);
	pool_kick(p);
	return 0;
}

void pool_halt(struct pool *p, unsigned slot)
{
	struct slot *s = &p->slots[slot];

	if (!slot_is_wanted(s))
		return;
	s->halted = true;
	/* Sockets that nobody accepts from would keep clients waiting for ever. */
	if (pool_count_wanted(p) == 0) {
		pool_stop(p);
		return;
	}
	timer_clear(&p->master->loop, &s->timer);
	list_each(it, &s->leaving)
		life_stop(container_of(it, struct life, node), REASON_STOP);
	if (s->current)
		life_stop(s->current, REASON_STOP);
	else
		ignore(slot_step(s, SV_STOP));
	pool_update(p);
	pool_kick(p); /* its birth may have been what the others waited for */
}

bool slot_is_empty(const struct slot *s)
{
	if (s->current && !s->current->certified)
		return false;
	list_each(it, &s->leaving)
		if (!container_of(it, struct life, node)->certified)
			return false;
	return true;
}
