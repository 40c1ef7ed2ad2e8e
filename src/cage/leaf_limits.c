/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cage/leaf_limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernel/cgroup.h"

#define CPU_PERIOD_USEC 100000 /* the kernel's own default */

const char *const io_rate_name[IO_RATES] = {
	[IO_RBPS] = "rbps",
	[IO_WBPS] = "wbps",
	[IO_RIOPS] = "riops",
	[IO_WIOPS] = "wiops",
};

/* Files whose value is one number. */
static const struct {
	enum limit limit;
	const char *option, *file;
} numbers[] = {
	{ LIMIT_MEMORY, "memory", "memory.max" },
	{ LIMIT_MEMORY_HIGH, "memory-high", "memory.high" },
	{ LIMIT_SWAP, "swap", "memory.swap.max" },
	{ LIMIT_CPU_WEIGHT, "cpu-weight", "cpu.weight" },
	{ LIMIT_PIDS, "pids", "pids.max" },
};

static uint64_t number_of(const struct limits *l, enum limit which)
{
	switch (which) {
	case LIMIT_MEMORY:
		return l->memory;
	case LIMIT_MEMORY_HIGH:
		return l->memory_high;
	case LIMIT_SWAP:
		return l->swap;
	case LIMIT_CPU_WEIGHT:
		return l->cpu_weight;
	default:
		return l->pids;
	}
}

struct making {
	const char *controllers;
	struct arena *arena;
	struct leaf_plan plan;
	struct err *e;
	bool total; /* of all workers: keys without options */
};

/* value NULL: memory was out when it was made. */
static int add(struct making *m, const char *option, const char *file, const char *value,
	       bool asked)
{
	char controller[32];

	(void)snprintf(controller, sizeof(controller), "%.*s", (int)strcspn(file, "."), file);
	if (!value)
		return err_set(m->e, -ENOMEM, "out of memory");
	if (m->total) {
		char *key = arena_printf(m->arena, "total.%s", option);

		if (!key)
			return err_set(m->e, -ENOMEM, "out of memory");
		for (char *p = key; *p; p++)
			*p = *p == '-' ? '_' : *p;
		option = key;
	}
	if (!cgroup_list_has(m->controllers, controller)) {
		if (!asked)
			return 0;
		return err_set(m->e, -EOPNOTSUPP, "--%s: no %s controller for the workers here",
			       option, controller);
	}
	m->plan.writes[m->plan.n++] = (struct leaf_write){ .option = option,
							   .file = file,
							   .value = value,
							   .asked = asked };
	return 0;
}

static char *number_text(struct making *m, uint64_t n)
{
	return arena_printf(m->arena, "%" PRIu64, n);
}

static int add_numbers(struct making *m, const struct limits *l)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(numbers); i++)
		if (l->asked & LIMIT_BIT(numbers[i].limit))
			r = add(m, numbers[i].option, numbers[i].file,
				number_text(m, number_of(l, numbers[i].limit)), true);
	/* The default; `--pids max` is a zero that was not asked for. */
	if (r == 0 && l->pids && !(l->asked & LIMIT_BIT(LIMIT_PIDS)))
		r = add(m, "pids", "pids.max", number_text(m, l->pids), false);
	if (r == 0 && (l->asked & LIMIT_BIT(LIMIT_CPU_QUOTA)))
		r = add(m, "cpu-quota", "cpu.max",
			arena_printf(m->arena, "%" PRIu64 " %d",
				     l->cpu_quota * (CPU_PERIOD_USEC / 1000), CPU_PERIOD_USEC),
			true);
	return r;
}

static int add_io(struct making *m, const struct io_limit *io)
{
	char text[160];
	size_t n = (size_t)snprintf(text, sizeof(text), "%u:%u", io->major, io->minor);

	for (int i = 0; i < IO_RATES; i++)
		if (io->rate[i] == UINT64_MAX)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %s=max",
					      io_rate_name[i]);
		else if (io->rate[i])
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %s=%" PRIu64,
					      io_rate_name[i], io->rate[i]);
	return add(m, "io", "io.max", arena_strdup(m->arena, text), true);
}

static int make_plan(const struct limits *l, const char *controllers, bool total, struct arena *a,
		     struct leaf_plan *ret, struct err *e)
{
	struct making m = { .controllers = controllers, .arena = a, .e = e, .total = total };
	int r = 0;

