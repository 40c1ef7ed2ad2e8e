/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "kernel/steer.h"
#include "super/eras.h"
#include "super/pool.h"
#include "super/seats.h"

static unsigned capacity(const struct pool *p)
{
	return p->listeners_max;
}

static struct seat *seat_of_place(const struct listener *l, enum listener_form form, unsigned place)
{
	return l->seats[form] ? &l->seats[form][listener_is_group(l) ? place : 0] : NULL;
}

struct seat *listener_seat_of(const struct listener *l, enum listener_form form,
			      const struct life *of)
{
	return listener_is_path(l) ? path_seat_of(l, of->era) : seat_of_place(l, form, of->place);
}

void listener_publish(struct listener *l)
{
	struct pool *p = l->pool;

	if (listener_is_path(l))
		return; /* who asks gets those of its era: listeners_fds() */
	for (unsigned place = 0; place < p->places; place++) {
		int *at = &p->place_fds[place][l->index];

		*at = -1;
		for (unsigned f = 0; f < FORMS; f++) {
			const struct seat *s = seat_of_place(l, f, place);

			if (s && s->listens)
				*at = s->fd;
		}
	}
}

static void publish_paths(const struct life *of)
{
	for (unsigned i = 0; i < of->pool->nlisteners; i++) {
		const struct listener *l = &of->pool->listeners[i];
		const struct seat *s = listener_is_path(l) ? path_seat_of(l, of->era) : NULL;

		if (listener_is_path(l))
			of->pool->place_fds[of->place][i] = s && s->listens ? s->fd : -1;
	}
}

/* ---- opening ---- */

int listener_make_seats(struct listener *l, enum listener_form form)
{
	if (l->seats[form])
		return 0;
	l->seats[form] = calloc(l->nseats, sizeof(*l->seats[form]));
	if (!l->seats[form])
		return -ENOMEM;
	for (unsigned i = 0; i < l->nseats; i++)
		seat_init(&l->seats[form][i], l, form);
	return 0;
}

/* The last one of a form outlives its slot, since it keeps the address: see vacate_seat(). */
static struct seat *nobodys(const struct listener *l, enum listener_form form)
{
	if (!listener_is_group(l))
		return NULL;
	each_seat(s, l, form)
	{
		const struct slot *owner = s->fd < 0 ? NULL : place_owner(l->pool, seat_index(s));

		if (s->fd >= 0 && (!owner || owner->vacant) &&
		    !place_is_held(l->pool, seat_index(s), NULL))
			return s;
	}
	return NULL;
}

int listener_seat(struct listener *l, enum listener_form form, const struct life *who,
		  struct seat **ret)
{
	int r = listener_make_seats(l, form);
	struct seat *s, *from;

	if (r < 0)
		return r;
	if (listener_is_path(l)) {
		*ret = path_seat_for(l, who);
		return 0;
	}
	s = seat_of_place(l, form, who->place);
	from = s->fd < 0 ? nobodys(l, form) : NULL;
	if (from) {
		r = seat_adopt(s, from);
		listener_publish(l);
		l->pool->steer_anew = true;
	}
	*ret = s;
	return r;
}

/* The program decides the form, so both are ours until it has (traps 7). */
static int hold_v4(struct listener *l, struct err *e)
{
	int r = listener_make_seats(l, FORM_V4);

	return r < 0 ? err_set(e, r, "out of memory") : seat_hold(&l->seats[FORM_V4][0], e);
}

static bool is_v6(int fd)
{
	int family = 0;
	socklen_t len = sizeof(family);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) == 0 && family == AF_INET6;
}

/* Also before there are any. */
static unsigned slots_of(const struct pool *p)
{
	unsigned n = (unsigned)p->conf->workers;

	return n > p->nslots_made ? n : p->nslots_made;
}

