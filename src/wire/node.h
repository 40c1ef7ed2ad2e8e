/* SPDX-License-Identifier: MIT */
/* node.h - Node's own fork channel: JSON lines over a unix stream socket, a
 * handle travels on the same sendmsg(2) as its line and is acknowledged before
 * the next one. Source: lib/internal/child_process.js of Node 12 to 26.
 * Private to wire/. */
#ifndef MPSUP_WIRE_NODE_H
#define MPSUP_WIRE_NODE_H

#include <jansson.h>

#include "wire/wire.h"

/* One message; line[0..len) is its text. 0 or, after channel_broken(), negative. */
typedef int node_message_fn(struct channel *ch, const json_t *msg, const char *line, size_t len);

/* A struct wire's on_input: one read, then every whole line in the buffer. */
MUST_CHECK int node_input(struct channel *ch, node_message_fn *take);

/* A struct wire's ask(): a NODE_HANDLE without a handle. Every Node from 8 on answers
 * NODE_HANDLE_NACK from its event loop, and the program sees nothing of it. */
MUST_CHECK int node_ask(struct channel *ch);

bool node_is_answer(const char *cmd); /* NODE_HANDLE_ACK, NODE_HANDLE_NACK */
/* One came. 1: the next handle may go, 0: it said
 * nothing new, or, after channel_broken(), negative. */
MUST_CHECK int node_answered(struct channel *ch, const char *cmd);

/* A struct wire's preload(). */
const char *node_leave(const char *const *argv, const char *options);

/* What the program itself sent: {act: "suicide"} or a message. */
void node_app_message(struct channel *ch, const json_t *msg, const char *line, size_t len);

#endif
