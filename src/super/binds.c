/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/binds.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "super/life.h"
#include "super/life_sockets.h"
#include "super/listeners.h"
#include "super/readiness.h"

#define SETTLE_MS 100 /* a program with several sockets listens on them one after another */

static struct life *life_of(struct binder *b)
{
	return container_of(b, struct life, binder);
}

static bool is_served(const struct bind_call *c)
{
	sa_family_t f = c->addr.ss_family;

	/* UDP is not; a lying family is the kernel's to refuse. */
	return c->socket.stream && f == c->socket.family &&
	       (f == AF_UNIX || (f == AF_INET && c->addr_len >= sizeof(struct sockaddr_in)) ||
		(f == AF_INET6 && c->addr_len >= sizeof(struct sockaddr_in6)));
}

/* It has the socket from its bind(2), not through a protocol of its own. */
static bool took(const struct life *l, const struct listener *from)
{
	int number = life_sockets_number(l, from);

	for (unsigned f = 0; f < FORMS; f++)
		if (number >= 0 && l->binding.taken[f] & (1ull << number))
			return true;
	return false;
}

/* All that was configured: those like it need no sockets at their birth. */
static bool takes_all(const struct life *l)
{
	for (unsigned i = 0; i < life_sockets_configured(l); i++)
		if (!took(l, life_sockets_of(l, i)))
			return false;
	return true;
}

static void on_bind(struct binder *b, struct bind_call *c)
{
	struct life *l = life_of(b);
	struct listen_want w = { .addr = c->addr, .addr_len = c->addr_len, .v6only = c->v6only };
	struct listener *found = NULL;
	struct err e;
	int fd = -1;
	int r = is_served(c) ? listeners_find(l, &w, &found, &e) : -ENOENT;

	if (r == -ENOENT) {
		binder_pass(b, c);
		return;
	}
	l->wants_socket |= r == 0;
	if (r == 0 && !l->slot) {
		/* A spare waits here until it has its slot (traps 32). */
		if (binder_park(b, c))
			life_parked(l);
		return;
	}
	if (r == 0)
		r = listeners_take(found, &w, l, &fd, &e);
	if (r < 0) {
		life_hint(l, e.msg);
		binder_fail(b, c, -r);
		return;
	}
	if (takes_all(l))
		l->pool->binds = true;
	binder_give(b, c, fd);
}

/* Node's sockets listen from the start: who connects there waits for the program. */
static void say_unused(const struct life *l)
{
	struct pool *p = l->pool;

	if (p->conf->protocol != PROTO_NODE_CLUSTER || p->said_unused)
		return;
	for (unsigned i = 0; i < life_sockets_configured(l); i++) {
		if (l->binding.listening & (1ull << i))
			continue;
		p->said_unused = true;
		log_warn("%s: the program is up and has not listened on %s: clients wait there",
			 p->conf->name, l->gen->conf->listens[i].shown);
	}
}

static void on_settled(struct timer *t)
{
	struct life *l = container_of(t, struct life, binding.settle);

	say_unused(l);
	life_ready(l);
}

/* All that was configured listens: ready. Some of it: more may follow. */
static void listened(struct life *l, unsigned number)
{
	uint64_t all = 0;

	l->binding.listening |= 1ull << number;
	if (!readiness_takes_listen(l) || l->was_ready)
		return;
	for (unsigned i = 0; i < l->sockets.n; i++)
		all |= 1ull << i;
	if ((l->binding.listening & all) == all)
		life_ready(l);
	else
		timer_set(&l->master->loop, &l->binding.settle,
			  l->master->world->now_ms() + SETTLE_MS);
}

static void on_listen(struct binder *b, struct bind_call *c)
{
	struct life *l = life_of(b);
	struct listener *on = NULL;
	struct err e;
	int r = listeners_started(l->pool, c->socket.inode, &on, &e), number;

	if (r == -ENOENT) {
		binder_pass(b, c);
		return;
	}
	if (r < 0)
		life_hint(l, e.msg);
	/* Not the program's own listen(2): its backlog of five would be all workers'. */
	binder_fail(b, c, -r);
	if (r < 0 || !(took(l, on) || l->pool->conf->protocol == PROTO_AUTO))
		return;
	number = life_sockets_number(l, on);
	if (number >= 0)
		listened(l, (unsigned)number);
}

static void on_blind(struct binder *b)
{
	life_hint(life_of(b), "mpsup may not look at its bind(): that needs CAP_SYS_PTRACE");
}

static const struct binder_up up = {
	.bind = on_bind,
	.listen = on_listen,
	.blind = on_blind,
};

void binds_listening(struct life *l, unsigned number)
{
	if (life_sockets_of(l, number))
		listened(l, number);
}

void binds_init(struct life *l)
{
	l->binder = BINDER_NONE;
	timer_init(&l->binding.settle, on_settled);
}

int binds_open(struct life *l, int fd)
{
	return binder_open(&l->binder, &l->master->loop, &up, fd);
}

bool binds_is_parked(const struct life *l)
{
	return l->binder.nparked > 0;
}

bool binds_has_taken(const struct life *l)
{
	for (unsigned f = 0; f < FORMS; f++)
		if (l->binding.taken[f])
			return true;
	return false;
}

void binds_hand_over(struct life *l)
{
	binder_release(&l->binder);
}

void binds_close(struct life *l)
{
	timer_clear(&l->master->loop, &l->binding.settle);
	binder_close(&l->binder);
	listeners_leave(l);
}
