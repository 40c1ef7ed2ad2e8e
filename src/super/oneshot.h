/* SPDX-License-Identifier: MIT */
/* oneshot.h - one command in a cage, to its end, and what it has to say: for a verb that
 * needs another program's answer. The birth is a worker's, without a pool around it.
 *
 * Layer: super. Blocks until it is over, at most timeout_ms; nothing of it is left. */
#ifndef MPSUP_SUPER_ONESHOT_H
#define MPSUP_SUPER_ONESHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "base/err.h"

#define ONESHOT_SAID_BYTES 8192

struct oneshot {
	/* What is asked: options as of `mpsup run`, with -- and the command; no limits of a
	 * cgroup, for there is none. */
	int argc;
	char **argv;
	uint64_t timeout_ms;
	uint64_t data_bytes; /* of private memory, for each process */
	size_t answer_max;   /* bytes that it may write to descriptor 3 */

	/* How it went. */
	char *answer; /* the caller's to free; NULL: none */
	size_t answer_len;
	char said[ONESHOT_SAID_BYTES]; /* to stdout and stderr, the beginning */
	size_t said_len;
	bool too_long, too_late;
	bool known; /* code and signal are */
	int code;   /* exit status */
	int sig;    /* or the signal; 0: none */
	bool caged; /* namespaces and a view of its own: false for an ordinary user */
};

/* 0: it was started, and is over. -ENOENT: there is no such command; -EOPNOTSUPP: this
 * host or these rights give no such cage; others with a sentence. */
MUST_CHECK int oneshot_run(struct oneshot *o, struct err *e);
void oneshot_done(struct oneshot *o);

#endif
