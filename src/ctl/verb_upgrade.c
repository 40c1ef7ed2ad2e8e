/* SPDX-License-Identifier: MIT */
/* verb_upgrade.c - `mpsup upgrade`: the answer comes from the program that follows. */
#define _GNU_SOURCE
#include <stdio.h>

#include "ctl/verbs.h"

void verb_upgrade(struct ctl_client *cl, const struct target *t, const json_t *args)
{
	struct ctl *c = cl->ctl;
	struct err e = { 0 };

	(void)args;
	if (t->pool) {
		client_fail(cl, 2,
			    "upgrade: it is the master that is replaced, with all its pools");
		return;
	}
	cl->want_upgrade = true;
	if (!c->upgrade)
		client_fail(cl, 1, "this master cannot upgrade");
	else if (c->upgrade(c, &e) < 0)
		client_fail(cl, 1, "%s", e.msg);
}

void ctl_upgraded(struct ctl *c, const char *from, const char *to, uint64_t ms)
{
	list_each(it, &c->clients) {
		struct ctl_client *cl = container_of(it, struct ctl_client, node);

		if (!cl->want_upgrade)
			continue;
		cl->want_upgrade = false;
		cl->closing = true;
		client_send(cl, json_pack("{s:b, s:s, s:s, s:I}", "ok", 1, "from", from, "to", to,
					  "ms", (json_int_t)ms));
	}
}

void ctl_not_upgraded(struct ctl *c, const char *why)
{
	list_each(it, &c->clients) {
		struct ctl_client *cl = container_of(it, struct ctl_client, node);

		if (!cl->want_upgrade)
			continue;
		cl->want_upgrade = false;
		client_fail(cl, 1, "%s", why);
	}
}
