/* SPDX-License-Identifier: MIT */
/* life_end.c - how a life ends when it is asked to: its word or a watch, else the signal, else
 * the whole leaf; and what its deadline means in each state. */
#include "base/log.h"
#include "super/binds.h"
#include "super/dispatch.h"
#include "super/life.h"
#include "super/listeners.h"
#include "super/pool.h"
#include "super/watchdog.h"

#define STOP_DRAIN_MS 30000   /* contract: draining in a stop */
#define DRAINED_MS    1000    /* then it gets the signal, when it has nothing more to serve */
#define KILL_GRACE_MS 5000    /* a killed leaf that is not empty by then is worth a line */
#define EXTEND_MAX_MS 3600000 /* EXTEND_TIMEOUT_USEC at the most */

static uint64_t now(const struct life *l)
{
	return l->master->world->now_ms();
}

bool life_was_unwanted(const struct life *l)
{
	switch (l->asked) {
	case REASON_STOP:
	case REASON_STOP_TIMEOUT:
	case REASON_RESTART:
	case REASON_RELOAD:
	case REASON_SCALE:
		return true;
	default:
		return false;
	}
}

void life_kill(struct life *l, enum reason why)
{
	if (life_step(l, EV_KILL) < 0)
		return;
	if (!l->asked || why == REASON_STOP_TIMEOUT)
		l->asked = why;
	watchdog_stop(l);
	l->master->world->kill(l);
	life_deadline_in(l, KILL_GRACE_MS);
	dispatch_update(l->pool);
}

/* How one leaves goes with its program: the next generation's may be another. */
static const struct pool_config *own_conf(const struct life *l)
{
	if (l->gen == l->pool->gen)
		return l->pool->conf; /* as a person has changed it since */
	return l->gen->left_conf ? l->gen->left_conf : l->gen->conf;
}

static void stop_by_signal(struct life *l)
{
	if (life_step(l, EV_SIGNAL) < 0)
		return;
	watchdog_stop(l);
	l->master->world->signal(l, own_conf(l)->stop_signal);
	life_deadline_in(l, own_conf(l)->stop_timeout_ms);
	dispatch_update(l->pool);
}

/* Nobody takes over before it leaves: it is waited for. */
static bool is_waited_for(enum reason why)
{
	return why == REASON_STOP || why == REASON_RESTART;
}

/* A stop of all waits for less than one that nobody notices. */
static uint64_t time_to_drain(const struct life *l, enum reason why)
{
	uint64_t ms = l->pool->conf->drain_timeout_ms;

	return is_waited_for(why) && ms > STOP_DRAIN_MS ? STOP_DRAIN_MS : ms;
}

/* By its protocol's word, or watched while others serve or, in a stop, new connections are
 * refused. false: the signal at once. */
static bool drain(struct life *l, uint64_t ms)
{
	const struct world *w = l->master->world;
	enum drain_mode mode = own_conf(l)->drain;
	bool watch = !l->pool->draining || l->pool->refuses; /* none of its own comes meanwhile */
	int r;

	if (l->state != LIFE_READY || mode == DRAIN_SIGNAL)
		return false;
	/* With a socket of its own it closes that at the word, and what waits there. */
	if (mode != DRAIN_OBSERVE && watch && w->observe(l, true) == 0)
		return true;
	if (mode != DRAIN_OBSERVE && w->drain(l, ms) == 0)
		return true;
	if (mode == DRAIN_PROTOCOL || !watch)
		return false;
	r = w->observe(l, false);
	l->drained = r > 0; /* nobody is there, and nobody can come */
	return r == 0;
}

