/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "wire/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/fd.h"
#include "wire/wire.h"

/* What kind of socket it is about. 1; 0: none at all, the kernel knows what to say. */
static int read_socket(struct bind_call *c)
{
	int r = notify_socket(c->call.tid, c->theirs, &c->socket);

	if (r == -EBADF || r == -ENOTSOCK)
		return 0;
	return r < 0 ? r : 1;
}

/* Only these may take IPv4 too. */
static bool is_all_of_v6(const struct bind_call *c)
{
	const struct sockaddr_in6 *in6 = (const void *)&c->addr;

	return c->socket.family == AF_INET6 && in6->sin6_family == AF_INET6 &&
	       IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
}

/* The address is copied once, never more than there is room for. 1; 0: the kernel
 * has its own words for such an argument. */
static int read_address(struct bind_call *c)
{
	uint64_t claimed = c->call.args[2] & UINT32_MAX;
	ssize_t n;

	memset(&c->addr, 0, sizeof(c->addr));
	if (claimed < sizeof(c->addr.ss_family) || claimed > sizeof(c->addr))
		return 0;
	n = notify_read(c->call.tid, c->call.args[1], &c->addr, claimed);
	if (n < 0)
		return n == -EFAULT ? 0 : (int)n;
	if ((uint64_t)n != claimed) /* the rest is not mapped */
		return 0;
	c->addr_len = (socklen_t)claimed;
	if (is_all_of_v6(c))
		c->v6only = notify_v6only(c->call.tid, c->theirs) == 1;
	return 1;
}

static void take_call(struct binder *b, const struct notify_call *call)
{
	struct bind_call c = { .call = *call,
			       .is_listen = call->nr == SYS_listen,
			       .theirs = (int)call->args[0] };
	int r = 0;

	if (call->nr == SYS_bind || c.is_listen)
		r = read_socket(&c);
	if (r == 1 && !c.is_listen)
		r = read_address(&c);
	if (r == -EPERM || r == -EACCES)
		b->up->blind(b);
	/* Only now is it known that what was read was the caller's. */
	if (notify_valid(b->fd, call->id) < 0)
		return;
	if (r <= 0)
		binder_pass(b, &c);
	else if (c.is_listen)
		b->up->listen(b, &c);
	else
		b->up->bind(b, &c);
}

/* A bucket: a worker in a loop costs the master no more than this (traps 26). */
static bool may_answer(struct binder *b)
{
	uint64_t now = clock_boot_ms();
	uint64_t more = (now - b->filled_ms) * BINDER_RATE / 1000;

	if (more > 0) {
		b->tokens = more > BINDER_BURST - b->tokens ? BINDER_BURST :
							      b->tokens + (unsigned)more;
		b->filled_ms = now;
	}
	if (b->tokens > 0) {
		b->tokens--;
		return true;
	}
	ignore(source_mod(b->loop, &b->source, 0));
	timer_set(b->loop, &b->pause, now + 1000 / BINDER_RATE * 10);
	return false;
}

static void on_pause_over(struct timer *t)
{
	struct binder *b = container_of(t, struct binder, pause);

	ignore(source_mod(b->loop, &b->source, EPOLLIN));
}

static void on_call(struct source *s, uint32_t events)
{
	struct binder *b = container_of(s, struct binder, source);
	struct notify_call call;

	if (!(events & EPOLLIN)) { /* HUP: all that were under the filter are gone */
		source_remove(b->loop, s);
		return;
	}
	/* One for each readiness: asked in vain the kernel would let us wait (traps 27). */
	if (may_answer(b) && notify_recv(b->fd, &call) == 0)
		take_call(b, &call);
}

int binder_open(struct binder *b, struct loop *loop, const struct binder_up *up, int fd)
{
	int r;

	*b = BINDER_NONE;
	b->loop = loop;
	b->up = up;
	b->tokens = BINDER_BURST;
	b->filled_ms = clock_boot_ms();
	timer_init(&b->pause, on_pause_over);
	b->fd = fd;
	r = source_add(loop, &b->source, fd, EPOLLIN, on_call);
	if (r < 0)
		binder_close(b);
	return r;
}

void binder_close(struct binder *b)
{
	if (b->fd < 0)
		return;
	b->nparked = 0;
	free(b->parked);
	b->parked = NULL;
	timer_clear(b->loop, &b->pause);
	source_remove(b->loop, &b->source);
	fd_close(&b->fd);
}

void binder_fail(struct binder *b, struct bind_call *c, int error)
{
	ignore(notify_answer(b->fd, c->call.id, error));
}

void binder_pass(struct binder *b, struct bind_call *c)
{
	ignore(notify_continue(b->fd, c->call.id));
}

void binder_give(struct binder *b, struct bind_call *c, int fd)
{
	int flags = fcntl(fd, F_GETFL);
	int wanted = c->socket.nonblock ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	int r;

	if (flags >= 0 && wanted != flags)
		ignore(fcntl(fd, F_SETFL, wanted));
	r = notify_replace_fd(b->fd, c->call.id, fd, c->theirs, c->socket.cloexec);
	/* Its table may be full, or shared with one that closed the number. */
	binder_fail(b, c, r < 0 && r != -ENOENT ? -r : 0);
}

bool binder_park(struct binder *b, struct bind_call *c)
{
	unsigned kept = 0;

	/* A signal may have taken calls away; they come again under a new number. */
	for (unsigned i = 0; i < b->nparked; i++)
		if (notify_valid(b->fd, b->parked[i].call.id) == 0)
			b->parked[kept++] = b->parked[i];
	b->nparked = kept;
	if (!b->parked)
		b->parked = calloc(BINDER_PARKED_MAX, sizeof(*b->parked));
	if (!b->parked || kept == BINDER_PARKED_MAX) {
		binder_fail(b, c, ENOBUFS);
		return false;
	}
	b->parked[b->nparked++] = *c;
	return true;
}

void binder_release(struct binder *b)
{
	struct bind_call waiting[BINDER_PARKED_MAX];
	unsigned n = b->nparked;

	if (n > 0)
		memcpy(waiting, b->parked, n * sizeof(waiting[0]));
	b->nparked = 0;
	for (unsigned i = 0; i < n; i++)
		if (b->fd >= 0 && notify_valid(b->fd, waiting[i].call.id) == 0)
			b->up->bind(b, &waiting[i]);
}

/* It has no channel: it asks by its own bind(2). */
const struct wire wire_bind = {
	.name = "bind",
	.hand_over_ms = 1000,
	.parks_by_itself = true,
};
