/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/cgroup_stat.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/cgroup.h"

#define TEXT_BYTES 4096

/* The word `key` at the beginning of a line or after a blank, and what follows. */
static const char *find(const char *text, const char *key, char after)
{
	size_t n = strlen(key);

	for (const char *p = text; (p = strstr(p, key)) != NULL; p += n)
		if ((p == text || p[-1] == '\n' || p[-1] == ' ') && p[n] == after)
			return p + n + 1;
	return NULL;
}

uint64_t cgroup_keyed(const char *text, const char *key)
{
	const char *p = find(text, key, ' ');

	return p && *p >= '0' && *p <= '9' ? strtoull(p, NULL, 10) : STAT_UNKNOWN;
}

uint64_t cgroup_counter_read(int fd, const char *key)
{
	char text[TEXT_BYTES];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return STAT_UNKNOWN;
	text[n] = '\0';
	return cgroup_keyed(text, key);
}

uint64_t cgroup_nested_sum(const char *text, const char *key)
{
	uint64_t sum = 0;

	while ((text = find(text, key, '=')) != NULL)
		sum += strtoull(text, NULL, 10);
	return sum;
}

unsigned cgroup_stat_files(const char *controllers)
{
	unsigned files = STAT_CPU;

	if (cgroup_list_has(controllers, "memory"))
		files |= STAT_MEMORY | STAT_PEAK;
	if (cgroup_list_has(controllers, "pids"))
		files |= STAT_PIDS;
	if (cgroup_list_has(controllers, "io"))
		files |= STAT_IO;
	return files;
}

static bool text_of(int leaf_fd, const char *file, char text[TEXT_BYTES])
{
	return cgroup_read(leaf_fd, file, text, TEXT_BYTES) == 0;
}

void cgroup_stat_read(int leaf_fd, unsigned files, struct cgroup_stat *ret)
{
	struct cgroup_stat s = CGROUP_STAT_NONE;
	char text[TEXT_BYTES];

	if ((files & STAT_MEMORY) && text_of(leaf_fd, "memory.events.local", text)) {
		s.oom = cgroup_keyed(text, "oom");
		s.oom_kills = cgroup_keyed(text, "oom_kill");
		s.high_hits = cgroup_keyed(text, "high");
	}
	if ((files & STAT_PEAK) && text_of(leaf_fd, "memory.peak", text))
		s.memory_peak = strtoull(text, NULL, 10);
	if ((files & STAT_PIDS) && text_of(leaf_fd, "pids.events", text))
		s.pids_refused = cgroup_keyed(text, "max");
	if ((files & STAT_CPU) && text_of(leaf_fd, "cpu.stat", text)) {
		s.cpu_usec = cgroup_keyed(text, "usage_usec");
		s.throttled_times = cgroup_keyed(text, "nr_throttled");
		s.throttled_usec = cgroup_keyed(text, "throttled_usec");
	}
	if ((files & STAT_IO) && text_of(leaf_fd, "io.stat", text)) {
		s.io_read_bytes = cgroup_nested_sum(text, "rbytes");
		s.io_write_bytes = cgroup_nested_sum(text, "wbytes");
	}
	*ret = s;
}
