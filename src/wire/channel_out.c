/* SPDX-License-Identifier: MIT */
/* channel_out.c - what a channel has to say and its worker does not take yet: a
 * bounded queue in the order of its coming. A line is never torn, and descriptors
 * travel on the sendmsg(2) that carries the first byte of theirs. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "kernel/scm.h"
#include "wire/wire.h"

struct waiting {
	struct list node;
	struct packet *packet;
	size_t sent; /* bytes of it that are gone */
	bool is_message;
	unsigned nfds;
	int fds[]; /* own copies: the caller's may be closed before they go */
};

struct packet *packet_new(const char *before, const char *text, size_t len, const char *after)
{
	size_t head = strlen(before), tail = strlen(after);
	struct packet *p = malloc(sizeof(*p) + head + len + tail);

	if (!p)
		return NULL;
	p->refs = 1;
	p->len = head + len + tail;
	memcpy(p->bytes, before, head);
	memcpy(p->bytes + head, text, len);
	memcpy(p->bytes + head + len, after, tail);
	return p;
}

void packet_unref(struct packet *p)
{
	if (p && --p->refs == 0)
		free(p);
}

static void drop(struct waiting *w)
{
	list_remove(&w->node);
	while (w->nfds > 0)
		fd_close(&w->fds[--w->nfds]);
	packet_unref(w->packet);
	free(w);
}

/* What one costs, so that many small ones cannot take more than is counted. */
static size_t cost(const struct waiting *w)
{
	return w->packet->len + sizeof(*w) + sizeof(*w->packet);
}

static size_t *account(struct channel_out *out, const struct waiting *w)
{
	return w->is_message ? &out->messages : &out->words;
}

static bool over_limit(const struct channel_out *out, const struct waiting *w)
{
	/* Messages are bounded by who sends them: it holds their senders back. */
	return !w->is_message && out->words + cost(w) > CHANNEL_OUT_WORDS;
}

static int copy_fds(struct waiting *w, const int *fds, unsigned nfds)
{
	for (; w->nfds < nfds; w->nfds++) {
		w->fds[w->nfds] = fcntl(fds[w->nfds], F_DUPFD_CLOEXEC, 3);
		if (w->fds[w->nfds] < 0)
			return -errno;
	}
	return 0;
}

/* Send at once what fits, when nobody is before it; the rest waits. Room and memory
 * for the rest are had first: there is no way back when half a line is out. */
static int send_or_wait(struct channel *ch, struct waiting *w, const int *fds, unsigned nfds)
{
	struct channel_out *out = &ch->out;
	ssize_t n = -EAGAIN;
	int r;

	if (list_empty(&out->queue))
		n = scm_send(ch->fd, w->packet->bytes, w->packet->len, fds, nfds);
	if (n < 0 && n != -EAGAIN)
		return (int)n;
	if (n >= 0 && (size_t)n == w->packet->len)
		return 0;
	if (n < 0) {
		if (over_limit(out, w))
			return -EAGAIN;
		if (!ch->source.live)
			return -EPIPE; /* nobody would tell us when it reads */
		r = copy_fds(w, fds, nfds);
		if (r < 0)
			return r;
	} else {
		w->sent = (size_t)n; /* the descriptors are gone with it */
	}
	list_append(&out->queue, &w->node);
	*account(out, w) += cost(w);
	channel_watch(ch);
	return 1;
}

static int add(struct channel *ch, struct packet *p, bool is_message, const int *fds, unsigned nfds)
{
	struct waiting *w;
	int r;

	if (ch->fd < 0)
		return -EPIPE;
	w = calloc(1, sizeof(*w) + nfds * sizeof(int));
	if (!w)
		return -ENOMEM;
	list_init(&w->node);
	w->packet = p;
	p->refs++;
	w->is_message = is_message;
	r = send_or_wait(ch, w, fds, nfds);
	if (r == 0 && is_message)
		ch->out.taken++;
	if (r <= 0)
		drop(w);
	return r < 0 ? r : 0;
}

int channel_say(struct channel *ch, const void *bytes, size_t len, const int *fds, unsigned nfds)
{
	struct packet *p = packet_new("", bytes, len, "");
	int r = p ? add(ch, p, false, fds, nfds) : -ENOMEM;

	packet_unref(p);
	return r;
}

int channel_post(struct channel *ch, struct packet *p)
{
	return add(ch, p, true, NULL, 0);
}

static int send_rest(struct channel *ch, struct waiting *w)
{
	struct packet *p = w->packet;
	ssize_t n = scm_send(ch->fd, p->bytes + w->sent, p->len - w->sent, w->fds, w->nfds);

	if (n < 0)
		return (int)n;
	while (w->nfds > 0)
		fd_close(&w->fds[--w->nfds]);
	w->sent += (size_t)n;
	return w->sent == p->len ? 0 : -EAGAIN;
}

void channel_flush(struct channel *ch)
{
	struct channel_out *out = &ch->out;
	bool any = false;
	int r = 0;

	if (ch->fd < 0 || list_empty(&out->queue))
		return;
	while (r == 0 && !list_empty(&out->queue)) {
		struct waiting *w = container_of(out->queue.next, struct waiting, node);

		r = send_rest(ch, w);
		if (r < 0)
			break;
		*account(out, w) -= cost(w);
		out->taken += w->is_message;
		drop(w);
		any = true;
	}
	/* Gone: its end is read from the other direction. After any other error the next try
	 * would come at once, and again: what waits is lost, and its READY does not come. */
	if (r < 0 && r != -EAGAIN)
		channel_out_clear(ch);
	channel_watch(ch);
	if ((any || r != -EAGAIN) && ch->up->room)
		ch->up->room(ch);
}

void channel_out_clear(struct channel *ch)
{
	struct channel_out *out = &ch->out;

	list_each(it, &out->queue)
		drop(container_of(it, struct waiting, node));
	out->words = out->messages = 0;
}

/* ---- of an upgrade ---- */

bool channel_waiting(const struct channel *ch, unsigned i, struct channel_word *ret)
{
	if (ch->fd < 0)
		return false;
	list_each(it, &ch->out.queue) {
		const struct waiting *w = container_of(it, struct waiting, node);

		if (i-- > 0)
			continue;
		*ret = (struct channel_word){ .bytes = w->packet->bytes + w->sent,
					      .len = w->packet->len - w->sent,
					      .is_message = w->is_message,
					      .fds = w->fds,
					      .nfds = w->nfds };
		return true;
	}
	return false;
}

void channel_say_again(struct channel *ch, const struct channel_word *w)
{
	struct packet *p = packet_new("", w->bytes, w->len, "");

	if (p)
		ignore(add(ch, p, w->is_message, w->fds, w->nfds));
	packet_unref(p);
}

int channel_read_again(struct channel *ch, const void *half, size_t len)
{
	if (len == 0)
		return 0;
	ch->buf = malloc(len);
	if (!ch->buf)
		return -ENOMEM;
	memcpy(ch->buf, half, len);
	ch->buf_len = ch->buf_size = len;
	/* Whole lines may be among it, of a worker that was not listened to just then. */
	timer_set(ch->loop, &ch->pause, clock_boot_ms());
	return 0;
}
