/* SPDX-License-Identifier: MIT */
/* node_cluster.c - Node's own cluster protocol, for any Node program as it is.
 *
 * The program calls listen(); its cluster module asks {act: 'queryServer'} and
 * gets the listener of that port as a net.Native handle. 'listening' is READY,
 * 'disconnect' drains. A spare's question is answered when it is promoted: its
 * listen() just has not called back yet.
 *
 * With --balance roundrobin and sticky the answer has no handle: then Node waits for
 * {act: 'newconn'} with a connection each (SCHED_RR), and says whether it takes it.
 * Source: lib/internal/cluster/child.js and utils.js of Node 12 to 26. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "wire/node.h"

static int say(struct channel *ch, const char *line, const int *fd)
{
	return channel_say(ch, line, strlen(line), fd, fd ? 1 : 0);
}

static void want_inet(struct listen_want *ret, bool v6, const void *addr, in_port_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&ret->addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&ret->addr;

	*ret = (struct listen_want){ .narrow_is_fine = true };
	ret->addr_len = v6 ? sizeof(*in6) : sizeof(*in);
	ret->addr.ss_family = v6 ? AF_INET6 : AF_INET;
	in->sin_port = port; /* where in6's is */
	memcpy(v6 ? (void *)&in6->sin6_addr : (void *)&in->sin_addr, addr,
	       v6 ? sizeof(in6->sin6_addr) : sizeof(in->sin_addr));
}

static int want_unix(struct listen_want *ret, const char *path)
{
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)&ret->addr;
	size_t len = path ? strlen(path) : 0;

	if (len == 0 || len >= sizeof(un->sun_path))
		return -EINVAL;
	*ret = (struct listen_want){ .addr_len = sizeof(*un) };
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len + 1);
	return 0;
}

/* What a queryServer asks for, or 'listening' tells. No address means all of them, and
 * takes whatever is configured for the port. 0, -EINVAL: it names none, -ENOTSUP: it is
 * no stream, -EBADF: it names a descriptor. */
static int read_want(const json_t *msg, struct listen_want *ret)
{
	const json_t *at = json_object_get(msg, "port");
	const json_t *type = json_object_get(msg, "addressType");
	const json_t *name = json_object_get(msg, "address");
	const char *address = json_string_value(name);
	json_int_t port = json_integer_value(at);
	struct in6_addr addr = IN6ADDR_ANY_INIT;
	bool v6 = true;

	if (json_is_string(type)) /* udp4, udp6 */
		return -ENOTSUP;
	if (json_integer_value(json_object_get(msg, "fd")) > 0)
		return -EBADF;
	if (!json_is_integer(type) || (name && !address && !json_is_null(name)))
		return -EINVAL;
	if (json_integer_value(type) == -1)
		return want_unix(ret, address);
	if (json_integer_value(type) != 4 && json_integer_value(type) != 6)
		return -EINVAL;
	if (!json_is_integer(at) || port < 0 || port > UINT16_MAX)
		return -EINVAL;
	if (address && *address && inet_pton(AF_INET6, address, &addr) != 1) {
		v6 = false;
		if (inet_pton(AF_INET, address, &addr) != 1)
			return -EINVAL;
	}
	want_inet(ret, v6, &addr, htons((uint16_t)port));
	return 0;
}

static const char *complaint(int error)
{
	if (error == -ENOTSUP)
		return "app asks for a UDP socket: mpsup serves none; bind({exclusive: true}) "
		       "opens one of its own";
	if (error == -EBADF)
		return "app listens on a descriptor, and Node's cluster asks the master for it: "
		       "--protocol systemd";
	return "app listens on an address that is none";
}

static bool is_free_port(const struct listen_want *w)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&w->addr;

	return in->sin_family != AF_UNIX && in->sin_port == 0;
}

