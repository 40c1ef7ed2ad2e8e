/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/birth_env.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

PRINTF(2, 3) static char *add(struct birth_env *be, const char *fmt, ...)
{
	va_list ap;
	char *text = be->text[be->n % CAGE_ENV_EXTRA];

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(be->text[0]), fmt, ap);
	va_end(ap);
	be->n++;
	return text;
}

/* Room for the digits that the child writes: its number as it sees itself, which
 * without a PID namespace nobody knows before the clone. */
static void add_pid(struct birth_env *be, unsigned place, const char *name)
{
	char *text = add(be, "%s=0000000000", name);

	be->pid_at[place] = text + strlen(name) + 1;
}

static void add_who(struct birth_env *be, const struct life *l)
{
	if (l->slot) {
		(void)add(be, "MPSUP_WORKER=%u", l->slot->index);
		(void)add(be, "NODE_APP_INSTANCE=%u", l->slot->index);
	} else {
		(void)add(be, "MPSUP_SPARE=1"); /* its slot is unknown at exec (traps 32) */
	}
	(void)add(be, "MPSUP_WORKERS=%u", l->pool->nslots);
	(void)add(be, "MPSUP_POOL=%s", l->pool->conf->name);
	(void)add(be, "MPSUP_GENERATION=%u", l->generation);
}

static void add_all_fds(struct birth_env *be, unsigned nfds)
{
	char *text = add(be, "EINHORN_FDS");
	size_t len = strlen(text), size = sizeof(be->text[0]);

	for (unsigned i = 0; i < nfds && len < size; i++)
		len += (size_t)snprintf(text + len, size - len, "%c%u", i ? ' ' : '=',
					CAGE_LISTEN_FD + i);
}

/* For programs that were written for other masters: peers.md of einhorn(1) and
 * start_server(1). The parent that einhorn's workers compare with is our init. */
static void add_compat(struct birth_env *be, const struct life *l, unsigned nfds)
{
	unsigned compat = l->pool->conf->compat;

	if (compat & COMPAT_EINHORN) {
		(void)add(be, "EINHORN_FD_COUNT=%u", nfds);
		for (unsigned i = 0; i < nfds && i < CAGE_EINHORN_MAX; i++)
			(void)add(be, "EINHORN_FD_%u=%u", i, CAGE_LISTEN_FD + i);
		add_all_fds(be, nfds);
		add_pid(be, CAGE_PARENT_PLACE, "EINHORN_MASTER_PID");
		if (l->slot)
			(void)add(be, "EINHORN_CHILD_INDEX=%u", l->slot->index);
		if (l->gen->cage.mold_fd >= 0)
			be->einhorn = add(be, "EINHORN_SOCK_PATH=" CAGE_EINHORN_PATH);
	}
	if (compat & COMPAT_SERVER_STARTER)
		(void)add(be, "SERVER_STARTER_GENERATION=%u", l->generation);
}

static void add_activation(struct birth_env *be, const struct life *l, unsigned nfds)
{
	uint64_t watchdog_ms = l->pool->conf->watchdog_ms;

	if (nfds > 0) {
		(void)add(be, "LISTEN_FDS=%u", nfds);
		add_pid(be, 0, "LISTEN_PID");
		add_compat(be, l, nfds);
	}
	if (!l->gen->wire->notifies)
		return;
	be->notify_at = add(be, "NOTIFY_SOCKET=" CAGE_NOTIFY_PATH) + strlen("NOTIFY_SOCKET=");
	if (watchdog_ms) {
		(void)add(be, "WATCHDOG_USEC=%" PRIu64, watchdog_ms * 1000);
		add_pid(be, 1, "WATCHDOG_PID");
	}
}

int birth_env_make(const struct life *l, unsigned nfds, struct birth_env *be)
{
	char *const *base = l->gen->cage.envp;
	size_t nbase = 0, n = 0;

	*be = (struct birth_env){ 0 };
	while (base[nbase])
		nbase++;
	add_who(be, l);
	if (l->gen->wire->env_name)
		(void)add(be, "%s=%d", l->gen->wire->env_name, CAGE_CHANNEL_FD);
	if (l->gen->wire->wants_id)
		(void)add(be, "NODE_UNIQUE_ID=%" PRIu64, l->number);
	add_activation(be, l, nfds);
	be->envp = calloc(nbase + be->n + 3, sizeof(*be->envp));
	if (!be->envp)
		return -ENOMEM;
	for (unsigned i = 0; i < be->n; i++)
		if (be->text[i] != be->einhorn)
			be->envp[n++] = be->text[i];
	/* These may be longer than a line here. */
	if (nfds > 0 && l->gen->listen_names)
		be->envp[n++] = l->gen->listen_names;
	if (nfds > 0 && l->gen->starter_ports)
		be->envp[n++] = l->gen->starter_ports;
	memcpy(be->envp + n, base, nbase * sizeof(*base));
	if (be->einhorn) {
		be->einhorn_last = &be->envp[n + nbase];
		*be->einhorn_last = be->einhorn;
	}
	return 0;
}
