/* SPDX-License-Identifier: MIT */
/* node_ipc.c - the tutorial's worker: message 'server' with a net.Server; back
 * comes {act: 'suicide'}. */
#define _GNU_SOURCE
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "wire/node.h"

static int send_next_handle(struct channel *ch)
{
	static const char line[] = "{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Server\","
				   "\"msg\":\"server\"}\n";
	int fd = ch->up->socket(ch, ch->next_fd);
	int r = channel_say(ch, line, sizeof(line) - 1, &fd, 1);

	if (r < 0)
		return r;
	ch->next_fd++;
	ch->waiting_ack = true;
	return 0;
}

static int node_ipc_hand_over(struct channel *ch, const struct wire_hello *h)
{
	char slot[80];
	int len;

	ch->hello = *h;
	ch->next_fd = 0;
	if (h->nfds == 0)
		return -EINVAL;
	/* A spare learns here who it is; others have it in their environment. */
	len = snprintf(slot, sizeof(slot), "{\"mpsup\":{\"slot\":%u}}\n", h->slot);
	if (h->promoted) {
		int r = channel_say(ch, slot, (size_t)len, NULL, 0);

		if (r < 0)
			return r;
	}
	return send_next_handle(ch);
}

static int node_ipc_drain(struct channel *ch, uint64_t timeout_ms)
{
	static const char line[] = "{\"cmd\":\"NODE_MPSUP\",\"act\":\"leave\"}\n";

	(void)timeout_ms;
	return channel_say(ch, line, sizeof(line) - 1, NULL, 0);
}

static int answered(struct channel *ch, const char *cmd)
{
	bool handed = ch->waiting_ack;
	int r = node_answered(ch, cmd);

	if (r <= 0 || !handed)
		return r < 0 ? r : 0;
	if (ch->next_fd == ch->hello.nfds)
		ch->up->ready(ch);
	else if (send_next_handle(ch) < 0)
		return channel_broken(ch, "it does not take its sockets");
	return 0;
}

static int node_ipc_message(struct channel *ch, const json_t *msg, const char *line, size_t len)
{
	const char *cmd = json_string_value(json_object_get(msg, "cmd"));

	if (cmd && node_is_answer(cmd))
		return answered(ch, cmd);
	if (!cmd || strncmp(cmd, "NODE_", 5) != 0)
		node_app_message(ch, msg, line, len);
	return 0;
}

static int node_ipc_input(struct channel *ch)
{
	return node_input(ch, node_ipc_message);
}

const struct wire wire_node_ipc = {
	.name = "node-ipc",
	.sock_type = SOCK_STREAM,
	.hand_over_ms = 1000,
	.env_name = "NODE_CHANNEL_FD",
	.closes_when_drained = true,
	.hand_over = node_ipc_hand_over,
	.drain = node_ipc_drain,
	.drains_by_preload = true,
	.preload = node_leave,
	.preload_env = "NODE_OPTIONS",
	.preload_option = "--require",
	.ask = node_ask,
	.on_input = node_ipc_input,
	.message_before = "",
	.message_after = "\n",
};
