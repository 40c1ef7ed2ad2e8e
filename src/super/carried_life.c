/* SPDX-License-Identifier: MIT */
/* carried_life.c - one process, its descriptors, and what is known of it. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "kernel/scm.h"
#include "super/acks.h"
#include "super/binds.h"
#include "super/carried.h"
#include "super/dispatch.h"
#include "super/fsm.h"
#include "super/leaf.h"
#include "super/life.h"
#include "super/live.h"

static const struct field life_fields[] = {
	FIELD(NUM, life, place),
	FIELD(NUM, life, era),
	FIELD(NUM, life, number),
	FIELD(NUM, life, generation),
	FIELD(NUM, life, state),
	FIELD(NUM, life, hinted),
	FIELD(NUM, life, was_ready),
	FIELD(NUM, life, suicide),
	FIELD(NUM, life, exec_seen),
	FIELD(NUM, life, from_spare),
	FIELD(NUM, life, has_sockets),
	FIELD(NUM, life, notify_is_sealed),
	FIELD(NUM, life, strangers),
	FIELD(NUM, life, pin_late),
	FIELD(NUM, life, replaced),
	FIELD(NUM, life, asked),
	FIELD(NUM, life, born_ms),
	FIELD(NUM, life, ready_ms),
	FIELD(INT, life, pid),
	FIELD(INT, life, inner_pid),
	FIELD(RAW, life, cpus),
	FIELD(TEXT, life, status_text),
	FIELD(TEXT, life, detail),
	FIELD(TIMER, life, deadline),
	FIELD(TIMER, life, watchdog),
	FIELD(NUM, life, total_oom),
	FIELD(NUM, life, watchdog_ms),
	FIELD(NUM, life, silent_since_ms),
	FIELD(NUM, life, online),
	FIELD(NUM, life, wants_socket),
	FIELD(NUM, life, drained),
	FIELD(NUM, life, extended_ms),
	FIELD(RAW, life, binding.taken),
	FIELD(RAW, life, binding.kept),
	FIELD(NUM, life, binding.listening),
	FIELD(TIMER, life, binding.settle),
	FIELD(INT, life, bus.credit_ms),
	FIELD(NUM, life, bus.taken),
	FIELD(NUM, life, bus.deaf),
	FIELD(NUM, life, bus.knows_pool_ready),
	FIELD(NUM, life, bus.said_fast),
	FIELD(NUM, life, bus.said_deaf),
	FIELD(NUM, life, bus.said_again),
	FIELD(NUM, life, bus.said_undelivered),
	FIELD(NUM, life, bus.sent),
	FIELD(NUM, life, bus.received),
	FIELD(NUM, life, bus.undelivered),
	FIELD(NUM, life, bus.dropped),
	FIELD(TIMER, life, dispatch.late),
	FIELD(NUM, life, dispatch.stalled),
	FIELD(NUM, life, dispatch.said_late),
	FIELD(NUM, life, dispatch.said_strange),
	FIELD(NUM, life, dispatch.taken),
	FIELD(NUM, life, dispatch.refused),
	FIELD(NUM, life, dispatch.strange),
	FIELD(NUM, life, readiness.exec_ms),
	FIELD(TIMER, life, recycle.timer),
	FIELD(NUM, life, recycle.why),
	FIELD(TIMER, life, observe.look),
	FIELD(NUM, life, observe.began_ms),
	FIELD(NUM, life, observe.step_ms),
	FIELD(NUM, life, observe.quiet),
	FIELD(NUM, life, observe.word),
	FIELD(NUM, life, observe.picture.hash),
	FIELD(NUM, life, observe.picture.since_ms),
	FIELD(FD, life, init.fd),
	FIELD(INT, life, init.pid),
	FIELD(FD, life, worker_fd),
	FIELD(FD, life, leaf_fd),
	FIELD(FD, life, events_fd),
	FIELD(FD, life, report_fd),
	FIELD(FD, life, lifeline_fd),
	FIELD(FD, life, out.fd),
	FIELD(FD, life, err.fd),
	FIELD(TEXT, life, leaf_name),
	FIELD(NUM, life, holding),
	FIELD(NUM, life, used.cpu_usec),
	FIELD(NUM, life, used.throttled_usec),
	FIELD(NUM, life, used.io_read_bytes),
	FIELD(NUM, life, used.io_write_bytes),
	FIELD(NUM, life, used.memory_peak_bytes),
	FIELD(NUM, life, pids_said),
	FIELD(NUM, life, high_said),
	FIELD(NUM, life, limit_said_ms),
};

/* ---- its channel ---- */

