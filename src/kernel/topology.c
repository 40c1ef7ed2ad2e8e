/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/topology.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"

#define ONLINE "/sys/devices/system/cpu/online"

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

/* "MOUNT/OWN", and one folder up with each call, down to MOUNT. */
static bool start_at(char *path, size_t size, const char *mount, const char *own)
{
	return snprintf(path, size, "%s%s", mount, strcmp(own, "/") ? own : "") < (int)size;
}

static bool one_up(char *path, const char *mount)
{
	char *slash = strrchr(path, '/');

	if (strlen(path) <= strlen(mount) || !slash)
		return false;
	*slash = '\0';
	return true;
}

unsigned topology_quota_up(const char *mount, const char *own, bool v2)
{
	char path[PATH_MAX];
	unsigned best = 0;

	if (!start_at(path, sizeof(path), mount, own))
		return 0;
	do
		best = tightest(best, quota_at(path, v2));
	while (one_up(path, mount));
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
bool topology_cpuset_up(const char *mount, const char *own, bool v2, cpu_set_t *ret_cpus)
{
	char path[PATH_MAX], file[PATH_MAX + 32];

	if (!start_at(path, sizeof(path), mount, own))
		return false;
	do {
		(void)snprintf(file, sizeof(file), "%s/cpuset.%s", path,
			       v2 ? "cpus.effective" : "effective_cpus");
		if (read_cpus(file, ret_cpus))
			return true;
	} while (one_up(path, mount));
	return false;
}

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	while (*list) {
		size_t len = strcspn(list, ",\n");

		if (len == n && strncmp(list, word, n) == 0)
			return true;
		list += len + (list[len] != '\0');
	}
	return false;
}

/* The mount point of cgroup2, or of the v1 hierarchy with that controller. */
static bool find_mount(bool v2, const char *controller, char *ret, size_t size)
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
		if (!v2 && !has_word(opts + 1, controller))
			continue;
		found = sscanf(line, "%*d %*d %*s %*s %4095s", point) == 1 &&
			snprintf(ret, size, "%s", point) < (int)size;
	}
	free(line);
	if (f)
		(void)fclose(f);
	return found;
}

/* "0::/x" for v2, "4:cpu,cpuacct:/x" for v1. */
static bool find_own(bool v2, const char *controller, char *ret, size_t size)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char *line = NULL;
	size_t cap = 0;
	bool found = false;

	while (f && !found && getline(&line, &cap, f) > 0) {
		char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;

		if (!path)
			continue;
		path[strcspn(path, "\n")] = '\0';
		*path = '\0';
		if (v2 ? names[1] == '\0' : has_word(names + 1, controller))
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

		if (find_mount(v2, "cpu", mount, sizeof(mount)) &&
		    find_own(v2, "cpu", own, sizeof(own)))
			best = tightest(best, topology_quota_up(mount, own, v2));
	}
	return best;
}

static bool own_cpuset(cpu_set_t *ret)
{
	bool found = false;

	for (int v2 = 0; v2 <= 1; v2++) {
		char mount[PATH_MAX], own[PATH_MAX];
		cpu_set_t one;

		if (!find_mount(v2, "cpuset", mount, sizeof(mount)) ||
		    !find_own(v2, "cpuset", own, sizeof(own)) ||
		    !topology_cpuset_up(mount, own, v2, &one))
			continue;
		if (found)
			CPU_AND(ret, ret, &one);
		else
			*ret = one;
		found = true;
	}
	return found;
}

enum topology_why topology_why(const cpu_set_t *usable)
{
	cpu_set_t online, cpuset;

	if (!read_cpus(ONLINE, &online) || CPU_COUNT(&online) <= CPU_COUNT(usable))
		return TOPOLOGY_ALL;
	if (own_cpuset(&cpuset) && CPU_COUNT(&cpuset) <= CPU_COUNT(usable))
		return TOPOLOGY_CPUSET;
	return TOPOLOGY_AFFINITY;
}
