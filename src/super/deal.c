/* SPDX-License-Identifier: MIT */
/* deal.c - which CPUs a worker gets: dealt over the slots, least used first. */
#define _GNU_SOURCE
#include "super/pool.h"

/* With fewer workers than CPUs each gets an equal, contiguous share; with more,
 * they go round. */
void pool_deal_cpus(struct pool *p)
{
	size_t list[CPU_SETSIZE];
	unsigned n = 0;

	for (size_t i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &p->conf->cpus))
			list[n++] = i;
	for (unsigned s = 0; s < p->nslots; s++) {
		unsigned share = n / p->nslots ? n / p->nslots : 1;
		unsigned extra = n > p->nslots ? n % p->nslots : 0;
		unsigned from = n > p->nslots ? s * share + (s < extra ? s : extra) : s % n;
		unsigned count = n > p->nslots && s < extra ? share + 1 : share;

		CPU_ZERO(&p->slots[s].cpus);
		for (unsigned i = 0; i < count; i++)
			CPU_SET(list[(from + i) % n], &p->slots[s].cpus);
	}
}