static const struct field channel_fields[] = {
	FIELD(NUM, channel, asked),	 FIELD(NUM, channel, waiting_ack),
	FIELD(NUM, channel, giving),	 FIELD(NUM, channel, handed),
	FIELD(RAW, channel, open),	 FIELD(RAW, channel, told),
	FIELD(RAW, channel, free_ports), FIELD(NUM, channel, nfree_ports),
	FIELD(NUM, channel, next_fd),
};

static const struct field query_fields[] = {
	FIELD(NUM, node_query, seq),	   FIELD(INT, node_query, error),
	FIELD(NUM, node_query, listener),  FIELD(NUM, node_query, v6),
	FIELD(NUM, node_query, free_port), FIELD(RAW, node_query, addr),
};

/* listen() calls of a Node program: a parked spare's wait until it has a slot. */
static void put_queries(struct image *im, json_t *o, const struct channel *ch)
{
	json_t *list = json_array();

	image_put_json(im, o, "queries", list);
	for (unsigned i = 0; i < ch->nqueries; i++)
		image_put(im, image_add(im, list), query_fields, ARRAY_LEN(query_fields),
			  &ch->queries[i]);
}

static void get_queries(struct image *im, const json_t *list, struct channel *ch)
{
	size_t n = json_array_size(list);

	if (n == 0)
		return;
	ch->queries = calloc(NODE_QUERIES, sizeof(*ch->queries));
	if (!ch->queries || n > NODE_QUERIES) {
		image_fail(im, "%zu listen() calls of one worker", n);
		return;
	}
	for (; ch->nqueries < n; ch->nqueries++)
		image_get(im, json_array_get(list, ch->nqueries), query_fields,
			  ARRAY_LEN(query_fields), &ch->queries[ch->nqueries]);
}

/* Sockets that were sent to it, by their place. */
static void put_fds(struct image *im, json_t *o, const struct channel_word *w)
{
	json_t *list = json_object();
	char place[16];

	image_put_json(im, o, "fds", list);
	for (unsigned i = 0; i < w->nfds; i++) {
		(void)snprintf(place, sizeof(place), "%u", i);
		image_put_fd(im, list, place, w->fds[i]);
	}
}

static unsigned get_fds(struct image *im, const json_t *list, int fds[SCM_FDS_MAX])
{
	unsigned n = 0;
	char place[16] = "0";

	while (n < SCM_FDS_MAX && json_object_get(list, place)) {
		fds[n] = image_get_fd(im, list, place);
		if (fds[n] < 0)
			break;
		(void)snprintf(place, sizeof(place), "%u", ++n);
	}
	return n;
}

static void put_words(struct image *im, json_t *o, const struct channel *ch)
{
	json_t *list = json_array();
	struct channel_word w;

	image_put_json(im, o, "words", list);
	for (unsigned i = 0; channel_waiting(ch, i, &w); i++) {
		json_t *to = image_add(im, list);

		image_put_bytes(im, to, "bytes", w.bytes, w.len);
		image_put_json(im, to, "message", json_boolean(w.is_message));
		if (w.nfds > 0)
			put_fds(im, to, &w);
	}
}

static void put_channel(struct image *im, json_t *o, const struct channel *ch)
{
	image_put_fd(im, o, "fd", ch->fd);
	/* Over, but for the end of the process: nothing is read there. */
	image_put_json(im, o, "live", json_boolean(ch->source.live));
	image_put(im, o, channel_fields, ARRAY_LEN(channel_fields), ch);
	image_put_json(im, o, "taken", json_integer((json_int_t)ch->out.taken));
	image_put_bytes(im, o, "half", ch->buf, ch->buf_len);
	put_words(im, o, ch);
	put_queries(im, o, ch);
}

static void get_words(struct image *im, const json_t *list, struct channel *ch)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);
		struct channel_word w = { 0 };
		int fds[SCM_FDS_MAX];

		w.bytes = image_get_bytes(im, o, "bytes", &w.len);
		w.is_message = json_is_true(json_object_get(o, "message"));
		w.nfds = get_fds(im, json_object_get(o, "fds"), fds);
		w.fds = fds;
		if (w.bytes)
			channel_say_again(ch, &w);
		for (unsigned k = 0; k < w.nfds; k++)
			fd_close(&fds[k]);
	}
}

