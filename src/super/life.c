/* SPDX-License-Identifier: MIT */
/* life.c - the decisions about one life: what each fact means in each state. */
#define _GNU_SOURCE
#include "super/life.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "super/acks.h"
#include "super/binds.h"
#include "super/births.h"
#include "super/bus.h"
#include "super/dispatch.h"
#include "super/leaf.h"
#include "super/listeners.h"
#include "super/observe.h"
#include "super/pool.h"
#include "super/prepare.h"
#include "super/readiness.h"
#include "super/recycle.h"
#include "super/watchdog.h"

const char *slot_name(const struct slot *s, char buf[LIFE_NAME_BYTES])
{
	if (s == &s->pool->spare_slot)
		(void)snprintf(buf, LIFE_NAME_BYTES, "%s/spare", s->pool->conf->name);
	else
		(void)snprintf(buf, LIFE_NAME_BYTES, "%s/%u", s->pool->conf->name, s->index);
	return buf;
}

const char *life_name(const struct life *l, char buf[LIFE_NAME_BYTES])
{
	return slot_name(l->slot ? l->slot : &l->pool->spare_slot, buf);
}

static uint64_t now(const struct life *l)
{
	return l->master->world->now_ms();
}

void life_deadline_in(struct life *l, uint64_t ms)
{
	timer_set(&l->master->loop, &l->deadline, now(l) + ms);
}

void life_tell(struct life *l, const char *name, const char *text)
{
	struct event ev = { .name = name,
			    .pool = l->pool,
			    .life = l,
			    .text = text,
			    .slot = l->slot ? (int)l->slot->index : -1 };

	master_event(l->master, &ev);
}

void life_detail(struct life *l, const char *fmt, ...)
{
	va_list ap;

	free(l->detail);
	va_start(ap, fmt);
	if (vasprintf(&l->detail, fmt, ap) < 0)
		l->detail = NULL; /* the reason alone has to do */
	va_end(ap);
}

static void birth_over(struct life *l)
{
	if (!l->in_birth)
		return;
	l->in_birth = false;
	l->pool->in_birth--;
	births_end(l);
}

struct life *life_new(struct pool *p, struct slot *s, struct generation *gen)
{
	struct life *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	list_init(&l->grave.node);
	list_init(&l->node);
	list_init(&l->birth.node);
	l->master = p->master;
	l->master->lives++;
	p->lives++;
	l->pool = p;
	l->slot = s;
	l->gen = generation_ref(gen);
	l->number = ++p->master->born;
	l->generation = gen->number;
	life_begin(l);
	l->from_spare = !s;
	l->cpus = s ? s->cpus : p->cpus; /* a spare is pinned when it gets its slot */
	l->place = s ? s->place : 0;
	l->init = PIDFD_NONE;
	l->worker_fd = l->leaf_fd = l->events_fd = l->report_fd = l->lifeline_fd = -1;
	l->out.fd = l->err.fd = l->pids_fd = -1;
	l->pids_src = SOURCE_NONE;
	l->stat = CGROUP_STAT_NONE;
	l->err.is_err = true;
	l->channel = CHANNEL_NONE;
	binds_init(l);
	acks_init(l);
	readiness_init(l);
	observe_init(l);
	recycle_init(l);
	bus_init(l);
	dispatch_init_life(l);
	l->init_src = l->worker_src = l->events_src = l->report_src = l->lifeline_src = l->out.src =
		l->err.src = SOURCE_NONE;
	timer_init(&l->deadline, life_on_deadline);
	watchdog_init(l);
	return l;
}

void life_start(struct life *l)
{
	char name[LIFE_NAME_BYTES];
	struct err e;
	int r;

	l->born_ms = now(l);
	l->pool->usage.births++;
	l->pool->in_birth++;
	l->in_birth = true;
	births_begin(l);
	r = l->master->world->birth(l, &e);
	if (r < 0) {
		/* Out of memory, processes or descriptors: a failed birth, tried again. */
		log_error("%s: cannot start: %s", life_name(l, name), e.msg);
		l->failed_step = CHILD_STEP_NONE;
		l->failed_error = -r;
		life_detail(l, "%.150s", e.msg);
		life_certify(l);
		return;
	}
	ignore(life_step(l, EV_CLONED));
	life_deadline_in(l, l->pool->conf->ready_timeout_ms);
}

