/* SPDX-License-Identifier: MIT */
/* acks.c - one caller at a time, one line of it, a second for that, and some breath
 * before the next: whatever a worker does there costs little. As einhorn does, the
 * connection is closed when the line was read; that is all the answer. */
#define _GNU_SOURCE
#include "super/acks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "kernel/scm.h"
#include "super/life.h"
#include "super/live.h"

#define LINE_MS	   1000
#define BETWEEN_MS 20

static void on_caller(struct source *s, uint32_t events);

static void set_timer(struct life *l, uint64_t ms)
{
	timer_set(&l->master->loop, &l->acks.timer, l->master->world->now_ms() + ms);
}

static void hang_up(struct life *l)
{
	source_remove(&l->master->loop, &l->acks.source);
	scm_close(&l->acks.fd);
	free(l->acks.line);
	l->acks.line = NULL;
	l->acks.len = 0;
	set_timer(l, BETWEEN_MS);
}

static void on_line(struct source *s, uint32_t events)
{
	struct life *l = container_of(s, struct life, acks.source);
	struct acks *a = &l->acks;
	struct scm_message m = { .buf = a->line + a->len, .size = EINHORN_LINE_MAX - a->len };
	int r = scm_recv(a->fd, &m);
	char *end;
	bool is_ack;

	(void)events;
	if (r == -EAGAIN)
		return;
	a->len += r == 1 ? m.len : 0;
	end = memchr(a->line, '\n', a->len);
	if (r == 1 && !end && a->len < EINHORN_LINE_MAX)
		return;
	is_ack = end && einhorn_is_ack(a->line, (size_t)(end - a->line));
	hang_up(l);
	if (is_ack)
		live_wire_up.ready(&l->channel);
}

static void on_timer(struct timer *t)
{
	struct life *l = container_of(t, struct life, acks.timer);

	if (l->acks.fd >= 0)
		hang_up(l); /* it has said nothing for a second */
	else if (source_add(&l->master->loop, &l->acks.source, l->acks.listen_fd, EPOLLIN,
			    on_caller) < 0)
		set_timer(l, LINE_MS);
}

/* The kernel names the caller, as it was when it called. */
static bool is_own(struct life *l, int fd)
{
	struct ucred who = { 0 };
	socklen_t len = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
	       live_owns(l, who.pid, who.uid, "EINHORN_SOCK_PATH");
}

static void on_caller(struct source *s, uint32_t events)
{
	struct life *l = container_of(s, struct life, acks.source);
	struct acks *a = &l->acks;

	(void)events;
	a->fd = accept4(a->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (a->fd < 0 && errno == EAGAIN)
		return;
	source_remove(&l->master->loop, &a->source);
	if (a->fd >= 0 && is_own(l, a->fd))
		a->line = malloc(EINHORN_LINE_MAX + 1);
	if (a->line && source_add(&l->master->loop, &a->source, a->fd, EPOLLIN, on_line) == 0)
		set_timer(l, LINE_MS);
	else
		hang_up(l);
}

void acks_init(struct life *l)
{
	l->acks.listen_fd = l->acks.fd = -1;
	l->acks.source = SOURCE_NONE;
	timer_init(&l->acks.timer, on_timer);
}

int acks_open(struct life *l, int fd)
{
	l->acks.listen_fd = fd;
	return source_add(&l->master->loop, &l->acks.source, fd, EPOLLIN, on_caller);
}

void acks_close(struct life *l)
{
	source_remove(&l->master->loop, &l->acks.source);
	timer_clear(&l->master->loop, &l->acks.timer);
	scm_close(&l->acks.fd);
	scm_close(&l->acks.listen_fd);
	free(l->acks.line);
	l->acks.line = NULL;
}
