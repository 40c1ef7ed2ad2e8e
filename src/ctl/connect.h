/* SPDX-License-Identifier: MIT */
/* connect.h - the client's end of a control socket: find the instance that a
 * target means, send one request, read the answer line by line.
 *
 * Errors are for people as they are; their codes say what kind they are:
 * -EINVAL a target that cannot be one · -ENOTUNIQ several instances fit ·
 * -ENOENT nothing runs · -EACCES not permitted · -ETIMEDOUT · -ECONNRESET the
 * connection ended too early · others as the system gave them.
 *
 * Layer: ctl. */
#ifndef MPSUP_CTL_CONNECT_H
#define MPSUP_CTL_CONNECT_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define INSTANCE_NAME_MAX 64
#define CONNECT_WAIT_MS	  10000 /* a living master answers within this */

/* ---- which instances run ---- */

struct instance_ref {
	char name[INSTANCE_NAME_MAX];
	char path[108];
	bool forbidden; /* it is there, but its socket is not for us */
	pid_t master;	/* who listens; 0: not known */
};

struct instance_refs {
	struct instance_ref *refs; /* by name */
	size_t n;
};

/* Add the sockets of run_dir behind which somebody listens; a folder that is
 * not there holds none. Start with a zeroed *to. -EACCES: others could have
 * put sockets there. */
MUST_CHECK int instances_find(struct instance_refs *to, const char *run_dir, struct err *e);
void instances_done(struct instance_refs *refs);

/* ---- one connection ---- */

struct remote {
	int fd;
	int pidfd; /* the master's, -1: not known */
	char instance[INSTANCE_NAME_MAX];
	char path[108];
	char target[200]; /* POOL, POOL/SLOT or "": what the master is asked about */
	char *buf;
	size_t len, size, used; /* buf[0..used) has been handed out */
	bool watch_stdout;	/* stop waiting when nobody reads our output any more */
	bool own_deadline;	/* the time it may take is its user's, who tells that it is up */
	/* Of an answer {"ok":true,KEY:VALUE}, as the master writes it, the value's text is
	 * enough: it is not taken apart to be put together again. In buf until the next line. */
	const char *raw_key; /* NULL: not wanted */
	const char *raw;     /* NULL: it was another answer */
	size_t raw_len;
};

#define REMOTE_NONE                                                                                \
	{                                                                                          \
		.fd = -1, .pidfd = -1                                                              \
	}

/* [INSTANCE:][POOL[/SLOT]], NULL or "" for the only instance, into r->instance
 * (empty when not given) and r->target. Connects nothing. */
MUST_CHECK int remote_target(struct remote *r, const char *text, struct err *e);

/* Connect to r->instance, or to the only one of refs when that is empty. */
MUST_CHECK int remote_open(struct remote *r, const struct instance_refs *refs, struct err *e);

/* Send {"verb", "target", "args"}; steals args (NULL: none). */
MUST_CHECK int remote_ask(struct remote *r, const char *verb, json_t *args, struct err *e);

/* The next line as an object the caller owns. timeout_ms -1 waits for ever.
 * -ECONNRESET: no more lines; -EPIPE: with watch_stdout, its reader went away. */
MUST_CHECK int remote_next(struct remote *r, int timeout_ms, json_t **ret, struct err *e);

/* Is the other end alive, however long it takes for what it was asked? false: it has not
 * answered a connection of its own within CONNECT_WAIT_MS. */
bool remote_answers(const struct remote *r);

/* Wait for the end of the master itself. True: it is gone and so is its socket. */
bool remote_is_gone(struct remote *r, int timeout_ms);

/* Closes; r can be used for another connection. */
void remote_close(struct remote *r);

#endif