	m.plan.writes = arena_alloc(a, (ARRAY_LEN(numbers) + 3 + l->nio + l->nraw) *
					       sizeof(*m.plan.writes));
	if (!m.plan.writes)
		return err_set(e, -ENOMEM, "out of memory");
	/* A worker dies whole: half of one that lost a helper serves nobody. */
	if (!total)
		r = add(&m, "memory", "memory.oom.group", "1", false);
	if (r == 0)
		r = add_numbers(&m, l);
	for (unsigned i = 0; r == 0 && i < l->nio; i++)
		r = add_io(&m, &l->io[i]);
	for (unsigned i = 0; r == 0 && i < l->nraw; i++)
		r = add(&m, "raw", l->raw[i].file, l->raw[i].value, true);
	if (r == 0)
		*ret = m.plan;
	return r;
}

int leaf_plan_make(const struct limits *l, const char *controllers, struct arena *a,
		   struct leaf_plan *ret, struct err *e)
{
	return make_plan(l, controllers, false, a, ret, e);
}

int leaf_plan_make_total(const struct limits *l, const char *controllers, struct arena *a,
			 struct leaf_plan *ret, struct err *e)
{
	return make_plan(l, controllers, true, a, ret, e);
}

bool limits_any(const struct limits *l)
{
	return l->asked || l->nio || l->nraw;
}

static int write_one(const struct leaf_write *w, int leaf_fd, struct err *e)
{
	int r = cgroup_write(leaf_fd, w->file, w->value);

	return r < 0 ? err_sys(e, r, "--%s: %s does not take '%s'", w->option, w->file, w->value) :
		       0;
}

int leaf_plan_write(const struct leaf_plan *plan, int leaf_fd, struct err *e)
{
	for (unsigned i = 0; i < plan->n; i++) {
		int r = write_one(&plan->writes[i], leaf_fd, e);

		if (r < 0 && plan->writes[i].asked)
			return r;
	}
	return 0;
}

int leaf_plan_try(struct leaf_plan *plan, int leaf_fd, struct err *e)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < plan->n; i++) {
		int r = write_one(&plan->writes[i], leaf_fd, e);

		if (r < 0 && plan->writes[i].asked)
			return r;
		if (r == 0)
			plan->writes[kept++] = plan->writes[i];
	}
	plan->n = kept;
	return 0;
}

const char *leaf_unlimited(const struct leaf_write *w, struct arena *a)
{
	static const struct {
		const char *file, *value;
	} fresh[] = { { "memory.max", "max" }, { "memory.high", "max" },
		      { "pids.max", "max" },   { "memory.swap.max", "max" },
		      { "cpu.weight", "100" }, { "cpu.max", "max 100000" } };

	for (size_t i = 0; i < ARRAY_LEN(fresh); i++)
		if (strcmp(fresh[i].file, w->file) == 0)
			return fresh[i].value;
	if (strcmp(w->file, "io.max") == 0)
		return arena_printf(a, "%.*s rbps=max wbps=max riops=max wiops=max",
				    (int)strcspn(w->value, " "), w->value);
	return NULL;
}

int leaf_plan_change(const struct leaf_plan *from, const struct leaf_plan *to, struct arena *a,
		     struct leaf_plan *ret)
{
	unsigned n = 0;

	ret->writes = arena_alloc(a, (from->n + to->n + 1) * sizeof(*ret->writes));
	if (!ret->writes)
		return -ENOMEM;
	for (unsigned i = 0; i < from->n; i++) {
		bool again = false;

		for (unsigned k = 0; k < to->n; k++)
			again |= strcmp(from->writes[i].file, to->writes[k].file) == 0;
		if (again || !leaf_unlimited(&from->writes[i], a))
			continue;
		ret->writes[n] = from->writes[i];
		ret->writes[n++].value = leaf_unlimited(&from->writes[i], a);
	}
	for (unsigned i = 0; i < to->n; i++)
		ret->writes[n++] = to->writes[i];
	ret->n = n;
	return 0;
}

bool limits_need(const struct limits *l, const char *controller)
{
	size_t n = strlen(controller);

	if (strcmp(controller, "cpu") == 0 &&
	    (l->asked & (LIMIT_BIT(LIMIT_CPU_QUOTA) | LIMIT_BIT(LIMIT_CPU_WEIGHT))))
		return true;
	if (strcmp(controller, "io") == 0 && l->nio)
		return true;
	for (unsigned i = 0; i < l->nraw; i++)
		if (strncmp(l->raw[i].file, controller, n) == 0 && l->raw[i].file[n] == '.')
			return true;
	return false;
}
