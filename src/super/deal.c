/* SPDX-License-Identifier: MIT */
/* deal.c - which CPUs a worker gets: dealt over the slots of all pools, least pinned
 * first. */
#define _GNU_SOURCE
#include <string.h>

#include "super/pool.h"

/* How often a CPU is given out, and how often its core is, over all pools. */
struct dealt {
	unsigned cpu[CPU_SETSIZE], core[CPU_SETSIZE];
};

static unsigned core_of(const struct topology *t, unsigned cpu)
{
	return t->core[cpu] < 0 ? cpu : (unsigned)t->core[cpu];
}

static void give(struct dealt *g, const struct topology *t, unsigned cpu, cpu_set_t *to)
{
	g->cpu[cpu]++;
	g->core[core_of(t, cpu)]++;
	CPU_SET(cpu, to);
}

/* One that is dealt again does not compete with itself. */
static void count_others(struct dealt *g, const struct pool *p)
{
	const struct master *m = p->master;

	for (unsigned i = 0; i < m->npools; i++) {
		const struct pool *other = m->pools[i];

		if (other == p || !other->gen || !cage_has(&other->gen->cage, CAGE_PIN))
			continue;
		for (unsigned s = 0; s < other->nslots; s++)
			for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
				if (CPU_ISSET(cpu, &other->slots[s]->cpus)) {
					g->cpu[cpu]++;
					g->core[core_of(&m->topology, cpu)]++;
				}
	}
}

static bool is_freer(const struct dealt *g, const struct topology *t, unsigned a, unsigned b)
{
	unsigned core_a = g->core[core_of(t, a)], core_b = g->core[core_of(t, b)];

	if (g->cpu[a] != g->cpu[b])
		return g->cpu[a] < g->cpu[b];
	return core_a != core_b ? core_a < core_b : a < b;
}

/* Of those that are given out as often, one whose core is less in use. */
static unsigned least_pinned(const struct dealt *g, const struct topology *t,
			     const unsigned short *cpus, unsigned n)
{
	unsigned best = cpus[0];

	for (unsigned i = 1; i < n; i++)
		if (is_freer(g, t, cpus[i], best))
			best = cpus[i];
	return best;
}

/* With fewer workers than CPUs each gets an equal share of neighbours, so that its
 * threads have a core and a cache to themselves; with more, each gets one CPU. */
void pool_deal_cpus(struct pool *p)
{
	const struct topology *t = &p->master->topology;
	struct dealt g = { 0 };
	unsigned short order[CPU_SETSIZE];
	unsigned n = topology_sort(t, &p->cpus, order), next = 0, k = 0;
	unsigned places = pool_count_places(p);

	count_others(&g, p);
	for (unsigned s = 0; s < p->nslots; s++)
		CPU_ZERO(&p->slots[s]->cpus);
	for (unsigned s = 0; s < p->nslots && n > 0; s++) {
		unsigned share = places ? n / places + (k < n % places) : 0;

		if (p->slots[s]->surplus)
			continue;
		k++;
		if (n <= places)
			give(&g, t, least_pinned(&g, t, order, n), &p->slots[s]->cpus);
		else
			for (unsigned i = 0; i < share; i++)
				CPU_SET(order[next++], &p->slots[s]->cpus);
	}
}
