/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/scale.h"

#include <errno.h>
#include <stdlib.h>

#include "super/life.h"
#include "super/listeners.h"
#include "super/pin.h"
#include "super/pool.h"

/* One that is on its way out comes back with a worker of its own. */
static void want(struct slot *s)
{
	if (!s->surplus)
		return;
	s->surplus = s->halted = false;
	if (s->current && s->current->asked)
		s->renew = true; /* it ends, and slot_died() gives birth */
}

static int make_room(struct pool *p, unsigned n)
{
	struct slot **more = realloc(p->slots, n * sizeof(struct slot *));
	int r;

	if (!more)
		return -ENOMEM;
	p->slots = more;
	r = listeners_grow(p, n);
	while (r == 0 && p->nslots_made < n) {
		struct slot *s = slot_new(p, p->nslots_made);

		r = s ? listeners_settle(s) : -ENOMEM;
		if (r < 0)
			free(s);
		else
			p->slots[p->nslots_made++] = s;
	}
	return r;
}

static int grow(struct pool *p, unsigned n)
{
	int r = n > p->nslots_made ? make_room(p, n) : 0;

	if (r < 0)
		return r;
	for (unsigned i = 0; i < n; i++)
		want(p->slots[i]);
	if (n > p->nslots)
		p->nslots = n;
	return 0;
}

/* Those that leave are no part of what is dealt. */
static void shed(struct pool *p, unsigned n)
{
	for (unsigned i = n; i < p->nslots; i++) {
		struct slot *s = p->slots[i];

		if (s->surplus)
			continue;
		s->surplus = s->halted = true;
		s->renew = false;
		timer_clear(&p->master->loop, &s->timer);
		slot_end_twin(s, REASON_SCALE);
		if (s->current)
			life_stop(s->current, REASON_SCALE);
		else
			slot_stop(s);
	}
}

int pool_resize(struct pool *p, unsigned n, struct err *e)
{
	int r = grow(p, n);

	if (r < 0)
		return err_set(e, r, "out of memory");
	shed(p, n);
	pool_shrink(p);
	pins_deal(p->master);
	pool_update(p);
	pool_kick(p);
	return 0;
}

void pool_shrink(struct pool *p)
{
	while (p->nslots > 1) {
		struct slot *s = p->slots[p->nslots - 1];

		if (!s->surplus || !slot_is_empty(s))
			return;
		listeners_vacate(s);
		p->nslots--;
	}
}
