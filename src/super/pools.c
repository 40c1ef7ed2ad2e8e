/* SPDX-License-Identifier: MIT */
/* pools.c - pools come and go: their place in the master, the opening of their world. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "super/pool.h"
#include "super/prepare.h"

int exit_status_of(int code)
{
	switch (code) {
	case -EOPNOTSUPP:
		return EXIT_HOST_CANNOT;
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
	case -EAGAIN:
	case -EIO:
		return 1;
	default:
		return EXIT_ASKED_WRONG; /* what was asked for is wrong, missing or taken */
	}
}

struct pool *pool_new(struct master *m, struct pool_config *conf)
{
	struct pool **more = realloc(m->pools, (m->npools + 1) * sizeof(*more));
	struct pool *p = more ? calloc(1, sizeof(*p)) : NULL;

	if (more)
		m->pools = more;
	if (!p)
		return NULL;
	p->conf = pool_config_ref(conf);
	pool_init(p, m);
	m->pools[m->npools++] = p;
	return p;
}

void pool_free(struct pool *p)
{
	struct master *m = p->master;

	prepare_pool_done(p);
	pool_done(p);
	pool_config_unref(p->conf);
	for (unsigned i = 0; i < m->npools; i++)
		if (m->pools[i] == p) {
			memmove(&m->pools[i], &m->pools[i + 1],
				(m->npools - i - 1) * sizeof(struct pool *));
			m->npools--;
			break;
		}
	free(p);
}

int pool_open(struct pool *p, struct err *e)
{
	struct master *m = p->master;
	int r = config_resolve_pool(m->config, p->conf, e);

	if (r == 0)
		r = prepare_pool(m, p, e);
	if (r == 0 && pool_make_slots(p) < 0) {
		r = err_set(e, -ENOMEM, "out of memory");
		prepare_pool_done(p);
	}
	if (r < 0) {
		pool_config_place(p->conf, e);
		return r;
	}
	pool_deal_cpus(p);
	prepare_say(p);
	return 0;
}

/* The text was right, and is taken anew: what a try has resolved of it is not. */
int pool_open_again(struct pool *p, struct err *e)
{
	struct pool_config *conf = NULL;
	int r = pool_config_changed(p->conf, NULL, 0, &conf, e);

	if (r < 0)
		return r;
	pool_config_unref(p->conf);
	p->conf = conf;
	return pool_open(p, e);
}

void pool_break(struct pool *p, const struct err *e)
{
	struct event ev = { .name = "pool.failed", .pool = p, .slot = -1, .text = p->reason };

	p->phase = POOL_FAILED;
	p->exit_code = exit_status_of(e->code);
	(void)snprintf(p->reason, sizeof(p->reason), "%s", e->msg);
	log_error("pool %s cannot start: %s", p->conf->name, e->msg);
	master_event(p->master, &ev);
}