/* A free port is opened when its turn has come: a queue of them holds no descriptor. */
static int open_free_port(struct channel *ch, const struct node_query *q)
{
	struct listen_want want;
	socklen_t len = sizeof(want.addr);
	int fd;

	want_inet(&want, q->v6, &q->addr, 0);
	fd = ch->up->free_port(ch, &want);
	if (fd < 0)
		return fd;
	if (getsockname(fd, (struct sockaddr *)&want.addr, &len) == 0)
		ch->free_ports[ch->nfree_ports++ % NODE_FREE_PORTS] =
			((const struct sockaddr_in6 *)(const void *)&want.addr)->sin6_port;
	return fd;
}

/* What server.address() shows, where the socket stays with us. Unix sockets have none. */
static void sockname(int fd, char *buf, size_t size)
{
	struct sockaddr_storage addr = { 0 };
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&addr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&addr;
	socklen_t len = sizeof(addr);
	char text[INET6_ADDRSTRLEN] = "";
	bool v6;

	*buf = '\0';
	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0 || addr.ss_family == AF_UNIX)
		return;
	v6 = addr.ss_family == AF_INET6;
	(void)inet_ntop(addr.ss_family, v6 ? (const void *)&in6->sin6_addr : &in->sin_addr, text,
			sizeof(text));
	(void)snprintf(buf, size,
		       ",\"sockname\":{\"address\":\"%s\",\"family\":\"IPv%d\",\"port\":%u}", text,
		       v6 ? 6 : 4, ntohs(in->sin_port));
}

/* No handle: it gets connections instead. */
static int answer_without(struct channel *ch, const struct node_query *q)
{
	char where[128], line[320];
	int r;

	sockname(ch->up->socket(ch, q->listener), where, sizeof(where));
	(void)snprintf(line, sizeof(line),
		       "{\"cmd\":\"NODE_CLUSTER\",\"errno\":0,\"key\":\"mpsup:given:%u:%d\","
		       "\"ack\":%" PRIu64 ",\"data\":null%s}\n",
		       q->listener, q->v6 ? 6 : 4, q->seq, where);
	r = say(ch, line, NULL);
	if (r < 0)
		return r;
	ch->told[q->v6] |= 1ull << q->listener;
	ch->up->takes(ch);
	return 0;
}

/* Keys are unique among what is open: a listener is given once for each family. */
static int answer(struct channel *ch, const struct node_query *q)
{
	AUTO_FD int own = q->free_port && !q->error ? open_free_port(ch, q) : -1;
	int fd = q->free_port ? own : ch->up->socket(ch, q->listener);
	int error = q->error ? q->error : q->free_port && own < 0 ? own : 0;
	char reply[160], line[256];

	if (ch->hello.dispatch && !q->free_port && !error)
		return answer_without(ch, q);
	(void)snprintf(reply, sizeof(reply),
		       "{\"cmd\":\"NODE_CLUSTER\",\"errno\":%d,\"key\":\"mpsup:%s:%u:%d\","
		       "\"ack\":%" PRIu64 ",\"data\":null}",
		       error, q->free_port ? "free" : "given",
		       q->free_port ? ch->nfree_ports : q->listener, q->v6 ? 6 : 4, q->seq);
	if (error) {
		(void)snprintf(line, sizeof(line), "%s\n", reply);
		return say(ch, line, NULL);
	}
	(void)snprintf(line, sizeof(line),
		       "{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Native\",\"msg\":%s}\n", reply);
	ch->waiting_ack = true;
	return say(ch, line, &fd);
}

/* A spare's listener is its slot's; all else is answered at once. */
static int answer_next(struct channel *ch)
{
	while (!ch->waiting_ack && !ch->asked && ch->nqueries > 0) {
		struct node_query q = ch->queries[0];
		int r;

		if (!ch->handed && !q.error && !q.free_port)
			return 0;
		memmove(&ch->queries[0], &ch->queries[1], --ch->nqueries * sizeof(q));
		r = answer(ch, &q);
		if (r < 0)
			return r;
	}
	if (ch->nqueries == 0) {
		free(ch->queries);
		ch->queries = NULL;
	}
	return 0;
}

/* The same, from inside of its input. */
static int take_up(struct channel *ch)
{
	return answer_next(ch) < 0 ? channel_broken(ch, "it does not take its sockets") : 0;
}

