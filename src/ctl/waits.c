/* SPDX-License-Identifier: MIT */
/* waits.c - clients that wait for the workers of their target to be ready. */
#define _GNU_SOURCE
#include <stdio.h>

#include "ctl/ctl.h"
#include "super/life.h"

enum verdict { NOT_YET, READY, NEVER };

static enum verdict of_slot(const struct ctl_client *cl, const struct slot *s)
{
	if (s->state == SLOT_FAILED || s->pool->draining || s->pool->phase == POOL_FAILED)
		return NEVER;
	return s->current && s->current->state == LIFE_READY &&
			       s->current->number > cl->ready_after ?
		       READY :
		       NOT_YET;
}

static void refuse(struct ctl_client *cl, const struct slot *s)
{
	char name[LIFE_NAME_BYTES], cause[256] = "it never got that far";

	if (s->pool->draining) {
		client_fail(cl, 1, "pool %s is stopping", s->pool->conf->name);
		return;
	}
	if (s->deaths[0])
		death_cause(s->deaths[0], cause, sizeof(cause));
	client_fail(cl, 1, "%s has failed, its last end: %s; mpsup logs --err %s shows its words",
		    slot_name(s, name), cause, name);
}

void client_check_ready(struct ctl_client *cl)
{
	const struct master *m = cl->ctl->master;
	unsigned n = 0;

	for (unsigned i = 0; i < m->npools; i++) {
		const struct pool *p = &m->pools[i];

		if (cl->ready_pool && cl->ready_pool != p)
			continue;
		for (unsigned k = 0; k < p->nslots; k++) {
			enum verdict v;

			if (cl->ready_slot >= 0 && (unsigned)cl->ready_slot != k)
				continue;
			v = of_slot(cl, &p->slots[k]);
			if (v == NEVER) {
				cl->want_ready = false;
				refuse(cl, &p->slots[k]);
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
