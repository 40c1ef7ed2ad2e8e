/* SPDX-License-Identifier: MIT */
/* dispatch.h - --balance roundrobin and sticky: the master accepts, and gives each
 * connection to a worker by its channel. docs/balance.md.
 *
 * A connection is the master's until a worker has answered that it takes it: what was
 * given to one that dies, or says no, goes to another. What waits in a living worker's
 * channel cannot be taken back (it would have two owners when that worker goes on), so
 * each has one unanswered connection at the most; the others that are dealt to it wait
 * here and can still go elsewhere. */
#ifndef MPSUP_SUPER_DISPATCH_H
#define MPSUP_SUPER_DISPATCH_H

#include "super/super.h"

#define DISPATCH_TRIES	  8    /* workers that may refuse one, or die of it */
#define DISPATCH_LATE_MS  1000 /* one that has not answered for so long gets no more */
#define DISPATCH_PAUSE_MS 100  /* out of descriptors: accepting is not tried again before */
#define DISPATCH_BATCH	  16   /* accepted in one turn of the loop */
#define DISPATCH_HELD	  1024 /* of one pool at once; the rest waits in the kernel */
#define DISPATCH_QUEUE	  8    /* dealt to one worker beforehand */
/* The home of sticky clients is not left for a burst. */
#define DISPATCH_QUEUE_STICKY 256

struct conn {
	struct list node; /* in dispatch.waiting, or in a life's queue */
	int fd;
	unsigned listener; /* its index in the pool */
	uint64_t number;   /* on the wire; a new one for each try */
	bool has_home;	   /* sticky, and it has an address */
	uint64_t home;	   /* hash of that */
	unsigned ntried;
	uint64_t tried[DISPATCH_TRIES]; /* numbers of lives */
};

void dispatch_init(struct pool *p);
void dispatch_done(struct pool *p);
void dispatch_init_life(struct life *l);

/* Something waits on this socket. */
void dispatch_accept(struct seat *s);
/* Workers, or what they take, came or went. Harmless in pools that do not dispatch. */
void dispatch_update(struct pool *p);
/* This listener is shut, and its number may become another's: who waits there is closed. */
void dispatch_forget(struct pool *p, unsigned listener);
/* A worker's word on a connection; false: it has none of that number. */
bool dispatch_answered(struct life *l, uint64_t number, bool taken);
/* It reads again. */
void dispatch_room(struct life *l);
/* It will not answer any more: what it has and did not answer for is dealt anew. */
void dispatch_gone(struct life *l);

/* ---- dispatch_choose.c ---- */

/* What of an address makes a client the same one again: IPv4 (mapped or not) the whole,
 * IPv6 the first 64 bits. false: it has none (a unix socket). */
bool dispatch_home(const struct sockaddr_storage *peer, uint64_t *ret);
/* It can be given connections of this listener. */
bool dispatch_able(const struct life *l, unsigned listener);
bool dispatch_has_room(const struct life *l);
/* Whose it is. NULL: nobody's just now. */
struct life *dispatch_choose(struct pool *p, const struct conn *c);
/* All that could take it have refused it. */
bool dispatch_is_hopeless(const struct pool *p, const struct conn *c);

#endif
