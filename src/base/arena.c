/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Small ones share a block: a pool's configuration is some eighty strings. Not where
 * the sanitizer would see less of what is written beside one. */
#ifdef __SANITIZE_ADDRESS__
#define SHARED_BYTES 0
#else
#define SHARED_BYTES 992
#endif

struct arena_block {
	struct arena_block *next;
	size_t size, used;
	alignas(max_align_t) char bytes[];
};

static struct arena_block *add(struct arena *a, size_t size)
{
	bool shared = size <= SHARED_BYTES / 4;
	size_t room = shared ? SHARED_BYTES : size;
	struct arena_block *b = size > PTRDIFF_MAX / 2 ? NULL : calloc(1, sizeof(*b) + room);

	if (!b)
		return NULL;
	b->size = room;
	if (shared || !a->blocks) {
		b->next = a->blocks;
		a->blocks = b;
	} else { /* full: the one before it has room still */
		b->next = a->blocks->next;
		a->blocks->next = b;
	}
	return b;
}

/* align: a power of 2 */
static void *take(struct arena *a, size_t size, size_t align)
{
	struct arena_block *b = a->blocks;
	size_t at = b ? (b->used + align - 1) & ~(align - 1) : 0;

	if (!b || at > b->size || b->size - at < size) {
		b = add(a, size);
		at = 0;
	}
	if (!b)
		return NULL;
	b->used = at + size;
	return b->bytes + at;
}

void *arena_alloc(struct arena *a, size_t size)
{
	return take(a, size, alignof(max_align_t));
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = take(a, len + 1, 1);

	if (copy)
		memcpy(copy, s, len);
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	text = n < 0 ? NULL : take(a, (size_t)n + 1, 1);
	if (!text)
		return NULL;
	va_start(ap, fmt);
	(void)vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return text;
}

void arena_done(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
}
