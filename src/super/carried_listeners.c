/* SPDX-License-Identifier: MIT */
/* carried_listeners.c - the sockets of a pool, and which of them its generations and workers
 * have, in the image of an upgrade. */
#include <errno.h>
#include <stdlib.h>

#include "super/carried.h"
#include "super/life_sockets.h"
#include "super/listeners.h"
#include "super/pool.h"
#include "super/seats.h"

/* By the pool's number. */
void carried_put_on(struct carried *c, json_t *o, struct listener *const *on, unsigned n)
{
	json_t *list = image_array(&c->im, o, "on");

	for (unsigned i = 0; i < n; i++)
		if (json_array_append_new(list, json_integer(on[i]->index)) < 0)
			image_fail(&c->im, "out of memory");
}

static struct listener *listener_of(const struct pool *p, const json_t *number)
{
	json_int_t i = json_is_integer(number) ? json_integer_value(number) : -1;

	return i >= 0 && i < (json_int_t)p->nlisteners ? p->listeners[i] : NULL;
}

/* The first of a list are those of its configuration. An older image has none: then the
 * numbers are the same. */
static void get_on(struct carried *c, const json_t *list, const struct pool *p,
		   struct generation *g)
{
	if (!p->listeners || g->on)
		return;
	g->on = calloc(g->conf->nlistens + 1, sizeof(struct listener *));
	for (unsigned i = 0; g->on && i < g->conf->nlistens; i++) {
		struct listener *l = list	       ? listener_of(p, json_array_get(list, i)) :
				     i < p->nlisteners ? p->listeners[i] :
							 NULL;

		if (!l) {
			listeners_unmap(g);
			break;
		}
		g->on[i] = listener_ref(l);
	}
	if (!g->on)
		image_fail(&c->im, "pool %s: generation %u has not all of its sockets",
			   p->conf->name, g->number);
}

void carried_get_sockets(struct carried *c, const json_t *o, struct life *l)
{
	const json_t *list = json_object_get(o, "on");

	get_on(c, list, l->pool, l->gen);
	each_listener(on, l->pool) if (!list && life_sockets_add(l, on) < 0)
		image_fail(&c->im, "out of memory");
	for (size_t i = 0; i < json_array_size(list) && l->pool->listeners; i++) {
		struct listener *on = listener_of(l->pool, json_array_get(list, i));

		if (!on || life_sockets_add(l, on) < 0)
			image_fail(&c->im, "pool %s: a worker's socket is not there",
				   l->pool->conf->name);
	}
}

static const struct field listener_fields[] = {
	FIELD(NUM, listener, at_once),	     FIELD(NUM, listener, stale),
	FIELD(TEXT, listener, owned),	     FIELD(NUM, listener, nseats),
	FIELD(RAW, listener, users),	     FIELD(NUM, listener, revived),
	FIELD(NUM, listener, no_v6),	     FIELD(RAW, listener, spec.addr),
	FIELD(NUM, listener, spec.addr_len), FIELD(NUM, listener, spec.dual_stack),
	FIELD(NUM, listener, apart),
};

static const struct field seat_fields[] = {
	FIELD(FD, seat, fd),	     FIELD(NUM, seat, listens), FIELD(NUM, seat, silent),
	FIELD(NUM, seat, out),	     FIELD(NUM, seat, lent),	FIELD(NUM, seat, rank),
	FIELD(NUM, seat, inode),     FIELD(TIMER, seat, again), FIELD(NUM, seat, window_ms),
	FIELD(NUM, seat, in_window), FIELD(NUM, seat, aside),	FIELD(NUM, seat, era),
};

static const char *const form_names[FORMS] = { "configured", "v4", "v6only" };

static void put_listener(struct carried *c, json_t *o, const struct listener *l)
{
	struct image *im = &c->im;

	image_put(im, o, listener_fields, ARRAY_LEN(listener_fields), l);
	carried_put_conf(c, o, "conf", l->conf);
	image_put_json(im, o, "at", json_integer(l->at));
	image_put_json(im, o, "index", json_integer(l->index));
	for (unsigned f = 0; f < FORMS; f++) {
		json_t *list = l->seats[f] ? image_array(im, o, form_names[f]) : NULL;

		each_seat(s, l, f)
			image_put(im, image_add(im, list), seat_fields, ARRAY_LEN(seat_fields), s);
	}
}