static int cluster_hand_over(struct channel *ch, const struct wire_hello *h)
{
	char slot[80];
	int r = 0;

	ch->hello = *h;
	ch->handed = true;
	if (h->promoted) {
		(void)snprintf(slot, sizeof(slot), "{\"mpsup\":{\"slot\":%u}}\n", h->slot);
		r = say(ch, slot, NULL);
	}
	return r < 0 ? r : answer_next(ch);
}

static bool cluster_takes(const struct channel *ch, unsigned listener)
{
	return listener < 64 && ((ch->told[0] | ch->told[1]) & (1ull << listener));
}

/* One handle at a time, as Node's own master: the next follows its NODE_HANDLE_ACK. */
static int cluster_give(struct channel *ch, unsigned listener, uint64_t number, int fd)
{
	char line[192];
	int r;

	if (ch->waiting_ack || ch->asked)
		return -EAGAIN;
	if (!cluster_takes(ch, listener))
		return -ENOENT;
	(void)snprintf(
		line, sizeof(line),
		"{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Native\",\"msg\":"
		"{\"cmd\":\"NODE_CLUSTER\",\"act\":\"newconn\",\"key\":\"mpsup:given:%u:%d\","
		"\"seq\":%" PRIu64 "}}\n",
		listener, ch->told[0] & (1ull << listener) ? 4 : 6, number);
	r = say(ch, line, &fd);
	if (r < 0)
		return r;
	ch->waiting_ack = true;
	ch->giving = number;
	return 0;
}

static int cluster_drain(struct channel *ch, uint64_t timeout_ms)
{
	(void)timeout_ms;
	return say(ch, "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"disconnect\"}\n", NULL);
}

/* 0 and q, or negative: what it is refused with. */
static int decide(struct channel *ch, const json_t *msg, struct node_query *q)
{
	struct listen_want want;
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&want.addr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&want.addr;
	int r = read_want(msg, &want);

	if (r < 0) {
		ch->up->hint(ch, complaint(r));
		return r == -EINVAL ? -EADDRINUSE : r;
	}
	/* As Node counts them: no address and 0.0.0.0 are the same to it. */
	q->v6 = json_integer_value(json_object_get(msg, "addressType")) == 6;
	q->free_port = is_free_port(&want);
	if (q->free_port) {
		q->v6 = in->sin_family == AF_INET6;
		memcpy(&q->addr, q->v6 ? (const void *)&in6->sin6_addr : &in->sin_addr,
		       q->v6 ? sizeof(in6->sin6_addr) : sizeof(in->sin_addr));
		return 0;
	}
	r = ch->up->listener(ch, &want);
	if (r < 0 || r >= 64)
		return -EADDRINUSE;
	/* A second server on it in one program is what it would be without us. */
	if (ch->open[q->v6] & (1ull << r))
		return -EADDRINUSE;
	ch->open[q->v6] |= 1ull << r;
	q->listener = (uint8_t)r;
	return 0;
}

static int query(struct channel *ch, const json_t *msg)
{
	const json_t *seq = json_object_get(msg, "seq");
	struct node_query *q;

	if (!json_is_integer(seq) || json_integer_value(seq) < 0)
		return channel_broken(ch, "a queryServer without its number");
	if (ch->nqueries == NODE_QUERIES)
		return channel_broken(ch, "more open queryServer than anybody needs");
	if (!ch->queries)
		ch->queries = calloc(NODE_QUERIES, sizeof(*ch->queries));
	if (!ch->queries)
		return channel_broken(ch, "a queryServer that there is no memory for");
	q = &ch->queries[ch->nqueries++];
	*q = (struct node_query){ .seq = (uint64_t)json_integer_value(seq) };
	q->error = decide(ch, msg, q);
	if (!q->error && !q->free_port && !ch->handed)
		ch->up->parked(ch);
	return take_up(ch);
}

