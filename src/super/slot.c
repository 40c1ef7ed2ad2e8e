/* SPDX-License-Identifier: MIT */
/* slot.c - a place in the pool: who takes it, when, and when it is given up. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "super/eras.h"
#include "super/life.h"
#include "super/listeners.h"
#include "super/pool.h"

#define RETRY_WINDOWS 10 /* a failed slot with a ready sibling is tried again */
#define TAIL_LINES    10
#define VACATE_MS     1000 /* clients do not wait longer for a slot's next worker */

static struct restart_policy policy_of(const struct pool *p)
{
	return (struct restart_policy){
		.limit = p->conf->restart_limit.count,
		.window_ms = p->conf->restart_limit.window_ms,
		.min_ms = p->conf->backoff_min_ms,
		.max_ms = p->conf->backoff_max_ms,
	};
}

static unsigned restarts_in_window(const struct slot *s)
{
	struct restart_policy pol = policy_of(s->pool);

	return restarts_count(&s->restarts, &pol, s->pool->master->world->now_ms());
}

static unsigned dice(const struct pool *p)
{
	/* Spread, not secrecy: born is different for each. */
	return (unsigned)((p->master->born * 2654435761u) >> 7) % 1000u;
}

void slot_keep_death(struct slot *s, const struct death *d)
{
	struct death *copy = malloc(sizeof(*copy));

	if (!copy)
		return; /* the log has it */
	*copy = *d;
	free(s->deaths[DEATHS_KEPT - 1]);
	memmove(&s->deaths[1], &s->deaths[0], (DEATHS_KEPT - 1) * sizeof(s->deaths[0]));
	s->deaths[0] = copy;
}

void slot_birth(struct slot *s)
{
	slot_birth_of(s, pool_serving(s->pool));
}

void slot_birth_of(struct slot *s, struct generation *gen)
{
	struct life *l = life_new(s->pool, s, gen);

	if (!l) {
		log_error("%s: no memory for a worker; tried again", s->pool->conf->name);
		ignore(slot_step(s, SV_WAIT));
		listeners_vacate(s);
		timer_set(&s->pool->master->loop, &s->timer,
			  s->pool->master->world->now_ms() + s->pool->conf->backoff_max_ms);
		return;
	}
	timer_clear(&s->pool->master->loop, &s->timer);
	s->renew = false;
	s->current = l;
	l->era = era_of_birth(s->pool, gen);
	ignore(slot_step(s, SV_BIRTH));
	if (s->boot_failures > 0 && s->pool->boot_stderr)
		output_hold(l);
	life_start(l);
}

static struct life *parked_spare(struct pool *p)
{
	list_each(it, &p->spares) {
		struct life *l = container_of(it, struct life, node);

		if (l->state == LIFE_PARKED && l->gen == pool_serving(p))
			return l;
	}
	return NULL;
}

static void tell_respawn(struct slot *s, const struct respawn *r)
{
	struct event ev = { .name = "worker.respawn",
			    .pool = s->pool,
			    .slot = (int)s->index,
			    .delay_ms = r->delay_ms,
			    .count = r->count,
			    .limit = s->pool->conf->restart_limit.count,
			    .from_spare = r->spare };
	char name[LIFE_NAME_BYTES];

	master_event(s->pool->master, &ev);
	log_info("%s: respawn %s%s (%u/%u)", slot_name(s, name), r->spare ? "from a spare " : "",
		 r->delay_ms ? "after backoff" : "now", r->count, ev.limit);
}

/* What is told is kept in *later, if given, else told before the birth is. */
static void respawning(struct slot *s, struct respawn r, struct respawn *later)
{
	s->total_restarts++;
	if (later)
		*later = r;
	else
		tell_respawn(s, &r);
}