static void get_seats(struct carried *c, const json_t *list, struct listener *l, unsigned form)
{
	if (listener_make_seats(l, form) < 0) {
		image_fail(&c->im, "out of memory");
		return;
	}
	for (size_t i = 0; i < json_array_size(list) && i < l->nseats; i++) {
		struct seat *s = &l->seats[form][i];

		image_get(&c->im, json_array_get(list, i), seat_fields, ARRAY_LEN(seat_fields), s);
		l->nlistening[form] += s->listens;
		l->nmembers[form] += s->listens && !s->out;
		if (s->listens && !c->im.check && !s->again.armed && seat_watch(s) < 0)
			image_fail(&c->im, "%s cannot be watched", l->spec.shown);
	}
}

static struct listener *add_listener(struct carried *c, const json_t *o, struct pool *p)
{
	static const struct listen_spec of_program = { .name = "unlisted",
						       .uid = (uid_t)-1,
						       .gid = (gid_t)-1 };
	struct pool_config *conf = carried_get_conf(c, o, "conf");
	const json_t *index = json_object_get(o, "index");
	unsigned i = index ? (unsigned)json_integer_value(index) : p->nlisteners;
	json_int_t at = index ? json_integer_value(json_object_get(o, "at")) : i;

	if (json_object_get(o, "owned"))
		return listener_add(p, &of_program, i);
	if (!index) /* of an older image: those of the configuration are the first */
		conf = p->conf;
	if (!conf || at < 0 || at >= (json_int_t)conf->nlistens)
		return NULL;
	return listener_add_of(p, conf, (unsigned)at, i);
}

static void get_listener(struct carried *c, const json_t *o, struct pool *p)
{
	struct listener *l = add_listener(c, o, p);

	if (!l) {
		image_fail(&c->im, "pool %s: a socket for no address", p->conf->name);
		return;
	}
	image_get(&c->im, o, listener_fields, ARRAY_LEN(listener_fields), l);
	if (!l->conf)
		l->spec.text = l->spec.shown = l->owned ? l->owned : "?";
	if (l->spec.addr.ss_family == AF_UNIX) /* an older image has one */
		l->nseats = config_has_groups(p->conf) ? SOCKFILES_MAX : 1;
	if (l->nseats < 1 || (l->nseats > p->places && !listener_is_path(l)))
		image_fail(&c->im, "pool %s: a socket for %u places of %u", p->conf->name,
			   l->nseats, p->places);
	for (unsigned f = 0; f < FORMS && !c->im.err.code; f++)
		if (json_object_get(o, form_names[f]))
			get_seats(c, json_object_get(o, form_names[f]), l, f);
}

void carried_put_listeners(struct carried *c, json_t *o, const struct pool *p)
{
	json_t *list;

	if (!p->listeners)
		return;
	list = image_array(&c->im, o, "listeners");
	each_listener(l, p) put_listener(c, image_add(&c->im, list), l);
	if (p->gen->on)
		carried_put_on(c, o, p->gen->on, p->gen->conf->nlistens);
}

void carried_get_listeners(struct carried *c, const json_t *o, struct pool *p)
{
	const json_t *list = json_object_get(o, "listeners");
	json_int_t places = json_integer_value(json_object_get(o, "places"));

	if (!list)
		return;
	if (places < 1 || places > 1 << 20 || listeners_again(p, (unsigned)places) < 0) {
		image_fail(&c->im, "pool %s: %lld places", p->conf->name, (long long)places);
		return;
	}
	for (size_t i = 0; i < json_array_size(list) && !c->im.err.code; i++)
		get_listener(c, json_array_get(list, i), p);
	if (!c->im.err.code)
		get_on(c, json_object_get(o, "on"), p, p->gen);
}
