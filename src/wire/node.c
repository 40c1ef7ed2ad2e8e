/* SPDX-License-Identifier: MIT */
/* node.c - Node's own fork channel: JSON lines over a unix stream socket, a
 * handle travels on the same sendmsg(2) as its line and is acknowledged before
 * the next one. Source: lib/internal/child_process.js of Node 12 to 26.
 *
 * node-ipc is the tutorial's worker: message 'server' with a net.Server; back
 * comes {act: 'suicide'}. */
#define _GNU_SOURCE
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/scm.h"
#include "wire/wire.h"

static int send_next_handle(struct channel *ch)
{
	static const char line[] = "{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Server\","
				   "\"msg\":\"server\"}\n";
	ssize_t n = scm_send(ch->fd, line, sizeof(line) - 1, &ch->pending_fds[ch->next_fd], 1);

	if (n < 0)
		return (int)n;
	if ((size_t)n != sizeof(line) - 1) /* an empty socket takes 60 bytes whole */
		return -EAGAIN;
	ch->next_fd++;
	ch->waiting_ack = true;
	return 0;
}

static int node_ipc_hand_over(struct channel *ch, const struct wire_hello *h)
{
	char slot[80];
	int len;

	ch->hello = *h;
	ch->pending_fds = h->fds;
	ch->next_fd = 0;
	if (h->nfds == 0)
		return -EINVAL;
	/* A spare learns here who it is; others have it in their environment. */
	len = snprintf(slot, sizeof(slot), "{\"mpsup\":{\"slot\":%u}}\n", h->slot);
	if (h->promoted) {
		ssize_t n = scm_send(ch->fd, slot, (size_t)len, NULL, 0);

		if (n < 0)
			return (int)n;
	}
	return send_next_handle(ch);
}

static int node_ipc_drain(struct channel *ch, uint64_t timeout_ms)
{
	(void)ch;
	(void)timeout_ms;
	return -EOPNOTSUPP; /* the tutorial's worker knows no such word: by signal */
}

static void acknowledged(struct channel *ch)
{
	if (!ch->waiting_ack)
		return; /* an ACK that nobody waits for says nothing */
	ch->waiting_ack = false;
	if (ch->next_fd == ch->hello.nfds)
		ch->up->ready(ch);
	else if (send_next_handle(ch) < 0)
		ignore(channel_broken(ch, "it does not take its sockets"));
}

static int node_message(struct channel *ch, const char *line, size_t len)
{
	json_error_t why;
	json_t *msg = json_loadb(line, len, JSON_DECODE_ANY, &why);
	const char *cmd, *act;

	if (!msg)
		return channel_broken(ch, "a line that is not JSON");
	cmd = json_string_value(json_object_get(msg, "cmd"));
	act = json_string_value(json_object_get(msg, "act"));
	if (cmd && strcmp(cmd, "NODE_HANDLE_ACK") == 0)
		acknowledged(ch);
	else if (cmd && strcmp(cmd, "NODE_HANDLE") == 0)
		ignore(channel_broken(ch, "a handle that nobody asked for"));
	else if (act && strcmp(act, "suicide") == 0)
		ch->up->suicide(ch, "", 0);
	else if (!cmd || strncmp(cmd, "NODE_", 5) != 0)
		ch->up->message(ch, line, len);
	json_decref(msg);
	return ch->source.live ? 1 : -EPIPE;
}

static int lines(struct channel *ch)
{
	size_t from = 0;
	char *nl;
	int r = 1;

	while (r == 1 && (nl = memchr(ch->buf + from, '\n', ch->buf_len - from))) {
		size_t len = (size_t)(nl - (ch->buf + from));

		if (len > 0)
			r = node_message(ch, ch->buf + from, len);
		from += len + 1;
		if (ch->fd < 0) /* closed from above: the buffer is gone */
			return -EPIPE;
	}
	memmove(ch->buf, ch->buf + from, ch->buf_len - from);
	ch->buf_len -= from;
	if (r == 1 && ch->buf_len >= CHANNEL_LINE_MAX)
		return channel_broken(ch, "a line longer than 64 KiB");
	return r;
}

static int grow(struct channel *ch)
{
	size_t size = ch->buf_size ? ch->buf_size * 2 : 1024;
	char *buf;

	if (ch->buf_len < ch->buf_size)
		return 0;
	buf = realloc(ch->buf, size);
	if (!buf)
		return -ENOMEM;
	ch->buf = buf;
	ch->buf_size = size;
	return 0;
}

static int node_input(struct channel *ch)
{
	struct scm_message m = { .max_fds = 0 };
	int r = grow(ch);

	if (r < 0)
		return channel_broken(ch, "no memory for its message");
	m.buf = ch->buf + ch->buf_len;
	m.size = ch->buf_size - ch->buf_len;
	r = scm_recv(ch->fd, &m);
	if (r == -EAGAIN)
		return 0;
	if (r == -EPROTO)
		return channel_broken(ch, "descriptors that nobody asked for");
	if (r <= 0)
		return channel_eof(ch);
	ch->buf_len += m.len;
	return lines(ch);
}

const struct wire wire_node_ipc = {
	.name = "node-ipc",
	.sock_type = SOCK_STREAM,
	.hand_over_ms = 1000,
	.env_name = "NODE_CHANNEL_FD",
	.hand_over = node_ipc_hand_over,
	.drain = node_ipc_drain,
	.on_input = node_input,
};
