/* SPDX-License-Identifier: MIT */
/* waits.c - clients that wait for the workers of their target to be ready, or gone. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "ctl/verbs.h"
#include "super/life.h"
#include "super/pool.h"

enum verdict { NOT_YET, READY, NEVER };

static enum verdict of_slot(const struct ctl_client *cl, const struct slot *s)
{
	if (s->state == SLOT_FAILED || !slot_is_wanted(s) || s->pool->phase == POOL_FAILED)
		return NEVER;
	if (s->current && s->current->state == LIFE_READY && s->current->number > cl->ready_after)
		return READY;
	return cl->by_twin && !s->twin ? NEVER : NOT_YET;
}

static void refuse(struct ctl_client *cl, const struct slot *s)
{
	char name[LIFE_NAME_BYTES], cause[256] = "it never got that far";

	if (s->pool->draining) {
		client_fail(cl, 1, "pool %s %s", s->pool->conf->name,
			    s->pool->phase == POOL_STOPPED ? "was stopped" : "is stopping");
		return;
	}
	if (s->halted) {
		client_fail(cl, 1, "%s was stopped meanwhile", slot_name(s, name));
		return;
	}
	if (s->deaths[0])
		death_cause(s->deaths[0], cause, sizeof(cause));
	if (cl->by_twin) {
		client_fail(cl, 1, "%s stays: who was to replace it never got ready: %s",
			    slot_name(s, name), cause);
		return;
	}
	client_fail(cl, 1, "%s has failed, its last end: %s; mpsup logs --err %s shows its words",
		    slot_name(s, name), cause, name);
}

void client_check_ready(struct ctl_client *cl)
{
	const struct master *m = cl->ctl->master;
	unsigned n = 0;

	for (unsigned i = 0; i < m->npools; i++) {
		const struct pool *p = m->pools[i];

		if (cl->ready_pool && cl->ready_pool != p)
			continue;
		if (p->waits_for_address && p->phase == POOL_STARTING)
			return;
		if (!p->gen) { /* it has no slots that could say so */
			cl->want_ready = false;
			client_fail(cl, 1, "pool %s has failed: %s", p->conf->name, p->reason);
			return;
		}
		for (unsigned k = 0; k < p->nslots; k++) {
			enum verdict v;

			if (cl->ready_slot >= 0 && (unsigned)cl->ready_slot != k)
				continue;
			v = of_slot(cl, p->slots[k]);
			if (v == NEVER) {
				cl->want_ready = false;
				refuse(cl, p->slots[k]);
			}
			if (v != READY)
				return;
			n++;
		}
	}
	cl->want_ready = false;
	cl->closing = true;
	client_send(cl, json_pack("{s:b, s:i}", "ok", 1, "ready", (int)n));
}

void client_check_stopped(struct ctl_client *cl)
{
	const struct pool *p = cl->stop_pool;
	char name[LIFE_NAME_BYTES];

	if (cl->stop_slot < 0) {
		if (p->phase != POOL_STOPPED)
			return;
	} else if ((unsigned)cl->stop_slot < p->nslots_made) { /* else it is another pool by now */
		const struct slot *s = p->slots[cl->stop_slot];

		if (slot_is_wanted(s) && cl->only_waits)
			return;
		if (slot_is_wanted(s)) {
			cl->want_stop = false;
			client_fail(cl, 1, "%s was started again meanwhile", slot_name(s, name));
			return;
		}
		if (!slot_is_empty(s) || (p->draining && p->phase != POOL_STOPPED))
			return;
	}
	cl->want_stop = false;
	client_ok(cl);
}

void verb_wait(struct ctl_client *cl, const struct target *t, const json_t *args)
{
	const char *what = json_string_value(json_object_get(args, "what"));

	if (what && strcmp(what, "ready") == 0) {
		cl->want_ready = true;
		cl->ready_pool = t->pool;
		cl->ready_slot = t->slot;
		cl->ready_after = 0;
		client_check_ready(cl);
	} else if (what && strcmp(what, "stopped") == 0) {
		cl->want_stop = cl->only_waits = true;
		cl->stop_pool = t->pool;
		cl->stop_slot = t->slot;
		if (t->pool)
			client_check_stopped(cl);
	} else {
		client_fail(cl, 2, "wait for what? right is: ready or stopped");
	}
}
