/* SPDX-License-Identifier: MIT */
/* http.c - libmicrohttpd without its own threads and without its own listener:
 * we accept, so that accepting can stop at once and connections spread over the
 * workers; it parses and sends. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "builtin/worker.h"

#define SPARE_FDS	 32    /* kept for everything that is no connection */
#define CONNS_MAX	 1024u /* with CONN_MEMORY: a flood costs at most 32 MiB */
#define CONN_TIMEOUT_S	 60u
#define CONN_MEMORY	 (32 * 1024u)
#define FIRST_REQUEST_MS 5000u /* a new connection may take so long to ask when we drain */
#define LOOK_MS		 20u   /* between two looks at idle connections */

static void conn_event(void *ctx, struct MHD_Connection *mhd, void **socket_context,
		       enum MHD_ConnectionNotificationCode what)
{
	struct worker *w = ctx;
	struct conn *c = *socket_context;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

		if (++w->nconns >= w->max_conns)
			mpsup_take_connections(w->sup, 0);
		c = calloc(1, sizeof(*c));
		*socket_context = c;
		if (!c)
			return; /* its first request is refused instead */
		c->mhd = mhd;
		c->fd = info->connect_fd;
		c->accepted_ms = now_ms();
		c->next = w->conns;
		if (c->next)
			c->next->prev = c;
		w->conns = c;
		return;
	}
	w->nconns--;
	/* There is room again for one that waits in the queue. */
	if (w->accept_again_ms != NEVER)
		w->accept_again_ms = 0;
	if (!w->draining)
		mpsup_take_connections(w->sup, 1);
	if (!c)
		return;
	if (c->prev)
		c->prev->next = c->next;
	else
		w->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	free(c);
}

static struct request *request_begin(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct conn *c = info ? info->socket_context : NULL;
	struct request *req = c ? calloc(1, sizeof(*req)) : NULL;

	if (!req)
		return NULL;
	req->mhd = mhd;
	req->conn = c;
	c->busy = true;
	c->quiet = false;
	return req;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **request_context)
{
	struct request *req = *request_context;

	(void)version;
	(void)upload;
	if (!req) {
		req = request_begin(mhd);
		*request_context = req;
		if (!req)
			return MHD_NO;
		/* An answer before the body was read ends the connection: right for a
		 * method that is refused anyway, a waste for GET. */
		if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
			return MHD_YES;
		return pages_answer(ctx, req, url, method);
	}
	if (*upload_size > 0) {
		*upload_size = 0; /* no page wants a body */
		return MHD_YES;
	}
	return pages_answer(ctx, req, url, method);
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **request_context,
			 enum MHD_RequestTerminationCode how)
{
	struct worker *w = ctx;
	struct request *req = *request_context;

	(void)mhd;
	(void)how;
	if (!req)
		return;
	for (struct request **p = &w->slow; *p; p = &(*p)->next) {
		if (*p == req) {
			*p = req->next;
			break;
		}
	}
	req->conn->busy = false;
	req->conn->answered = true;
	free(req);
	*request_context = NULL;
}

static unsigned conns_max(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0 || rl.rlim_cur > CONNS_MAX)
		return CONNS_MAX;
	return rl.rlim_cur > 2 * SPARE_FDS ? (unsigned)rl.rlim_cur - SPARE_FDS : SPARE_FDS;
}

int http_start(struct worker *w)
{
	w->max_conns = conns_max();
	/* clang-format off */
	w->http = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME,
		0, NULL, NULL, on_request, w,
		MHD_OPTION_NOTIFY_CONNECTION, conn_event, w,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, w,
		MHD_OPTION_CONNECTION_LIMIT, w->max_conns,
		MHD_OPTION_CONNECTION_TIMEOUT, CONN_TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONN_MEMORY,
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
		MHD_OPTION_END);
	/* clang-format on */
	return w->http ? 0 : -ENOMEM;
}

int http_fd(const struct worker *w)
{
	return MHD_get_daemon_info(w->http, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

void http_run(struct worker *w)
{
	(void)MHD_run(w->http);
}

int http_accept(struct worker *w, int listener)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int fd = accept4(listener, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		switch (errno) {
		case EMFILE:
		case ENFILE:
		case ENOMEM:
		case ENOBUFS:
			return -errno;
		default: /* a sibling was quicker, or the client has left */
			return 0;
		}
	}
	/* It closes fd when it fails: the client sees an end, the listener lives on. */
	(void)MHD_add_connection(w->http, fd, (struct sockaddr *)&addr, len);
	return 0;
}

void http_take(struct worker *w, int fd)
{
	struct sockaddr_storage addr = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(addr);

	/* A client that has left already has no address: it is found out by reading. */
	if (getpeername(fd, (struct sockaddr *)&addr, &len) < 0)
		len = sizeof(addr.ss_family);
	(void)MHD_add_connection(w->http, fd, (struct sockaddr *)&addr, len);
}

uint64_t http_wake_slow(struct worker *w, uint64_t now)
{
	uint64_t next = NEVER;

	for (struct request **p = &w->slow; *p;) {
		struct request *req = *p;

		if (req->due_ms > now) {
			next = sooner(next, req->due_ms);
			p = &req->next;
			continue;
		}
		*p = req->next;
		MHD_resume_connection(req->mhd);
	}
	return next;
}

/* Nothing to answer and nothing on its way. A connection that the client has left
 * counts: libmicrohttpd overlooks an end that came together with half a request. */
static bool is_quiet(const struct conn *c, uint64_t now)
{
	char byte;
	ssize_t n;

	if (c->busy)
		return false;
	n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0)
		return c->answered || now - c->accepted_ms >= FIRST_REQUEST_MS;
	return n == 0;
}

/* A client may send its next request just while we hang up, so a connection must
 * be found quiet twice. The reading side is closed, not the whole: what did get
 * in by then is still read and answered, and libmicrohttpd closes at the end. */
uint64_t http_hang_up_idle(struct worker *w, uint64_t now)
{
	for (struct conn *c = w->conns; c; c = c->next) {
		bool quiet = is_quiet(c, now);

		if (quiet && c->quiet && !c->hung_up) {
			c->hung_up = true;
			/* A filter may refuse this: on a listener it would harm all. */
			if (shutdown(c->fd, SHUT_RD) < 0)
				(void)MHD_set_connection_option(c->mhd,
								MHD_CONNECTION_OPTION_TIMEOUT, 1u);
		}
		c->quiet = quiet;
	}
	return now + LOOK_MS;
}

uint64_t http_due(struct worker *w, uint64_t now)
{
	MHD_UNSIGNED_LONG_LONG ms;

	return MHD_get_timeout(w->http, &ms) == MHD_YES ? now + ms : NEVER;
}
