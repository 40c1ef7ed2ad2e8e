/* SPDX-License-Identifier: MIT */
/* listeners.h - the pool's sockets, against the workers that hold them too.
 *
 * A listener is one address. It has one socket for all workers, or one for each
 * worker, in a group of the kernel's (traps 5): a *seat*. A program that opens its
 * socket itself also decides the *form*: an address that means all of them is
 * held for IPv6 with IPv4 and for IPv4 alone, and the first bind(2) decides which
 * one listens (traps 7).
 *
 * A socket is one open description for all who hold it (traps 1): a worker can
 * shut it down, connect it, set options on it. The master sees the first two at
 * once and repairs them; options are put right after each death. */
#ifndef MPSUP_SUPER_LISTENERS_H
#define MPSUP_SUPER_LISTENERS_H

#include "super/super.h"

#define LISTENERS_MAX	  1024 /* of a pool, with those that are leaving */
#define LISTENER_ANYWHERE (~0u)
#define LIVE_WORDS(n)	  (((n) + 63) / 64) /* of pool->live */

MUST_CHECK int listeners_open(struct pool *p, struct err *e);
/* Whether the addresses that none of the pools has could be had; nothing is kept. -errno with
 * a sentence: somebody else listens there, or this host has no such address. */
MUST_CHECK int listeners_try(const struct master *m, const struct pool_config *conf, struct err *e);
/* Room for the sockets of so many places, without any: of an upgrade. -ENOMEM. */
MUST_CHECK int listeners_again(struct pool *p, unsigned places);
void listeners_close(struct pool *p);
/* Before that, of a pool that starts again with other addresses: those sockets which stay are
 * found by listeners_open(), so that who comes meanwhile waits. Only where all workers share
 * one: those of a group are no longer in the order in which the kernel has them. */
void listeners_keep_open(struct pool *p);
void listeners_drop_kept(struct pool *p); /* what was not wanted */
/* The pool has another configuration, of the addresses of its generation: their strings are
 * that one's, and its backlog holds. */
void listeners_rebase(struct pool *p);

/* listeners_roll.c: generations with other addresses.
 *
 * A new address listens before the first worker of its generation is born, one that goes
 * until nobody of the old one is left to serve it: then who connects is refused. */

/* An address of this configuration cannot be had beside those that the pool has: the same
 * port on fewer addresses, the same path with another owner. */
bool listeners_clash(const struct pool *p, const struct pool_config *conf);
/* Which of them is in the way of this one; NULL: none, or it is that very one. */
const struct listener *listeners_in_the_way(const struct pool *p, const struct listen_spec *s);
/* The addresses that g has, for the births of it: those that the pool has not are opened.
 * -errno with a sentence: all is as before. Harmless for a pool that is closed. */
MUST_CHECK int listeners_join(struct pool *p, struct generation *g, struct err *e);
/* Those that it has now, for the generation that they were opened for. -ENOMEM. */
MUST_CHECK int listeners_map(struct pool *p, struct generation *g);
void listeners_unmap(struct generation *g);
/* It is not of the present generation: who still has it finishes, nobody new comes. */
bool listener_is_leaving(const struct listener *l);
/* Its programs have asked for it, and it is none of its addresses. */
bool listener_is_programs(const struct listener *l);
/* Somebody who gets new connections, as of the last listeners_steer(), has it. */
bool listener_is_served(const struct listener *l);
/* Nothing can go back any more: who waits at what is leaving is refused. */
void listeners_retire(struct pool *p);
/* What is leaving is closed once nobody has it. */
void listeners_sweep(struct pool *p);

struct listener *listener_ref(struct listener *l);
void listener_unref(struct listener *l); /* accepts NULL */
/* The one after this; NULL: the first, none. */
struct listener *listeners_next(const struct pool *p, const struct listener *after);
#define each_listener(l, p)                                                                        \
	for (struct listener *l = listeners_next(p, NULL); l; l = listeners_next(p, l))
/* There will be n slots; more than now. -ENOMEM: some of it may have grown. */
MUST_CHECK int listeners_grow(struct pool *p, unsigned slots);
/* A new slot gets its place. */
MUST_CHECK int listeners_settle(struct slot *s);
/* The place of a worker that comes beside the slot's: its own sockets where each has some
 * (a program that cannot stop accepting keeps the others, and they are steered away from);
 * the same where all share one. -ENOMEM. */
MUST_CHECK int listeners_twin_place(const struct slot *s, unsigned *ret);
/* A worker is gone: where the place was its alone its sockets are closed. */
void listeners_give_up(struct pool *p, unsigned place);
/* After a worker's death: what it may have left on the sockets. */
void listeners_restore(struct pool *p);

/* Workers find them at their birth (LISTEN_FDS): by protocol systemd; by auto as long as
 * its program is not known to open them itself, and not with spares, which must park
 * inside bind() and would find others than those that they replace (traps 32). */
