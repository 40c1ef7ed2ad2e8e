/* SPDX-License-Identifier: MIT */
/* tree.h - a folder of small files, like /sys or a cgroup tree. Include after cmocka.h. */
#ifndef MPSUP_TESTS_UNIT_TREE_H
#define MPSUP_TESTS_UNIT_TREE_H

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"

/* DIR/fmt holds text and a newline; the folders above it are made. */
PRINTF(3, 4)
static inline void tree_put(const char *dir, const char *text, const char *fmt, ...)
{
	char path[512];
	size_t n = (size_t)snprintf(path, sizeof(path), "%s/", dir);
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	(void)vsnprintf(path + n, sizeof(path) - n, fmt, ap);
	va_end(ap);
	for (char *s = strchr(path + n, '/'); s; s = strchr(s + 1, '/')) {
		*s = '\0';
		assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
		*s = '/';
	}
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fprintf(f, "%s\n", text) > 0);
	assert_int_equal(fclose(f), 0);
}

static inline int tree_remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static inline void tree_remove(const char *dir)
{
	(void)nftw(dir, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
