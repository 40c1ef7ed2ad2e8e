/* SPDX-License-Identifier: MIT */
/* take_serve.c - options of how a worker gets its socket and when it counts as ready. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "config/reading.h"

static const char *const protocols[] = { [PROTO_AUTO] = "auto",
					 [PROTO_NATIVE] = "native",
					 [PROTO_NODE_CLUSTER] = "node-cluster",
					 [PROTO_NODE_IPC] = "node-ipc",
					 [PROTO_SYSTEMD] = "systemd",
					 [PROTO_BIND] = "bind",
					 NULL };

static const char *const balances[] = {
	[BALANCE_AUTO] = "auto",	   [BALANCE_SHARED] = "shared",
	[BALANCE_REUSEPORT] = "reuseport", [BALANCE_ROUNDROBIN] = "roundrobin",
	[BALANCE_STICKY] = "sticky",	   NULL
};

const char *protocol_name(enum protocol p)
{
	return protocols[p];
}

const char *balance_name(enum balance b)
{
	return balances[b];
}

TAKE(protocol)
{
	int i = 0, r = reading_one_of(k, value, protocols, &i, e);

	if (r == 0)
		rd->p->protocol = (enum protocol)i;
	return r;
}

TAKE(balance)
{
	int i = 0, r = reading_one_of(k, value, balances, &i, e);

	if (r == 0)
		rd->p->balance = (enum balance)i;
	return r;
}

TAKE(unlisted)
{
	static const char *const words[] = { [UNLISTED_OPEN] = "open",
					     [UNLISTED_REFUSE] = "refuse",
					     [UNLISTED_PASS] = "pass",
					     NULL };
	int i = 0, r = reading_one_of(k, value, words + 1, &i, e);

	if (r == 0)
		rd->p->unlisted = (enum unlisted)(i + 1);
	return r;
}

TAKE(compat)
{
	static const char *const words[] = { "einhorn", "server-starter", NULL };
	const char **list = NULL;
	int r = reading_words(rd, &list, k, value, e), i = 0;

	for (const char **w = list; r == 0 && *w; w++) {
		r = reading_one_of(k, *w, words, &i, e);
		if (r == 0)
			rd->p->compat |= 1u << i;
	}
	return r;
}

TAKE(ready)
{
	static const char *const words[] = { [READY_AUTO] = "auto",
					     [READY_NOTIFY] = "notify",
					     [READY_LISTEN] = "listen",
					     [READY_EXEC] = "exec",
					     NULL };
	int i = 0, r;

	if (value[0] >= '0' && value[0] <= '9') {
		r = reading_duration(k, value, 0, &rd->p->ready_after_ms, e);
		if (r == 0)
			rd->p->ready = READY_AFTER;
		return r;
	}
	r = reading_one_of(k, value, words, &i, e);
	if (r == 0)
		rd->p->ready = (enum ready_rule)i;
	return r;
}
