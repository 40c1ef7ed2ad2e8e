/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/listeners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "base/log.h"
#include "kernel/listener.h"
#include "super/life.h"

#define REVIVE_AT_ONCE	20 /* times in a second; after that every REVIVE_PAUSE_MS */
#define REVIVE_PAUSE_MS 20

static struct listener_spec spec_of(const struct pool_config *conf, const struct listen_spec *s)
{
	return (struct listener_spec){
		.shown = s->shown,
		.addr = s->addr,
		.addr_len = s->addr_len,
		.dual_stack = s->dual_stack,
		.backlog = conf->backlog,
		.has_mode = s->has_mode,
		.mode = s->mode,
		.uid = s->uid,
		.gid = s->gid,
	};
}

static void say_revived(struct listener *l, uint64_t now)
{
	const struct listen_spec *spec = &l->pool->conf->listens[l - l->pool->listeners];

	/* One line a second, however often. */
	if (now - l->said_ms < 1000)
		return;
	log_warn(
		"%s: a worker shut down the shared listener %s (%u times so far); it listens again",
		l->pool->conf->name, spec->shown, l->revived);
	l->said_ms = now;
}

static void revive(struct listener *l)
{
	uint64_t now = l->pool->master->world->now_ms();
	int r = listener_revive(l->fd, l->pool->conf->backlog);

	if (now - l->window_ms >= 1000) {
		l->window_ms = now;
		l->in_window = 0;
	}
	l->revived++;
	l->in_window++;
	if (r == 0) {
		say_revived(l, now);
		if (l->in_window < REVIVE_AT_ONCE)
			return;
	} else if (now - l->said_ms >= 1000) {
		log_error("%s: a worker made the shared listener %s unusable: %s; tried again",
			  l->pool->conf->name, l->pool->conf->listens[l - l->pool->listeners].shown,
			  strerror(-r));
		l->said_ms = now;
	}
	/* Not looked at for a moment: a worker in a loop must not have the master in one. */
	source_remove(&l->pool->master->loop, &l->src);
	timer_set(&l->pool->master->loop, &l->again, now + REVIVE_PAUSE_MS);
}

static void on_trouble(struct source *s, uint32_t events)
{
	(void)events;
	revive(container_of(s, struct listener, src));
}

/* HUP is told without being asked for: a shutdown. A listener is never writable;
 * a socket that was made to connect is. */
static int watch(struct listener *l)
{
	return source_add(&l->pool->master->loop, &l->src, l->fd, EPOLLOUT, on_trouble);
}

static void on_again(struct timer *t)
{
	struct listener *l = container_of(t, struct listener, again);

	/* While it was not watched it may have been shut down once more. */
	if (listener_revive(l->fd, l->pool->conf->backlog) < 0 || watch(l) < 0)
		timer_set(&l->pool->master->loop, t,
			  l->pool->master->world->now_ms() + 10 * REVIVE_PAUSE_MS);
}

int listeners_open(struct pool *p, struct err *e)
{
	unsigned n = p->conf->nlistens;

	p->listeners = calloc(n ? n : 1, sizeof(*p->listeners));
	p->listener_fds = calloc(n ? n : 1, sizeof(*p->listener_fds));
	if (!p->listeners || !p->listener_fds)
		return err_set(e, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < n; i++) {
		p->listeners[i] = (struct listener){ .pool = p, .fd = -1, .src = SOURCE_NONE };
		timer_init(&p->listeners[i].again, on_again);
	}
	for (unsigned i = 0; i < n; i++) {
		struct listener_spec s = spec_of(p->conf, &p->conf->listens[i]);
		int r = listener_open(&s, &p->listeners[i].fd, e);

		if (r < 0)
			return r;
		p->listener_fds[i] = p->listeners[i].fd;
		r = watch(&p->listeners[i]);
		if (r < 0)
			return err_sys(e, r, "watch %s", s.shown);
	}
	return 0;
}

void listeners_close(struct pool *p)
{
	for (unsigned i = 0; p->listeners && i < p->conf->nlistens; i++) {
		struct listener_spec s = spec_of(p->conf, &p->conf->listens[i]);

		if (p->listeners[i].fd < 0)
			continue;
		timer_clear(&p->master->loop, &p->listeners[i].again);
		source_remove(&p->master->loop, &p->listeners[i].src);
		listener_unlink(&s);
		fd_close(&p->listeners[i].fd);
	}
	free(p->listeners);
	free(p->listener_fds);
	p->listeners = NULL;
	p->listener_fds = NULL;
}

void listeners_restore(struct pool *p)
{
	for (unsigned i = 0; p->listeners && i < p->conf->nlistens; i++)
		if (p->listeners[i].fd >= 0)
			listener_restore(p->listeners[i].fd, p->conf->backlog);
}
