/* SPDX-License-Identifier: MIT */
/* bind.h - programs that open their sockets themselves: their bind(2) and
 * listen(2) wait here for an answer (seccomp user notification).
 *
 * The caller is hostile: lengths lie, pointers lead nowhere, threads change what was
 * read, signals take a call away, thousands come in a second. What was read is a
 * copy; what is let go on (binder_pass) the kernel reads again by itself.
 *
 * Layer: wire. Never logs. */
#ifndef MPSUP_WIRE_BIND_H
#define MPSUP_WIRE_BIND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/base.h"
#include "kernel/loop.h"
#include "kernel/notify.h"

#define BINDER_PARKED_MAX 8    /* calls of one spare that wait at once */
#define BINDER_RATE	  200  /* calls a second that are answered in the long run */
#define BINDER_BURST	  1000 /* and at once */

struct binder;

struct bind_call {
	struct notify_call call;
	bool is_listen;
	int theirs; /* number of the socket in the caller */
	struct notify_socket socket;
	bool v6only; /* bind to all IPv6 addresses only: asked for */
	struct sockaddr_storage addr;
	socklen_t addr_len; /* bind only */
};

/* Each call is to be answered by one of the functions below, at once or later. */
struct binder_up {
	void (*bind)(struct binder *b, struct bind_call *c);
	void (*listen)(struct binder *b, struct bind_call *c);
	/* The master may not look into the caller; the kernel goes on by itself. */
	void (*blind)(struct binder *b);
};

struct binder {
	int fd; /* the filter's listener, owned; -1: none */
	struct loop *loop;
	const struct binder_up *up;
	struct source source;
	struct timer pause; /* a flooding worker is not answered until then */
	unsigned tokens;
	uint64_t filled_ms;
	struct bind_call *parked; /* BINDER_PARKED_MAX, or NULL before the first */
	unsigned nparked;
};
#define BINDER_NONE ((struct binder){ .fd = -1, .source = SOURCE_NONE })

/* Takes over fd. */
MUST_CHECK int binder_open(struct binder *b, struct loop *loop, const struct binder_up *up, int fd);
void binder_close(struct binder *b); /* harmless when closed; what waits gets ENOSYS */

/* The answers. None of them fails for the master: a caller that has gone is no error. */
void binder_fail(struct binder *b, struct bind_call *c, int error); /* errno, or 0 */
void binder_pass(struct binder *b, struct bind_call *c);
/* Our socket takes the place of theirs, with their flags; bind returns 0. */
void binder_give(struct binder *b, struct bind_call *c, int fd);
/* Not yet: it waits inside bind(2). False: no room, it was failed with ENOBUFS. */
bool binder_park(struct binder *b, struct bind_call *c);
/* Ask up->bind again about all that still wait. */
void binder_release(struct binder *b);

#endif
