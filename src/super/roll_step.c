/* SPDX-License-Identifier: MIT */
/* roll_step.c - who gets a twin of the new generation now, and when twins take over.
 *
 * `restart.surge` of them boot beside those that serve, the first one alone until it is
 * ready: what is broken costs one birth. They wait for each other and take over together,
 * so that a client whose connection is closed does not meet another old worker, and is not
 * sent away twice. */
#include "base/log.h"
#include "super/births.h"
#include "super/eras.h"
#include "super/life.h"
#include "super/pool.h"
#include "super/roll.h"
#include "super/total.h"

#define LEAST_AT_ONCE 2	   /* without surge: or a quarter of the workers */
#define SETTLE_MS     1000 /* after the last one: who dies at once says no, too */

struct survey {
	unsigned booting, ready; /* twins of the new generation */
	uint64_t need;		 /* bytes that they may still come to need */
	bool unsettled;		 /* a slot is between two workers, and decides what follows */
	struct slot *failed;	 /* has given up */
	struct slot *next;	 /* would be the next to get one */
};

static bool has_taken_over(const struct slot *s)
{
	return s->current && s->current->gen == s->pool->gen && s->current->state == LIFE_READY;
}

static bool is_booting(const struct life *l)
{
	return l->state == LIFE_NEW || l->state == LIFE_STARTING || l->state == LIFE_JOINING;
}

static void survey_slot(struct slot *s, struct survey *v)
{
	const struct pool *p = s->pool;
	const struct life *twin = s->twin;

	if (twin && twin->gen == p->gen && s->current && !twin->asked && !twin->lost &&
	    (is_booting(twin) || twin->state == LIFE_READY)) {
		v->booting += is_booting(twin);
		v->ready += twin->state == LIFE_READY;
		v->need += total_need(s->current);
	} else if (s->state == SLOT_FAILED) {
		v->failed = s;
	} else if (s->current && s->current->gen != p->gen && !twin && !s->renew) {
		if (!v->next)
			v->next = s;
	} else {
		v->unsettled = true;
	}
}

static struct survey survey(struct pool *p)
{
	struct survey v = { 0 };

	for (unsigned i = 0; i < p->nslots; i++) {
		struct slot *s = p->slots[i];

		if (!slot_is_wanted(s))
			continue;
		if (has_taken_over(s))
			p->roll.proved = true;
		else
			survey_slot(s, &v);
	}
	p->roll.proved |= v.ready > 0;
	return v;
}

static unsigned surge_of(const struct pool *p)
{
	unsigned quarter = (p->nslots + 3) / 4;

	if (eras_are_used(p)) /* a path leads to one generation */
		return p->nslots;
	if (p->conf->surge)
		return p->conf->surge;
	return quarter > LEAST_AT_ONCE ? quarter : LEAST_AT_ONCE;
}

/* Those before the one that is being replaced whose workers have not left yet. A reload
 * every second while connections last a minute would pile them up. */
static bool too_many_drain(const struct pool *p)
{
	const struct generation *seen = NULL;

	for (unsigned i = 0; i < p->nslots; i++)
		list_each(it, &p->slots[i]->beside) {
			const struct generation *g = container_of(it, struct life, node)->gen;

			if (g == p->gen || g == p->rolled_from || g == seen)
				continue;
			if (seen)
				return true;
			seen = g;
		}
	return false;
}

/* One more of this batch; the first of each is what the roll itself wants. */
static bool wants_another(const struct pool *p, const struct survey *v)
{
	unsigned twins = v->booting + v->ready;

	if (!v->next || v->unsettled)
		return false;
	if (twins == 0)
		return true;
	return twins < surge_of(p) && (p->roll.proved || p->roll.back) &&
	       v->booting < p->conf->parallel &&
	       total_room(p) >= v->need + total_need(v->next->current);
}

/* false: not now; pool_kick() or pool_update() comes when it may. */
static bool may_begin(struct pool *p)
{
	if (p->roll.back || !too_many_drain(p))
		return births_may(p);
	if (!p->roll.said_waits)
		log_info("pool %s: generation %u waits: the workers of two before it have not left "
			 "yet",
			 p->conf->name, p->gen->number);
	p->roll.said_waits = true;
	return false;
}

static void take_over(struct pool *p)
{
	for (unsigned i = 0; i < p->nslots; i++) {
		struct slot *s = p->slots[i];

		if (slot_is_wanted(s) && pool_roll_gathers(s))
			slot_take_over(s);
	}
}

bool pool_roll_gathers(const struct slot *s)
{
	return s->pool->rolled_from && s->twin && s->twin->gen == s->pool->gen &&
	       s->twin->state == LIFE_READY && !s->twin->asked && !s->twin->lost;
}

static void end_spares(struct pool *p)
{
	list_each(it, &p->spares) {
		struct life *l = container_of(it, struct life, node);

		if (l->gen != pool_serving(p))
			life_stop(l, REASON_RELOAD);
	}
}

static bool old_ones_leave(const struct pool *p)
{
	for (unsigned i = 0; i < p->nslots; i++)
		list_each(it, &p->slots[i]->beside)
			if (container_of(it, struct life, node)->gen == p->rolled_from)
				return true;
	return false;
}

/* As long as there is somebody to go back to, for a moment. */
static bool settles(struct pool *p)
{
	struct master *m = p->master;
	uint64_t now = m->world->now_ms();

	if (p->roll.over_ms == 0)
		p->roll.over_ms = now;
	if (p->roll.back || !old_ones_leave(p) || now >= p->roll.over_ms + SETTLE_MS)
		return false;
	timer_set(&m->loop, &p->roll_timer, p->roll.over_ms + SETTLE_MS);
	return true;
}

void pool_roll_on_timer(struct timer *t)
{
	pool_update(container_of(t, struct pool, roll_timer));
}

/* true: something was begun, and more may follow. */
static bool step(struct pool *p)
{
	struct survey v = survey(p);
	bool more;

	end_spares(p);
	if (v.failed && !p->roll.back) {
		roll_failed_slot(p, v.failed);
		return true;
	}
	more = wants_another(p, &v);
	if (more && may_begin(p)) {
		restarts_reset(&v.next->restarts);
		v.next->boot_failures = 0;
		if (!slot_twin(v.next, p->gen, REASON_RELOAD))
			roll_back(p, v.next, 0, "could not be born: out of memory");
		return true;
	}
	if (v.booting > 0 || (more && eras_are_used(p)))
		return false;
	if (v.ready > 0) {
		take_over(p);
		return true;
	}
	if (!v.next && !v.unsettled && !settles(p))
		roll_finish(p);
	return false;
}

void pool_roll_step(struct pool *p)
{
	/* What one began may have ended the roll, or begun the next one. */
	while (p->rolled_from && step(p))
		;
}
