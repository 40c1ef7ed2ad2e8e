/* SPDX-License-Identifier: MIT */
/* master.c - what concerns all pools: events, the way to the end. */
#define _GNU_SOURCE
#include "base/log.h"
#include "super/life.h"
#include "super/pool.h"

void master_event(struct master *m, struct event *ev)
{
	if (m->on_event)
		m->on_event(m, ev);
}

void master_check_ready(struct master *m)
{
	struct event ev = { .name = "master.ready", .slot = -1 };
	bool any = false;

	if (m->announced || m->stopping)
		return;
	for (unsigned i = 0; i < m->npools; i++) {
		const struct pool *p = m->pools[i];

		any |= p->announced;
		if (!p->announced && p->phase != POOL_STOPPED && p->phase != POOL_FAILED)
			return;
	}
	if (!any)
		return;
	m->announced = true;
	master_event(m, &ev);
}

/* One that a person stopped can be started again, as long as the master is there. */
static bool pool_over(const struct pool *p)
{
	if (p->phase == POOL_STOPPED)
		return p->master->stopping;
	return p->phase == POOL_FAILED && p->conf->on_failed == ON_FAILED_EXIT;
}

void master_check_idle(struct master *m)
{
	bool any_failed = false, broken = true;
	int code = EXIT_ALL_FAILED;

	for (unsigned i = 0; i < m->npools; i++) {
		if (!pool_over(m->pools[i]))
			return;
		any_failed |= m->pools[i]->phase == POOL_FAILED;
		broken = broken && m->pools[i]->exit_code;
	}
	/* One that got as far as to try its workers is past a limit. */
	if (broken && m->npools > 0)
		code = m->pools[0]->exit_code;
	if (any_failed && !m->stopping && m->lives > 0) {
		/* All have failed: what still drains or is parked is asked to go. */
		master_stop(m, code);
		return;
	}
	if (m->lives > 0)
		return;
	if (any_failed && !m->stopping)
		m->exit_code = code;
	if (m->on_idle)
		m->on_idle(m);
}

void master_stop(struct master *m, int exit_code)
{
	struct event ev = { .name = "master.stop", .slot = -1 };

	if (m->stopping)
		return;
	m->stopping = true;
	m->exit_code = exit_code;
	master_event(m, &ev);
	for (unsigned i = 0; i < m->npools; i++)
		pool_stop(m->pools[i]);
	master_check_idle(m);
}

void master_end_at_once(struct master *m)
{
	m->exit_code = 1;
	m->ending = true;
	for (unsigned i = 0; i < m->npools; i++) {
		struct pool *p = m->pools[i];

		for (unsigned k = 0; k < p->nslots; k++) {
			struct slot *s = p->slots[k];

			list_each(it, &s->beside)
				life_kill(container_of(it, struct life, node), REASON_STOP);
			if (s->current)
				life_kill(s->current, REASON_STOP);
		}
		list_each(it, &p->spares)
			life_kill(container_of(it, struct life, node), REASON_STOP);
	}
	master_check_idle(m);
}