void life_born(struct life *l, pid_t pid)
{
	int r;

	l->pid = pid;
	life_tell(l, "worker.spawn", NULL);
	if (!l->slot)
		return; /* a spare parks before its socket */
	r = l->master->world->hand_over(l);
	if (r < 0 && r != -EPIPE) /* EPIPE: dead already, its certificate comes */
		life_protocol_error(l, "it does not take its sockets");
}

void life_exec_seen(struct life *l)
{
	l->exec_seen = true;
	readiness_exec_seen(l);
	if (!l->slot && !l->gen->wire->parks_by_itself)
		life_parked(l);
}

void life_parked(struct life *l)
{
	if (l->slot || life_step(l, EV_PARKED) < 0)
		return;
	birth_over(l);
	timer_clear(&l->master->loop, &l->deadline);
	life_tell(l, "worker.parked", NULL);
	pool_kick(l->pool);
}

void life_ready(struct life *l)
{
	char name[LIFE_NAME_BYTES];
	bool joined = l->state == LIFE_JOINING;

	if (!l->slot || life_step(l, EV_READY) < 0)
		return; /* a second READY=1, or one while leaving: nothing new */
	birth_over(l);
	timer_clear(&l->master->loop, &l->deadline);
	l->was_ready = true;
	l->ready_ms = now(l);
	if (readiness_takes_word(l) || readiness_takes_listen(l)) /* a time alone proves nothing */
		listeners_keep(l);
	l->slot->boot_failures = 0;
	output_flush(l);
	watchdog_stop(l);
	watchdog_start(l);
	leaf_watch(l);
	recycle_watch(l);
	life_tell(l, joined ? "worker.promoted" : "worker.ready", NULL);
	if (joined)
		life_tell(l, "worker.ready", NULL);
	log_debug("%s: ready, pid %d, after %llu ms", life_name(l, name), (int)l->pid,
		  (unsigned long long)(l->ready_ms - l->born_ms));
	l->pool->ever_ready = true;
	if (l->slot->twin == l && !pool_roll_gathers(l->slot))
		slot_take_over(l->slot);
	pool_update(l->pool);
	if (l->pool->announced)
		bus_pool_ready(l->pool);
	pool_kick(l->pool);
}

/* It will go by itself; its slot gets another at once. */
static void leave(struct life *l)
{
	struct slot *s = l->slot;
	bool current = s && s->current == l;

	/* In a stop all are leaving, but for one whose end was seen just before it. */
	if (!slot_is_wanted(s) || life_step(l, EV_DRAIN) < 0)
		return;
	birth_over(l);
	watchdog_stop(l);
	life_deadline_in(l, l->pool->conf->drain_timeout_ms);
	/* It may have said so and go on to accept: a wire that has a word for it asks. */
	if (l->suicide)
		ignore(l->master->world->drain(l, l->pool->conf->drain_timeout_ms));
	if (current)
		slot_replace_leaving(s, l);
}

void life_suicide(struct life *l, const char *text, size_t len)
{
	char name[LIFE_NAME_BYTES], safe[TEXT_SHORT_BYTES + 1];

	/* Said once or a hundred times, while draining or in a stop: one replacement. */
	if (l->suicide || !l->slot || l->state == LIFE_DEAD || l->state == LIFE_KILLED)
		return;
	l->suicide = true;
	(void)text_safe(text, len, safe, sizeof(safe));
	life_tell(l, "worker.suicide", safe);
	log_info("%s (pid %d) met an error and leaves when its connections are done",
		 life_name(l, name), (int)l->pid);
	leave(l);
}

void life_leaving(struct life *l)
{
	if (l->state != LIFE_READY)
		return;
	life_tell(l, "worker.drain", NULL);
	leave(l);
}

