/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "kernel/proc.h"
#include "kernel/tcpinfo.h"

#define DESCRIPTORS_MAX 65536 /* of one process: 6 us each, and the master waits */
#define PORTS_MAX	256   /* that the filter of one dump names; of more it has a range */

/* States that can have a descriptor. SYN_RECV and TIME_WAIT have none. */
#define STATES_ACCEPTED                                                                            \
	(1u << TCP_ESTABLISHED | 1u << TCP_FIN_WAIT1 | 1u << TCP_FIN_WAIT2 |                       \
	 1u << TCP_CLOSE_WAIT | 1u << TCP_LAST_ACK | 1u << TCP_CLOSING)

/* A listener's own address: what an accepted socket has in common with it. */
struct place {
	int family;
	in_port_t port; /* host order */
	struct sockaddr_un un;
	size_t un_len; /* of sun_path, as the kernel counts it */
};

struct dump {
	struct diag_sockets *out;
	unsigned flags;
	struct place *places;
	size_t nplaces;
	struct which { /* the listeners, sorted by inode */
		uint64_t inode;
		size_t index;
	} * which;
	in_port_t *ports; /* of the family that is dumped: sorted, each once */
	size_t nports;
	int error; /* -errno that the kernel answered or the callback met */
};

/* ---- what is kept ---- */

/* Of a struct which or diag_connection: both begin with it. */
static int by_inode(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void keep_connection(struct dump *d, const struct diag_connection *c)
{
	struct diag_sockets *s = d->out;

	/* 0: it waits in the accept queue or nobody holds it any more. */
	if (c->inode == 0 || s->nconnections >= DIAG_CONNECTIONS_MAX)
		return;
	if (s->nconnections == s->room) {
		size_t room = s->room ? s->room * 2 : 64;
		struct diag_connection *more = realloc(s->connections, room * sizeof(*more));

		if (!more) {
			d->error = -ENOMEM;
			return;
		}
		s->connections = more;
		s->room = room;
	}
	s->connections[s->nconnections++] = *c;
}

static void keep_listener(struct dump *d, uint64_t inode, uint32_t queue, uint32_t backlog)
{
	const struct which key = { .inode = inode }, *w;

	w = bsearch(&key, d->which, d->out->nlisteners, sizeof(key), by_inode);
	if (!w)
		return;
	d->out->listeners[w->index].queue = queue;
	d->out->listeners[w->index].backlog = backlog;
}

/* ---- one dump ---- */

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct dump *d = arg;

	(void)from;
	d->error = e->error ? e->error : -EPROTO;
	return NL_STOP;
}

static int run_dump(struct dump *d, struct nl_sock *sock, struct nl_msg *msg,
		    nl_recvmsg_msg_cb_t on_valid)
{
	int r;

	d->error = 0;
	if (nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_valid, d) < 0 ||
	    nl_socket_modify_err_cb(sock, NL_CB_CUSTOM, on_error, d) < 0)
		return -ENOMEM;
	r = nl_send_auto(sock, msg);
	if (r >= 0)
		r = nl_recvmsgs_default(sock); /* up to NLMSG_DONE */
	if (d->error < 0)
		return d->error;
	if (r == -NLE_AGAIN)
		return -EAGAIN;
	if (r == -NLE_NOMEM)
		return -ENOMEM;
	/* Interrupted: the table changed underneath; the numbers are good enough. */
	return r < 0 && r != -NLE_DUMP_INTR ? -EIO : 0;
}

/* ---- TCP ---- */

static int by_port(const void *a, const void *b)
{
	return (int)*(const in_port_t *)a - (int)*(const in_port_t *)b;
}

static bool is_port(const struct dump *d, in_port_t port)
{
	return bsearch(&port, d->ports, d->nports, sizeof(port), by_port) != NULL;
}

static void keep_inet(struct dump *d, struct nlmsghdr *h, const struct inet_diag_msg *m)
{
	struct diag_connection c = { .inode = m->idiag_inode,
				     .queued = m->idiag_rqueue > 0 || m->idiag_wqueue > 0 };
	const struct nlattr *a =
		d->flags & DIAG_TRAFFIC ? nlmsg_find_attr(h, sizeof(*m), INET_DIAG_INFO) : NULL;
	struct tcp_traffic t;

	if (a) {
		tcp_traffic_read(nla_data(a), (size_t)nla_len(a), &t);
		c.owed = t.owed;
		c.doubtful = t.doubtful;
		c.rest_ms = t.rest_ms;
	}
	keep_connection(d, &c);
}

