/* SPDX-License-Identifier: MIT */
/* take_log.c - the keys of a pool's log: where its workers' lines go, and how many. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/parse.h"
#include "config/reading.h"

#define ROTATE_MIN 4096u
#define KEEP_MAX   1000
#define WINDOW_MIN 100 /* ms */

/* Two names of one file are compared as text: "//" and "/./" go. */
static const char *plain_path(struct reading *rd, const char *path)
{
	char *copy = path ? arena_strdup(rd->arena, path) : NULL, *to = copy;

	for (const char *p = copy; p && *p;) {
		size_t n = strcspn(p + 1, "/") + 1; /* with its slash */

		if (n > 1 && !(n == 2 && p[1] == '.')) {
			memmove(to, p, n);
			to += n;
		}
		p += n;
	}
	if (copy)
		*to = '\0';
	return copy;
}

TAKE(pool_log_file)
{
	struct pool_log *l = &rd->p->log;
	size_t n = strlen(value);

	if (strcmp(value, "none") == 0) {
		l->file = NULL;
		l->none = true;
		return 0;
	}
	/* A command line's folder is forgotten when a daemon leaves it. */
	if (n == 0 || n >= PATH_MAX - 16 || value[n - 1] == '/' || (value[0] != '/' && !rd->dir))
		return reading_not_right(k, value, -EINVAL, e);
	l->none = false;
	l->file = plain_path(rd, reading_path(rd, value));
	return l->file ? 0 : reading_no_memory(e);
}

TAKE(pool_log_rotate)
{
	uint64_t n = PARSE_MAX;
	int r = strcmp(value, "none") == 0 ? 0 : parse_size(value, &n);

	if (r == 0 && n < ROTATE_MIN)
		r = -ERANGE;
	if (r < 0)
		return reading_not_right(k, value, r, e);
	rd->p->log.rotate_bytes = n == PARSE_MAX ? 0 : n;
	return 0;
}

TAKE(pool_log_keep)
{
	uint64_t n;
	int r = reading_number(k, value, 0, KEEP_MAX, &n, e);

	if (r == 0)
		rd->p->log.keep = (unsigned)n;
	return r;
}

TAKE(pool_log_format)
{
	int i = 0, r = reading_one_of(k, value, &i, e);

	if (r == 0) {
		rd->p->log.format = i ? LOG_F_JSON : LOG_F_TEXT;
		rd->p->log.format_given = true;
	}
	return r;
}

TAKE(pool_log_rate)
{
	unsigned count = 0;
	uint64_t window = 0;
	int r = strcmp(value, "none") == 0 ? 0 : parse_rate(value, &count, &window);

	if (r == 0 && window != 0 && (count == 0 || window < WINDOW_MIN))
		r = -ERANGE;
	if (r < 0)
		return reading_not_right(k, value, r, e);
	rd->p->log.rate = count;
	rd->p->log.rate_ms = window;
	return 0;
}