/* One of a free port tells nothing: it is no client's. */
static void listening(struct channel *ch, const json_t *msg)
{
	struct listen_want want;
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&want.addr;
	int r = read_want(msg, &want);

	for (unsigned i = 0; r == 0 && i < NODE_FREE_PORTS && i < ch->nfree_ports; i++)
		if (in->sin_family != AF_UNIX && in->sin_port == ch->free_ports[i])
			return;
	if (r == 0)
		r = ch->up->listener(ch, &want);
	if (r >= 0)
		ch->up->listening(ch, (unsigned)r);
}

static void closed(struct channel *ch, const json_t *msg)
{
	const char *key = json_string_value(json_object_get(msg, "key"));
	unsigned listener, family;

	if (!key || sscanf(key, "mpsup:given:%u:%u", &listener, &family) != 2 || listener >= 64)
		return;
	ch->open[family == 6] &= ~(1ull << listener);
	ch->told[family == 6] &= ~(1ull << listener);
	if (ch->hello.dispatch)
		ch->up->takes(ch);
}

static int cluster_command(struct channel *ch, const json_t *msg)
{
	const char *act = json_string_value(json_object_get(msg, "act"));
	const json_t *ack = json_object_get(msg, "ack");
	char line[96];

	if (!act && ch->hello.dispatch && json_is_integer(ack) && json_integer_value(ack) > 0 &&
	    ch->up->answered(ch, (uint64_t)json_integer_value(ack),
			     json_is_true(json_object_get(msg, "accepted"))))
		channel_answer(ch);
	if (!act)
		return 0;
	if (strcmp(act, "queryServer") == 0)
		return query(ch, msg);
	if (strcmp(act, "online") == 0) {
		ch->up->online(ch);
	} else if (strcmp(act, "listening") == 0) {
		listening(ch, msg);
	} else if (strcmp(act, "close") == 0) {
		closed(ch, msg);
	} else if (strcmp(act, "exitedAfterDisconnect") == 0) {
		/* The program leaves of its own accord and waits for our word. */
		ch->up->stopping(ch);
		(void)snprintf(line, sizeof(line), "{\"cmd\":\"NODE_CLUSTER\",\"ack\":%lld}\n",
			       (long long)json_integer_value(json_object_get(msg, "seq")));
		if (ch->fd >= 0 && say(ch, line, NULL) < 0)
			return channel_broken(ch, "it does not read its channel");
	}
	return 0;
}

/* NODE_HANDLE_ACK: it has arrived, and Node's word on it follows. NODE_HANDLE_NACK: the
 * program has no descriptor left for it, and another worker gets it. */
static int connection_arrived(struct channel *ch, bool ack)
{
	uint64_t number = ch->giving;

	ch->giving = 0;
	ch->waiting_ack = false;
	channel_answer(ch);
	ch->up->watchdog(ch);
	if (ch->fd >= 0 && !ack)
		ignore((int)ch->up->answered(ch, number, false));
	return ch->fd < 0 ? -EPIPE : take_up(ch);
}

static int handle_answered(struct channel *ch, const char *cmd)
{
	bool ack = strcmp(cmd, "NODE_HANDLE_ACK") == 0;
	int r;

	if (ch->giving && (ack || !ch->asked))
		return connection_arrived(ch, ack);
	r = node_answered(ch, cmd);
	if (r > 0)
		r = take_up(ch);
	if (r >= 0 && ch->hello.dispatch && ch->source.live)
		ch->up->takes(ch); /* the next connection may go */
	return r;
}

static int cluster_message(struct channel *ch, const json_t *msg, const char *line, size_t len)
{
	const char *cmd = json_string_value(json_object_get(msg, "cmd"));

	if (cmd && node_is_answer(cmd))
		return handle_answered(ch, cmd);
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
	.closes_when_drained = true,
	.hand_over = cluster_hand_over,
	.drain = cluster_drain,
	.ask = node_ask,
	.preload = node_leave,
	.preload_env = "NODE_OPTIONS",
	.preload_option = "--require",
	.on_input = cluster_input,
	.give = cluster_give,
	.takes = cluster_takes,
	.message_before = "",
	.message_after = "\n",
};
