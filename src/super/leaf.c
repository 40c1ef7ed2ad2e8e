/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/leaf.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"

/* ---- limits ---- */

static const char *first_asked(const struct limits *l)
{
	static const char *const options[] = {
		[LIMIT_MEMORY] = "memory",
		[LIMIT_MEMORY_HIGH] = "memory-high",
		[LIMIT_SWAP] = "swap",
		[LIMIT_CPU_QUOTA] = "cpu-quota",
		[LIMIT_CPU_WEIGHT] = "cpu-weight",
		[LIMIT_PIDS] = "pids",
	};

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (l->asked & LIMIT_BIT(i))
			return options[i];
	if (l->nio)
		return "io";
	return l->nraw ? "raw" : NULL;
}

/* What the kernel says to a raw value is said to a person who wrote it. */
static int refused(int r, struct err *e)
{
	e->code = r == -EINVAL || r == -ERANGE || r == -ENOMEM ? r : -EOPNOTSUPP;
	return e->code;
}

static int try_plan(const struct master *m, struct pool *p, struct err *e)
{
	AUTO_FD int fd = -1;
	char name[64];
	int r;

	/* Births have a number there. */
	(void)snprintf(name, sizeof(name), "%.48s.probe", p->conf->name);
	r = cgroup_leaf_make(&m->cgroup, name, &fd);
	if (r < 0) {
		(void)err_sys(e, r, "make the cgroup leaf %s", name);
		return refused(r, e);
	}
	r = leaf_plan_try(&p->leaf_plan, fd, e);
	if (r < 0)
		r = refused(r, e);
	ignore(cgroup_leaf_remove(&m->cgroup, name));
	return r;
}

int leaf_limits_prepare(struct master *m, struct pool *p, struct err *e)
{
	const struct limits *l = &p->conf->limits;
	const char *asked = first_asked(l);
	int r;

	if (!m->has_cgroup && asked)
		return err_set(e, -EOPNOTSUPP,
			       "--%s: the workers have no cgroup of their own here%s%s", asked,
			       m->no_limits[0] ? ": " : "", m->no_limits);
	if (!m->has_cgroup)
		return 0;
	r = leaf_plan_make(l, m->cgroup.controllers, &p->config->arena, &p->leaf_plan, e);
	if (r == -EOPNOTSUPP)
		return err_set(e, r, "%s: %s", e->msg,
			       m->no_limits[0] ? m->no_limits :
						 "this kernel has none, or it was switched off "
						 "(cgroup_disable=, cgroup.controllers)");
	if (r == 0 && p->leaf_plan.n > 0)
		r = try_plan(m, p, e);
	return r;
}

static int own_oom_score(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "re");
	int n = 0;

	if (f) {
		if (fscanf(f, "%d", &n) != 1)
			n = 0;
		(void)fclose(f);
	}
	return n;
}

int leaf_oom_score(struct pool *p, struct cage *c, struct err *e)
{
	const struct limits *l = &p->conf->limits;
	bool asked = l->asked & LIMIT_BIT(LIMIT_OOM_SCORE_ADJ);
	int own = own_oom_score(), want = asked ? l->oom_score_adj : own < 0 ? 0 : own;

	if (want == own)
		return 0;
	if (want < own && (geteuid() != 0 || prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE) != 1))
		return err_set(e, -EOPNOTSUPP,
			       "--oom-score-adj %d: mpsup's own is %d, and these rights do not go "
			       "below it",
			       want, own);
	c->oom_score_adj = arena_printf(&p->config->arena, "%d", want);
	return c->oom_score_adj ? 0 : err_set(e, -ENOMEM, "out of memory");
}

int leaf_limits_write(const struct life *l, struct err *e)
{
	return leaf_plan_write(&l->pool->leaf_plan, l->leaf_fd, e);
}
