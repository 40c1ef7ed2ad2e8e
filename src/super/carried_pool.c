/* SPDX-License-Identifier: MIT */
/* carried_pool.c - a pool, its sockets and its slots. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "config/carried.h"
#include "super/carried.h"
#include "super/child.h"
#include "super/life_sockets.h"
#include "super/listeners.h"
#include "super/pool.h"
#include "super/prepare.h"
#include "super/seats.h"
#include "super/total.h"

/* ---- deaths, restarts, lines ---- */

static const struct field death_fields[] = {
	FIELD(NUM, death, life),	  FIELD(NUM, death, generation),
	FIELD(INT, death, time_ms),	  FIELD(INT, death, pid),
	FIELD(NUM, death, reason),	  FIELD(INT, death, code),
	FIELD(INT, death, sig),		  FIELD(NUM, death, core_dumped),
	FIELD(NUM, death, ready),	  FIELD(NUM, death, host_refuses),
	FIELD(INT, death, error),	  FIELD(NUM, death, uptime_ms),
	FIELD(NUM, death, cpu_ms),	  FIELD(NUM, death, memory_peak_bytes),
	FIELD(NUM, death, pids_refused),  FIELD(NUM, death, throttled_usec),
	FIELD(CHARS, death, status_text), FIELD(CHARS, death, detail),
	FIELD(CHARS, death, hint),
};

static void put_death(struct image *im, json_t *o, const struct death *d)
{
	image_put(im, o, death_fields, ARRAY_LEN(death_fields), d);
	if (d->step)
		image_put_json(im, o, "step", json_string(d->step));
}

static struct death *get_death(struct image *im, const json_t *o)
{
	const char *step = json_string_value(json_object_get(o, "step"));
	struct death *d = calloc(1, sizeof(*d));

	if (!d) {
		image_fail(im, "out of memory");
		return NULL;
	}
	image_get(im, o, death_fields, ARRAY_LEN(death_fields), d);
	if (d->reason >= REASONS)
		d->reason = REASON_EXIT;
	d->step = step ? child_step_called(step) : NULL;
	return d;
}

static const struct field restarts_fields[] = {
	FIELD(NUM, restarts, step),
	FIELD(NUM, restarts, last_ms),
	FIELD(NUM, restarts, size),
};

static void put_restarts(struct image *im, json_t *o, const struct restarts *r)
{
	image_put(im, o, restarts_fields, ARRAY_LEN(restarts_fields), r);
	/* Oldest first. */
	for (unsigned i = 0; i < r->used; i++) {
		uint64_t at = r->at_ms[(r->head + r->size - r->used + i) % r->size];
		json_t *list = json_object_get(o, "at");

		if (!list) {
			list = json_array();
			image_put_json(im, o, "at", list);
		}
		if (json_array_append_new(list, json_integer((json_int_t)at)) < 0)
			image_fail(im, "out of memory");
	}
}

static void get_restarts(struct image *im, const json_t *o, struct restarts *r)
{
	const json_t *list = json_object_get(o, "at");
	size_t n = json_array_size(list);

	image_get(im, o, restarts_fields, ARRAY_LEN(restarts_fields), r);
	r->at_ms = r->size > 0 && n <= r->size ? calloc(r->size, sizeof(*r->at_ms)) : NULL;
	if (!r->at_ms) {
		if (n > 0)
			image_fail(im, "%zu restarts of %u", n, r->size);
		r->size = 0;
		return;
	}
	r->used = (unsigned)n;
	r->head = r->used % r->size;
	for (size_t i = 0; i < n; i++)
		r->at_ms[i] = (uint64_t)json_integer_value(json_array_get(list, i));
}

struct lines {
	char *buf;
	size_t len, size;
	bool failed;
};

struct line_head {
	uint64_t life;
	int64_t time_ms;
	uint32_t len, is_err;
};

static void add_line(void *ctx, const struct logline *l)
{
	struct line_head h = { .life = l->life,
			       .time_ms = l->time_ms,
			       .len = (uint32_t)l->len,
			       .is_err = l->is_err };
	struct lines *to = ctx;
	size_t need = to->len + sizeof(h) + l->len;
	char *more;

	if (need > to->size) {
		more = realloc(to->buf, 2 * need);
		if (!more) {
			to->failed = true;
			return;
		}
		to->buf = more;
		to->size = 2 * need;
	}
	memcpy(to->buf + to->len, &h, sizeof(h));
	memcpy(to->buf + to->len + sizeof(h), l->text, l->len);
	to->len = need;
}

static void put_log(struct image *im, json_t *o, const struct logring *r)
{
	struct lines lines = { 0 };

	logring_each(r, add_line, &lines);
	if (lines.failed)
		image_fail(im, "out of memory");
	image_put_bytes(im, o, "log", lines.buf, lines.len);
	free(lines.buf);
}