int listener_begin(struct listener *l, bool at_once, struct err *e)
{
	enum protocol proto = l->pool->conf->protocol;
	bool by_program = proto == PROTO_BIND || proto == PROTO_AUTO;
	int r = listener_make_seats(l, FORM_CONFIGURED);
	unsigned n;

	if (r < 0)
		return err_set(e, r, "out of memory");
	l->seats[FORM_CONFIGURED][0].era = l->pool->eras.path;
	r = seat_hold(&l->seats[FORM_CONFIGURED][0], e);
	if (r == 0)
		l->no_v6 = l->spec.dual_stack && !is_v6(l->seats[FORM_CONFIGURED][0].fd);
	if (r == 0 && by_program && l->spec.dual_stack && !l->no_v6)
		r = hold_v4(l, e);
	n = listener_is_group(l) ? l->nseats : 1;
	for (unsigned i = 0; r == 0 && at_once && i < n && i < slots_of(l->pool); i++)
		r = seat_listen(&l->seats[FORM_CONFIGURED][i], e);
	listener_publish(l);
	return r;
}

struct listener *listener_add(struct pool *p, const struct listen_spec *spec)
{
	struct listener *l = &p->listeners[p->nlisteners];

	if (p->nlisteners == capacity(p))
		return NULL;
	*l = (struct listener){ .pool = p, .index = p->nlisteners, .spec = *spec, .nseats = 1 };
	if (config_has_groups(p->conf))
		l->nseats = spec->addr.ss_family == AF_UNIX ? SOCKFILES_MAX : p->places;
	p->nlisteners++;
	return l;
}

/* Rows for places up to n. */
static int make_rows(struct pool *p, unsigned n)
{
	uint64_t *live = realloc(p->live, LIVE_WORDS(n) * sizeof(*live));
	int **fds = realloc(p->place_fds, n * sizeof(int *));

	if (live)
		p->live = live;
	if (fds)
		p->place_fds = fds;
	if (!live || !fds)
		return -ENOMEM;
	for (unsigned i = LIVE_WORDS(p->places); i < LIVE_WORDS(n); i++)
		live[i] = 0;
	while (p->places < n) {
		int *row = calloc(capacity(p), sizeof(*row));

		if (!row)
			return -ENOMEM;
		for (unsigned i = 0; i < capacity(p); i++)
			row[i] = -1;
		fds[p->places++] = row;
	}
	return 0;
}

static int allocate(struct pool *p, unsigned places)
{
	p->nlisteners = p->places = 0;
	p->listeners_max = p->conf->nlistens;
	if (p->conf->unlisted != UNLISTED_REFUSE)
		p->listeners_max += UNLISTED_MAX;
	p->listeners = calloc(capacity(p), sizeof(*p->listeners));
	return p->listeners ? make_rows(p, places) : -ENOMEM;
}

int listeners_again(struct pool *p, unsigned places)
{
	return allocate(p, places);
}

bool listeners_are_offered(const struct pool *p)
{
	enum protocol proto = p->conf->protocol;

	return proto == PROTO_SYSTEMD || (proto == PROTO_AUTO && !p->binds && p->conf->spares == 0);
}

int listeners_open(struct pool *p, struct err *e)
{
	enum protocol proto = p->conf->protocol;
	bool at_once = (proto != PROTO_BIND && proto != PROTO_AUTO) || listeners_are_offered(p);
	int r;

	for (unsigned i = 0; i < p->nslots_made; i++)
		p->slots[i]->place = i;
	/* One more for a twin, from the start: who joins a group that steers already gets
	 * nothing before it is meant to. */
	r = allocate(p, slots_of(p) + config_has_groups(p->conf));
	if (r < 0)
		return err_set(e, r, "out of memory");
	for (unsigned i = 0; i < p->conf->nlistens && r == 0; i++) {
		struct listener *l = listener_add(p, &p->conf->listens[i]);

		/* A program that opens its socket itself says when it listens. */
		r = listener_begin(l, at_once, e);
	}
	return r;
}

static in_port_t port_of(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)a)->sin_port;
	return a->ss_family == AF_INET6 ?
		       ((const struct sockaddr_in6 *)(const void *)a)->sin6_port :
		       0;
}

