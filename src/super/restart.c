/* SPDX-License-Identifier: MIT */
/* restart.c - what a person asks of slots: end and begin again. */
#define _GNU_SOURCE
#include "super/life.h"
#include "super/pool.h"

static void forget(struct slot *s)
{
	restarts_reset(&s->restarts);
	s->boot_failures = 0;
}

static void restart_slot(struct slot *s)
{
	forget(s);
	if (s->current)
		life_stop(s->current, REASON_RESTART); /* slot_died() gives birth */
	else if (s->state == SLOT_FAILED || s->state == SLOT_BACKOFF)
		slot_birth(s);
}

static bool revive(struct pool *p)
{
	if (p->draining)
		return false;
	if (p->phase == POOL_FAILED) {
		p->phase = p->ever_ready ? POOL_DEGRADED : POOL_STARTING;
		p->reason[0] = '\0';
	}
	return true;
}

void pool_restart(struct pool *p, int slot)
{
	if (!revive(p))
		return;
	for (unsigned i = 0; i < p->nslots; i++)
		if (slot < 0 || (unsigned)slot == i)
			restart_slot(&p->slots[i]);
	if (slot < 0) {
		restarts_reset(&p->spare_slot.restarts);
		timer_clear(&p->master->loop, &p->spare_slot.timer);
		list_each(it, &p->spares)
			life_stop(container_of(it, struct life, node), REASON_RESTART);
	}
	pool_update(p);
	pool_kick(p);
}

void pool_begin(struct pool *p, int slot)
{
	if (!revive(p))
		return;
	for (unsigned i = 0; i < p->nslots; i++) {
		struct slot *s = &p->slots[i];

		if ((slot >= 0 && (unsigned)slot != i) || s->current)
			continue;
		forget(s);
		if (s->state == SLOT_FAILED || s->state == SLOT_BACKOFF)
			slot_birth(s);
	}
	pool_update(p);
	pool_kick(p);
}
