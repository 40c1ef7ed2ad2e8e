/* SPDX-License-Identifier: MIT */
#include "super/logring.h"

#include <stdlib.h>
#include <string.h>

struct record {
	uint32_t len;
	uint32_t is_err;
	uint64_t life;
	int64_t time_ms;
};

static void put(struct logring *r, const void *data, size_t n)
{
	size_t first = r->size - r->head < n ? r->size - r->head : n;

	memcpy(r->buf + r->head, data, first);
	memcpy(r->buf, (const char *)data + first, n - first);
	r->head = (r->head + n) % r->size;
	r->used += n;
}

static size_t oldest(const struct logring *r)
{
	return (r->head + r->size - r->used) % r->size;
}

static void get(const struct logring *r, size_t from, void *data, size_t n)
{
	size_t first = r->size - from < n ? r->size - from : n;

	memcpy(data, r->buf + from, first);
	memcpy((char *)data + first, r->buf, n - first);
}

static void forget_oldest(struct logring *r)
{
	struct record rec;

	get(r, oldest(r), &rec, sizeof(rec));
	r->used -= sizeof(rec) + rec.len;
}

/* Doubles up to LOGRING_BYTES; out of memory keeps what is there. */
static void grow(struct logring *r, size_t need)
{
	size_t size = r->size ? r->size : 256, n = r->used;
	char *buf;

	while (size < LOGRING_BYTES && size - r->used < need)
		size *= 2;
	if (size == r->size)
		return;
	buf = malloc(size);
	if (!buf)
		return;
	if (n)
		get(r, oldest(r), buf, n);
	free(r->buf);
	*r = (struct logring){ .buf = buf, .size = size, .head = n % size, .used = n };
}

void logring_add(struct logring *r, const struct logline *line)
{
	struct record rec = { .len = (uint32_t)line->len,
			      .is_err = line->is_err,
			      .life = line->life,
			      .time_ms = line->time_ms };
	size_t need = sizeof(rec) + line->len;

	if (line->len > LOG_LINE_MAX)
		return;
	if (r->size - r->used < need)
		grow(r, need);
	if (r->size < need)
		return;
	while (r->size - r->used < need)
		forget_oldest(r);
	put(r, &rec, sizeof(rec));
	put(r, line->text, line->len);
}

void logring_each(const struct logring *r, void (*fn)(void *ctx, const struct logline *l),
		  void *ctx)
{
	char text[LOG_LINE_MAX];
	size_t at = r->used ? oldest(r) : 0, left = r->used;

	while (left > 0) {
		struct record rec;
		struct logline l;

		get(r, at, &rec, sizeof(rec));
		get(r, (at + sizeof(rec)) % r->size, text, rec.len);
		l = (struct logline){ .life = rec.life,
				      .time_ms = rec.time_ms,
				      .is_err = rec.is_err,
				      .text = text,
				      .len = rec.len };
		fn(ctx, &l);
		at = (at + sizeof(rec) + rec.len) % r->size;
		left -= sizeof(rec) + rec.len;
	}
}

void logring_done(struct logring *r)
{
	free(r->buf);
	*r = (struct logring){ 0 };
}
