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
#include "super/life_sockets.h"
#include "super/pool.h"
#include "super/seats.h"

static void release_listener(struct grave *g)
{
	struct listener *l = container_of(g, struct listener, grave);

	for (unsigned f = 0; f < FORMS; f++)
		free(l->seats[f]);
	pool_config_unref(l->conf);
	free(l->owned);
	free(l);
}

struct listener *listener_ref(struct listener *l)
{
	l->refs++;
	return l;
}

void listener_unref(struct listener *l)
{
	/* An event of this batch may still carry one of its seats. */
	if (l && --l->refs == 0)
		loop_bury(&l->pool->master->loop, &l->grave);
}

struct listener *listeners_next(const struct pool *p, const struct listener *after)
{
	for (unsigned i = after ? after->index + 1 : 0; i < p->nlisteners; i++)
		if (p->listeners[i])
			return p->listeners[i];
	return NULL;
}

static struct seat *seat_of_place(const struct listener *l, enum listener_form form, unsigned place)
{
	if (!l->seats[form] || (listener_is_group(l) && place >= l->nseats))
		return NULL; /* it was closed before the pool had so many places */
	return &l->seats[form][listener_is_group(l) ? place : 0];
}

struct seat *listener_seat_of(const struct listener *l, enum listener_form form,
			      const struct life *of)
{
	return listener_is_path(l) ? path_seat_of(l, of->era) : seat_of_place(l, form, of->place);
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
		l->pool->steer_anew = true;
	}
	*ret = s;
	return r;
}