bool listeners_are_offered(const struct pool *p);

/* The sockets that listen on one address now. Returns how many of them were written. */
unsigned listeners_sockets(const struct listener *l, int *fds, unsigned max);

/* The same of one worker: those that nobody else has, or its generation alone. */
size_t listeners_of(const struct life *l, int *fds, size_t max);
/* Do new connections go past this worker, which leaves, because each has sockets of its
 * own and others serve, or all are refused? */
bool listeners_steer_away(const struct life *l);

/* Before a birth that finds them: as systemd gives them, blocking, and whatever the last
 * holder has set; not while another one lives that may hold them. */
void listeners_lend(const struct life *l);

/* New connections go to slots that have a ready worker. Cheap when nothing changed. */
void listeners_steer(struct pool *p);
/* world.refuse: see struct world. -EOPNOTSUPP: not for a socket of all workers, nor for one
 * that is lent. While pool->refuses it holds for those that join, too. */
MUST_CHECK int listeners_refuse(struct pool *p);
/* Nobody will take what waits for this slot for long: its sockets are closed, so that
 * the clients hear of it; they are opened again with its next worker. The last one keeps
 * the address, and goes to the slot that has a worker first. */
void listeners_vacate(struct slot *s);
/* The pool has failed: clients are refused instead of waiting; the addresses stay ours. */
void listeners_silence(struct pool *p);
/* The other way round, before a birth. -errno with a sentence. */
MUST_CHECK int listeners_occupy(struct life *of, struct err *e);
/* One that it asks for later. */
MUST_CHECK int listener_occupy(struct listener *l, const struct life *of, struct err *e);

/* Between listeners.c and listeners_want.c: one listener. */
MUST_CHECK int listener_make_seats(struct listener *l, enum listener_form form); /* -ENOMEM */
/* The pool's number index; NULL: no memory, or there is one. Its reference is the pool's. */
struct listener *listener_add(struct pool *p, const struct listen_spec *spec, unsigned index);
/* That of number `at` in a configuration of the pool. */
struct listener *listener_add_of(struct pool *p, struct pool_config *conf, unsigned at,
				 unsigned index);
/* Hold the address. at_once: workers find it at their birth, so it listens, too; where each
 * has a socket, those at `place` and `n` - 1 behind it do, and with n 0 the address is only
 * held there. */
MUST_CHECK int listener_begin(struct listener *l, bool at_once, unsigned place, unsigned n,
			      struct err *e);
/* Of this configuration, in a pool of that protocol. */
bool listeners_begin_at_once(const struct pool *p, const struct pool_config *conf);
void listener_remove(struct listener *l); /* close it, and the pool has it no more */
bool listener_is_open(const struct listener *l);
/* A place that nobody has; it may be a new one. -ENOMEM. */
MUST_CHECK int listeners_free_place(struct pool *p, unsigned *ret);
/* A worker's seat: where it is closed, and an open one is nobody's, it becomes that. */
MUST_CHECK int listener_seat(struct listener *l, enum listener_form form, const struct life *who,
			     struct seat **ret);
MUST_CHECK int listener_start_seat(struct seat *s, struct err *e);
void listener_close_form(struct listener *l, enum listener_form form);

/* places.c. Room for n; those that the pool has stay. -ENOMEM. */
MUST_CHECK int places_make(struct pool *p, unsigned n);
/* Somebody who lives, but for `but`, may hold the sockets of this place. */
bool place_is_held(const struct pool *p, unsigned place, const struct life *but);
/* It has a worker that gets new connections. */
bool slot_serves(const struct slot *s);
const struct slot *place_owner(const struct pool *p, unsigned place); /* NULL: none */
/* No slot's, and nobody who lives has it. */
bool place_is_free(const struct pool *p, unsigned place);

/* An address that a program asks for: which listener, or -ENOENT: it is none of the
 * master's business; -EADDRINUSE with a sentence: refused. May open a new one
 * (--unlisted open). */
MUST_CHECK int listeners_find(const struct life *who, const struct listen_want *w,
			      struct listener **ret, struct err *e);

/* The socket for a bind(2) that was found to be l's, bound, and what form it has; it may
 * not listen yet. It stays ours. -EADDRINUSE with a sentence: another form is in use. */
MUST_CHECK int listeners_take(struct listener *l, const struct listen_want *w, struct life *who,
			      int *ret_fd, struct err *e);
/* Its listen(2). 0 when inode is one of the pool's sockets, and it listens now; *ret
 * is set then. -ENOENT: another socket. */
MUST_CHECK int listeners_started(struct pool *p, uint64_t inode, struct listener **ret,
				 struct err *e);
/* It is ready without a bind(2): it serves from the sockets that it found at its birth,
 * and no sibling's bind(2) may change their form. */
void listeners_keep(struct life *l);
/* A life is over: what it took may change its form. */
void listeners_leave(struct life *l);

#endif