static bool promote_a_spare(struct slot *s, unsigned count, struct respawn *later)
{
	struct life *l;

	while ((l = parked_spare(s->pool))) {
		l->era = era_of_birth(s->pool, l->gen);
		if (!life_promote(l, s))
			continue; /* it was killed: no longer parked */
		respawning(s, (struct respawn){ .count = count, .spare = true }, later);
		return true;
	}
	return false;
}

/* The next life after a ready one's end: a spare at once, else by the ladder. */
static void respawn(struct slot *s, uint64_t ready_ms, bool at_once, struct respawn *later)
{
	struct restart_policy pol = policy_of(s->pool);
	uint64_t now = s->pool->master->world->now_ms();
	bool spare = parked_spare(s->pool) != NULL;
	unsigned count = 0;
	int64_t delay = spare || at_once ? restarts_now(&s->restarts, &pol, now, &count) :
					   restarts_next(&s->restarts, &pol, now, ready_ms,
							 dice(s->pool), &count);

	if (delay == -EAGAIN) {
		slot_fail(s, "past its restart limit");
		return;
	}
	if (delay < 0)
		delay = (int64_t)pol.max_ms; /* no memory to count: be slow */
	if (spare && promote_a_spare(s, count, later))
		return;
	respawning(s, (struct respawn){ .delay_ms = (uint64_t)delay, .count = count }, later);
	if (delay == 0) {
		slot_birth(s);
		return;
	}
	ignore(slot_step(s, SV_WAIT));
	if (delay >= VACATE_MS)
		listeners_vacate(s);
	timer_set(&s->pool->master->loop, &s->timer, now + (uint64_t)delay);
}

static uint64_t ready_for(const struct life *l)
{
	return l->was_ready ? l->master->world->now_ms() - l->ready_ms : 0;
}

static bool has_heir(const struct slot *s)
{
	return s->twin && !s->twin->asked && !s->twin->lost && slot_is_wanted(s);
}

/* What comes next does not depend on how it ended: a client may be waiting. Of a reload that
 * fails with it the verdict says how. */
void slot_lost(struct slot *s, struct life *l)
{
	struct restart_policy pol = policy_of(s->pool);
	uint64_t now = s->pool->master->world->now_ms();

	if (s->current != l || !l->was_ready || l->asked || !slot_is_wanted(s) || has_heir(s) ||
	    s->pool->conf->nfatal_exit > 0 || pool_roll_hangs_on(s, l))
		return;
	/* Backoff has time for the certificate, a failure needs it. */
	if (parked_spare(s->pool) ? restarts_count(&s->restarts, &pol, now) >= pol.limit :
				    !restarts_at_once(&s->restarts, &pol, now, ready_for(l)))
		return;
	s->current = NULL;
	l->replaced = true;
	list_append(&s->beside, &l->node);
	respawn(s, ready_for(l), false, &l->heir);
}

void slot_on_timer(struct timer *t)
{
	struct slot *s = container_of(t, struct slot, timer);

	if (s == &s->pool->spare_slot) {
		pool_kick(s->pool);
		return;
	}
	if (s->state == SLOT_FAILED) {
		s->boot_failures = 0;
		restarts_reset(&s->restarts);
	}
	slot_birth(s);
}

void slot_replace_leaving(struct slot *s, struct life *l)
{
	s->current = NULL;
	l->replaced = true;
	list_append(&s->beside, &l->node);
	if (has_heir(s))
		slot_inherit(s);
	else if (slot_is_wanted(s))
		respawn(s, 0, true, NULL);
	pool_update(s->pool);
}

static uint64_t boot_delay(const struct pool *p, unsigned failures)
{
	uint64_t wait = p->conf->backoff_min_ms;

	if (failures <= 1)
		return 0;
	for (unsigned i = 2; i < failures && wait < p->conf->backoff_max_ms; i++)
		wait *= 2;
	return wait < p->conf->backoff_max_ms ? wait : p->conf->backoff_max_ms;
}

