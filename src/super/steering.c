/* SPDX-License-Identifier: MIT */
/* steering.c - which of a group's sockets gets a new connection: the program in the kernel that
 * chooses, or refuses. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "kernel/steer.h"
#include "super/eras.h"
#include "super/life_sockets.h"
#include "super/listeners.h"
#include "super/pool.h"
#include "super/seats.h"

bool slot_serves(const struct slot *s)
{
	return s->current && s->current->state == LIFE_READY && !s->current->lost &&
	       !s->current->asked;
}

static bool may_serve(const struct slot *s)
{
	return slot_is_wanted(s) && s->state != SLOT_FAILED;
}

static bool is_live(const struct pool *p, unsigned slot)
{
	return p->live[slot / 64] & (1ull << (slot % 64));
}

/* Of another generation than who serves there: it has not this address. */
static bool is_live_for(const struct slot *s, const struct listener *l)
{
	return s->index < s->pool->nslots && is_live(s->pool, s->index) && s->current &&
	       life_sockets_number(s->current, l) >= 0;
}

bool listener_is_served(const struct listener *l)
{
	for (unsigned i = 0; i < l->pool->nslots; i++)
		if (is_live_for(l->pool->slots[i], l))
			return true;
	return false;
}

/* While one is being closed the last takes its number, sooner or later than the program
 * is replaced: one that gives neither is right in both orders. */
static bool keeps_number(const struct seat *s)
{
	const struct listener *l = s->listener;

	return !l->closing || l->closing->form != s->form || s->rank + 1 < l->nmembers[s->form];
}

/* One for each slot, whether it listens or not: an address that belongs to it must not
 * get another home because it is closed, or its worker another. Returns how many are live. */
static unsigned fill_seats(const struct listener *l, enum listener_form form, bool moving,
			   struct steer_seat *out)
{
	const struct pool *p = l->pool;
	bool nobody = !listener_is_served(l);
	unsigned live = 0;

	for (unsigned i = 0; i < p->nslots_made; i++) {
		const struct slot *slot = p->slots[i];
		const struct seat *s = &l->seats[form][slot->place];

		/* With nobody there the one that comes next gets what waited for it. */
		out[i].rank = s->rank;
		out[i].live = s->listens && !s->out && s != l->closing &&
			      (moving || keeps_number(s)) &&
			      (nobody ? may_serve(slot) : is_live_for(slot, l));
		live += out[i].live;
	}
	return live;
}

static int any_socket(const struct listener *l, enum listener_form form)
{
	each_seat(s, l, form) if (s->listens && !s->out) return s->fd;
	return -1;
}

/* false: it is steered, or refuses, as before. */
static bool steer_form(struct listener *l, enum listener_form form)
{
	static struct sock_filter code[BPF_MAXINSNS]; /* single-threaded */
	static struct steer_seat seats[STEER_SEATS_MAX];
	const struct pool *p = l->pool;
	int n = -E2BIG;

	if (p->nslots_made <= STEER_SEATS_MAX) {
		if (fill_seats(l, form, false, seats) == 0)
			(void)fill_seats(l, form, true, seats); /* the last one alone */
		n = steer_program(seats, p->nslots_made, p->conf->balance == BALANCE_STICKY, code);
	}
	if (n > 0)
		n = steer_attach(any_socket(l, form), code, (unsigned short)n);
	if (n < 0 && n != -ENOENT)
		log_warn("%s: new connections of %s cannot be steered: %s", p->conf->name,
			 l->spec.shown, strerror(-n));
	return n >= 0;
}

static bool live_changed(struct pool *p)
{
	bool changed = p->steer_anew;

	p->steer_anew = false;
	for (unsigned i = 0; i < p->nslots; i++) {
		uint64_t bit = 1ull << (i % 64), *word = &p->live[i / 64];
		bool live = slot_serves(p->slots[i]);

		if (live == !!(*word & bit))
			continue;
		*word ^= bit;
		changed = true;
	}
	return changed;
}

/* The .socket unit of one that is lent listens on when we have gone. */
static bool can_refuse(const struct listener *l)
{
	if (!listener_is_group(l) && !listener_is_path(l))
		return false;
	for (unsigned f = 0; f < FORMS; f++)
		each_seat(s, l, f) if (s->lent) return false;
	return true;
}