static void get_channel(struct carried *c, const json_t *o, struct life *l)
{
	struct channel *ch = &l->channel;
	int fd = image_get_fd(&c->im, o, "fd");
	size_t half_len;
	const char *half = image_get_bytes(&c->im, o, "half", &half_len);

	if (fd < 0)
		return;
	if (channel_open(ch, &l->master->loop, l->gen->wire, &live_wire_up, fd) < 0) {
		image_fail(&c->im, "a channel cannot be watched");
		return;
	}
	image_get(&c->im, o, channel_fields, ARRAY_LEN(channel_fields), ch);
	ch->out.taken = (uint64_t)json_integer_value(json_object_get(o, "taken"));
	if (l->slot)
		live_hello(l, &ch->hello);
	if (channel_read_again(ch, half, half_len) < 0)
		image_fail(&c->im, "out of memory");
	get_words(&c->im, json_object_get(o, "words"), ch);
	get_queries(&c->im, json_object_get(o, "queries"), ch);
	if (!json_is_true(json_object_get(o, "live")))
		source_remove(ch->loop, &ch->source);
}

/* ---- connections that are not its own yet ---- */

static const struct field conn_fields[] = {
	FIELD(FD, conn, fd),	    FIELD(NUM, conn, listener), FIELD(NUM, conn, number),
	FIELD(NUM, conn, has_home), FIELD(NUM, conn, home),	FIELD(NUM, conn, ntried),
	FIELD(RAW, conn, tried),
};

void carried_put_conns(struct image *im, json_t *o, const char *name, const struct list *conns)
{
	json_t *list = json_array();

	image_put_json(im, o, name, list);
	list_each(it, conns)
		image_put(im, image_add(im, list), conn_fields, ARRAY_LEN(conn_fields),
			  container_of(it, struct conn, node));
}

static struct conn *get_conn(struct image *im, const json_t *o, struct pool *p)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c) {
		image_fail(im, "out of memory");
		return NULL;
	}
	list_init(&c->node);
	c->fd = -1;
	image_get(im, o, conn_fields, ARRAY_LEN(conn_fields), c);
	if (c->ntried > DISPATCH_TRIES)
		image_fail(im, "a connection that was tried %u times", c->ntried);
	p->dispatch.nheld++;
	return c;
}

unsigned carried_get_conns(struct image *im, const json_t *list, struct pool *p, struct list *to)
{
	unsigned n = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		struct conn *c = get_conn(im, json_array_get(list, i), p);

		if (!c)
			break;
		list_append(to, &c->node);
		n++;
	}
	return n;
}

/* What it was given and has not answered for, and what is dealt to it behind that. */
static void put_dispatch(struct image *im, json_t *o, const struct life *l)
{
	json_t *sent = json_object();

	carried_put_conns(im, o, "dealt", &l->dispatch.queue);
	if (l->dispatch.sent)
		image_put(im, sent, conn_fields, ARRAY_LEN(conn_fields), l->dispatch.sent);
	image_put_json(im, o, "sent", l->dispatch.sent ? json_incref(sent) : json_null());
	json_decref(sent);
}

static void get_dispatch(struct image *im, const json_t *o, struct life *l)
{
	const json_t *sent = json_object_get(o, "sent");

	if (json_is_object(sent))
		l->dispatch.sent = get_conn(im, sent, l->pool);
	l->dispatch.nqueued =
		carried_get_conns(im, json_object_get(o, "dealt"), l->pool, &l->dispatch.queue);
}

/* ---- calls of its program that wait ---- */

static const struct field call_fields[] = {
	FIELD(NUM, bind_call, call.id),	       FIELD(INT, bind_call, call.tid),
	FIELD(INT, bind_call, call.nr),	       FIELD(RAW, bind_call, call.args),
	FIELD(NUM, bind_call, is_listen),      FIELD(INT, bind_call, theirs),
	FIELD(NUM, bind_call, socket.stream),  FIELD(INT, bind_call, socket.family),
	FIELD(NUM, bind_call, socket.cloexec), FIELD(NUM, bind_call, socket.nonblock),
	FIELD(NUM, bind_call, socket.inode),   FIELD(NUM, bind_call, v6only),
	FIELD(RAW, bind_call, addr),	       FIELD(NUM, bind_call, addr_len),
};

