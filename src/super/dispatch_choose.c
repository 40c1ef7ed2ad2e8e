/* SPDX-License-Identifier: MIT */
/* dispatch_choose.c - which worker gets a connection.
 *
 * roundrobin: the next slot in turn. sticky: each slot draws a number from the client's
 * address, the highest one that is there takes it (rendezvous hashing). So a slot's
 * clients, and no others, go elsewhere while it has no worker, spread over all the rest,
 * and they come back to it. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <string.h>

#include "super/dispatch.h"

/* splitmix64's finalizer. Spread, not secrecy. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

bool dispatch_home(const struct sockaddr_storage *peer, uint64_t *ret)
{
	const struct sockaddr_in *in = (const void *)peer;
	const struct sockaddr_in6 *in6 = (const void *)peer;
	uint64_t bits = 0;
	uint32_t v4;

	if (peer->ss_family == AF_INET) {
		v4 = in->sin_addr.s_addr;
	} else if (peer->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		memcpy(&v4, &in6->sin6_addr.s6_addr[12], sizeof(v4));
	} else if (peer->ss_family == AF_INET6) {
		/* A household or a machine; the rest changes by the day (RFC 8981). */
		memcpy(&bits, &in6->sin6_addr, sizeof(bits));
		*ret = mix(bits ^ UINT64_C(0x9e3779b97f4a7c15));
		return true;
	} else {
		return false;
	}
	*ret = mix(v4);
	return true;
}

bool dispatch_able(const struct life *l, unsigned listener)
{
	return l->state == LIFE_READY && !l->lost && !l->pool->draining &&
	       l->master->world->takes(l, listener);
}

bool dispatch_has_room(const struct life *l)
{
	unsigned max = l->pool->conf->balance == BALANCE_STICKY ? DISPATCH_QUEUE_STICKY :
								  DISPATCH_QUEUE;

	return l->dispatch.nqueued < max;
}

static bool has_tried(const struct conn *c, const struct life *l)
{
	for (unsigned i = 0; i < c->ntried; i++)
		if (c->tried[i] == l->number)
			return true;
	return false;
}

static bool is_candidate(const struct slot *s, const struct conn *c)
{
	const struct life *l = s->current;

	return l && !l->dispatch.stalled && dispatch_able(l, c->listener) && !has_tried(c, l);
}

static struct life *in_turn(struct pool *p, const struct conn *c)
{
	for (unsigned i = 0; i < p->nslots; i++) {
		unsigned slot = (p->dispatch.turn + i) % p->nslots;
		struct slot *s = p->slots[slot];

		if (!is_candidate(s, c) || !dispatch_has_room(s->current))
			continue;
		p->dispatch.turn = (slot + 1) % p->nslots;
		return s->current;
	}
	return NULL;
}

/* One whose queue is full is waited for. */
static struct life *at_home(const struct pool *p, const struct conn *c)
{
	struct life *best = NULL;
	uint64_t highest = 0;

	for (unsigned i = 0; i < p->nslots; i++) {
		uint64_t drawn = mix(c->home + (i + 1) * UINT64_C(0x9e3779b97f4a7c15));

		if (!is_candidate(p->slots[i], c) || (best && drawn <= highest))
			continue;
		best = p->slots[i]->current;
		highest = drawn;
	}
	return best && dispatch_has_room(best) ? best : NULL;
}

struct life *dispatch_choose(struct pool *p, const struct conn *c)
{
	return c->has_home ? at_home(p, c) : in_turn(p, c);
}

bool dispatch_is_hopeless(const struct pool *p, const struct conn *c)
{
	bool any = false;

	if (c->ntried == DISPATCH_TRIES)
		return true;
	for (unsigned i = 0; c->ntried > 0 && i < p->nslots; i++) {
		const struct life *l = p->slots[i]->current;

		if (!l || !dispatch_able(l, c->listener))
			continue;
		if (!has_tried(c, l))
			return false;
		any = true;
	}
	return any;
}