/* The program decides the form, so both are ours until it has (traps 7). */
static int hold_v4(struct listener *l, unsigned place, struct err *e)
{
	int r = listener_make_seats(l, FORM_V4);

	return r < 0 ? err_set(e, r, "out of memory") : seat_hold(&l->seats[FORM_V4][place], e);
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

int listener_begin(struct listener *l, bool at_once, unsigned place, unsigned n, struct err *e)
{
	enum protocol proto = l->pool->conf->protocol;
	bool by_program = proto == PROTO_BIND || proto == PROTO_AUTO;
	bool group = listener_is_group(l);
	int r = listener_make_seats(l, FORM_CONFIGURED);
	struct seat *first;

	if (r < 0)
		return err_set(e, r, "out of memory");
	l->at_once = at_once;
	place = group ? place : 0;
	first = &l->seats[FORM_CONFIGURED][place];
	first->era = l->pool->eras.path;
	r = seat_hold(first, e);
	if (r == 0)
		l->no_v6 = l->spec.dual_stack && !is_v6(first->fd);
	if (r == 0 && by_program && l->spec.dual_stack && !l->no_v6)
		r = hold_v4(l, place, e);
	n = group ? n : 1;
	for (unsigned i = place; r == 0 && at_once && i < place + n && i < l->nseats; i++)
		r = seat_listen(&l->seats[FORM_CONFIGURED][i], e);
	return r;
}

static unsigned first_hole(const struct pool *p)
{
	unsigned i = 0;

	while (i < p->nlisteners && p->listeners[i])
		i++;
	return i;
}

static bool make_entry(struct pool *p, unsigned index)
{
	struct listener **more;

	if (index < p->nlisteners)
		return !p->listeners[index];
	more = index < LISTENERS_MAX ? realloc(p->listeners, (index + 1) * sizeof(*more)) : NULL;
	if (!more)
		return false;
	p->listeners = more;
	while (p->nlisteners <= index)
		p->listeners[p->nlisteners++] = NULL;
	return true;
}

struct listener *listener_add(struct pool *p, const struct listen_spec *spec, unsigned index)
{
	unsigned at = index == LISTENER_ANYWHERE ? first_hole(p) : index;
	struct listener *l = make_entry(p, at) ? calloc(1, sizeof(*l)) : NULL;

	if (!l)
		return NULL;
	*l = (struct listener){ .refs = 1, .pool = p, .index = at, .spec = *spec, .nseats = 1 };
	l->grave.release = release_listener;
	list_init(&l->grave.node);
	if (config_has_groups(p->conf))
		l->nseats = spec->addr.ss_family == AF_UNIX ? SOCKFILES_MAX : p->places;
	p->listeners[at] = l;
	return l;
}

struct listener *listener_add_of(struct pool *p, struct pool_config *conf, unsigned at,
				 unsigned index)
{
	struct listener *l = listener_add(p, &conf->listens[at], index);

	if (!l)
		return NULL;
	l->conf = pool_config_ref(conf);
	l->at = at;
	l->stale = true;
	return l;
}

static int allocate(struct pool *p, unsigned places)
{
	p->nlisteners = p->places = 0;
	p->listeners = calloc(p->conf->nlistens + 1, sizeof(struct listener *));
	return p->listeners ? places_make(p, places) : -ENOMEM;
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

bool listeners_begin_at_once(const struct pool *p, const struct pool_config *conf)
{
	return (conf->protocol != PROTO_BIND && conf->protocol != PROTO_AUTO) ||
	       listeners_are_offered(p);
}

int listeners_open(struct pool *p, struct err *e)
{
	bool at_once = listeners_begin_at_once(p, p->conf);
	int r;

	for (unsigned i = 0; i < p->nslots_made; i++)
		p->slots[i]->place = i;
	/* One more for a twin, from the start: who joins a group that steers already gets
	 * nothing before it is meant to. */
	r = allocate(p, slots_of(p) + config_has_groups(p->conf));
	if (r < 0)
		r = err_set(e, r, "out of memory");
	for (unsigned i = 0; i < p->conf->nlistens && r == 0; i++) {
		struct listener *l = listener_add_of(p, p->conf, i, i);

		/* A program that opens its socket itself says when it listens. */
		r = l ? listener_begin(l, at_once, 0, slots_of(p), e) :
			err_set(e, -ENOMEM, "out of memory");
	}
	if (r == 0 && p->gen && listeners_map(p, p->gen) < 0)
		r = err_set(e, -ENOMEM, "out of memory");
	if (r < 0)
		listeners_close(p); /* it listens nowhere, or everywhere */
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
		each_listener(l, m->pools[i]) ours |= port_of(&l->spec.addr) == port_of(&s->addr);
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

	for (unsigned f = 0; f < FORMS; f++)
		each_seat(s, l, f) seat_close(s);
	if (l->apart)
		sockfile_clean(&spec);
}

void listener_remove(struct listener *l)
{
	struct pool *p = l->pool;

	listener_done(l);
	p->listeners[l->index] = NULL;
	listener_unref(l);
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
	each_listener(l, p) each_seat(s, l, FORM_CONFIGURED)
	{
		int fd = stays(l) && seat_can_be_kept(s) ? seat_release(s) : -1;

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
	each_listener(l, p) listener_remove(l);
	if (p->gen)
		listeners_unmap(p->gen);
	if (p->rolled_from)
		listeners_unmap(p->rolled_from);
	free(p->listeners);
	free(p->live);
	p->listeners = NULL;
	p->live = NULL;
	p->nlisteners = p->places = 0;
}

void listeners_restore(struct pool *p)
{
	each_listener(l, p) for (unsigned f = 0; f < FORMS; f++) each_seat(s, l, f) seat_restore(s);
}

/* ---- looking ---- */

static bool is_shared_now(const struct listener *on, const struct life *l)
{
	return listener_is_path(on) ? path_is_held(on, path_seat_of(on, l->era), l) :
				      l->pool->lives > 1;
}

void listeners_lend(const struct life *l)
{
	const int *fds = life_sockets_fds(l);

	for (unsigned i = 0; i < life_sockets_configured(l); i++) {
		const struct listener *on = life_sockets_of(l, i);
		/* Of one for all somebody else may be the user: this one is being born. */
		bool held = listener_is_group(on) ? place_is_held(l->pool, l->place, l) :
						    is_shared_now(on, l);
		int flags = held ? -1 : fcntl(fds[i], F_GETFL);

		if (flags >= 0)
			ignore(fcntl(fds[i], F_SETFL, flags & ~O_NONBLOCK));
	}
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
}

void listeners_silence(struct pool *p)
{
	each_listener(l, p) for (unsigned f = 0; f < FORMS; f++) each_seat(s, l, f) seat_silence(s);
}

bool listener_is_open(const struct listener *l)
{
	for (unsigned f = 0; f < FORMS; f++)
		each_seat(s, l, f) if (s->fd >= 0 || s->silent) return true;
	return false;
}

/* Its form is that which its program finds at its birth, or would but for a failed pool. */
static bool is_found_at_birth(const struct listener *l)
{
	bool any = false;

	each_seat(s, l, FORM_CONFIGURED) if (s->silent) return true;
	for (unsigned f = 0; f < FORMS; f++)
		any |= l->nlistening[f] > 0 || l->users[f] > 0;
	return any ? l->nlistening[FORM_CONFIGURED] > 0 : l->at_once; /* nobody has had it yet */
}

int listener_occupy(struct listener *l, const struct life *of, struct err *e)
{
	struct seat *own;
	int r;

	if (!is_found_at_birth(l))
		return 0;
	r = listener_seat(l, FORM_CONFIGURED, of, &own);
	return r == 0 ? listener_start_seat(own, e) : err_sys(e, r, "%s", l->spec.shown);
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
	for (unsigned i = 0; i < of->sockets.n && r == 0; i++)
		r = listener_occupy(of->sockets.on[i], of, e);
	/* What siblings have asked for: its program may. */
	each_listener(l, p) if (r == 0 && listener_is_programs(l) && life_sockets_number(of, l) < 0)
		r = listener_occupy(l, of, e);
	return r;
}
