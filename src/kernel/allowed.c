/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/allowed.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "kernel/hierarchy.h"

#define ONLINE "/sys/devices/system/cpu/online"

int allowed_cpus(cpu_set_t *ret_cpus)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return -errno;
	*ret_cpus = set;
	return 0;
}

static bool read_two(const char *path, long long *a, long long *b)
{
	FILE *f = fopen(path, "re");
	char first[32];
	int n;

	if (!f)
		return false;
	n = fscanf(f, "%31s %lld", first, b);
	(void)fclose(f);
	if (n < 1)
		return false;
	*a = strcmp(first, "max") == 0 ? -1 : strtoll(first, NULL, 10);
	return true;
}

/* v2: "max 100000" or "150000 100000"; v1: two files, -1 is no quota. */
static unsigned quota_at(const char *folder, bool v2)
{
	char path[PATH_MAX + 32];
	long long quota = -1, period = 100000, none;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, v2 ? "cpu.max" : "cpu.cfs_quota_us");
	if (!read_two(path, &quota, &period) || quota <= 0)
		return 0;
	if (!v2) {
		(void)snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", folder);
		if (!read_two(path, &period, &none))
			return 0;
	}
	return period > 0 ? (unsigned)(quota * 1000 / period) : 0;
}

static unsigned tightest(unsigned a, unsigned b)
{
	if (a == 0 || b == 0)
		return a ? a : b;
	return a < b ? a : b;
}

unsigned allowed_quota_up(const char *mount, const char *own, bool v2)
{
	char path[PATH_MAX];
	unsigned best = 0;

	if (!hierarchy_start(path, sizeof(path), mount, own))
		return 0;
	do
		best = tightest(best, quota_at(path, v2));
	while (hierarchy_up(path, mount));
	return best;
}

static bool read_cpus(const char *path, cpu_set_t *ret)
{
	FILE *f = fopen(path, "re");
	char line[4096];
	bool found = f && fgets(line, sizeof(line), f);

	if (f)
		(void)fclose(f);
	if (!found)
		return false;
	line[strcspn(line, "\n")] = '\0';
	return parse_cpus(line, ret) == 0;
}

/* The nearest folder that says it: what is effective there holds all those above. */
bool allowed_cpuset_up(const char *mount, const char *own, bool v2, cpu_set_t *ret_cpus)
{
	char path[PATH_MAX], file[PATH_MAX + 32];

	if (!hierarchy_start(path, sizeof(path), mount, own))
		return false;
	do {
		(void)snprintf(file, sizeof(file), "%s/cpuset.%s", path,
			       v2 ? "cpus.effective" : "effective_cpus");
		if (read_cpus(file, ret_cpus))
			return true;
	} while (hierarchy_up(path, mount));
	return false;
}

unsigned allowed_quota(void)
{
	struct hierarchy h;
	unsigned best = 0;

	for (int v2 = 0; v2 <= 1; v2++)
		if (hierarchy_find("/proc/self", v2, "cpu", &h))
			best = tightest(best, allowed_quota_up(h.mount, h.own, v2));
	return best;
}

static bool own_cpuset(cpu_set_t *ret)
{
	struct hierarchy h;
	bool found = false;

	for (int v2 = 0; v2 <= 1; v2++) {
		cpu_set_t one;

		if (!hierarchy_find("/proc/self", v2, "cpuset", &h) ||
		    !allowed_cpuset_up(h.mount, h.own, v2, &one))
			continue;
		if (found)
			CPU_AND(ret, ret, &one);
		else
			*ret = one;
		found = true;
	}
	return found;
}

enum allowed_why allowed_why(const cpu_set_t *allowed)
{
	cpu_set_t online, cpuset;

	if (!read_cpus(ONLINE, &online) || CPU_COUNT(&online) <= CPU_COUNT(allowed))
		return ALLOWED_ALL;
	if (own_cpuset(&cpuset) && CPU_COUNT(&cpuset) <= CPU_COUNT(allowed))
		return ALLOWED_CPUSET;
	return ALLOWED_AFFINITY;
}
