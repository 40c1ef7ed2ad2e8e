/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/footprint.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/base.h"

/* Code alone: what may be written, or was until it was relocated, is not in the file so. */
static void give_back(const char *line)
{
	unsigned long from, to;
	char may[5];
	int path = 0;

	if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %n", &from, &to, may, &path) < 3 || path == 0 ||
	    strcmp(may, "r-xp") != 0 || line[path] != '/')
		return;
	ignore(madvise((void *)(uintptr_t)from, to - from, MADV_DONTNEED));
}

void footprint_trim(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		give_back(line);
	if (maps)
		(void)fclose(maps);
	(void)malloc_trim(0);
}
