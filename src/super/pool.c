/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "super/births.h"
#include "super/bus.h"
#include "super/dispatch.h"
#include "super/life.h"
#include "super/listeners.h"
#include "super/scale.h"

const char *pool_state_name(enum pool_state s)
{
	static const char *const names[] = {
		[POOL_STARTING] = "starting", [POOL_READY] = "ready",
		[POOL_DEGRADED] = "degraded", [POOL_RELOADING] = "reloading",
		[POOL_DRAINING] = "draining", [POOL_FAILED] = "failed",
		[POOL_STOPPED] = "stopped",
	};

	return names[s];
}

static void slot_init(struct slot *s, struct pool *p, unsigned index)
{
	*s = (struct slot){ .pool = p };
	s->index = index;
	slot_begin(s);
	s->place = index;
	list_init(&s->beside);
	timer_init(&s->timer, slot_on_timer);
}

struct slot *slot_new(struct pool *p, unsigned index)
{
	struct slot *s = malloc(sizeof(*s));

	if (s)
		slot_init(s, p, index);
	return s;
}

void pool_init(struct pool *p, struct master *m)
{
	p->master = m;
	p->phase = POOL_STARTING;
	list_init(&p->spares);
	dispatch_init(p);
	list_init(&p->held_for_all);
	list_init(&p->waits_for_birth);
	slot_init(&p->spare_slot, p, 0);
	timer_init(&p->roll_timer, pool_roll_on_timer);
}

int pool_make_slots(struct pool *p)
{
	unsigned n = (unsigned)p->conf->workers;

	p->slots = calloc(n, sizeof(struct slot *));
	if (!p->slots)
		return -ENOMEM;
	p->nslots = n;
	p->cpus = p->conf->cpus;
	for (unsigned i = 0; i < n; i++) {
		p->slots[i] = slot_new(p, i);
		if (!p->slots[i])
			return -ENOMEM;
		p->nslots_made++;
	}
	return 0;
}

static void slot_done(struct slot *s)
{
	restarts_done(&s->restarts);
	logring_done(&s->log);
	for (unsigned i = 0; i < DEATHS_KEPT; i++)
		free(s->deaths[i]);
}

void pool_done(struct pool *p)
{
	dispatch_done(p);
	births_forget(p);
	for (unsigned i = 0; i < p->nslots_made; i++) {
		slot_done(p->slots[i]);
		free(p->slots[i]);
	}
	slot_done(&p->spare_slot);
	free(p->roll.words);
	free(p->roll.reason);
	p->roll = (struct roll){ 0 };
	free(p->slots);
	free(p->boot_stderr);
	p->nslots = p->nslots_made = 0;
	p->slots = NULL;
	p->boot_stderr = NULL;
	p->boot_stderr_len = 0;
}

unsigned pool_count_ready(const struct pool *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->nslots; i++)
		n += p->slots[i]->current && p->slots[i]->current->state == LIFE_READY;
	return n;
}

static unsigned count_state(const struct pool *p, enum slot_state s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->nslots; i++)
		n += p->slots[i]->state == s;
	return n;
}

static unsigned count_spares(const struct pool *p)
{
	unsigned n = 0;

	list_each(it, &p->spares)
		n += container_of(it, struct life, node)->state < LIFE_STOPPING;
	return n;
}

bool slot_is_wanted(const struct slot *s)
{
	return !s->halted && !s->pool->draining;
}

unsigned pool_count_places(const struct pool *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->nslots; i++)
		n += !p->slots[i]->surplus;
	return n;
}

unsigned pool_count_wanted(const struct pool *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->nslots; i++)
		n += slot_is_wanted(p->slots[i]);
	return n;
}

void pool_kick(struct pool *p)
{
	unsigned at_once = p->ever_ready ? p->conf->parallel : 1;

	if (p->draining || p->phase == POOL_FAILED || p->phase == POOL_STOPPED)
		return;
	if (p->rolled_from)
		pool_roll_step(p);
	/* While none was ever ready one is tried and the others follow it: a syntax
	 * error is one stack trace, not one per CPU. */
	if (!p->ever_ready && (p->in_birth > 0 || count_state(p, SLOT_BACKOFF) > 0))
		return;
	for (unsigned i = 0; i < p->nslots && p->in_birth < at_once; i++) {
		if (p->slots[i]->state != SLOT_STOPPED || p->slots[i]->halted)
			continue;
		if (!births_may(p))
			return;
		slot_birth(p->slots[i]);
	}
	if (!p->announced || p->spare_slot.timer.armed)
		return;
	while (count_spares(p) < p->conf->spares && p->in_birth < at_once &&
	       !p->spare_slot.timer.armed && births_may(p))
		spare_birth(p);
}

void pool_start(struct pool *p)
{
	p->started_ms = p->master->world->now_ms();
	pool_kick(p);
}

static void tell(struct pool *p, const char *name)
{
	struct event ev = { .name = name, .pool = p, .slot = -1, .text = p->reason };

	master_event(p->master, &ev);
}

