/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "wire/wire.h"

const struct wire *wire_find(enum protocol p)
{
	static const struct wire *const built[] = {
		[PROTO_NATIVE] = &wire_native,
		[PROTO_NODE_CLUSTER] = &wire_node_cluster,
		[PROTO_NODE_IPC] = &wire_node_ipc,
	};

	return (size_t)p < ARRAY_LEN(built) ? built[p] : NULL;
}

int channel_broken(struct channel *ch, const char *what)
{
	source_remove(ch->loop, &ch->source);
	ch->up->protocol_error(ch, what);
	return -EPROTO;
}

int channel_eof(struct channel *ch)
{
	source_remove(ch->loop, &ch->source);
	ch->up->closed(ch);
	return -EPIPE;
}

void channel_watch(struct channel *ch)
{
	uint32_t events = (ch->pause.armed ? 0u : EPOLLIN) |
			  (list_empty(&ch->out.queue) ? 0u : EPOLLOUT);

	if (ch->source.live && events != ch->watched &&
	    source_mod(ch->loop, &ch->source, events) == 0)
		ch->watched = events;
}

/* More than CHANNEL_RATE messages in a second: the rest waits in the socket,
 * whose size bounds it, and the worker with it. */
static bool too_fast(struct channel *ch)
{
	uint64_t now = clock_boot_ms();

	if (now - ch->window_ms >= 1000) {
		ch->window_ms = now;
		ch->in_window = 0;
	}
	if (++ch->in_window < CHANNEL_RATE)
		return false;
	timer_set(ch->loop, &ch->pause, ch->window_ms + 1000);
	channel_watch(ch);
	return true;
}

static void on_pause_over(struct timer *t)
{
	channel_watch(container_of(t, struct channel, pause));
}

/* A bounded number of messages a turn: one loud worker delays nobody. */
static void on_channel(struct source *s, uint32_t events)
{
	struct channel *ch = container_of(s, struct channel, source);

	if (events & EPOLLOUT) {
		channel_flush(ch);
		if (!s->live || !(events & ~(uint32_t)EPOLLOUT))
			return;
	}
	for (int i = 0; i < 16; i++) {
		int r = ch->wire->on_input(ch);

		if (r < 0)
			return;
		if (r == 0)
			break;
		if (too_fast(ch))
			return;
	}
	/* HUP with nothing left to read: a stream's read has said so already. */
	if ((events & EPOLLHUP) && !(events & EPOLLIN) && s->live)
		ignore(channel_eof(ch));
}

int channel_open(struct channel *ch, struct loop *loop, const struct wire *wire,
		 const struct wire_up *up, int fd)
{
	int r;

	*ch = CHANNEL_NONE;
	ch->loop = loop;
	ch->wire = wire;
	ch->up = up;
	list_init(&ch->out.queue);
	timer_init(&ch->pause, on_pause_over);
	r = source_add(loop, &ch->source, fd, EPOLLIN, on_channel);
	ch->fd = fd;
	ch->watched = EPOLLIN;
	if (r < 0)
		channel_close(ch);
	return r;
}

void channel_close(struct channel *ch)
{
	if (ch->fd < 0)
		return;
	source_remove(ch->loop, &ch->source);
	timer_clear(ch->loop, &ch->pause);
	channel_out_clear(ch);
	fd_close(&ch->fd);
	free(ch->buf);
	ch->buf = NULL;
	ch->buf_len = ch->buf_size = 0;
}