/* By a pool that may be about to give it up, or by who started us. */
static bool is_ours(const struct master *m, const struct listen_spec *s)
{
	bool ours = port_of(&s->addr) == 0 || m->inherited.n > 0;

	for (unsigned i = 0; i < m->npools; i++)
		for (unsigned k = 0; m->pools[i]->listeners && k < m->pools[i]->nlisteners; k++)
			ours |= port_of(&m->pools[i]->listeners[k].spec.addr) == port_of(&s->addr);
	return ours;
}

int listeners_try(const struct master *m, const struct pool_config *conf, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < conf->nlistens; i++) {
		const struct listen_spec *s = &conf->listens[i];
		struct listener_spec spec = { .shown = s->shown,
					      .addr = s->addr,
					      .addr_len = s->addr_len,
					      .dual_stack = s->dual_stack,
					      .backlog = conf->backlog };
		AUTO_FD int fd = -1;

		if (!is_ours(m, s))
			r = listener_hold(&spec, &fd, e);
	}
	return r;
}

static void listener_done(struct listener *l)
{
	struct listener_spec spec = seat_spec(l, FORM_CONFIGURED);

	for (unsigned f = 0; f < FORMS; f++) {
		each_seat(s, l, f) seat_close(s);
		free(l->seats[f]);
	}
	if (l->apart)
		sockfile_clean(&spec);
	free(l->owned);
}

static bool stays(const struct listener *l)
{
	const struct pool_config *next = l->pool->pending;

	for (unsigned i = 0; next && i < next->nlistens; i++)
		if (listen_specs_collide(&l->spec, &next->listens[i]))
			return true;
	return false;
}

void listeners_keep_open(struct pool *p)
{
	for (unsigned i = 0; p->listeners && i < p->nlisteners; i++)
		each_seat(s, &p->listeners[i], FORM_CONFIGURED)
		{
			int fd = stays(s->listener) && seat_can_be_kept(s) ? seat_release(s) : -1;

			if (fd >= 0)
				ignore(inherited_keep(&p->kept, &fd));
		}
}

void listeners_drop_kept(struct pool *p)
{
	struct listener_spec spec;
	socklen_t len;

	for (unsigned i = 0; i < p->kept.n; i++) {
		spec = (struct listener_spec){ .addr.ss_family = AF_UNSPEC };
		len = sizeof(spec.addr);
		if (p->kept.list[i].fd >= 0 &&
		    getsockname(p->kept.list[i].fd, (struct sockaddr *)&spec.addr, &len) == 0)
			listener_unlink(&spec);
	}
	/* Shut down, so that who waits there hears. */
	ignore((int)inherited_settle(&p->kept));
	inherited_close(&p->kept);
}

void listeners_close(struct pool *p)
{
	for (unsigned i = 0; p->listeners && i < p->nlisteners; i++)
		listener_done(&p->listeners[i]);
	for (unsigned i = 0; i < p->places; i++)
		free(p->place_fds[i]);
	p->places = 0;
	free(p->listeners);
	free(p->place_fds);
	free(p->live);
	p->listeners = NULL;
	p->place_fds = NULL;
	p->live = NULL;
	p->nlisteners = 0;
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
	int r = p->listeners && n > p->places ? make_rows(p, n) : 0;

	for (unsigned i = 0; r == 0 && p->listeners && i < p->nlisteners; i++) {
		struct listener *l = &p->listeners[i];
		bool group = config_has_groups(p->conf) && l->spec.addr.ss_family != AF_UNIX;

		for (unsigned f = 0; group && l->nseats < n && r == 0 && f < FORMS; f++)
			if (l->seats[f])
				r = grow_form(l, f, n);
		if (group && l->nseats < n && r == 0)
			l->nseats = n;
		listener_publish(l);
	}
	p->steer_anew = true;
	return r;
}

static int free_place(struct pool *p, unsigned *ret)
{
	for (*ret = 0; *ret < p->places; ++*ret)
		if (place_is_free(p, *ret))
			return 0;
	return p->listeners ? grow(p, p->places + 1) : 0;
}

int listeners_twin_place(const struct slot *s, unsigned *ret)
{
	*ret = s->place;
	return config_has_groups(s->pool->conf) ? free_place(s->pool, ret) : 0;
}