void life_protocol_error(struct life *l, const char *what)
{
	char name[LIFE_NAME_BYTES];

	life_detail(l, "%s", what);
	log_warn("%s (pid %d) broke the %s protocol: %s; it is ended", life_name(l, name),
		 (int)l->pid, l->gen->wire->name, what);
	life_kill(l, REASON_PROTOCOL);
}

void life_hint(struct life *l, const char *text)
{
	char name[LIFE_NAME_BYTES], safe[TEXT_SHORT_BYTES + 1];

	if (l->hinted)
		return;
	l->hinted = true;
	(void)text_safe(text, strlen(text), safe, sizeof(safe));
	log_warn("%s: %s", life_name(l, name), safe);
}

bool life_promote(struct life *l, struct slot *s)
{
	int r;

	list_remove(&l->node);
	bus_let_go(l);
	l->slot = s;
	l->place = s->place;
	l->cpus = s->cpus;
	ignore(life_step(l, EV_HANDED));
	r = l->master->world->hand_over(l);
	if (r < 0) {
		/* Dead or deaf: its death counts against the spare, not the slot. */
		l->slot = NULL;
		list_append(&l->pool->spares, &l->node);
		life_kill(l, REASON_START);
		return false;
	}
	life_deadline_in(l, l->gen->wire->hand_over_ms);
	s->current = l;
	ignore(slot_step(s, SV_BIRTH));
	readiness_promoted(l);
	return true;
}

static void log_certificate(struct life *l, const struct death *d)
{
	char name[LIFE_NAME_BYTES], cause[256], age[TEXT_DURATION_BYTES];
	bool expected = d->reason == REASON_STOP || d->reason == REASON_RESTART ||
			d->reason == REASON_RELOAD || d->reason == REASON_SCALE ||
			d->reason == REASON_SUICIDE || d->reason == REASON_MAX_AGE ||
			d->reason == REASON_RECYCLE_MEMORY;

	death_cause(d, cause, sizeof(cause));
	text_duration(d->uptime_ms, age);
	if (l->strangers > 1)
		log_warn("%s: %u messages in its name were not its own", life_name(l, name),
			 l->strangers);
	if (expected && log_wants(LOG_L_INFO) == false)
		return;
	log_line(expected ? LOG_L_INFO : LOG_L_WARN, "%s (pid %d) died after %s: %s%s%s%s",
		 life_name(l, name), (int)d->pid, age, cause,
		 d->status_text[0] ? ", last status \"" : "", d->status_text,
		 d->status_text[0] ? "\"" : "");
	if (d->hint[0])
		log_warn("%s: hint: %s", life_name(l, name), d->hint);
}

void life_lost(struct life *l)
{
	if (l->certified || l->lost)
		return;
	l->lost = true;
	timer_clear(&l->master->loop, &l->deadline);
	watchdog_stop(l);
	if (l->slot)
		slot_lost(l->slot, l);
	listeners_steer(l->pool);
	dispatch_update(l->pool);
}

void life_certify(struct life *l)
{
	struct event ev = { .name = "worker.exit",
			    .pool = l->pool,
			    .life = l,
			    .slot = l->slot ? (int)l->slot->index : -1 };
	struct slot *place = l->slot ? l->slot : &l->pool->spare_slot;
	struct pool *p = l->pool;
	struct death d;

	if (l->certified)
		return;
	l->certified = true;
	birth_over(l);
	readiness_done(l);
	observe_done(l);
	recycle_done(l);
	ignore(life_step(l, EV_DIED));
	bus_gone(l);
	dispatch_gone(l);
	timer_clear(&l->master->loop, &l->deadline);
	watchdog_stop(l);
	output_drain(l);
	leaf_gather(l);
	death_fill(&d, l);
	death_hint(&d, l);
	leaf_count(l);
	ev.death = &d;
	master_event(l->master, &ev);
	log_certificate(l, &d);
	slot_keep_death(place, &d);
	if (l->slot)
		slot_died(l->slot, l, &d);
	else
		spare_died(p, l);
	l->master->world->release(l);
	pool_update(p);
	pool_kick(p);
	master_check_idle(l->master);
}
