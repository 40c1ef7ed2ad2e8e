/* SPDX-License-Identifier: MIT */
/* check.c - what contradicts what in the text of a pool, whatever the order of its keys. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "config/reading.h"

/* One path can be shown in one way only. */
static int check_paths(const char *a_name, const char **a, const char *b_name, const char **b,
		       struct err *e)
{
	for (unsigned i = 0; a[i]; i++)
		for (unsigned j = 0; b[j]; j++)
			if (strcmp(a[i], b[j]) == 0)
				return err_set(e, -EINVAL,
					       "--%s and --%s contradict each other for %.200s",
					       a_name, b_name, a[i]);
	return 0;
}

static int check_view(const struct pool_config *p, struct err *e)
{
	int r = check_paths("ro", p->ro, "rw", p->rw, e);

	if (r == 0)
		r = check_paths("ro", p->ro, "hide", p->hide, e);
	return r == 0 ? check_paths("rw", p->rw, "hide", p->hide, e) : r;
}

static int check_high(const struct limits *l, const char *prefix, struct err *e)
{
	const uint32_t both = LIMIT_BIT(LIMIT_MEMORY) | LIMIT_BIT(LIMIT_MEMORY_HIGH);
	char high[TEXT_SIZE_BYTES], max[TEXT_SIZE_BYTES];

	if ((l->asked & both) == both && l->memory_high > l->memory) {
		text_size(l->memory_high, high);
		text_size(l->memory, max);
		return err_set(e, -EINVAL, "%s %s is above %s %s and would never be met",
			       *prefix ? "total.memory_high" : "--memory-high", high,
			       *prefix ? "total.memory" : "--memory", max);
	}
	return 0;
}

static int check_limits(const struct pool_config *p, struct err *e)
{
	const struct limits *l = &p->limits;
	const uint32_t of_leaf = ~LIMIT_BIT(LIMIT_OOM_SCORE_ADJ);

	if (check_high(l, "", e) < 0 || check_high(&p->total, "total.", e) < 0)
		return e->code;
	if ((p->cage_off & CAGE_BIT(CAGE_CGROUP)) && limits_any(&p->total))
		return err_set(e, -EINVAL,
			       "--no-sandbox cgroup leaves out what total: would be written to");
	if ((p->cage_off & CAGE_BIT(CAGE_CGROUP)) && ((l->asked & of_leaf) || l->nio || l->nraw))
		return err_set(
			e, -EINVAL,
			"--no-sandbox cgroup leaves out what the limits would be written to");
	if ((p->cage_off & CAGE_BIT(CAGE_RLIMITS)) && (l->asked & ~of_leaf))
		return err_set(e, -EINVAL, "--no-sandbox rlimits leaves out --oom-score-adj");
	return 0;
}

bool config_dispatches(const struct pool_config *p)
{
	bool can = p->protocol == PROTO_NATIVE || p->protocol == PROTO_NODE_CLUSTER;

	return can && (p->balance == BALANCE_ROUNDROBIN || p->balance == BALANCE_STICKY);
}

bool config_has_groups(const struct pool_config *p)
{
	return p->balance == BALANCE_REUSEPORT ||
	       (p->balance == BALANCE_STICKY && !config_dispatches(p));
}

bool config_arms_bind(const struct pool_config *p)
{
	return p->command &&
	       (p->protocol == PROTO_BIND || p->protocol == PROTO_AUTO ||
		p->protocol == PROTO_NODE_CLUSTER) &&
	       !(p->cage_off & CAGE_BIT(CAGE_SECCOMP));
}

static const char *where_command(const struct pool_config *p)
{
	return p->file ? ": command: [...]" : " after --";
}

static int check_serving(const struct pool_config *p, struct err *e)
{
	if (p->nlistens == 0 && (!config_arms_bind(p) || p->unlisted > UNLISTED_OPEN))
		return err_set(e, -EINVAL, "--port is missing: where should the workers listen?");
	if (!p->command && (p->protocol == PROTO_SYSTEMD || p->protocol == PROTO_BIND))
		return err_set(e, -EINVAL, "--protocol %s: a program is missing%s",
			       protocol_name(p->protocol), where_command(p));
	if (p->protocol == PROTO_BIND && !config_arms_bind(p))
		return err_set(e, -EINVAL,
			       "--protocol bind needs the seccomp filter: it cannot go with "
			       "--no-sandbox seccomp");
	if (p->protocol == PROTO_SYSTEMD && p->spares > 0)
		return err_set(e, -EINVAL,
			       "--spares: a program under --protocol systemd has its sockets when "
			       "it starts and cannot be parked; --protocol bind or auto can");
	return 0;
}

int reading_check_pool(const struct pool_config *p, struct err *e)
{
	if (p->demo && p->command)
		return err_set(e, -EINVAL, "--demo is for the built-in worker, not for a command");
	if ((p->protocol == PROTO_NODE_IPC || p->protocol == PROTO_NODE_CLUSTER) && !p->command)
		return err_set(e, -EINVAL, "--protocol %s: a Node program is missing%s",
			       protocol_name(p->protocol), where_command(p));
	if (check_serving(p, e) < 0)
		return e->code;
	if (p->cage_off & p->cage_required)
		return err_set(e, -EINVAL,
			       "--require and --no-sandbox name the same part of the cage");
	if ((p->cage_required & CAGE_BIT(CAGE_NET)) && !p->net_none)
		return err_set(e, -EINVAL, "--require net needs --net none");
	if (check_limits(p, e) < 0)
		return e->code;
	return check_view(p, e);
}