static void put_binder(struct image *im, json_t *o, const struct binder *b)
{
	json_t *list = json_array();

	image_put_fd(im, o, "notify", b->fd);
	image_put_json(im, o, "parked", list);
	for (unsigned i = 0; i < b->nparked; i++)
		image_put(im, image_add(im, list), call_fields, ARRAY_LEN(call_fields),
			  &b->parked[i]);
}

static void get_binder(struct carried *c, const json_t *o, struct life *l)
{
	const json_t *list = json_object_get(o, "parked");
	int fd = image_get_fd(&c->im, o, "notify");

	if (fd < 0)
		return;
	if (binds_open(l, fd) < 0) {
		image_fail(&c->im, "its calls cannot be watched");
		return;
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct bind_call call = { 0 };

		image_get(&c->im, json_array_get(list, i), call_fields, ARRAY_LEN(call_fields),
			  &call);
		ignore(binder_park(&l->binder, &call));
	}
}

/* ---- what it writes ---- */

static void get_line(struct image *im, const json_t *o, const char *name, struct output *to)
{
	size_t len;
	const void *half = image_get_bytes(im, o, name, &len);

	if (!half || len >= LOG_LINE_MAX)
		return;
	to->line = malloc(LOG_LINE_MAX);
	if (!to->line) {
		image_fail(im, "out of memory");
		return;
	}
	memcpy(to->line, half, len);
	to->len = len;
}

static void get_held(struct image *im, const json_t *o, struct life *l)
{
	const void *held = image_get_bytes(im, o, "held", &l->held_len);

	if (!held)
		return;
	l->held = malloc(l->held_len);
	if (l->held)
		memcpy(l->held, held, l->held_len);
	else
		l->held_len = 0;
}

/* ---- the whole ---- */

void carried_put_life(struct carried *c, json_t *o, struct life *l)
{
	json_t *channel = json_object();

	carried_put_generation(c, o, l->gen);
	carried_put_on(c, o, l->sockets.on, l->sockets.n);
	image_put(&c->im, o, life_fields, ARRAY_LEN(life_fields), l);
	image_put_json(&c->im, o, "channel", channel);
	put_channel(&c->im, channel, &l->channel);
	put_binder(&c->im, o, &l->binder);
	put_dispatch(&c->im, o, l);
	image_put_fd(&c->im, o, "acks", l->acks.listen_fd);
	image_put_bytes(&c->im, o, "out_line", l->out.line, l->out.len);
	image_put_bytes(&c->im, o, "err_line", l->err.line, l->err.len);
	image_put_bytes(&c->im, o, "held", l->held, l->held_len);
}

/* What the kernel tells of it from now on. */
static void watch(struct carried *c, const json_t *o, struct life *l)
{
	int acks = image_get_fd(&c->im, o, "acks");

	if (live_watch(l) < 0 || (acks >= 0 && acks_open(l, acks) < 0))
		image_fail(&c->im, "a worker cannot be watched");
	get_channel(c, json_object_get(o, "channel"), l);
	get_binder(c, o, l);
	if (l->state == LIFE_READY || l->state == LIFE_DRAINING)
		leaf_watch(l);
}

void carried_get_life(struct carried *c, const json_t *o, struct pool *p, struct slot *s)
{
	struct generation *g = carried_get_generation(c, o);
	struct life *l = g ? life_new(p, s, g) : NULL;

	if (!l) {
		image_fail(&c->im, "pool %s: a worker of no generation", p->conf->name);
		return;
	}
	live_init_timers(l);
	carried_get_sockets(c, o, l);
	image_get(&c->im, o, life_fields, ARRAY_LEN(life_fields), l);
	if (!c->im.check &&
	    (l->state != LIFE_READY && l->state != LIFE_PARKED && l->state != LIFE_DRAINING))
		image_fail(&c->im, "pool %s: a worker that is not at rest", p->conf->name);
	if (l->state >= LIFE_STATES || l->asked >= REASONS)
		image_fail(&c->im, "pool %s: a worker in a state that is not known", p->conf->name);
	l->leaf_gone = l->leaf_fd < 0;
	if (!s)
		list_append(&p->spares, &l->node);
	else if (json_object_get(o, "current"))
		s->current = l;
	else
		list_append(&s->beside, &l->node);
	get_line(&c->im, o, "out_line", &l->out);
	get_line(&c->im, o, "err_line", &l->err);
	get_held(&c->im, o, l);
	get_dispatch(&c->im, o, l);
	if (!c->im.check && !c->im.err.code)
		watch(c, o, l);
}
