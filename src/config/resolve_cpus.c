/* SPDX-License-Identifier: MIT */
/* resolve_cpus.c - which CPUs a pool gets, and the fact that decided. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>

#include "base/text.h"
#include "config/config.h"
#include "config/resolve.h"
#include "kernel/allowed.h"
#include "kernel/topology.h"

/* ---- from the host's layout to a set ---- */

static int no_cores(struct err *e)
{
	return err_set(e, -EOPNOTSUPP,
		       "--cpus physical: this host does not tell which CPUs share a core "
		       "(/sys/devices/system/cpu/cpu0/topology)");
}

static int no_node(const struct topology *t, unsigned number, struct err *e)
{
	char have[TEXT_CPUS_BYTES];
	cpu_set_t nodes;

	topology_nodes(t, &nodes);
	text_cpus(&nodes, have);
	if (!have[0])
		return err_set(e, -EOPNOTSUPP,
			       "--cpus numa:%u: this host tells of no NUMA nodes "
			       "(/sys/devices/system/node)",
			       number);
	return err_set(e, -EINVAL,
		       "--cpus numa:%u: there is no such node with CPUs; those that there are: %s",
		       number, have);
}

static int no_llc(const struct topology *t, unsigned number, struct err *e)
{
	if (t->nllcs == 0)
		return err_set(e, -EOPNOTSUPP,
			       "--cpus llc:%u: this host does not tell which CPUs share a cache "
			       "(/sys/devices/system/cpu/cpu0/cache)",
			       number);
	if (t->nllcs == 1)
		return err_set(e, -EINVAL, "--cpus llc:%u: there is only one last-level cache: 0",
			       number);
	return err_set(e, -EINVAL,
		       "--cpus llc:%u: there is no such last-level cache; those that there are: "
		       "0-%u",
		       number, t->nllcs - 1);
}

/* Before it is known what is allowed. */
static int whole_set(const struct pool_config *p, const struct topology *t,
		     const cpu_set_t *allowed, cpu_set_t *ret, struct err *e)
{
	switch (p->cpus_kind) {
	case CPUS_PHYSICAL:
		topology_one_a_core(t, allowed, ret);
		return t->has_cores ? 0 : no_cores(e);
	case CPUS_NUMA:
		topology_of_node(t, p->cpus_number, ret);
		return CPU_COUNT(ret) ? 0 : no_node(t, p->cpus_number, e);
	case CPUS_LLC:
		topology_of_llc(t, p->cpus_number, ret);
		return CPU_COUNT(ret) ? 0 : no_llc(t, p->cpus_number, e);
	case CPUS_LIST:
		*ret = p->cpus_listed;
		return 0;
	case CPUS_ALL:
		break;
	}
	*ret = *allowed;
	return 0;
}

int config_cpus(const struct pool_config *p, const struct topology *t, const cpu_set_t *allowed,
		cpu_set_t *ret_cpus, struct err *e)
{
	char named[TEXT_CPUS_BYTES], have[TEXT_CPUS_BYTES];
	cpu_set_t set, both;
	int r = whole_set(p, t, allowed, &set, e);

	if (r < 0)
		return r;
	CPU_AND(&both, &set, allowed);
	if (CPU_COUNT(&both) == 0) {
		text_cpus(&set, named);
		text_cpus(allowed, have);
		return err_set(e, -EINVAL,
			       "--cpus: of the CPUs it names (%s) none may be used; usable are: %s",
			       named, have);
	}
	*ret_cpus = both;
	return 0;
}

/* ---- the fact that decided ---- */

/* What a person lists is meant: one that is not there is a mistake. */
static int check_list(const struct pool_config *p, const cpu_set_t *allowed, struct err *e)
{
	char have[TEXT_CPUS_BYTES];

	text_cpus(allowed, have);
	for (size_t i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &p->cpus_listed) && !CPU_ISSET(i, allowed))
			return err_set(e, -EINVAL,
				       "--cpus: CPU %zu is not there for us; usable are: %s", i,
				       have);
	return 0;
}

static const char *part_reason(struct pool_config *p, const struct topology *t,
			       const cpu_set_t *allowed)
{
	const char *what = p->cpus_kind == CPUS_NUMA ? "NUMA node" : "last-level cache";
	struct err e;
	cpu_set_t whole;

	if (whole_set(p, t, allowed, &whole, &e) < 0 || CPU_EQUAL(&whole, &p->cpus))
		return arena_printf(&p->arena, "%s %u", what, p->cpus_number);
	return arena_printf(&p->arena, "%s %u, %d of its %d CPUs are allowed", what, p->cpus_number,
			    CPU_COUNT(&p->cpus), CPU_COUNT(&whole));
}

static const char *reason(struct pool_config *p, const struct topology *t, const cpu_set_t *allowed)
{
	static const char *const why[] = {
		[ALLOWED_ALL] = "all that this process may run on",
		[ALLOWED_CPUSET] = "what the cpuset of its cgroup leaves",
		[ALLOWED_AFFINITY] = "the CPU affinity that it was started with",
	};
	char list[TEXT_CPUS_BYTES];

	switch (p->cpus_kind) {
	case CPUS_PHYSICAL:
		return "one hardware thread of each core";
	case CPUS_NUMA:
	case CPUS_LLC:
		return part_reason(p, t, allowed);
	case CPUS_LIST:
		text_cpus(&p->cpus, list);
		return arena_printf(&p->arena, "CPU%s %s as listed",
				    CPU_COUNT(&p->cpus) == 1 ? "" : "s", list);
	case CPUS_ALL:
		break;
	}
	return why[allowed_why(allowed)];
}

/* How many CPUs' worth of time there is: a list says what its writer wants. */
static void apply_quota(struct pool_config *p)
{
	unsigned quota = allowed_quota(), whole = (quota + 999) / 1000;

	if (p->cpus_kind == CPUS_LIST || whole == 0 || whole >= p->ncpus)
		return;
	if (p->cpus_kind == CPUS_ALL)
		p->cpus_reason = arena_printf(&p->arena, "a CPU quota of %u.%u of %u CPUs",
					      quota / 1000, quota % 1000 / 100, p->ncpus);
	else
		p->cpus_reason = arena_printf(&p->arena, "%s, with a CPU quota of %u.%u of %u CPUs",
					      p->cpus_reason, quota / 1000, quota % 1000 / 100,
					      p->ncpus);
	p->ncpus = whole;
}

int resolve_cpus(struct pool_config *p, struct err *e)
{
	struct topology t = { 0 };
	cpu_set_t allowed;
	int r = allowed_cpus(&allowed);

	if (r < 0)
		return err_sys(e, r, "the CPUs of this host cannot be told");
	/* Without it only what needs it is refused, in whole_set(). */
	ignore(topology_read("/sys", &t));
	if (p->cpus_kind == CPUS_LIST)
		r = check_list(p, &allowed, e);
	if (r == 0)
		r = config_cpus(p, &t, &allowed, &p->cpus, e);
	if (r < 0)
		return r;
	p->ncpus = (unsigned)CPU_COUNT(&p->cpus);
	p->cpus_reason = reason(p, &t, &allowed);
	apply_quota(p);
	return p->cpus_reason ? 0 : err_set(e, -ENOMEM, "out of memory");
}