static int on_inet(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *h = nlmsg_hdr(msg);
	const struct inet_diag_msg *m = nlmsg_data(h);
	struct dump *d = arg;

	if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || !nlmsg_valid_hdr(h, sizeof(*m)))
		return NL_SKIP;
	if (d->nports > PORTS_MAX && !is_port(d, ntohs(m->id.idiag_sport)))
		return NL_SKIP;
	if (m->idiag_state == TCP_LISTEN)
		keep_listener(d, m->idiag_inode, m->idiag_rqueue, m->idiag_wqueue);
	else
		keep_inet(d, h, m);
	return d->error < 0 ? NL_STOP : NL_OK;
}

/* The kernel's own filter, so that a busy host sends us only our ports: for each
 * port "equal: jump to the end (accept), else go on", the last one "else reject",
 * which is a jump to 4 bytes past the end (inet_diag.c, inet_diag_bc_run()). */
static size_t port_filter(const struct dump *d, struct inet_diag_bc_op *ops)
{
	const size_t step = 3 * sizeof(*ops);
	size_t n = d->nports, left = n * step;

	for (size_t i = 0; i < n; i++) {
		ops[i * 3] = (struct inet_diag_bc_op){ .code = INET_DIAG_BC_S_EQ,
						       .yes = 2 * sizeof(*ops),
						       .no = (unsigned short)step };
		ops[i * 3 + 1] = (struct inet_diag_bc_op){ .no = d->ports[i] };
		ops[i * 3 + 2] =
			(struct inet_diag_bc_op){ .code = INET_DIAG_BC_JMP, .yes = sizeof(*ops) };
	}
	ops[(n - 1) * 3].no = (unsigned short)(step + sizeof(*ops));
	for (size_t i = 0; i < n; i++, left -= step)
		ops[i * 3 + 2].no = (unsigned short)(left - 2 * sizeof(*ops));
	return n * step;
}

/* From the first to the last: what lies between and is not ours is sorted out here. */
static size_t range_filter(const struct dump *d, struct inet_diag_bc_op *ops)
{
	const size_t pair = 2 * sizeof(*ops);

	for (unsigned i = 0; i < 2; i++) {
		ops[i * 2] = (struct inet_diag_bc_op){
			.code = i ? INET_DIAG_BC_S_LE : INET_DIAG_BC_S_GE,
			.yes = (unsigned char)pair,
			.no = (unsigned short)((2 - i) * pair + sizeof(*ops)),
		};
		ops[i * 2 + 1] = (struct inet_diag_bc_op){ .no = d->ports[i ? d->nports - 1 : 0] };
	}
	return 2 * pair;
}

static void find_ports(struct dump *d, int family)
{
	size_t n = 0;

	for (size_t i = 0; i < d->nplaces; i++)
		if (d->places[i].family == family)
			d->ports[n++] = d->places[i].port;
	d->nports = 0;
	if (n > 1)
		qsort(d->ports, n, sizeof(*d->ports), by_port);
	for (size_t i = 0; i < n; i++)
		if (d->nports == 0 || d->ports[d->nports - 1] != d->ports[i])
			d->ports[d->nports++] = d->ports[i];
}

static int dump_inet(struct dump *d, struct nl_sock *sock, int family)
{
	struct inet_diag_req_v2 req = {
		.sdiag_family = (uint8_t)family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = STATES_ACCEPTED | 1u << TCP_LISTEN,
		.idiag_ext = d->flags & DIAG_TRAFFIC ? 1u << (INET_DIAG_INFO - 1) : 0,
		.id.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE },
	};
	struct inet_diag_bc_op ops[PORTS_MAX * 3];
	struct nl_msg *msg;
	int r = -ENOMEM;
	size_t len;

	find_ports(d, family);
	if (d->nports == 0)
		return 0;
	len = d->nports > PORTS_MAX ? range_filter(d, ops) : port_filter(d, ops);
	msg = nlmsg_alloc_size(sizeof(req) + len + 64);
	if (msg && nlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, SOCK_DIAG_BY_FAMILY, 0, NLM_F_DUMP) &&
	    nlmsg_append(msg, &req, sizeof(req), NLMSG_ALIGNTO) == 0 &&
	    nla_put(msg, INET_DIAG_REQ_BYTECODE, (int)len, ops) == 0)
		r = run_dump(d, sock, msg, on_inet);
	nlmsg_free(msg);
	return r;
}

/* ---- unix ---- */

/* The zero at the end of a path is not part of it: kernels differ in whether they tell it. */
static size_t name_len(const char *name, size_t len)
{
	return len > 0 && name[0] != '\0' ? strnlen(name, len) : len;
}

