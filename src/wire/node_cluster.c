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

static unsigned port_of(const struct listen_spec *s)
{
	if (s->addr.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)(const void *)&s->addr)->sin_port);
	if (s->addr.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)(const void *)&s->addr)->sin6_port);
	return 0;
}

/* No address, or one that means all: takes what is configured for the port. */
static bool is_wildcard(const char *address)
{
	return !address || !*address || strcmp(address, "::") == 0 ||
	       strcmp(address, "0.0.0.0") == 0;
}

static bool fits(const struct listen_spec *s, const char *address, json_int_t port, bool is_unix)
{
	char own[INET6_ADDRSTRLEN] = "";

	if (is_unix) {
		const struct sockaddr_un *u = (const struct sockaddr_un *)(const void *)&s->addr;

		return s->addr.ss_family == AF_UNIX && address && strcmp(u->sun_path, address) == 0;
	}
	if (s->addr.ss_family == AF_UNIX || port_of(s) != port)
		return false;
	if (is_wildcard(address))
		return true;
	/* Never wider than the program asked for. */
	if (s->addr.ss_family == AF_INET)
		(void)inet_ntop(AF_INET,
				&((const struct sockaddr_in *)(const void *)&s->addr)->sin_addr,
				own, sizeof(own));
	else
		(void)inet_ntop(AF_INET6,
				&((const struct sockaddr_in6 *)(const void *)&s->addr)->sin6_addr,
				own, sizeof(own));
	return strcmp(own, address) == 0;
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
	const char *address = json_string_value(json_object_get(msg, "address"));
	const json_t *type = json_object_get(msg, "addressType");
	json_int_t port = json_integer_value(json_object_get(msg, "port"));
	bool is_unix = json_integer_value(type) == -1;
	struct node_query *q;

	if (ch->nqueries == NODE_QUERIES)
		return channel_broken(ch, "more open queryServer than anybody needs");
	q = &ch->queries[ch->nqueries++];
	*q = (struct node_query){
		.seq = (uint64_t)json_integer_value(json_object_get(msg, "seq")),
		.error = -EADDRINUSE,
	};
	for (unsigned i = 0; i < ch->nspecs && json_is_integer(type); i++)
		if (fits(&ch->specs[i], address, port, is_unix)) {
			q->error = 0;
			q->listener = i;
			break;
		}
	if (q->error) {
		char text[128];

		(void)snprintf(text, sizeof(text),
			       "app listens on %.60s:%lld, which mpsup was not given: refused",
			       address ? address : "*", (long long)port);
		ch->up->hint(ch, text);
	} else if (!ch->handed) {
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
