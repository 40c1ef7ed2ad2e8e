/* SPDX-License-Identifier: MIT */
/* twin.c - a worker that boots beside the one that serves, and takes its place when it is
 * ready: nobody waits meanwhile, and when it does not get ready nothing has happened. */
#include "base/log.h"
#include "super/binds.h"
#include "super/eras.h"
#include "super/life.h"
#include "super/listeners.h"
#include "super/pool.h"
#include "super/recycle.h"

bool slot_twin(struct slot *s, struct generation *gen, enum reason why)
{
	struct life *l;
	unsigned place;

	if (listeners_twin_place(s, &place) < 0)
		return false;
	l = life_new(s->pool, s, gen);
	if (!l)
		return false;
	l->place = place;
	l->era = era_of_birth(s->pool, gen);
	s->twin = l;
	s->twin_why = why;
	list_append(&s->beside, &l->node);
	life_start(l);
	return true;
}

/* The slot is its own now. */
static void take_place(struct slot *s)
{
	struct life *l = s->twin;

	list_remove(&l->node);
	s->twin = NULL;
	s->current = l;
	s->place = l->place;
	s->vacant = false;
	s->renew = false; /* it is younger than what was asked for, or would have been ended */
	s->pool->steer_anew = true; /* the slot is live as before, elsewhere */
	if (s->state != SLOT_LIVE)
		ignore(slot_step(s, SV_BIRTH));
}

void slot_take_over(struct slot *s)
{
	struct life *old = s->current;

	take_place(s);
	eras_follow(s->pool, s->current);
	s->pool->roll.replaced += s->pool->rolled_from && s->current->gen == s->pool->gen;
	if (!old)
		return;
	old->replaced = true;
	list_append(&s->beside, &old->node);
	life_stop(old, s->twin_why);
}

void slot_end_twin(struct slot *s, enum reason why)
{
	struct life *l = s->twin;

	if (!l)
		return;
	if (l->state != LIFE_READY || l->lost) {
		life_kill(l, why);
		return;
	}
	/* It waits for others, and where all share one socket it has clients already. */
	s->twin = NULL;
	l->replaced = true;
	life_stop(l, why);
}

/* It opens its socket itself, and has not yet. */
static bool has_no_socket_yet(const struct life *l)
{
	enum protocol proto = l->pool->conf->protocol;

	return (proto == PROTO_BIND || proto == PROTO_AUTO) && !l->has_sockets &&
	       !binds_has_taken(l);
}

void slot_inherit(struct slot *s)
{
	unsigned place = s->place;

	/* Who waits where the dead one was waits for it; else they would hear a reset. */
	if (has_no_socket_yet(s->twin) && !place_is_held(s->pool, place, NULL)) {
		place = s->twin->place;
		s->twin->place = s->place;
	}
	take_place(s);
	listeners_give_up(s->pool, place);
}

void slot_twin_died(struct slot *s, struct life *l, const struct death *d)
{
	struct pool *p = s->pool;
	struct event ev = { .name = "worker.boot_failure",
			    .pool = p,
			    .life = l,
			    .slot = (int)s->index,
			    .death = d,
			    .count = 1,
			    .limit = 1 };
	char name[LIFE_NAME_BYTES], cause[256];

	s->twin = NULL;
	if (life_was_unwanted(l))
		return;
	if (!l->was_ready)
		master_event(p->master, &ev);
	/* One of the old generation, for a `reload` of this slot alone that came first, says
	 * nothing about the new one. */
	if (p->rolled_from && s->twin_why == REASON_RELOAD && l->gen == p->gen) {
		pool_roll_failed(p, s, l, d);
		return;
	}
	death_cause(d, cause, sizeof(cause));
	log_warn("%s: who was to replace it did not get ready: %s; it goes on", slot_name(s, name),
		 cause);
	if (s->current)
		recycle_failed(s->current);
}