static bool is_ours(const struct dump *d, const struct nlattr *attr)
{
	const char *name = attr ? nla_data(attr) : NULL;
	size_t len = name ? name_len(name, (size_t)nla_len(attr)) : 0;

	for (size_t i = 0; name && i < d->nplaces; i++) {
		const struct place *p = &d->places[i];

		if (p->family == AF_UNIX && p->un_len == len &&
		    memcmp(p->un.sun_path, name, len) == 0)
			return true;
	}
	return false;
}

/* What a client has not taken is counted where it came from, as memory. */
static void keep_unix(struct dump *d, uint64_t inode, const struct unix_diag_rqlen *q)
{
	struct diag_connection c = { .inode = inode, .timeless = true };

	if (q) {
		c.waits[0] = q->udiag_rqueue;
		c.waits[1] = q->udiag_wqueue;
		c.queued = c.waits[0] > 0 || c.waits[1] > 0;
	}
	keep_connection(d, &c);
}

static int on_unix(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *h = nlmsg_hdr(msg);
	const struct unix_diag_msg *m = nlmsg_data(h);
	struct nlattr *a[UNIX_DIAG_MAX + 1];
	const struct unix_diag_rqlen *q = NULL;
	struct dump *d = arg;

	if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    nlmsg_parse(h, sizeof(*m), a, UNIX_DIAG_MAX, NULL) < 0)
		return NL_SKIP;
	if (a[UNIX_DIAG_RQLEN] && nla_len(a[UNIX_DIAG_RQLEN]) >= (int)sizeof(*q))
		q = nla_data(a[UNIX_DIAG_RQLEN]);
	/* An accepted socket has the address of its listener. */
	if (m->udiag_state != TCP_LISTEN && is_ours(d, a[UNIX_DIAG_NAME]))
		keep_unix(d, m->udiag_ino, q);
	else if (m->udiag_state == TCP_LISTEN && q)
		keep_listener(d, m->udiag_ino, q->udiag_rqueue, q->udiag_wqueue);
	return d->error < 0 ? NL_STOP : NL_OK;
}

static int dump_unix(struct dump *d, struct nl_sock *sock)
{
	struct unix_diag_req req = {
		.sdiag_family = AF_UNIX,
		.udiag_states = 1u << TCP_LISTEN | 1u << TCP_ESTABLISHED,
		.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_RQLEN,
		.udiag_cookie = { ~0u, ~0u },
	};
	struct nl_msg *msg = NULL;
	bool any = false;
	int r = -ENOMEM;

	for (size_t i = 0; i < d->nplaces; i++)
		any |= d->places[i].family == AF_UNIX;
	if (!any)
		return 0;
	msg = nlmsg_alloc_simple(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
	if (msg && nlmsg_append(msg, &req, sizeof(req), NLMSG_ALIGNTO) == 0)
		r = run_dump(d, sock, msg, on_unix);
	nlmsg_free(msg);
	return r;
}

/* ---- all of it ---- */

static void find_place(int fd, struct diag_listener *l, struct place *p)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} a = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(a);
	struct stat st;

	*l = (struct diag_listener){ .queue = -1, .backlog = -1 };
	*p = (struct place){ .family = AF_UNSPEC };
	if (fstat(fd, &st) < 0 || getsockname(fd, &a.any, &len) < 0)
		return;
	l->inode = st.st_ino;
	p->family = a.any.sa_family;
	if (p->family == AF_INET) {
		p->port = ntohs(a.in.sin_port);
	} else if (p->family == AF_INET6) {
		p->port = ntohs(a.in6.sin6_port);
	} else if (p->family == AF_UNIX && len <= sizeof(a.un)) {
		p->un = a.un;
		p->un_len = name_len(a.un.sun_path, len - offsetof(struct sockaddr_un, sun_path));
	} else {
		p->family = AF_UNSPEC;
	}
}

static int open_sock(struct nl_sock **ret_sock)
{
	struct nl_sock *sock = nl_socket_alloc();
	int r;

	if (!sock)
		return -ENOMEM;
	r = nl_connect(sock, NETLINK_SOCK_DIAG);
	if (r == 0)
		r = nl_socket_set_nonblocking(sock);
	if (r < 0) {
		nl_socket_free(sock);
		return r == -NLE_NOMEM ? -ENOMEM : -EPROTONOSUPPORT;
	}
	*ret_sock = sock;
	return 0;
}

