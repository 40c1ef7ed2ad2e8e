/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "wire/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/scm.h"
#include "wire/json.h"

/* A handle that is on its way must not share a read with the question: Node would give
 * it to the first NODE_HANDLE that it finds there. So one of the two at a time; the ACK
 * that is waited for then tells as much. */
int node_ask(struct channel *ch)
{
	static const char line[] = "{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Native\"}\n";
	int r;

	if (ch->asked || ch->waiting_ack)
		return -EBUSY;
	r = channel_say(ch, line, sizeof(line) - 1, NULL, 0);
	if (r == -EAGAIN) /* so much waits for it already */
		return -EBUSY;
	ch->asked = r == 0;
	return r;
}

int node_answered(struct channel *ch, const char *cmd)
{
	bool ack = strcmp(cmd, "NODE_HANDLE_ACK") == 0;
	bool *open = ack ? &ch->waiting_ack : &ch->asked;

	if (!ack && !ch->asked && ch->waiting_ack)
		return channel_broken(ch, "its sockets do not reach it: has it too many files?");
	if (!*open)
		return 0; /* nobody waits for this one */
	*open = false;
	channel_answer(ch);
	ch->up->watchdog(ch);
	return ch->fd < 0 ? -EPIPE : 1;
}

bool node_is_answer(const char *cmd)
{
	return strcmp(cmd, "NODE_HANDLE_ACK") == 0 || strcmp(cmd, "NODE_HANDLE_NACK") == 0;
}

void node_app_message(struct channel *ch, const json_t *msg, const char *line, size_t len)
{
	const char *act = json_string_value(json_object_get(msg, "act"));

	if (act && strcmp(act, "suicide") == 0)
		ch->up->suicide(ch, "", 0);
	else
		channel_message(ch, msg, line, len);
}

static int take_line(struct channel *ch, node_message_fn *take, const char *line, size_t len)
{
	json_t *msg = wire_json(line, len);
	const char *cmd = json_string_value(json_object_get(msg, "cmd"));

	if (!msg)
		return channel_broken(ch, "a line that is not JSON");
	if (cmd && strcmp(cmd, "NODE_HANDLE") == 0)
		ignore(channel_broken(ch, "a handle that nobody asked for"));
	else
		ignore(take(ch, msg, line, len));
	json_decref(msg);
	return ch->source.live ? 1 : -EPIPE;
}

static int lines(struct channel *ch, node_message_fn *take)
{
	size_t from = 0;
	char *nl = NULL;
	int r = 1;

	while (r == 1 && (from == 0 || channel_listens(ch)) &&
	       (nl = memchr(ch->buf + from, '\n', ch->buf_len - from))) {
		size_t len = (size_t)(nl - (ch->buf + from));

		if (len > 0) {
			channel_word(ch);
			r = take_line(ch, take, ch->buf + from, len);
		}
		from += len + 1;
		if (ch->fd < 0) /* closed from above: the buffer is gone */
			return -EPIPE;
	}
	memmove(ch->buf, ch->buf + from, ch->buf_len - from);
	ch->buf_len -= from;
	if (r == 1 && !nl && ch->buf_len >= CHANNEL_LINE_MAX)
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

int node_input(struct channel *ch, node_message_fn *take)
{
	struct scm_message m = { .max_fds = 0 };
	int r;

	/* Lines that had to wait come first. */
	if (ch->buf_len > 0 && memchr(ch->buf, '\n', ch->buf_len))
		return lines(ch, take);
	r = grow(ch);
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
	return lines(ch, take);
}