static void announce(struct pool *p)
{
	char where[256] = "", took[TEXT_DURATION_BYTES];
	unsigned wanted = pool_count_wanted(p);
	size_t n = 0;

	each_listener(l, p)
	{
		const struct listen_spec *s = &l->spec;
		bool unix_sock = s->addr.ss_family == AF_UNIX;

		if (!listener_is_leaving(l) && n < sizeof(where))
			n += (size_t)snprintf(where + n, sizeof(where) - n, "%s%s%s",
					      n ? ", " : " on ", unix_sock ? "" : "http://",
					      s->shown);
	}
	text_duration(p->master->world->now_ms() - p->started_ms, took);
	/* One pool is the instance, and needs no name. */
	log_info("%s%s%sready: %u worker%s%s in %s", p->master->npools > 1 ? "pool " : "",
		 p->master->npools > 1 ? p->conf->name : "", p->master->npools > 1 ? " " : "",
		 wanted, wanted == 1 ? "" : "s", where, took);
	p->announced = true;
}

static void fail_pool(struct pool *p)
{
	struct slot *s = p->slots[0];

	for (unsigned i = 0; i < p->nslots; i++)
		if (p->slots[i]->state == SLOT_FAILED)
			s = p->slots[i];
	p->phase = POOL_FAILED;
	if (s->deaths[0]) {
		char cause[160];

		death_cause(s->deaths[0], cause, sizeof(cause));
		(void)snprintf(p->reason, sizeof(p->reason), "every worker failed, the last by %s",
			       cause);
	}
	if (p->exit_code != EXIT_HOST_CANNOT) /* that was said in one sentence */
		log_error("pool %s failed: %s", p->conf->name, p->reason);
	for (unsigned i = 0; i < p->nslots; i++) {
		timer_clear(&p->master->loop, &p->slots[i]->timer);
		/* Its timer is gone: once the pool is started again it is born with the rest. */
		if (p->slots[i]->state == SLOT_BACKOFF)
			ignore(slot_step(p->slots[i], SV_STOP));
	}
	timer_clear(&p->master->loop, &p->spare_slot.timer);
	list_each(it, &p->spares)
		life_stop(container_of(it, struct life, node), REASON_STOP);
	dispatch_update(p);
	listeners_silence(p);
	tell(p, "pool.failed");
	master_check_ready(p->master);
}

static void stopped(struct pool *p)
{
	p->phase = POOL_STOPPED;
	p->reason[0] = '\0';
	if (p->pending)
		listeners_keep_open(p);
	p->master->world->unlisten(p);
	p->refuses = false; /* its next sockets are others */
	pool_gone(p);
	tell(p, "pool.stop");
	master_check_ready(p->master);
}

void pool_update(struct pool *p)
{
	unsigned ready = pool_count_ready(p);
	unsigned failed = count_state(p, SLOT_FAILED);
	unsigned wanted = pool_count_wanted(p);

	pool_shrink(p);
	listeners_sweep(p);
	listeners_steer(p);
	dispatch_update(p);
	if (p->phase == POOL_FAILED || p->phase == POOL_STOPPED)
		return;
	if (p->draining) {
		/* Also what a worker forked: it may hold the sockets. */
		if (p->lives == 0)
			stopped(p);
		return;
	}
	if (p->rolled_from) {
		pool_roll_step(p);
		if (p->rolled_from)
			return;
		failed = count_state(p, SLOT_FAILED);
		ready = pool_count_ready(p);
		wanted = pool_count_wanted(p);
	}
	if (failed == wanted || (failed > 0 && !p->ever_ready)) {
		fail_pool(p);
		return;
	}
	if (ready == wanted) {
		bool first = !p->announced;

		if (p->phase != POOL_READY) {
			p->phase = POOL_READY;
			p->reason[0] = '\0';
			if (first)
				announce(p);
			tell(p, "pool.ready");
			bus_pool_ready(p);
			master_check_ready(p->master);
		}
	} else if (failed > 0 ? p->phase != POOL_DEGRADED : p->phase == POOL_READY && ready == 0) {
		p->phase = POOL_DEGRADED;
		(void)snprintf(p->reason, sizeof(p->reason), "%u of %u workers ready, %u failed",
			       ready, wanted, failed);
		tell(p, "pool.degraded");
	}
}

void pool_stop(struct pool *p)
{
	if (p->draining || p->phase == POOL_STOPPED) {
		p->stays_stopped |= p->pending != NULL;
		return;
	}
	p->draining = true;
	p->phase = POOL_DRAINING;
	p->refuses = p->master->world->refuse(p) == 0;
	pool_end_roll(p);
	timer_clear(&p->master->loop, &p->spare_slot.timer);
	for (unsigned i = 0; i < p->nslots; i++)
		slot_stop(p->slots[i]);
	list_each(it, &p->spares)
		life_stop(container_of(it, struct life, node), REASON_STOP);
	pool_update(p);
}
