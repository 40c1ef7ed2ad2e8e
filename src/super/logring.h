/* SPDX-License-Identifier: MIT */
/* logring.h - the last 64 KiB that a worker wrote, as lines; memory grows with
 * what was written, and is given back never before the slot is. */
#ifndef MPSUP_SUPER_LOGRING_H
#define MPSUP_SUPER_LOGRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGRING_BYTES 65536
#define LOG_LINE_MAX  8192 /* longer ones are cut into pieces */

struct slot;

struct logline {
	const struct slot *slot;
	uint64_t life;
	int64_t time_ms; /* CLOCK_REALTIME */
	bool is_err;
	const char *text; /* raw bytes of the worker, no newline */
	size_t len;
};

struct logring {
	char *buf;
	size_t size, head, used; /* head: where the next record goes */
};

void logring_add(struct logring *r, const struct logline *line);
/* Oldest first. */
void logring_each(const struct logring *r, void (*fn)(void *ctx, const struct logline *l),
		  void *ctx);
void logring_done(struct logring *r);

#endif
