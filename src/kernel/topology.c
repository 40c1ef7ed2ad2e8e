/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/topology.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"

#define CACHES_MAX 16 /* cache/index0 and on; five are many */
#define LIST_BYTES 4096

/* A file of one line, without the newline. 0 or -errno. */
PRINTF(3, 4) static int read_line(char *ret, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	FILE *f;
	bool read;

	va_start(ap, fmt);
	(void)vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	read = fgets(ret, (int)size, f) != NULL;
	(void)fclose(f);
	ret[read ? strcspn(ret, "\n") : 0] = '\0';
	return read ? 0 : -EPROTO;
}

/* ---- cores ---- */

/* Who shares a core or a cache with that CPU: a list that does not name it is none. */
static bool parse_shared(const char *text, unsigned cpu, cpu_set_t *ret)
{
	return parse_cpus(text, ret) == 0 && CPU_ISSET(cpu, ret);
}

static void read_core(const char *sys, struct topology *t, unsigned cpu)
{
	char line[LIST_BYTES];
	cpu_set_t same;

	/* core_cpus_list is the newer name (5.3) of thread_siblings_list. */
	if (read_line(line, sizeof(line), "%s/devices/system/cpu/cpu%u/topology/core_cpus_list",
		      sys, cpu) < 0 &&
	    read_line(line, sizeof(line),
		      "%s/devices/system/cpu/cpu%u/topology/thread_siblings_list", sys, cpu) < 0)
		return;
	if (!parse_shared(line, cpu, &same))
		return;
	t->has_cores = true;
	for (unsigned i = cpu; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &same) && CPU_ISSET(i, &t->online))
			t->core[i] = (short)cpu;
}

/* ---- last-level caches ---- */

/* The cache of the highest level that holds data. */
static bool last_cache(const char *sys, unsigned cpu, cpu_set_t *ret)
{
	long best = 0;

	for (unsigned i = 0; i < CACHES_MAX; i++) {
		char type[32], level[32], list[LIST_BYTES];
		cpu_set_t same;
		long n;

		if (read_line(level, sizeof(level),
			      "%s/devices/system/cpu/cpu%u/cache/index%u/level", sys, cpu, i) < 0)
			break;
		n = strtol(level, NULL, 10);
		if (n <= best ||
		    (read_line(type, sizeof(type), "%s/devices/system/cpu/cpu%u/cache/index%u/type",
			       sys, cpu, i) == 0 &&
		     strcmp(type, "Instruction") == 0))
			continue;
		if (read_line(list, sizeof(list),
			      "%s/devices/system/cpu/cpu%u/cache/index%u/shared_cpu_list", sys, cpu,
			      i) < 0 ||
		    !parse_shared(list, cpu, &same))
			continue;
		best = n;
		*ret = same;
	}
	return best > 0;
}

static void read_llc(const char *sys, struct topology *t, unsigned cpu)
{
	cpu_set_t same;

	if (t->llc[cpu] >= 0 || !last_cache(sys, cpu, &same))
		return;
	for (unsigned i = cpu; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &same) && CPU_ISSET(i, &t->online) && t->llc[i] < 0)
			t->llc[i] = (short)t->nllcs;
	t->nllcs++;
}

/* ---- nodes ---- */

static void read_nodes(const char *sys, struct topology *t)
{
	char line[LIST_BYTES];
	cpu_set_t nodes, cpus;

	if (read_line(line, sizeof(line), "%s/devices/system/node/online", sys) < 0 ||
	    parse_cpus(line, &nodes) < 0)
		return;
	for (unsigned n = 0; n < CPU_SETSIZE; n++) {
		/* A node of memory alone has an empty list. */
		if (!CPU_ISSET(n, &nodes) ||
		    read_line(line, sizeof(line), "%s/devices/system/node/node%u/cpulist", sys, n) <
			    0 ||
		    parse_cpus(line, &cpus) < 0)
			continue;
		for (unsigned i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET(i, &cpus) && CPU_ISSET(i, &t->online))
				t->node[i] = (short)n;
	}
}

int topology_read(const char *sys, struct topology *ret)
{
	char line[LIST_BYTES];
	int r = read_line(line, sizeof(line), "%s/devices/system/cpu/online", sys);
	cpu_set_t online;

	if (r == 0 && parse_cpus(line, &online) < 0)
		r = -EPROTO;
	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	ret->online = online;
	for (unsigned i = 0; i < CPU_SETSIZE; i++)
		ret->core[i] = ret->llc[i] = ret->node[i] = -1;
	for (unsigned i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &online))
			continue;
		/* One of a group tells for all of it: a host may have hundreds. */
		if (ret->core[i] < 0)
			read_core(sys, ret, i);
		if (ret->core[i] < 0)
			ret->core[i] = (short)i;
		read_llc(sys, ret, i);
	}
	read_nodes(sys, ret);
	return 0;
}

/* ---- questions ---- */

void topology_one_a_core(const struct topology *t, const cpu_set_t *cpus, cpu_set_t *ret)
{
	cpu_set_t seen;

	CPU_ZERO(&seen);
	CPU_ZERO(ret);
	for (unsigned i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, cpus) || !CPU_ISSET(i, &t->online) ||
		    CPU_ISSET((size_t)t->core[i], &seen))
			continue;
		CPU_SET((size_t)t->core[i], &seen);
		CPU_SET(i, ret);
	}
}

static void with_number(const struct topology *t, const short *of, unsigned number, cpu_set_t *ret)
{
	CPU_ZERO(ret);
	for (unsigned i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &t->online) && of[i] == (long)number)
			CPU_SET(i, ret);
}

void topology_of_node(const struct topology *t, unsigned node, cpu_set_t *ret)
{
	with_number(t, t->node, node, ret);
}

void topology_of_llc(const struct topology *t, unsigned llc, cpu_set_t *ret)
{
	with_number(t, t->llc, llc, ret);
}

void topology_nodes(const struct topology *t, cpu_set_t *ret)
{
	CPU_ZERO(ret);
	for (unsigned i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &t->online) && t->node[i] >= 0)
			CPU_SET((size_t)t->node[i], ret);
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

unsigned topology_sort(const struct topology *t, const cpu_set_t *cpus,
		       unsigned short ret[CPU_SETSIZE])
{
	uint64_t key[CPU_SETSIZE] = { 0 };
	unsigned n = 0;

	/* -1 becomes the highest: what is not told comes last. */
	for (unsigned i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, cpus))
			key[n++] = (uint64_t)(uint16_t)t->node[i] << 48 |
				   (uint64_t)(uint16_t)t->llc[i] << 32 |
				   (uint64_t)(uint16_t)t->core[i] << 16 | i;
	qsort(key, n, sizeof(key[0]), by_number);
	for (unsigned k = 0; k < n; k++)
		ret[k] = (unsigned short)key[k];
	return n;
}
