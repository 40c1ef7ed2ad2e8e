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

static bool is_ours(const struct dump *d, const struct nlattr *name)
{
	for (size_t i = 0; name && i < d->nplaces; i++) {
		const struct place *p = &d->places[i];

		if (p->family == AF_UNIX && p->un_len == (size_t)nla_len(name) &&
		    memcmp(p->un.sun_path, nla_data(name), p->un_len) == 0)
			return true;
	}
	return false;
}

static int on_unix(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *h = nlmsg_hdr(msg);
	const struct unix_diag_msg *m = nlmsg_data(h);
	struct nlattr *a[UNIX_DIAG_MAX + 1];
	struct dump *d = arg;

	if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    nlmsg_parse(h, sizeof(*m), a, UNIX_DIAG_MAX, NULL) < 0)
		return NL_SKIP;
	if (m->udiag_state != TCP_LISTEN) {
		/* An accepted socket has the address of its listener. */
		if (is_ours(d, a[UNIX_DIAG_NAME]))
			keep_connection(d, &(struct diag_connection){ .inode = m->udiag_ino });
	} else if (a[UNIX_DIAG_RQLEN] &&
		   nla_len(a[UNIX_DIAG_RQLEN]) >= (int)sizeof(struct unix_diag_rqlen)) {
		const struct unix_diag_rqlen *q = nla_data(a[UNIX_DIAG_RQLEN]);

		keep_listener(d, m->udiag_ino, q->udiag_rqueue, q->udiag_wqueue);
	}
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
		size_t path = len - offsetof(struct sockaddr_un, sun_path);

		p->un = a.un;
		/* sock_diag leaves out the zero at the end of a path. */
		if (path > 0 && a.un.sun_path[0] != '\0')
			path = strnlen(a.un.sun_path, path);
		p->un_len = path;
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

struct count {
	const struct diag_sockets *in;
	bool busy_only;
	uint64_t idle_ms;
	int64_t found;
};

static bool is_busy(const struct diag_connection *c, uint64_t idle_ms)
{
	return c->queued || c->owed || c->rest_ms < (c->doubtful ? DIAG_DOUBT : 1) * idle_ms;
}

static void count_one(void *ctx, uint64_t inode)
{
	struct count *c = ctx;
	const struct diag_connection key = { .inode = inode };
	struct diag_connection *hit;

	hit = bsearch(&key, c->in->connections, c->in->nconnections, sizeof(key), by_inode);
	if (!hit || hit->seen)
		return;
	hit->seen = true;
	c->found += !c->busy_only || is_busy(hit, c->idle_ms);
}

static int64_t count(struct count *c, const pid_t *pids, size_t npids)
{
	const struct diag_sockets *s = c->in;
	size_t refused = 0;

	if (s->nconnections == 0)
		return 0;
	for (size_t i = 0; i < s->nconnections; i++)
		s->connections[i].seen = false;
	for (size_t i = 0; i < npids; i++)
		if (proc_sockets(pids[i], DESCRIPTORS_MAX, count_one, c) == -EACCES)
			refused++;
	return npids > 0 && refused == npids ? -EACCES : c->found;
}

int64_t diag_count(const struct diag_sockets *s, const pid_t *pids, size_t npids)
{
	struct count c = { .in = s };

	return count(&c, pids, npids);
}

int64_t diag_count_busy(const struct diag_sockets *s, const pid_t *pids, size_t npids,
			uint64_t idle_ms)
{
	struct count c = { .in = s, .busy_only = true, .idle_ms = idle_ms };

	return count(&c, pids, npids);
}
