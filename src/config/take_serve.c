/* SPDX-License-Identifier: MIT */
/* take_serve.c - options of how a worker gets its socket and when it counts as ready. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "config/reading.h"

const char *const words_protocol[] = { [PROTO_AUTO] = "auto",
				       [PROTO_NATIVE] = "native",
				       [PROTO_NODE_CLUSTER] = "node-cluster",
				       [PROTO_NODE_IPC] = "node-ipc",
				       [PROTO_SYSTEMD] = "systemd",
				       [PROTO_BIND] = "bind",
				       NULL };

const char *const words_balance[] = {
	[BALANCE_AUTO] = "auto",	   [BALANCE_SHARED] = "shared",
	[BALANCE_REUSEPORT] = "reuseport", [BALANCE_ROUNDROBIN] = "roundrobin",
	[BALANCE_STICKY] = "sticky",	   NULL
};

const char *protocol_name(enum protocol p)
{
	return words_protocol[p];
}

const char *balance_name(enum balance b)
{
	return words_balance[b];
}

TAKE(protocol)
{
	int i = 0, r = reading_one_of(k, value, &i, e);

	if (r == 0)
		rd->p->protocol = (enum protocol)i;
	return r;
}

TAKE(balance)
{
	int i = 0, r = reading_one_of(k, value, &i, e);

	if (r == 0)
		rd->p->balance = (enum balance)i;
	return r;
}

/* The default has no word. */
const char *const words_unlisted[] = { [UNLISTED_OPEN - 1] = "open",
				       [UNLISTED_REFUSE - 1] = "refuse",
				       [UNLISTED_PASS - 1] = "pass",
				       NULL };

TAKE(unlisted)
{
	int i = 0, r = reading_one_of(k, value, &i, e);

	if (r == 0)
		rd->p->unlisted = (enum unlisted)(i + 1);
	return r;
}

const char *const words_compat[] = { "einhorn", "server-starter", NULL };

TAKE(compat)
{
	const char **list = NULL;
	int r = reading_words(rd, &list, k, value, e), i = 0;

	for (const char **w = list; r == 0 && *w; w++) {
		r = reading_one_of(k, *w, &i, e);
		if (r == 0)
			rd->p->compat |= 1u << i;
	}
	return r;
}

const char *const words_ready[] = { [READY_AUTO] = "auto",
				    [READY_NOTIFY] = "notify",
				    [READY_LISTEN] = "listen",
				    [READY_EXEC] = "exec",
				    NULL };

TAKE(ready)
{
	int i = 0, r;

	if (value[0] >= '0' && value[0] <= '9') {
		r = reading_duration(k, value, 0, &rd->p->ready_after_ms, e);
		if (r == 0)
			rd->p->ready = READY_AFTER;
		return r;
	}
	r = reading_one_of(k, value, &i, e);
	if (r == 0)
		rd->p->ready = (enum ready_rule)i;
	return r;
}
