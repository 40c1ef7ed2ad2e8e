/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "kernel/scm.h"
#include "wire/wire.h"

const struct wire *wire_find(enum protocol p)
{
	static const struct wire *const built[] = {
		[PROTO_NATIVE] = &wire_native,	   [PROTO_NODE_CLUSTER] = &wire_node_cluster,
		[PROTO_NODE_IPC] = &wire_node_ipc, [PROTO_BIND] = &wire_bind,
		[PROTO_SYSTEMD] = &wire_systemd,   [PROTO_AUTO] = &wire_auto,
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

bool channel_is_deaf(const struct channel *ch)
{
	return (ch->held || ch->pause.armed) && !ch->hung;
}

bool channel_was_deaf(struct channel *ch)
{
	bool was = ch->was_deaf;

	ch->was_deaf = channel_is_deaf(ch);
	return was || ch->was_deaf;
}

void channel_watch(struct channel *ch)
{
	uint32_t events = (channel_is_deaf(ch) ? 0u : EPOLLIN) |
			  (list_empty(&ch->out.queue) ? 0u : EPOLLOUT);

	if (ch->source.live && events != ch->watched &&
	    source_mod(ch->loop, &ch->source, events) == 0)
		ch->watched = events;
}

static void move_window(struct channel *ch)
{
	uint64_t now = clock_boot_ms();

	if (now - ch->window_ms < 1000)
		return;
	ch->window_ms = now;
	ch->in_window = ch->messages_in_window = 0;
}

void channel_word(struct channel *ch)
{
	move_window(ch);
	ch->in_window++;
}

void channel_answer(struct channel *ch)
{
	if (ch->in_window > 0)
		ch->in_window--;
}

void channel_message(struct channel *ch, const json_t *msg, const char *text, size_t len)
{
	ch->messages_in_window++;
	ch->turn_bytes += len;
	ch->up->message(ch, msg, text, len);
}

/* What is more than a second's share waits in the socket, whose size bounds it, and the
 * worker with it. One datagram may hold many words: each is paid for. */
static uint64_t pause_until(const struct channel *ch)
{
	unsigned words = ch->in_window / CHANNEL_RATE;
	unsigned messages = ch->messages_in_window / CHANNEL_MESSAGES;
	unsigned seconds = words > messages ? words : messages;

	if (seconds > 0)
		return ch->window_ms + 1000 * seconds;
	/* A long message to a large pool is much to copy: now it is the others' turn. */
	return ch->turn_bytes >= CHANNEL_LINE_MAX ? clock_boot_ms() + 1 : 0;
}

bool channel_listens(struct channel *ch)
{
	uint64_t until;

	if (!ch->source.live)
		return false;
	/* One that has gone is read to the end: its socket bounds what is left. */
	if (ch->hung)
		return true;
	until = ch->pause.armed ? 0 : pause_until(ch);
	if (until > 0)
		timer_set(ch->loop, &ch->pause, until);
	if (!channel_is_deaf(ch))
		return true;
	ch->was_deaf = true;
	channel_watch(ch);
	return false;
}

/* A bounded number of reads: one loud worker delays nobody. */
static void take_turn(struct channel *ch)
{
	ch->turn_bytes = 0;
	for (int i = 0; i < 16; i++) {
		int r = ch->wire->on_input(ch);

		if (r < 0)
			return;
		if (r == 0) {
			/* With nothing left: a stream's read has said so already. */
			if (ch->hung)
				ignore(channel_eof(ch));
			return;
		}
		if (!channel_listens(ch))
			return;
	}
}

void channel_finish(struct channel *ch)
{
	/* What a socket holds, in the shortest words, in turns of sixteen. */
	for (int i = 0; i < 64 && ch->source.live; i++) {
		ch->hung = true;
		take_turn(ch);
	}
}

static void on_pause_over(struct timer *t)
{
	struct channel *ch = container_of(t, struct channel, pause);

	if (!ch->source.live || channel_is_deaf(ch))
		return; /* over, or held for another reason */
	move_window(ch);
	channel_watch(ch);
	take_turn(ch); /* whole lines may wait in the buffer: no event tells of them */
}

void channel_hold(struct channel *ch, bool hold)
{
	if (ch->fd < 0 || ch->held == hold)
		return;
	ch->held = hold;
	ch->was_deaf |= hold;
	if (!hold && !ch->pause.armed) /* from the loop, not from inside of somebody's turn */
		timer_set(ch->loop, &ch->pause, clock_boot_ms());
	channel_watch(ch);
}

static void on_channel(struct source *s, uint32_t events)
{
	struct channel *ch = container_of(s, struct channel, source);

	if (events & EPOLLOUT)
		channel_flush(ch);
	if (events & (EPOLLHUP | EPOLLERR))
		ch->hung = true;
	if (s->live && (ch->hung || (events & EPOLLIN)))
		take_turn(ch);
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
	scm_close(&ch->fd);
	free(ch->queries);
	ch->queries = NULL;
	ch->nqueries = 0;
	free(ch->buf);
	ch->buf = NULL;
	ch->buf_len = ch->buf_size = 0;
}
