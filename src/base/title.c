/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "base/title.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *area;
static size_t area_size;

void title_init(int argc, char **argv)
{
	char **copy, *end;
	size_t n = 0;

	if (argc < 1)
		return;
	end = argv[argc - 1] + strlen(argv[argc - 1]) + 1;
	while (environ[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	if (!copy)
		return;
	for (size_t i = 0; i < n; i++) {
		copy[i] = strdup(environ[i]);
		if (!copy[i])
			return;	       /* the title stays; a few bytes are lost at start */
		if (environ[i] == end) /* contiguous: it may be overwritten */
			end += strlen(environ[i]) + 1;
	}
	environ = copy;
	area = argv[0];
	area_size = (size_t)(end - argv[0]);
}

void title_set(const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!area)
		return;
	va_start(ap, fmt);
	n = vsnprintf(area, area_size, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < area_size)
		memset(area + n, 0, area_size - (size_t)n);
}
