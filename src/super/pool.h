/* SPDX-License-Identifier: MIT */
/* pool.h - desired against actual: when a slot gets a life, from where, and what
 * its death means. Decisions only: what is done to the world goes through
 * struct world, so that tests run them against a fake one. */
#ifndef MPSUP_SUPER_POOL_H
#define MPSUP_SUPER_POOL_H

#include "super/super.h"

/* pools.c: a place for a pool, the last of the master's, without slots; NULL: no memory. */
struct pool *pool_new(struct master *m, struct pool_config *conf);
void pool_free(struct pool *p); /* which has no life any more */
/* Resolve its configuration, open its sockets, prepare its births, make its slots.
 * -errno with a sentence that has its place in the file: its world is broken. */
MUST_CHECK int pool_open(struct pool *p, struct err *e);
/* The same, and its start, or its break; it waits first for an address that a pool on its way
 * out still has. */
MUST_CHECK int pool_come(struct pool *p, struct err *e);
bool pool_must_wait(struct pool *p);
/* Another pool that has an address of this configuration, and gives it away; NULL: none. */
const struct pool *pool_holder_of(const struct pool *p, const struct pool_config *conf);
/* One has given addresses back: who waits for them tries. */
void pools_wake_waiting(struct master *m);
/* They have an address in common, or a part of one. */
bool pool_configs_share(const struct pool_config *a, const struct pool_config *b);
MUST_CHECK int pool_open_again(struct pool *p, struct err *e);
/* Drain it, then forget it. */
void pool_retire(struct pool *p);
void pool_gone(struct pool *p); /* of pool_update(): its last life is over */
/* Stop it, and start it with this configuration, which is resolved; a reference is taken. */
void pool_replace(struct pool *p, struct pool_config *conf);
/* Now, for it has stopped; without sockets and slots yet. */
void pool_take_pending(struct pool *p);
void pool_keep_file_conf(struct pool *p, struct pool_config *conf);
/* A person has changed this key of the pool. -ENOMEM. */
MUST_CHECK int pool_add_override(struct pool *p, const struct given *g);
struct config_diff;
/* The file's value has changed: what a person had set of it is forgotten. */
void pool_drop_overrides(struct pool *p, const struct config_diff *d);

/* twin.c: a worker that boots beside the current one of its slot, and takes its place when
 * it is ready; the other one leaves for this reason. false: not now (no memory). */
bool slot_twin(struct slot *s, struct generation *gen, enum reason why);
void slot_take_over(struct slot *s);		     /* its twin is ready */
void slot_inherit(struct slot *s);		     /* nobody is before its twin any more */
void slot_end_twin(struct slot *s, enum reason why); /* it is not wanted, if there is one */
void slot_twin_died(struct slot *s, struct life *l, const struct death *d);

/* roll.c: g, whose reference is taken over, becomes the pool's; its workers follow, some
 * after the others, and go back when one of the new ones does not get ready. Tells
 * pool.reload. Addresses that both have stay open, those that g alone has are opened first:
 * -errno with a sentence when one cannot be, and nothing has happened. */
MUST_CHECK int pool_roll(struct pool *p, struct generation *g, struct err *e);
void pool_roll_step(struct pool *p); /* of pool_update() */
void pool_roll_on_timer(struct timer *t);
/* Its twin is ready, and waits for those that take over with it. */
bool pool_roll_gathers(const struct slot *s);
void pool_end_roll(struct pool *p);
/* The pool's dynamic uid, whichever of its configurations has it, goes on to this one. */
void pool_lend_uid(const struct pool *p, struct pool_config *conf);
const char *pool_roll_reason(const struct pool *p); /* why the last one failed; "" */
/* Another generation of the same values in place of this one, which a person ends or which
 * has ended. Nothing is born or ended. -errno with a sentence: as before. */