void life_stop(struct life *l, enum reason why)
{
	uint64_t drain_ms = time_to_drain(l, why);

	if (l->lost) /* by itself, just before */
		return;
	if (!l->asked)
		l->asked = why;
	listeners_steer(l->pool);	 /* who comes from now on goes elsewhere */
	if (l->state == LIFE_DRAINING) { /* a suicide that is still finishing */
		if (l->deadline.at_ms > now(l) + drain_ms)
			life_deadline_in(l, drain_ms);
		return;
	}
	if (drain(l, drain_ms)) {
		ignore(life_step(l, EV_DRAIN));
		watchdog_stop(l);
		life_tell(l, "worker.drain", NULL);
		life_deadline_in(l, drain_ms);
		dispatch_update(l->pool);
		return;
	}
	/* Not even born: nobody to signal. Inside of a bind(2) no signal is heard (traps 27). */
	if (l->pid == 0 || binds_is_parked(l))
		life_kill(l, why);
	else
		stop_by_signal(l);
	/* The signal is all that it knows of draining: what it has begun it may finish. */
	if (l->state == LIFE_STOPPING && l->was_ready && !is_waited_for(why) &&
	    drain_ms > own_conf(l)->stop_timeout_ms)
		life_deadline_in(l, drain_ms);
}

void life_emptied(struct life *l)
{
	if (l->state != LIFE_DRAINING)
		return;
	if (l->master->world->drain(l, l->deadline.at_ms - now(l)) < 0)
		stop_by_signal(l);
}

void life_observed(struct life *l)
{
	if (l->state != LIFE_DRAINING)
		return;
	l->drained = true;
	stop_by_signal(l);
}

/* What is open still is ended with it. */
static void count_cut(struct life *l)
{
	int64_t n = l->drained ? 0 : l->master->world->busy(l);

	l->drained = true; /* or counted */
	if (n <= 0)
		return;
	l->pool->usage.connections_cut += (uint64_t)n;
	if (l->asked == REASON_RELOAD)
		l->pool->roll.cut += (unsigned)n;
}

void life_on_deadline(struct timer *t)
{
	struct life *l = container_of(t, struct life, deadline);
	char name[LIFE_NAME_BYTES];
	bool late;

	switch (l->state) {
	case LIFE_STARTING:
	case LIFE_JOINING:
		if (!l->slot) {
			log_warn(
				"%s (pid %d) did not ask for its socket within %llu ms and cannot be "
				"parked; it is ended",
				life_name(l, name), (int)l->pid,
				(unsigned long long)l->pool->conf->ready_timeout_ms);
			life_kill(l, REASON_READY_TIMEOUT);
			break;
		}
		log_warn("%s (pid %d) was not ready within %llu ms; it is ended",
			 life_name(l, name), (int)l->pid,
			 (unsigned long long)(l->state == LIFE_JOINING ?
						      l->gen->wire->hand_over_ms :
						      l->pool->conf->ready_timeout_ms));
		life_kill(l, REASON_READY_TIMEOUT);
		break;
	case LIFE_DRAINING:
		late = !l->drained;
		count_cut(l);
		if (!l->asked && late)
			l->asked = REASON_DRAIN_TIMEOUT;
		else if (!l->asked && !l->suicide)
			l->asked = REASON_STOP;
		stop_by_signal(l);
		break;
	case LIFE_STOPPING:
		if (l->was_ready)
			count_cut(l);
		life_kill(l, REASON_STOP_TIMEOUT);
		break;
	case LIFE_KILLED:
		log_warn(
			"%s (pid %d) was killed and is still there after %d ms: the kernel holds it",
			life_name(l, name), (int)l->pid, KILL_GRACE_MS);
		break;
	default:
		break;
	}
}

/* Its servers are closed and their connections ended; what keeps it alive now, a
 * connection to a database or a timer, keeps no client. */
void life_drained(struct life *l)
{
	if (l->state != LIFE_DRAINING || l->drained)
		return;
	l->drained = true;
	if (l->deadline.at_ms > now(l) + DRAINED_MS)
		life_deadline_in(l, DRAINED_MS);
}

void life_extend(struct life *l, uint64_t usec)
{
	uint64_t until = now(l) + usec / 1000;

	/* While it starts only: a leaving worker cannot talk itself out of a deadline. */
	if (l->state != LIFE_STARTING || !l->deadline.armed)
		return;
	if (until > l->born_ms + EXTEND_MAX_MS)
		until = l->born_ms + EXTEND_MAX_MS;
	if (until > l->deadline.at_ms)
		timer_set(&l->master->loop, &l->deadline, until);
}
