/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/sink.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* A descriptor that polls writable takes this much without blocking: a page of
 * a pipe, or what a terminal has room for (pipe(7), n_tty_poll()). */
#define CHUNK 4096

void sink_init(struct sink *s, struct loop *loop, int fd)
{
	*s = (struct sink){ .fd = fd, .loop = loop, .src = SOURCE_NONE };
}

/* Returns how much was taken; a reader that is gone takes everything. */
static size_t push(struct sink *s, const char *p, size_t len)
{
	size_t done = 0;

	while (done < len && !s->broken) {
		struct pollfd pfd = { .fd = s->fd, .events = POLLOUT };
		size_t part = len - done < CHUNK ? len - done : CHUNK;
		ssize_t n;

		if (poll(&pfd, 1, 0) <= 0 || !(pfd.revents & (POLLOUT | POLLERR | POLLHUP)))
			return done;
		n = write(s->fd, p + done, part);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			return done;
		if (n < 0)
			s->broken = true;
		else
			done += (size_t)n;
	}
	return s->broken ? len : done;
}

static void on_writable(struct source *src, uint32_t events)
{
	struct sink *s = container_of(src, struct sink, src);
	size_t n = push(s, s->queue, s->len);

	(void)events;
	memmove(s->queue, s->queue + n, s->len - n);
	s->len -= n;
	if (s->len > 0)
		return;
	source_remove(s->loop, src);
	if (s->dropped > 0) {
		char note[96];
		int len = snprintf(note, sizeof(note), "mpsup: %lu lines lost: nobody read them\n",
				   s->dropped);

		s->dropped = 0;
		sink_write(s, note, (size_t)len);
	}
}

void sink_write(struct sink *s, const char *line, size_t len)
{
	size_t n = 0;

	if (s->broken || s->fd < 0)
		return;
	if (s->len == 0) {
		n = push(s, line, len);
		if (n == len)
			return;
	}
	if (!s->queue)
		s->queue = malloc(SINK_QUEUE_BYTES);
	if (!s->queue || s->len + (len - n) > SINK_QUEUE_BYTES) {
		s->dropped++;
		return;
	}
	memcpy(s->queue + s->len, line + n, len - n);
	s->len += len - n;
	/* A file cannot be watched and never needs it. */
	if (!s->src.live && source_add(s->loop, &s->src, s->fd, EPOLLOUT, on_writable) < 0)
		s->len = 0;
}

void sink_done(struct sink *s)
{
	if (s->len > 0)
		(void)push(s, s->queue, s->len);
	source_remove(s->loop, &s->src);
	free(s->queue);
	*s = (struct sink){ .fd = -1, .src = SOURCE_NONE };
}