static int refuse(struct listener *l)
{
	int r = 0;

	if (listener_is_path(l)) {
		path_hide(l);
		return path_seat(l) ? -EACCES : 0;
	}
	for (unsigned f = 0; f < FORMS && r == 0; f++) {
		int fd = any_socket(l, f);

		r = fd < 0 ? 0 : steer_refuse(fd); /* where nobody listens all are refused */
	}
	if (r < 0)
		log_debug("%s: new connections of %s cannot be refused: %s", l->pool->conf->name,
			  l->spec.shown, strerror(-r));
	return r;
}

int listeners_refuse(struct pool *p)
{
	int r = p->listeners && listeners_next(p, NULL) ? 0 : -EOPNOTSUPP;

	/* All or none: who could still be reached would never be done. */
	each_listener(l, p) if (r == 0) r = can_refuse(l) ? 0 : -EOPNOTSUPP;
	each_listener(l, p) if (r == 0) r = refuse(l);
	return r;
}

static void steer(struct listener *l)
{
	bool refuses = listener_is_leaving(l) && !listener_is_served(l) && can_refuse(l);
	bool stays = false;

	if (refuses) {
		l->refuses = refuse(l) == 0;
		return;
	}
	/* One that comes back refuses until it has somebody, also one socket alone: it may be
	 * that of who has left, and is then the next one's. */
	for (unsigned f = 0; f < FORMS; f++)
		if (l->nlistening[f] > 1 || (l->refuses && l->nlistening[f] > 0))
			stays |= !steer_form(l, f);
	l->refuses &= stays;
}

void listeners_steer(struct pool *p)
{
	if (!p->listeners || !p->slots)
		return;
	eras_settle(p);
	if (!live_changed(p))
		return;
	/* Nobody is chosen any more, and one may have joined, or come back as a new group. */
	if (p->refuses) {
		ignore(listeners_refuse(p));
		return;
	}
	each_listener(l, p) if (listener_is_group(l)) steer(l);
}

/* Who joins gets nothing before it serves: the group has to steer by then. */
static void steer_first(struct seat *s)
{
	struct listener *l = s->listener;

	if (listener_is_group(l) && l->nlistening[s->form] == 1 && l->pool->slots &&
	    l->pool->live && !l->pool->refuses)
		ignore(steer_form(l, s->form));
}

int listener_start_seat(struct seat *s, struct err *e)
{
	bool listened = s->listens;
	int r;

	if (!listened)
		steer_first(s);
	r = seat_listen(s, e);
	s->listener->pool->steer_anew |= r == 0 && !listened;
	if (r == 0)
		listeners_steer(s->listener->pool); /* its worker may have it only now */
	return r;
}

size_t listeners_of(const struct life *of, int *fds, size_t max)
{
	size_t n = 0;

	for (unsigned i = 0; i < of->sockets.n; i++)
		for (unsigned f = 0; f < FORMS; f++) {
			const struct seat *s = listener_seat_of(of->sockets.on[i], f, of);

			if (s && s->listens && n < max)
				fds[n++] = s->fd;
		}
	return n;
}

bool listeners_steer_away(const struct life *l)
{
	const struct pool *p = l->pool;
	bool past = l->sockets.n > 0;

	listeners_steer(l->pool);
	for (unsigned i = 0; i < l->sockets.n && past; i++) {
		const struct listener *on = l->sockets.on[i];

		past = listener_is_group(on) ? p->refuses || on->refuses || listener_is_served(on) :
					       path_leads_past(on, l);
	}
	return past;
}

/* Nothing goes there while it is closed, and the numbers are right again after it. */
static void vacate_seat(struct seat *s)
{
	struct listener *l = s->listener;
	struct pool *p = l->pool;

	/* The last one keeps the address: see nobodys(). */
	if (!s->listens || s->lent || l->nlistening[s->form] < 2)
		return;
	l->closing = s;
	p->steer_anew = true;
	listeners_steer(p);
	seat_close(s);
	l->closing = NULL;
	p->steer_anew = true;
	listeners_steer(p);
}

static void vacate_place(struct pool *p, unsigned place)
{
	each_listener(l, p) for (unsigned f = 0; f < FORMS;
				 f++) if (listener_is_group(l) && l->seats[f])
		vacate_seat(&l->seats[f][place]);
}

void listeners_vacate(struct slot *s)
{
	s->vacant = true;
	vacate_place(s->pool, s->place);
}

void listeners_give_up(struct pool *p, unsigned place)
{
	if (place < p->places && place_is_free(p, place))
		vacate_place(p, place);
}