/* It will not be different the next time: fail closed, with one sentence. */
static void host_refuses(struct slot *s, const struct death *d)
{
	struct event ev = { .name = "worker.failed",
			    .pool = s->pool,
			    .slot = (int)s->index,
			    .death = d,
			    .text = "this host does not give its cage" };
	char name[LIFE_NAME_BYTES];

	s->pool->exit_code = EXIT_HOST_CANNOT;
	ignore(slot_step(s, SV_GIVE_UP));
	log_error("%s: cannot start: %s: %s; this host or these rights do not give it%s%s",
		  slot_name(s, name), d->step, err_name(d->error), d->hint[0] ? ": " : "", d->hint);
	master_event(s->pool->master, &ev);
}

static void boot_failure(struct slot *s, const struct death *d)
{
	struct pool *p = s->pool;
	struct event ev = { .name = "worker.boot_failure",
			    .pool = p,
			    .slot = (int)s->index,
			    .death = d,
			    .count = s->boot_failures + 1,
			    .limit = p->conf->boot_limit };
	uint64_t delay;

	s->boot_failures++;
	master_event(p->master, &ev);
	if (!p->ever_ready && d->host_refuses) {
		host_refuses(s, d);
		return;
	}
	if (s->boot_failures >= p->conf->boot_limit) {
		char why[64];

		(void)snprintf(why, sizeof(why), "never got ready in %u starts in a row",
			       s->boot_failures);
		slot_fail(s, why);
		return;
	}
	delay = boot_delay(p, s->boot_failures);
	s->total_restarts++;
	ev = (struct event){ .name = "worker.respawn",
			     .pool = p,
			     .slot = (int)s->index,
			     .delay_ms = delay,
			     .count = s->boot_failures,
			     .limit = p->conf->boot_limit };
	master_event(p->master, &ev);
	if (delay == 0) {
		slot_birth(s);
		return;
	}
	ignore(slot_step(s, SV_WAIT));
	if (delay >= VACATE_MS)
		listeners_vacate(s);
	timer_set(&p->master->loop, &s->timer, p->master->world->now_ms() + delay);
}

static bool is_fatal(const struct pool_config *c, const struct death *d)
{
	for (unsigned i = 0; i < c->nfatal_exit; i++)
		if (d->code == c->fatal_exit[i])
			return true;
	return false;
}

/* The next spare is born by the ladder of its own: a spare's death is not the slot's. */
static void spare_backoff(struct pool *p)
{
	struct restart_policy pol = policy_of(p);
	uint64_t now = p->master->world->now_ms();
	unsigned count = 0;
	int64_t delay = restarts_next(&p->spare_slot.restarts, &pol, now, 0, dice(p), &count);

	if (delay < 0) {
		log_error("%s: its spares die too often; none for a while", p->conf->name);
		delay = (int64_t)(RETRY_WINDOWS * pol.window_ms);
	}
	timer_set(&p->master->loop, &p->spare_slot.timer, now + (uint64_t)delay);
}

/* A spare that died before it served took the place and nothing else: the next
 * one, or a new worker, gets it at once. */
static void lost_in_hand_over(struct slot *s)
{
	spare_backoff(s->pool);
	if (!promote_a_spare(s, restarts_in_window(s), NULL))
		slot_birth(s);
}

/* In a stop of the whole pool all sockets are closed, and at its end: sooner where others
 * may take their time until then. */
static void vacate_if_halted(struct slot *s)
{
	if (s->pool->draining ? s->pool->refuses : s->halted)
		listeners_vacate(s);
}

/* And started again meanwhile: pool_kick() gives birth. */
static bool was_stopped(const struct life *l)
{
	return l->asked == REASON_STOP || l->asked == REASON_STOP_TIMEOUT;
}