MUST_CHECK int pool_renew(struct pool *p, struct err *e);
/* A worker of the new generation is dead by itself before the one that it replaced had
 * left, or, where there was none, before it was ready: the roll has failed. false: it is
 * a death as any other. */
bool pool_roll_lost(struct slot *s, struct life *l, const struct death *d);
/* Its death would be one of these. */
bool pool_roll_hangs_on(const struct slot *s, const struct life *l);
/* Of which generation a worker is born now: the new one is not trusted before one of it
 * was ready. */
struct generation *pool_serving(const struct pool *p);
void pool_roll_failed(struct pool *p, struct slot *s, const struct life *l, const struct death *d);

/* It has failed before it began; the others go on. */
void pool_break(struct pool *p, const struct err *e);
/* The exit status of a start that ended with this -errno. */
int exit_status_of(int code);

void pool_init(struct pool *p, struct master *m);
/* Of a pool whose configuration is resolved. -ENOMEM. */
MUST_CHECK int pool_make_slots(struct pool *p);
void pool_done(struct pool *p);

/* deal.c: CPUs to slots, once they are there. */
void pool_deal_cpus(struct pool *p);

void pool_start(struct pool *p);
/* Graceful stop of all its workers; pool.stop follows when the last is gone. Its sockets
 * are closed then, its place, CPUs and uid are kept. */
void pool_stop(struct pool *p);
/* Graceful stop of one slot's worker, which is not replaced; the pool's with the last one. */
void pool_halt(struct pool *p, unsigned slot);
/* Nothing that this slot held lives any more, or its certificates are written. */
bool slot_is_empty(const struct slot *s);
/* Clear restart counters and start failed slots now; slot -1: all. Returns how many started. */
unsigned pool_reset(struct pool *p, int slot);

/* Hard restart of a slot's worker, or of all and the spares (slot -1): ended as in a stop,
 * born again, counted nowhere. Those that wait, have failed or were stopped are born
 * now. -errno with a sentence: it was stopped, and its sockets cannot be opened again. */
MUST_CHECK int pool_restart(struct pool *p, int slot, struct err *e);
/* What was stopped, has failed or waits is born now. Errors as above. */
MUST_CHECK int pool_begin(struct pool *p, int slot, struct err *e);

/* Births that are due, as far as `parallel` and the first-one-first rule allow. */
void pool_kick(struct pool *p);
/* Derive the pool's state from its slots, announce what changed. */
void pool_update(struct pool *p);
unsigned pool_count_ready(const struct pool *p);
/* Slots that are meant to have a worker: all but those that a person stopped. */
unsigned pool_count_wanted(const struct pool *p);
bool slot_is_wanted(const struct slot *s);
/* Slots without those that were scaled away and drain. */
unsigned pool_count_places(const struct pool *p);
struct slot *slot_new(struct pool *p, unsigned index); /* NULL: no memory */

/* slot.c: called by life.c and pool.c */
void slot_birth(struct slot *s); /* of the generation that serves */
void slot_birth_of(struct slot *s, struct generation *gen);
/* Graceful stop of all that the slot holds. */
void slot_stop(struct slot *s);
void slot_lost(struct slot *s, struct life *l); /* its end is seen, its certificate follows */
void slot_died(struct slot *s, struct life *l, const struct death *d);
void slot_replace_leaving(struct slot *s, struct life *l);
void slot_fail(struct slot *s, const char *why);
void slot_on_timer(struct timer *t);
void slot_keep_death(struct slot *s, const struct death *d);
void spare_birth(struct pool *p);
void spare_died(struct pool *p, struct life *l);

/* master.c */
void master_event(struct master *m, struct event *ev);
/* Tells once that the start is over: every pool is ready, or failed and held; one at least. */
void master_check_ready(struct master *m);
/* Ends the loop with this exit status when nothing is left. */
void master_check_idle(struct master *m);
void master_stop(struct master *m, int exit_code);
/* Second INT or TERM: every leaf is killed now. */
void master_end_at_once(struct master *m);

#endif
