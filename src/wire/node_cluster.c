/* SPDX-License-Identifier: MIT */
/* node_cluster.c - Node's own cluster protocol, for any Node program as it is.
 *
 * The program calls listen(); its cluster module asks {act: 'queryServer'} and
 * gets the listener of that port as a net.Native handle. 'listening' is READY,
 * 'disconnect' drains. A spare's question is answered when it is promoted: its
 * listen() just has not called back yet. Source: lib/internal/cluster/child.js
 * and utils.js of Node 12 to 26. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "wire/node.h"

static int say(struct channel *ch, const char *line, const int *fd)
{
	return channel_say(ch, line, strlen(line), fd, fd ? 1 : 0);
}

/* What a queryServer asks for, as an address. No address means all of them, and
 * takes whatever is configured for the port. 0, -EINVAL: it names none, or
 * -ESOCKTNOSUPPORT: it is no stream. */
static int read_want(const json_t *msg, struct listen_want *ret)
{
	const json_t *name = json_object_get(msg, "address"), *at = json_object_get(msg, "port");
	const json_t *type = json_object_get(msg, "addressType");
	const char *address = json_string_value(name);
	json_int_t port = json_integer_value(at);
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&ret->addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&ret->addr;
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)&ret->addr;

	*ret = (struct listen_want){ .addr_len = sizeof(*in6), .narrow_is_fine = true };
	if (json_is_string(type)) /* udp4, udp6 */
		return -ESOCKTNOSUPPORT;
	if (!json_is_integer(type))
		return -EINVAL;
	if (json_integer_value(type) == -1) {
		size_t len = address ? strlen(address) : 0;

		if (len == 0 || len >= sizeof(un->sun_path))
			return -EINVAL;
		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, address, len + 1);
		ret->addr_len = sizeof(*un);
		return 0;
	}
	if (!json_is_integer(at) || port < 0 || port > UINT16_MAX)
		return -EINVAL;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)port);
	if (!address || !*address || inet_pton(AF_INET6, address, &in6->sin6_addr) == 1)
		return 0;
	if (inet_pton(AF_INET, address, &in->sin_addr) != 1)
		return -EINVAL;
	in->sin_family = AF_INET;
	ret->addr_len = sizeof(*in);
	return 0;
}

static int answer_next(struct channel *ch)
{
	char line[256];

	while (ch->handed && !ch->waiting_ack && ch->nqueries > 0) {
		struct node_query q = ch->queries[0];
		int r;

		memmove(&ch->queries[0], &ch->queries[1], --ch->nqueries * sizeof(q));
		if (q.error) {
			(void)snprintf(
				line, sizeof(line),
				"{\"cmd\":\"NODE_CLUSTER\",\"errno\":%d,\"key\":\"mpsup:%" PRIu64
				"\",\"ack\":%" PRIu64 ",\"data\":null}\n",
				q.error, q.seq, q.seq);
			r = say(ch, line, NULL);
		} else {
			(void)snprintf(
				line, sizeof(line),
				"{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Native\",\"msg\":"
				"{\"cmd\":\"NODE_CLUSTER\",\"errno\":0,\"key\":\"mpsup:%" PRIu64
				"\",\"ack\":%" PRIu64 ",\"data\":null}}\n",
				q.seq, q.seq);
			ch->waiting_ack = true;
			r = say(ch, line, &ch->pending_fds[q.listener]);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int cluster_hand_over(struct channel *ch, const struct wire_hello *h)
{
	char slot[80];
	int r = 0;

	ch->hello = *h;
	ch->pending_fds = h->fds;
	ch->handed = true;
	if (h->promoted) {
		(void)snprintf(slot, sizeof(slot), "{\"mpsup\":{\"slot\":%u}}\n", h->slot);
		r = say(ch, slot, NULL);
	}
	return r < 0 ? r : answer_next(ch);
}

static int cluster_drain(struct channel *ch, uint64_t timeout_ms)
{
	(void)timeout_ms;
	return say(ch, "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"disconnect\"}\n", NULL);
}

static int query(struct channel *ch, const json_t *msg)
{
	struct listen_want want;
	struct node_query *q;
	int r = read_want(msg, &want);

	if (ch->nqueries == NODE_QUERIES)
		return channel_broken(ch, "more open queryServer than anybody needs");
	q = &ch->queries[ch->nqueries++];
	*q = (struct node_query){
		.seq = (uint64_t)json_integer_value(json_object_get(msg, "seq")),
		.error = -EADDRINUSE,
	};
	if (r == 0)
		r = ch->up->listener(ch, &want);
	else
		ch->up->hint(ch, r == -ESOCKTNOSUPPORT ?
					 "app asks for a UDP socket: mpsup serves none" :
					 "app listens on an address that is none");
	if (r >= 0) {
		q->error = 0;
		q->listener = (unsigned)r;
		if (!ch->handed)
			ch->up->parked(ch);
	}
	return answer_next(ch) < 0 ? channel_broken(ch, "it does not take its sockets") : 0;
}

static int cluster_command(struct channel *ch, const json_t *msg)
{
	const char *act = json_string_value(json_object_get(msg, "act"));
	char line[96];

	if (!act)
		return 0;
	if (strcmp(act, "queryServer") == 0)
		return query(ch, msg);
	if (strcmp(act, "listening") == 0) {
		ch->up->ready(ch);
	} else if (strcmp(act, "exitedAfterDisconnect") == 0) {
		/* The program leaves of its own accord and waits for our word. */
		ch->up->stopping(ch);
		(void)snprintf(line, sizeof(line), "{\"cmd\":\"NODE_CLUSTER\",\"ack\":%lld}\n",
			       (long long)json_integer_value(json_object_get(msg, "seq")));
		if (ch->fd >= 0 && say(ch, line, NULL) < 0)
			return channel_broken(ch, "it does not read its channel");
	}
	return 0; /* online, close: nothing to do */
}

static int cluster_message(struct channel *ch, const json_t *msg, const char *line, size_t len)
{
	const char *cmd = json_string_value(json_object_get(msg, "cmd"));

	if (cmd && strcmp(cmd, "NODE_HANDLE_ACK") == 0) {
		ch->waiting_ack = false;
		return answer_next(ch) < 0 ? channel_broken(ch, "it does not take its sockets") : 0;
	}
	if (cmd && strcmp(cmd, "NODE_CLUSTER") == 0)
		return cluster_command(ch, msg);
	if (!cmd || strncmp(cmd, "NODE_", 5) != 0)
		node_app_message(ch, msg, line, len);
	return 0;
}

static int cluster_input(struct channel *ch)
{
	return node_input(ch, cluster_message);
}

const struct wire wire_node_cluster = {
	.name = "node-cluster",
	.sock_type = SOCK_STREAM,
	.hand_over_ms = 1000,
	.env_name = "NODE_CHANNEL_FD",
	.wants_id = true,
	.parks_by_itself = true,
	.hand_over = cluster_hand_over,
	.drain = cluster_drain,
	.on_input = cluster_input,
	.message_before = "",
	.message_after = "\n",
};