static void get_log(struct image *im, const json_t *o, struct logring *r)
{
	size_t len;
	const char *p = image_get_bytes(im, o, "log", &len);
	struct line_head h;

	while (p && len >= sizeof(h)) {
		memcpy(&h, p, sizeof(h));
		if (h.len > len - sizeof(h))
			break;
		logring_add(r, &(struct logline){ .life = h.life,
						  .time_ms = h.time_ms,
						  .is_err = h.is_err,
						  .text = p + sizeof(h),
						  .len = h.len });
		p += sizeof(h) + h.len;
		len -= sizeof(h) + h.len;
	}
}

/* ---- slots ---- */

static const struct field slot_fields[] = {
	FIELD(NUM, slot, state),	  FIELD(NUM, slot, halted),
	FIELD(NUM, slot, renew),	  FIELD(NUM, slot, surplus),
	FIELD(NUM, slot, vacant),	  FIELD(NUM, slot, place),
	FIELD(RAW, slot, cpus),		  FIELD(NUM, slot, boot_failures),
	FIELD(NUM, slot, total_restarts), FIELD(TIMER, slot, timer),
};

static void put_slot(struct carried *c, json_t *o, struct slot *s)
{
	json_t *restarts = json_object(), *deaths = image_array(&c->im, o, "deaths"), *lives;

	image_put(&c->im, o, slot_fields, ARRAY_LEN(slot_fields), s);
	image_put_json(&c->im, o, "restarts", restarts);
	put_restarts(&c->im, restarts, &s->restarts);
	for (unsigned i = 0; i < DEATHS_KEPT && s->deaths[i]; i++)
		put_death(&c->im, image_add(&c->im, deaths), s->deaths[i]);
	put_log(&c->im, o, &s->log);
	lives = image_array(&c->im, o, "lives");
	if (s->current) {
		json_t *l = image_add(&c->im, lives);

		carried_put_life(c, l, s->current);
		image_put_json(&c->im, l, "current", json_true());
	}
	list_each(it, &s->beside)
		carried_put_life(c, image_add(&c->im, lives), container_of(it, struct life, node));
}

static void get_slot(struct carried *c, const json_t *o, struct slot *s)
{
	const json_t *deaths = json_object_get(o, "deaths"), *lives = json_object_get(o, "lives");

	image_get(&c->im, o, slot_fields, ARRAY_LEN(slot_fields), s);
	if (s->state >= SLOT_STATES || s->place >= 1u << 20)
		image_fail(&c->im, "a slot that cannot be");
	get_restarts(&c->im, json_object_get(o, "restarts"), &s->restarts);
	for (size_t i = 0; i < json_array_size(deaths) && i < DEATHS_KEPT; i++)
		s->deaths[i] = get_death(&c->im, json_array_get(deaths, i));
	get_log(&c->im, o, &s->log);
	for (size_t i = 0; i < json_array_size(lives) && !c->im.err.code; i++)
		carried_get_life(c, json_array_get(lives, i), s->pool, s);
}

/* ---- sockets ---- */

/* ---- the pool ---- */

static const struct field pool_fields[] = {
	FIELD(NUM, pool, phase),
	FIELD(CHARS, pool, reason),
	FIELD(NUM, pool, generation),
	FIELD(NUM, pool, retiring),
	FIELD(NUM, pool, binds),
	FIELD(NUM, pool, said_unused),
	FIELD(RAW, pool, cpus),
	FIELD(NUM, pool, ever_ready),
	FIELD(NUM, pool, announced),
	FIELD(NUM, pool, draining),
	FIELD(NUM, pool, refuses),
	FIELD(INT, pool, exit_code),
	FIELD(NUM, pool, started_ms),
	FIELD(NUM, pool, eras.path),
	FIELD(NUM, pool, eras.next),
	FIELD(NUM, pool, eras.last),
	FIELD(NUM, pool, roll.failed),
	FIELD(NUM, pool, roll.generation),
	FIELD(NUM, pool, roll.replaced),
	FIELD(NUM, pool, roll.cut),
	FIELD(TEXT, pool, roll.reason),
	FIELD(TEXT, pool, roll.words),
	FIELD(TIMER, pool, dispatch.pause),
	FIELD(NUM, pool, dispatch.turn),
	FIELD(NUM, pool, dispatch.number),
	FIELD(NUM, pool, dispatch.redispatched),
	FIELD(NUM, pool, dispatch.closed),
	FIELD(INT, pool, usage.since_ms),
	FIELD(NUM, pool, usage.sums.cpu_usec),
	FIELD(NUM, pool, usage.sums.throttled_usec),
	FIELD(NUM, pool, usage.sums.io_read_bytes),
	FIELD(NUM, pool, usage.sums.io_write_bytes),
	FIELD(NUM, pool, usage.sums.memory_peak_bytes),
	FIELD(NUM, pool, usage.births),
	FIELD(NUM, pool, usage.deaths),
	FIELD(NUM, pool, usage.oom_kills),
	FIELD(NUM, pool, usage.denied),
	FIELD(NUM, pool, usage.connections_cut),
};

