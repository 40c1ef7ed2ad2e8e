/* SPDX-License-Identifier: MIT */
/* bus.h - messages between workers: docs/messages.md. Who gets one is decided in
 * bus.c, how fast in bus_flow.c. The sender is the life whose channel it came on,
 * never what it says. */
#ifndef MPSUP_SUPER_BUS_H
#define MPSUP_SUPER_BUS_H

#include "super/super.h"

#define BUS_QUEUE_MAX (256 * 1024) /* bytes that wait for one worker: full, senders are held */
#define BUS_DEPTH_MAX 64	   /* levels of nesting: no reader's default is lower */
#define BUS_TEXT_MAX  (CHANNEL_LINE_MAX + 512) /* bytes of what is delivered */
#define BUS_LOOK_MS   100		       /* while senders are held: how often is looked */
#define BUS_CREDIT_MS 2000		       /* that one worker may hold the others back */
#define BUS_EARNED_MS 100		       /* of them for each message that it takes */

void bus_init(struct life *l);

/* One worker said this. msg: the text as JSON, NULL if it is none. */
void bus_message(struct life *from, const json_t *msg, const char *text, size_t len);

/* The master itself says this; json: its text. 0, -EPIPE, -EOPNOTSUPP, -ENOMEM. */
MUST_CHECK int bus_tell(struct life *to, const char *json);

/* Each life hears once that its pool is, or was, ready as a whole. */
void bus_pool_ready(struct pool *p);

/* Some of what waited for it is out. */
void bus_room(struct life *l);
/* It is about to be handed a socket: its READY must be heard. */
void bus_let_go(struct life *l);
/* It is dead: nobody waits for it, and it waits for nobody. */
void bus_gone(struct life *l);

/* ---- between bus.c and bus_flow.c ---- */

/* Can be told messages now. */
bool bus_hears(const struct life *l);
/* 0: it waits for its reader, or is out; -EAGAIN: dropped and counted; -EPIPE. */
MUST_CHECK int bus_post(struct life *from, struct life *to, struct packet *p);
/* It has used up its second's share. */
void bus_say_fast(struct life *l);
/* After a message to `to`, or to all of its pool (NULL): hold the sender if one is full. */
void bus_hold_if_full(struct life *from, struct life *to);

#endif
