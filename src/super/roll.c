/* SPDX-License-Identifier: MIT */
/* roll.c - a pool gets another configuration: one worker after the other, and back again
 * when the first of the new ones do not get ready. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "super/life.h"
#include "super/listeners.h"
#include "super/pool.h"
#include "super/prepare.h"

static void take_generation(struct pool *p, struct generation *g)
{
	pool_config_unref(p->conf);
	p->conf = pool_config_ref(g->conf);
	p->gen = g;
	p->cpus = p->conf->cpus;
	listeners_rebase(p);
}

static void tell(struct pool *p, const char *result)
{
	struct event ev = { .name = "pool.reload",
			    .pool = p,
			    .slot = -1,
			    .result = result,
			    .text = p->reason };

	master_event(p->master, &ev);
}

static void end_spares(struct pool *p)
{
	list_each(it, &p->spares) {
		struct life *l = container_of(it, struct life, node);

		if (l->gen != p->gen)
			life_stop(l, REASON_RELOAD);
	}
}

static void forget(struct slot *s)
{
	restarts_reset(&s->restarts);
	s->boot_failures = 0;
}

/* Those that have no worker are born by the new generation at once. */
static void hurry(struct pool *p)
{
	for (unsigned i = 0; i < p->nslots; i++) {
		struct slot *s = p->slots[i];

		forget(s);
		if (!s->current && (s->state == SLOT_FAILED || s->state == SLOT_BACKOFF))
			slot_birth(s);
	}
}

void pool_roll(struct pool *p, struct generation *g)
{
	struct generation *old = p->gen;

	p->generation = g->number;
	take_generation(p, g);
	if (p->phase == POOL_STOPPED || p->draining) {
		generation_unref(old);
		return;
	}
	if (p->phase == POOL_FAILED) {
		struct err e;

		/* There is nothing to go back to. */
		generation_unref(old);
		if (pool_begin(p, -1, &e) < 0)
			log_error("pool %s: %s", p->conf->name, e.msg);
		return;
	}
	/* Two in a row: what the first one came from is what serves. */
	if (p->rolled_from)
		generation_unref(old);
	else
		p->rolled_from = old;
	p->phase = POOL_RELOADING;
	p->reason[0] = '\0';
	log_info("pool %s: generation %u takes over, one worker after the other", p->conf->name,
		 g->number);
	end_spares(p);
	hurry(p);
	pool_update(p);
	pool_kick(p);
}

void pool_end_roll(struct pool *p)
{
	generation_unref(p->rolled_from);
	p->rolled_from = NULL;
}

/* What has taken over goes back; it was served by the old one before, and is again. */
static void roll_back(struct pool *p, const struct slot *failed)
{
	struct generation *bad = p->gen;
	char cause[160] = "it did not start";

	if (failed->deaths[0])
		death_cause(failed->deaths[0], cause, sizeof(cause));
	(void)snprintf(p->reason, sizeof(p->reason),
		       "generation %u was rolled back: %s/%u never got ready: %s", bad->number,
		       p->conf->name, failed->index, cause);
	log_error("pool %s: %s; generation %u stays", p->conf->name, p->reason,
		  p->rolled_from->number);
	take_generation(p, p->rolled_from);
	p->rolled_from = NULL;
	p->rolled_back = true;
	tell(p, "rolled_back");
	end_spares(p);
	for (unsigned i = 0; i < p->nslots; i++) {
		struct slot *s = p->slots[i];

		forget(s);
		if (s->current && s->current->gen != p->gen) {
			s->renew = true;
			life_stop(s->current, REASON_RELOAD);
		} else if (!s->current && slot_is_wanted(s)) {
			slot_birth(s);
		}
	}
	p->phase = POOL_DEGRADED;
	generation_unref(bad);
}

static bool has_taken_over(const struct slot *s)
{
	return s->current && s->current->gen == s->pool->gen && s->current->state == LIFE_READY;
}

void pool_roll_step(struct pool *p)
{
	struct slot *next = NULL;
	unsigned waiting = 0;

	for (unsigned i = 0; i < p->nslots; i++) {
		struct slot *s = p->slots[i];

		if (!slot_is_wanted(s) || has_taken_over(s))
			continue;
		if (s->state == SLOT_FAILED) {
			roll_back(p, s);
			return;
		}
		if (s->current && s->current->gen != p->gen && !s->renew) {
			if (!next)
				next = s;
		} else {
			waiting++;
		}
	}
	if (waiting > 0)
		return;
	if (next) {
		forget(next);
		next->renew = true; /* slot_died() gives birth */
		life_stop(next->current, REASON_RELOAD);
		return;
	}
	pool_end_roll(p);
	p->rolled_back = false;
	log_info("pool %s: generation %u has taken over", p->conf->name, p->gen->number);
	tell(p, "ok");
	p->phase = POOL_STARTING; /* until pool_update() has looked */
}
