/* SPDX-License-Identifier: MIT */
/* peer.c - one connection to the control socket: bytes in and out, and who it is. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "ctl/ctl.h"
#include "ctl/rights.h"
#include "kernel/footprint.h"

#define LARGE_ANSWER 65536 /* bytes that had to wait: what was made for it is worth giving back */

static void release(struct grave *g)
{
	struct ctl_client *cl = container_of(g, struct ctl_client, grave);
	bool large = cl->out_size > LARGE_ANSWER;

	free(cl->in);
	free(cl->out);
	json_decref(cl->refused);
	json_decref(cl->touched);
	free(cl);
	if (large)
		footprint_trim();
}

void client_free(struct ctl_client *cl)
{
	if (cl->fd < 0)
		return;
	source_remove(&cl->ctl->master->loop, &cl->src);
	fd_close(&cl->fd);
	list_remove(&cl->node);
	loop_bury(&cl->ctl->master->loop, &cl->grave);
}

void client_flush(struct ctl_client *cl)
{
	size_t sent = 0;

	while (cl->fd >= 0 && sent < cl->out_len) {
		ssize_t n = send(cl->fd, cl->out + sent, cl->out_len - sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			client_free(cl);
			return;
		}
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	if (cl->fd < 0)
		return;
	if (sent > 0)
		memmove(cl->out, cl->out + sent, cl->out_len - sent);
	cl->out_len -= sent;
	if (cl->out_len == 0 && cl->closing)
		client_free(cl);
	else
		ignore(source_mod(&cl->ctl->master->loop, &cl->src,
				  cl->out_len ? EPOLLIN | EPOLLOUT : EPOLLIN));
}

static bool room(struct ctl_client *cl, size_t more)
{
	size_t size = cl->out_size ? cl->out_size : 4096;
	char *out;

	if (cl->out_len + more > CTL_QUEUE_MAX)
		return false;
	while (size < cl->out_len + more)
		size *= 2;
	if (size == cl->out_size)
		return true;
	out = realloc(cl->out, size);
	if (!out)
		return false;
	cl->out = out;
	cl->out_size = size;
	return true;
}

void client_append(struct ctl_client *cl, const char *text, size_t len)
{
	if (cl->fd < 0)
		return;
	if (!room(cl, len)) { /* it does not read: its loss, not ours */
		client_free(cl);
		return;
	}
	memcpy(cl->out + cl->out_len, text, len);
	cl->out_len += len;
}

void client_send_text(struct ctl_client *cl, const char *head, const char *json, size_t len,
		      const char *tail)
{
	client_append(cl, head, strlen(head));
	client_append(cl, json, len);
	client_append(cl, tail, strlen(tail));
	if (cl->fd >= 0)
		client_flush(cl);
}

void client_send(struct ctl_client *cl, json_t *answer)
{
	char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

	json_decref(answer);
	if (!text)
		client_free(cl);
	else
		client_send_text(cl, "", text, strlen(text), "\n");
	free(text);
}

void client_ok(struct ctl_client *cl)
{
	cl->closing = true;
	client_send_text(cl, "", "{\"ok\":true}", 11, "\n");
}

void client_fail(struct ctl_client *cl, int exit_code, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cl->closing = true;
	client_send(cl, json_pack("{s:b, s:i, s:o}", "ok", 0, "exit", exit_code, "error",
				  json_safe(text)));
}

static void take_requests(struct ctl_client *cl)
{
	char *nl;

	/* One request a connection: what follows it is not read. */
	nl = memchr(cl->in, '\n', cl->in_len);
	if (!nl && cl->in_len == CTL_LINE_MAX)
		client_fail(cl, 2, "a request longer than 64 KiB");
	if (!nl)
		return;
	verb_run(cl, cl->in, (size_t)(nl - cl->in));
	cl->in_len = 0;
}

static void on_client(struct source *s, uint32_t events)
{
	struct ctl_client *cl = container_of(s, struct ctl_client, src);
	ssize_t n;

	if (events & EPOLLOUT)
		client_flush(cl);
	if (cl->fd < 0 || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = recv(cl->fd, cl->in + cl->in_len, CTL_LINE_MAX - cl->in_len, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		client_free(cl);
		return;
	}
	if (n < 0 || cl->closing || cl->want_events || cl->want_logs || cl->want_stop ||
	    cl->want_ready || cl->want_applied || cl->want_upgrade)
		return;
	cl->in_len += (size_t)n;
	take_requests(cl);
}

unsigned client_rights(const struct ctl_client *cl, const struct pool *p)
{
	return cl->rights | (p ? rights_on_pool(p, cl->fd, cl->gid) : 0);
}

static bool has_a_pool(const struct ctl_client *cl)
{
	const struct master *m = cl->ctl->master;

	for (unsigned i = 0; i < m->npools; i++)
		if (rights_on_pool(m->pools[i], cl->fd, cl->gid))
			return true;
	return false;
}

struct ctl_client *client_new(struct ctl *c, int fd)
{
	struct ctl_client *cl = calloc(1, sizeof(*cl));

	if (cl)
		cl->in = malloc(CTL_LINE_MAX);
	if (!cl || !cl->in || source_add(&c->master->loop, &cl->src, fd, EPOLLIN, on_client) < 0) {
		if (cl)
			free(cl->in);
		free(cl);
		fd_close(&fd);
		return NULL;
	}
	cl->ctl = c;
	cl->fd = fd;
	cl->log_slot = -1;
	list_init(&cl->grave.node);
	cl->grave.release = release;
	list_append(&c->clients, &cl->node);
	return cl;
}

static unsigned count_of(const struct ctl *c, uid_t uid)
{
	unsigned n = 0;

	list_each(it, &c->clients)
		n += container_of(it, struct ctl_client, node)->uid == uid;
	return n;
}

void client_accept(struct ctl *c, int fd)
{
	struct ctl_client *cl = client_new(c, fd);
	struct ucred cred;
	socklen_t len = sizeof(cred);
	bool barred;

	if (!cl)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
		client_free(cl);
		return;
	}
	cl->pid = cred.pid;
	cl->uid = cred.uid;
	cl->gid = cred.gid;
	cl->rights = rights_of_peer(c->master, fd, cred.pid, cred.uid, cred.gid, &barred);
	if (barred || (!cl->rights && !has_a_pool(cl)))
		client_fail(cl, 4,
			    "uid %u may not talk to instance %s: root, its own user or its "
			    "control group may",
			    cred.uid, c->master->config->name);
	else if (!(cl->rights & RIGHT_ROOT) && count_of(c, cred.uid) > CTL_OF_A_UID)
		client_fail(cl, 1, "uid %u has %u connections already", cred.uid, CTL_OF_A_UID);
}
