/* SPDX-License-Identifier: MIT */
/* sink.h - where lines go without ever blocking the writer: a terminal, a pipe,
 * a file. What the reader does not take at once waits in a bounded queue; past
 * that, lines are dropped and counted, and the count is written when it reads
 * again. O_NONBLOCK is not set: the description belongs to others too.
 *
 * Layer: kernel. */
#ifndef MPSUP_KERNEL_SINK_H
#define MPSUP_KERNEL_SINK_H

#include <stddef.h>

#include "kernel/loop.h"

#define SINK_QUEUE_BYTES (1u << 20)

struct sink {
	int fd; /* borrowed */
	struct loop *loop;
	struct source src;
	char *queue; /* owned */
	size_t len;
	unsigned long dropped;
	bool broken; /* the reader is gone */
};

void sink_init(struct sink *s, struct loop *loop, int fd);
/* One line with its newline. */
void sink_write(struct sink *s, const char *line, size_t len);
/* Last chance before the end: write what can be written at once. */
void sink_done(struct sink *s);

#endif
