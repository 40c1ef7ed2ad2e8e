/* SPDX-License-Identifier: MIT */
/* places.c - the places that a pool's groups of sockets have: whose they are, and room for more.
 *
 * A slot has one, a twin that boots beside it another, and who drains keeps its own. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "super/listeners.h"
#include "super/pool.h"
#include "super/seats.h"

/* Somebody who lives, but for `but`, may hold the sockets of this place. */
bool place_is_held(const struct pool *p, unsigned place, const struct life *but)
{
	for (unsigned i = 0; i < p->nslots_made; i++) {
		const struct slot *s = p->slots[i];

		if (s->current && s->current != but && s->current->place == place &&
		    !s->current->lost)
			return true;
		list_each(it, &s->beside) {
			const struct life *l = container_of(it, struct life, node);

			if (l != but && l->place == place && !l->lost)
				return true;
		}
	}
	return false;
}

const struct slot *place_owner(const struct pool *p, unsigned place)
{
	for (unsigned i = 0; i < p->nslots_made; i++)
		if (p->slots[i]->place == place)
			return p->slots[i];
	return NULL;
}

bool place_is_free(const struct pool *p, unsigned place)
{
	if (place_owner(p, place))
		return false;
	for (unsigned i = 0; i < p->nslots_made; i++)
		list_each(it, &p->slots[i]->beside)
			if (container_of(it, struct life, node)->place == place)
				return false;
	return true;
}

/* ---- room ---- */

int places_make(struct pool *p, unsigned n)
{
	uint64_t *live = realloc(p->live, LIVE_WORDS(n) * sizeof(*live));

	if (!live)
		return -ENOMEM;
	p->live = live;
	for (unsigned i = LIVE_WORDS(p->places); i < LIVE_WORDS(n); i++)
		live[i] = 0;
	p->places = n;
	return 0;
}

struct old_seats {
	struct grave grave;
	struct seat *seats;
};

static void release_old(struct grave *g)
{
	struct old_seats *old = container_of(g, struct old_seats, grave);

	free(old->seats);
	free(old);
}

/* An event of this batch may still carry one of the old seats. */
static int grow_form(struct listener *l, enum listener_form form, unsigned n)
{
	struct seat *more = calloc(n, sizeof(*more)), *was = l->seats[form];
	struct old_seats *old = calloc(1, sizeof(*old));

	if (!more || !old) {
		free(more);
		free(old);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < n; i++)
		seat_init(&more[i], l, form);
	for (unsigned i = 0; i < l->nseats; i++) {
		if (l->nseats == 1 && was[i].fd >= 0) /* it was alone, and shall lead */
			ignore(listener_lead(was[i].fd));
		ignore(seat_adopt(&more[i], &was[i]));
	}
	l->seats[form] = more;
	old->seats = was;
	old->grave.release = release_old;
	list_init(&old->grave.node);
	loop_bury(&l->pool->master->loop, &old->grave);
	return 0;
}

static int grow(struct pool *p, unsigned n)
{
	int r = p->listeners && n > p->places ? places_make(p, n) : 0;

	each_listener(l, p)
	{
		bool group = config_has_groups(p->conf) && l->spec.addr.ss_family != AF_UNIX;

		for (unsigned f = 0; group && l->nseats < n && r == 0 && f < FORMS; f++)
			if (l->seats[f])
				r = grow_form(l, f, n);
		if (group && l->nseats < n && r == 0)
			l->nseats = n;
	}
	p->steer_anew = true;
	return r;
}

int listeners_free_place(struct pool *p, unsigned *ret)
{
	for (*ret = 0; *ret < p->places; ++*ret)
		if (place_is_free(p, *ret))
			return 0;
	return p->listeners ? grow(p, p->places + 1) : 0;
}

int listeners_twin_place(const struct slot *s, unsigned *ret)
{
	*ret = s->place;
	return config_has_groups(s->pool->conf) ? listeners_free_place(s->pool, ret) : 0;
}

int listeners_grow(struct pool *p, unsigned slots)
{
	unsigned more = slots - p->nslots_made;

	return p->listeners ? grow(p, p->places + more) : 0;
}

int listeners_settle(struct slot *s)
{
	return s->pool->listeners ? listeners_free_place(s->pool, &s->place) : 0;
}