static void put_world(struct carried *c, json_t *o, struct pool *p)
{
	json_t *slots, *lives;

	carried_put_generation(c, o, p->gen);
	image_put_json(&c->im, o, "places", json_integer(p->places));
	carried_put_listeners(c, o, p);
	if (p->total.conf) {
		carried_put_conf(c, o, "total_conf", p->total.conf);
		image_put_fd(&c->im, o, "total", p->total.fd);
	}
	carried_put_conns(&c->im, o, "connections", &p->dispatch.waiting);
	image_put_bytes(&c->im, o, "boot_stderr", p->boot_stderr, p->boot_stderr_len);
	image_put_json(&c->im, o, "nslots", json_integer(p->nslots));
	slots = image_array(&c->im, o, "slots");
	for (unsigned i = 0; i < p->nslots_made; i++)
		put_slot(c, image_add(&c->im, slots), p->slots[i]);
	slots = json_object();
	image_put_json(&c->im, o, "spare_slot", slots);
	put_slot(c, slots, &p->spare_slot);
	lives = image_array(&c->im, o, "spares");
	list_each(it, &p->spares)
		carried_put_life(c, image_add(&c->im, lives), container_of(it, struct life, node));
}

void carried_put_pool(struct carried *c, json_t *o, struct pool *p)
{
	image_put(&c->im, o, pool_fields, ARRAY_LEN(pool_fields), p);
	carried_put_conf(c, o, "conf", p->conf);
	carried_put_conf(c, o, "file_conf", p->file_conf);
	carried_put_conf(c, o, "pending", p->pending);
	givens_put(&c->im, image_array(&c->im, o, "overrides"), &p->overrides.given);
	if (p->gen)
		put_world(c, o, p);
}

static void get_boot_stderr(struct carried *c, const json_t *o, struct pool *p)
{
	const void *data = image_get_bytes(&c->im, o, "boot_stderr", &p->boot_stderr_len);

	if (!data)
		return;
	p->boot_stderr = malloc(p->boot_stderr_len);
	if (p->boot_stderr)
		memcpy(p->boot_stderr, data, p->boot_stderr_len);
	else
		p->boot_stderr_len = 0;
}

static void get_slots(struct carried *c, const json_t *o, struct pool *p)
{
	const json_t *list = json_object_get(o, "slots");
	size_t n = json_array_size(list);

	p->nslots = (unsigned)json_integer_value(json_object_get(o, "nslots"));
	p->slots = calloc(n + 1, sizeof(struct slot *));
	if (!p->slots || p->nslots > n) {
		image_fail(&c->im, "pool %s: %u slots of %zu", p->conf->name, p->nslots, n);
		p->nslots = 0;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		p->slots[i] = slot_new(p, (unsigned)i);
		if (!p->slots[i]) {
			image_fail(&c->im, "out of memory");
			p->nslots = p->nslots_made;
			return;
		}
		p->nslots_made++;
	}
	for (size_t i = 0; i < n && !c->im.err.code; i++)
		get_slot(c, json_array_get(list, i), p->slots[i]);
}

static void get_world(struct carried *c, const json_t *o, struct pool *p)
{
	const json_t *spares = json_object_get(o, "spares");
	struct pool_config *total = carried_get_conf(c, o, "total_conf");
	struct err e = { 0 };

	p->gen = carried_get_generation(c, o);
	if (!p->gen)
		return;
	(void)generation_ref(p->gen);
	if (total && total_again(p, total, image_get_fd(&c->im, o, "total"), &e) < 0)
		image_fail(&c->im, "pool %s: %s", p->conf->name, e.msg);
	get_boot_stderr(c, o, p);
	ignore((int)carried_get_conns(&c->im, json_object_get(o, "connections"), p,
				      &p->dispatch.waiting));
	carried_get_listeners(c, o, p);
	if (!c->im.err.code)
		get_slots(c, o, p);
	if (!c->im.err.code)
		get_slot(c, json_object_get(o, "spare_slot"), &p->spare_slot);
	for (size_t i = 0; i < json_array_size(spares) && !c->im.err.code; i++)
		carried_get_life(c, json_array_get(spares, i), p, NULL);
	p->steer_anew = true;
	if (!c->im.err.code && !c->im.check)
		listeners_steer(p);
}

void carried_get_pool(struct carried *c, const json_t *o)
{
	struct pool_config *conf = carried_get_conf(c, o, "conf");
	struct pool_config *file_conf = carried_get_conf(c, o, "file_conf");
	struct givens overrides;
	struct arena texts = { 0 };
	struct pool *p = conf ? pool_new(c->m, conf) : NULL;

	if (!p) {
		image_fail(&c->im, "a pool without a configuration");
		return;
	}
	if (file_conf)
		pool_keep_file_conf(p, file_conf);
	p->pending = carried_get_conf(c, o, "pending");
	if (p->pending)
		(void)pool_config_ref(p->pending);
	image_get(&c->im, o, pool_fields, ARRAY_LEN(pool_fields), p);
	givens_get(&c->im, json_object_get(o, "overrides"), &texts, &overrides);
	for (unsigned i = 0; i < overrides.n && !c->im.err.code; i++)
		if (pool_add_override(p, &overrides.list[i]) < 0)
			image_fail(&c->im, "out of memory");
	arena_done(&texts);
	if (json_object_get(o, "gen") && !c->im.err.code)
		get_world(c, o, p);
}