void slot_died(struct slot *s, struct life *l, const struct death *d)
{
	if (s->current != l) { /* one that left; its place is taken or given up */
		list_remove(&l->node);
		if (l->heir.count > 0)
			tell_respawn(s, &l->heir);
		listeners_give_up(s->pool, l->place);
		if (s->twin == l)
			slot_twin_died(s, l, d);
		return;
	}
	s->current = NULL;
	if (has_heir(s)) {
		slot_inherit(s);
		return;
	}
	if (!slot_is_wanted(s) || (was_stopped(l) && !s->renew)) {
		ignore(slot_step(s, SV_STOP));
		vacate_if_halted(s);
		return;
	}
	if (pool_roll_lost(s, l, d))
		return;
	/* Not a spare's: who asked for a restart waits for one that is younger than the order. */
	if (s->renew) {
		slot_birth(s);
	} else if (d->code >= 0 && is_fatal(s->pool->conf, d)) {
		char why[64];

		(void)snprintf(why, sizeof(why), "exit code %d is in --fatal-exit", d->code);
		slot_fail(s, why);
	} else if (l->was_ready) {
		respawn(s, ready_for(l), false, NULL);
	} else if (l->from_spare) {
		lost_in_hand_over(s);
	} else {
		boot_failure(s, d);
	}
}

void slot_stop(struct slot *s)
{
	timer_clear(&s->pool->master->loop, &s->timer);
	list_each(it, &s->beside)
		life_stop(container_of(it, struct life, node), REASON_STOP);
	if (s->current) {
		life_stop(s->current, REASON_STOP);
		return;
	}
	ignore(slot_step(s, SV_STOP));
	vacate_if_halted(s);
}

static void print_tail(void *ctx, const char *line)
{
	log_error("%s:   %s", (const char *)ctx, line);
}

/* One that may serve, now or after its backoff: the pool has not failed. */
static bool has_living_sibling(const struct slot *s)
{
	for (unsigned i = 0; i < s->pool->nslots; i++) {
		const struct slot *other = s->pool->slots[i];

		if (other != s && other->state != SLOT_FAILED && !other->halted)
			return s->pool->ever_ready;
	}
	return false;
}

/* Said once, with what is known: the last certificates and the last words. */
void slot_fail(struct slot *s, const char *why)
{
	struct pool *p = s->pool;
	struct event ev = { .name = "worker.failed",
			    .pool = p,
			    .slot = (int)s->index,
			    .death = s->deaths[0],
			    .text = why };
	char name[LIFE_NAME_BYTES], cause[256];
	bool retry = has_living_sibling(s);

	ignore(slot_step(s, SV_GIVE_UP));
	listeners_vacate(s);
	slot_name(s, name);
	log_error("%s failed: %s%s", name, why,
		  retry ? "; tried again later, its siblings serve" : "");
	for (unsigned i = 0; i < 3 && i < DEATHS_KEPT && s->deaths[i]; i++) {
		death_cause(s->deaths[i], cause, sizeof(cause));
		log_error("%s:   death %u before: pid %d, %s", name, i + 1, (int)s->deaths[i]->pid,
			  cause);
	}
	/* A boot that never worked has shown its words just now. */
	if (s->deaths[0] && p->ever_ready) {
		log_error("%s: last lines of its stderr:", name);
		output_tail(s, s->deaths[0]->life, TAIL_LINES, print_tail, name);
	}
	master_event(p->master, &ev);
	timer_clear(&p->master->loop, &s->timer);
	if (retry)
		timer_set(&p->master->loop, &s->timer,
			  p->master->world->now_ms() +
				  RETRY_WINDOWS * p->conf->restart_limit.window_ms);
}

void spare_birth(struct pool *p)
{
	struct life *l = life_new(p, NULL, pool_serving(p));

	if (!l)
		return;
	list_append(&p->spares, &l->node);
	life_start(l);
}

void spare_died(struct pool *p, struct life *l)
{
	list_remove(&l->node);
	if (!p->draining && p->phase != POOL_FAILED && l->asked != REASON_RESTART &&
	    l->asked != REASON_STOP_TIMEOUT) /* of a restart */
		spare_backoff(p);
}