static int dump_all(struct dump *d)
{
	struct nl_sock *sock = NULL;
	int r = open_sock(&sock);

	if (r < 0)
		return r;
	r = dump_inet(d, sock, AF_INET);
	if (r == 0)
		r = dump_inet(d, sock, AF_INET6);
	if (r == 0)
		r = dump_unix(d, sock);
	nl_socket_free(sock);
	return r;
}

int diag_gather(const int *fds, size_t nfds, unsigned flags, struct diag_sockets *ret_sockets)
{
	struct diag_sockets s = { .nlisteners = nfds };
	struct dump d = { .out = &s, .flags = flags, .nplaces = nfds };
	int r = -ENOMEM;

	s.listeners = calloc(nfds + 1, sizeof(*s.listeners));
	d.places = calloc(nfds + 1, sizeof(*d.places));
	d.which = calloc(nfds + 1, sizeof(*d.which));
	d.ports = calloc(nfds + 1, sizeof(*d.ports));
	if (s.listeners && d.places && d.which && d.ports) {
		for (size_t i = 0; i < nfds; i++) {
			find_place(fds[i], &s.listeners[i], &d.places[i]);
			d.which[i] = (struct which){ s.listeners[i].inode, i };
		}
		if (nfds > 1)
			qsort(d.which, nfds, sizeof(*d.which), by_inode);
		r = dump_all(&d);
	}
	free(d.places);
	free(d.which);
	free(d.ports);
	if (r < 0) {
		diag_done(&s);
		return r;
	}
	if (s.nconnections > 1)
		qsort(s.connections, s.nconnections, sizeof(*s.connections), by_inode);
	*ret_sockets = s;
	return 0;
}

void diag_done(struct diag_sockets *s)
{
	free(s->listeners);
	free(s->connections);
	*s = (struct diag_sockets){ 0 };
}

/* ---- whose connections ---- */

static void see_one(void *ctx, uint64_t inode)
{
	const struct diag_connection key = { .inode = inode };
	const struct diag_sockets *s = ctx;
	struct diag_connection *hit;

	hit = bsearch(&key, s->connections, s->nconnections, sizeof(key), by_inode);
	if (hit)
		hit->seen = true;
}

/* Which are held by these processes. */
static int see(const struct diag_sockets *s, const pid_t *pids, size_t npids)
{
	size_t refused = 0;

	if (s->nconnections == 0)
		return 0;
	for (size_t i = 0; i < s->nconnections; i++)
		s->connections[i].seen = false;
	for (size_t i = 0; i < npids; i++)
		if (proc_sockets(pids[i], DESCRIPTORS_MAX, see_one, (void *)s) == -EACCES)
			refused++;
	return npids > 0 && refused == npids ? -EACCES : 0;
}

int64_t diag_count(const struct diag_sockets *s, const pid_t *pids, size_t npids)
{
	int64_t found = 0;
	int r = see(s, pids, npids);

	for (size_t i = 0; i < s->nconnections; i++)
		found += s->connections[i].seen;
	return r < 0 ? r : found;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	return (hash ^ value) * 0x100000001b3u; /* FNV */
}

/* How long what is seen of unix connections has not changed. */
static uint64_t rest_of(const struct diag_sockets *s, struct diag_picture *p)
{
	uint64_t hash = 0xcbf29ce484222325u;

	if (!p)
		return 0;
	for (size_t i = 0; i < s->nconnections; i++) {
		const struct diag_connection *c = &s->connections[i];

		if (c->seen && c->timeless)
			hash = mix(mix(mix(hash, c->inode), c->waits[0]), c->waits[1]);
	}
	if (hash != p->hash)
		p->since_ms = p->now_ms;
	p->hash = hash;
	return p->now_ms - p->since_ms;
}

static bool is_busy(const struct diag_connection *c, uint64_t idle_ms, uint64_t seen_rest_ms)
{
	bool doubtful = c->doubtful || c->timeless;
	uint64_t rest_ms = c->timeless ? seen_rest_ms : c->rest_ms;

	return c->queued || c->owed || rest_ms < (doubtful ? DIAG_DOUBT : 1) * idle_ms;
}

int64_t diag_count_busy(const struct diag_sockets *s, const pid_t *pids, size_t npids,
			uint64_t idle_ms, struct diag_picture *picture)
{
	int64_t found = 0;
	int r = see(s, pids, npids);
	uint64_t rest_ms = rest_of(s, picture);

	for (size_t i = 0; i < s->nconnections; i++)
		found += s->connections[i].seen && is_busy(&s->connections[i], idle_ms, rest_ms);
	return r < 0 ? r : found;
}
