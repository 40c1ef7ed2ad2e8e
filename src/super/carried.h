/* SPDX-License-Identifier: MIT */
/* carried.h - everything that the master knows, into an image and out of it again: an
 * upgrade is the same master in another program (traps 35).
 *
 * Only a master that is quiet is written: nobody is being born, handed a socket, replaced
 * or ended just now. What then is - places, workers that serve, drain or are parked, those
 * that wait for the next try, half lines, queues, connections that are dealt out, histories -
 * is plain data and descriptors.
 *
 * Layer: super. Logs nothing. */
#ifndef MPSUP_SUPER_CARRIED_H
#define MPSUP_SUPER_CARRIED_H

#include "kernel/image.h"
#include "super/super.h"

struct carried {
	struct image im;
	struct master *m;
	/* What several own, once each: by its number in the image. */
	struct carried_table {
		void **list;
		unsigned n;
		json_t *array; /* borrowed, of the image */
	} confs, filters, generations;
};

/* What is not finished, as a sentence about it: "web/1 is starting"; or "": quiet. */
void master_busy(const struct master *m, char *what, size_t size);

/* The whole of it. Of a master that is not quiet it is only good for a check. */
void master_put(struct carried *c, struct master *m);
/* Out of an image, into a master that has its loop and its callbacks: before its control
 * socket, its signals and its timers. im->err says what is wrong; with im.check nothing is
 * done to this host, and the master is only to be thrown away. */
void master_get(struct carried *c, struct master *m);
void carried_done(struct carried *c);

/* ---- between carried*.c ---- */

void carried_put_conf(struct carried *c, json_t *o, const char *name, struct pool_config *p);
struct pool_config *carried_get_conf(struct carried *c, const json_t *o, const char *name);
void carried_put_generation(struct carried *c, json_t *o, struct generation *g);
struct generation *carried_get_generation(struct carried *c, const json_t *o);
void carried_put_pool(struct carried *c, json_t *o, struct pool *p);
void carried_get_pool(struct carried *c, const json_t *o);
/* Accepted connections: struct conn, dispatch.h. Returns how many there are. */
void carried_put_conns(struct image *im, json_t *o, const char *name, const struct list *conns);
unsigned carried_get_conns(struct image *im, const json_t *list, struct pool *p, struct list *to);
void carried_put_listeners(struct carried *c, json_t *o, const struct pool *p);
void carried_get_listeners(struct carried *c, const json_t *o, struct pool *p);
/* Addresses, by the pool's numbers. */
void carried_put_on(struct carried *c, json_t *o, struct listener *const *on, unsigned n);
void carried_get_sockets(struct carried *c, const json_t *o, struct life *l);
void carried_put_life(struct carried *c, json_t *o, struct life *l);
void carried_get_life(struct carried *c, const json_t *o, struct pool *p, struct slot *s);

#endif
