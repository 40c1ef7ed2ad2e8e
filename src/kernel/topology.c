/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/topology.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int topology_usable(cpu_set_t *ret_cpus)
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

/* Every folder from the own cgroup up to the mount. */
static unsigned quota_up(const char *mount, const char *own, bool v2)
{
	char path[PATH_MAX];
	unsigned best = 0;
	size_t top = strlen(mount);

	if (snprintf(path, sizeof(path), "%s%s", mount, strcmp(own, "/") ? own : "") >=
	    (int)sizeof(path))
		return 0;
	while (1) {
		char *slash;

		best = tightest(best, quota_at(path, v2));
		slash = strrchr(path, '/');
		if (strlen(path) <= top || !slash)
			return best;
		*slash = '\0';
	}
}

/* The mount point of cgroup2, or of the v1 hierarchy with the cpu controller. */
static bool find_mount(bool v2, char *ret, size_t size)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t cap = 0;
	bool found = false;

	while (f && !found && getline(&line, &cap, f) > 0) {
		char point[PATH_MAX];
		const char *type = strstr(line, " - cgroup");
		const char *opts = type ? strrchr(type, ' ') : NULL;

		if (!opts || (strncmp(type, " - cgroup2 ", 11) == 0) != v2)
			continue;
		if (!v2) {
			const char *cpu = strstr(opts, "cpu");

			while (cpu && ((cpu[3] && cpu[3] != ',' && cpu[3] != '\n') ||
				       (cpu[-1] != ',' && cpu[-1] != ' ')))
				cpu = strstr(cpu + 1, "cpu");
			if (!cpu)
				continue;
		}
		found = sscanf(line, "%*d %*d %*s %*s %4095s", point) == 1 &&
			snprintf(ret, size, "%s", point) < (int)size;
	}
	free(line);
	if (f)
		(void)fclose(f);
	return found;
}

/* "0::/x" for v2, "4:cpu,cpuacct:/x" for v1. */
static bool find_own(bool v2, char *ret, size_t size)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char *line = NULL;
	size_t cap = 0;
	bool found = false;

	while (f && !found && getline(&line, &cap, f) > 0) {
		char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
		char list[128];

		if (!path)
			continue;
		path[strcspn(path, "\n")] = '\0';
		(void)snprintf(list, sizeof(list), ",%.*s,", (int)(path - names - 1), names + 1);
		if (v2 ? strcmp(list, ",,") == 0 : strstr(list, ",cpu,") != NULL)
			found = snprintf(ret, size, "%s", path + 1) < (int)size;
	}
	free(line);
	if (f)
		(void)fclose(f);
	return found;
}

unsigned topology_quota(void)
{
	unsigned best = 0;

	for (int v2 = 0; v2 <= 1; v2++) {
		char mount[PATH_MAX], own[PATH_MAX];

		if (find_mount(v2, mount, sizeof(mount)) && find_own(v2, own, sizeof(own)))
			best = tightest(best, quota_up(mount, own, v2));
	}
	return best;
}
