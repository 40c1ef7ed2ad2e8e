/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/eras.h"

#include "base/log.h"
#include "super/life_sockets.h"
#include "super/listeners.h"
#include "super/pool.h"
#include "super/seats.h"

#define each_path(l, p) each_listener(l, p) if (listener_is_path(l))

bool eras_are_used(const struct pool *p)
{
	each_path(l, p) return true;
	return false;
}

/* ---- eras ---- */

unsigned era_of_birth(const struct pool *p, const struct generation *gen)
{
	return p->rolled_from && gen == p->gen ? p->eras.next : p->eras.path;
}

void eras_begin(struct pool *p)
{
	p->eras.next = ++p->eras.last;
}

void eras_turn(struct pool *p)
{
	unsigned had = p->eras.next;

	p->eras.next = p->eras.path;
	if (had != p->eras.path) /* nobody had taken over */
		return;
	for (unsigned i = 0; i < p->nslots; i++)
		if (slot_serves(p->slots[i]) && p->slots[i]->current->gen == p->gen) {
			p->eras.next = p->slots[i]->current->era;
			return;
		}
	p->eras.next = ++p->eras.last;
}

void eras_end(struct pool *p)
{
	eras_settle(p);
	p->eras.next = p->eras.path;
	eras_settle(p);
}

/* ---- sockets ---- */

struct seat *path_seat(const struct listener *l)
{
	each_seat(s, l, FORM_CONFIGURED) if (s->fd >= 0 && !s->aside) return s;
	return NULL;
}

static struct seat *own_seat(const struct listener *l, unsigned era)
{
	each_seat(s, l, FORM_CONFIGURED) if (s->fd >= 0 && s->era == era) return s;
	return NULL;
}

struct seat *path_seat_of(const struct listener *l, unsigned era)
{
	struct seat *s = own_seat(l, era);

	return s ? s : path_seat(l);
}

bool path_leads_past(const struct listener *l, const struct life *who)
{
	const struct seat *s = path_seat_of(l, who->era);

	return s && s->aside;
}

static bool holds(const struct listener *l, const struct seat *s, const struct life *who)
{
	return who && !who->lost && life_sockets_number(who, l) >= 0 &&
	       path_seat_of(l, who->era) == s;
}

bool path_is_held(const struct listener *l, const struct seat *s, const struct life *but)
{
	const struct pool *p = l->pool;

	for (unsigned i = 0; i < p->nslots_made; i++) {
		if (p->slots[i]->current != but && holds(l, s, p->slots[i]->current))
			return true;
		list_each(it, &p->slots[i]->beside) {
			const struct life *o = container_of(it, struct life, node);

			if (o != but && holds(l, s, o))
				return true;
		}
	}
	return false;
}

static struct seat *free_seat(const struct listener *l)
{
	each_seat(s, l, FORM_CONFIGURED) if (s->fd < 0) return s;
	return NULL;
}

/* One more for the path; NULL: they share what is there. */
static struct seat *bind_another(struct listener *l, unsigned era)
{
	struct seat *s = free_seat(l);
	struct err e = { .msg = "too many generations have one still" };

	if (s) {
		s->aside = true;
		s->era = era;
		if (seat_hold(s, &e) == 0) {
			l->apart = true;
			return s;
		}
		s->aside = false;
	}
	if (!l->said_shared)
		log_warn("%s: %s: no socket of its own for the new generation: %s; the workers of "
			 "the old one get the stop signal at once",
			 l->pool->conf->name, l->spec.shown, e.msg);
	l->said_shared = true;
	return NULL;
}

struct seat *path_seat_for(struct listener *l, const struct life *who)
{
	struct seat *own = own_seat(l, who->era), *at = path_seat(l), *s;

	if (own)
		return own;
	if (!at) {
		each_seat(o, l, FORM_CONFIGURED) o->silent = false;
		s = free_seat(l);
		if (s)
			s->era = who->era;
		return s ? s : l->seats[FORM_CONFIGURED]; /* one that was hidden */
	}
	/* A .socket unit's path is not ours to turn. */
	if (who->era != l->pool->eras.next || who->era == l->pool->eras.path || at->lent)
		return at;
	if (!path_is_held(l, at, who)) {
		at->era = who->era; /* who waits there waits for it */
		return at;
	}
	s = bind_another(l, who->era);
	return s ? s : at;
}

/* ---- where a path leads ---- */

void path_hide(struct listener *l)
{
	struct seat *at = path_seat(l);

	if (!at)
		return;
	seat_hide(at);
	l->apart = true; /* its file is beside it */
}

static void lead_to(struct pool *p, unsigned era)
{
	each_path(l, p)
	{
		struct seat *s = own_seat(l, era), *at = path_seat(l);

		if (listener_is_leaving(l))
			path_hide(l);
		else if (at && !s)
			at->era = era; /* shared */
		else if (s && s != at)
			seat_point(s, at);
	}
	p->eras.path = era;
}

void eras_follow(struct pool *p, const struct life *l)
{
	if (l->era == p->eras.next && l->era != p->eras.path)
		lead_to(p, l->era);
}

static bool era_serves(const struct pool *p, unsigned era)
{
	for (unsigned i = 0; i < p->nslots; i++)
		if (slot_serves(p->slots[i]) && p->slots[i]->current->era == era)
			return true;
	return false;
}

static void close_unused(struct listener *l)
{
	bool any = false;

	if (!l->apart)
		return;
	each_seat(s, l, FORM_CONFIGURED)
	{
		if (s->fd < 0 || !s->aside)
			continue;
		if (s->era == l->pool->eras.next || path_is_held(l, s, NULL))
			any = true;
		else
			seat_close(s);
	}
	if (!any) {
		struct listener_spec spec = seat_spec(l, FORM_CONFIGURED);

		sockfile_clean(&spec);
		l->apart = false;
	}
}

void eras_settle(struct pool *p)
{
	if (!eras_are_used(p) || !p->slots)
		return;
	if (p->eras.next != p->eras.path && !era_serves(p, p->eras.path) &&
	    era_serves(p, p->eras.next))
		lead_to(p, p->eras.next);
	each_path(l, p) close_unused(l);
}