int listeners_grow(struct pool *p, unsigned slots)
{
	unsigned more = slots - p->nslots_made;

	return p->listeners ? grow(p, p->places + more) : 0;
}

int listeners_settle(struct slot *s)
{
	return s->pool->listeners ? free_place(s->pool, &s->place) : 0;
}

void listeners_restore(struct pool *p)
{
	for (unsigned i = 0; p->listeners && i < p->nlisteners; i++)
		for (unsigned f = 0; f < FORMS; f++)
			each_seat(s, &p->listeners[i], f) seat_restore(s);
}

/* ---- looking ---- */

const int *listeners_fds(const struct life *l)
{
	if (!l->pool->place_fds)
		return NULL;
	publish_paths(l);
	return l->pool->place_fds[l->place];
}

static bool is_shared_now(const struct listener *on, const struct life *l)
{
	return listener_is_path(on) ? path_is_held(on, path_seat_of(on, l->era), l) :
				      l->pool->lives > 1;
}

void listeners_lend(const struct life *l)
{
	const struct pool *p = l->pool;
	const int *fds = listeners_fds(l);

	for (unsigned i = 0; i < p->conf->nlistens; i++) {
		/* Of one for all somebody else may be the user: this one is being born. */
		bool held = listener_is_group(&p->listeners[i]) ?
				    place_is_held(p, l->place, l) :
				    is_shared_now(&p->listeners[i], l);
		int flags = held ? -1 : fcntl(fds[i], F_GETFL);

		if (flags >= 0)
			ignore(fcntl(fds[i], F_SETFL, flags & ~O_NONBLOCK));
	}
}

unsigned listeners_count(const struct pool *p)
{
	return p->nlisteners;
}

unsigned listeners_sockets(const struct listener *l, int *fds, unsigned max)
{
	unsigned n = 0;

	for (unsigned f = 0; f < FORMS; f++)
		each_seat(s, l, f) if (s->listens && n < max) fds[n++] = s->fd;
	return n;
}

void listener_close_form(struct listener *l, enum listener_form form)
{
	each_seat(s, l, form) seat_close(s);
	listener_publish(l);
}

void listeners_rebase(struct pool *p)
{
	unsigned k = 0;

	for (unsigned i = 0; p->listeners && i < p->nlisteners && k < p->conf->nlistens; i++) {
		struct listen_spec *spec = &p->listeners[i].spec;
		struct listen_spec next = p->conf->listens[k];

		if (p->listeners[i].owned)
			continue;
		k++;
		/* The socket is what it is: it may be narrower than was asked for. */
		next.addr = spec->addr;
		next.addr_len = spec->addr_len;
		next.dual_stack = spec->dual_stack;
		*spec = next;
	}
}

void listeners_silence(struct pool *p)
{
	for (unsigned i = 0; p->listeners && i < p->nlisteners; i++) {
		for (unsigned f = 0; f < FORMS; f++)
			each_seat(s, &p->listeners[i], f) seat_silence(s);
		listener_publish(&p->listeners[i]);
	}
}

/* Its form is that which its program finds at its birth, or would but for a failed pool. */
static bool is_open(const struct listener *l)
{
	each_seat(s, l, FORM_CONFIGURED) if (s->silent) return true;
	return l->nlistening[FORM_CONFIGURED] > 0;
}

int listeners_occupy(struct life *of, struct err *e)
{
	struct pool *p = of->pool;
	int r = 0;

	if (of->place == of->slot->place)
		of->slot->vacant = false;
	/* Its program says when. */
	if (p->conf->protocol == PROTO_BIND ||
	    (p->conf->protocol == PROTO_AUTO && !listeners_are_offered(p)))
		return 0;
	for (unsigned i = 0; p->listeners && i < p->nlisteners && r == 0; i++) {
		struct listener *l = &p->listeners[i];
		struct seat *own;

		if (!is_open(l))
			continue;
		r = listener_seat(l, FORM_CONFIGURED, of, &own);
		if (r == 0)
			r = listener_start_seat(own, e);
		else
			r = err_sys(e, r, "%s", l->spec.shown);
	}
	return r;
}
