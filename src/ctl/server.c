/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/rights.h"

static void on_again(struct timer *t)
{
	struct ctl *c = container_of(t, struct ctl, again);

	ignore(source_mod(&c->master->loop, &c->src, EPOLLIN));
}

static void on_connect(struct source *s, uint32_t events)
{
	struct ctl *c = container_of(s, struct ctl, src);
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0) {
		client_accept(c, fd);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
		/* The client waits in the queue; asking again at once would only spin. */
		ignore(source_mod(&c->master->loop, &c->src, 0));
		timer_set(&c->master->loop, &c->again, clock_boot_ms() + 1000);
	}
}

/* Nobody connects before the mode is right: it is made in the instance's folder, which is
 * 0700 and locked by us. One that a killed predecessor left there is replaced. */
static int make_socket(struct ctl *c, const char *run_dir, mode_t mode, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int r = 0;

	if (snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s/new", run_dir,
		     c->master->config->name) >= (int)sizeof(a.sun_path))
		return err_set(e, -ENAMETOOLONG, "%s is too long for a unix socket", run_dir);
	(void)unlink(a.sun_path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    chmod(a.sun_path, mode) < 0 || listen(c->fd, 64) < 0 || rename(a.sun_path, c->path) < 0)
		r = err_sys(e, -errno, "control socket %s", c->path);
	if (r < 0)
		(void)unlink(a.sun_path);
	return r;
}

static bool any_group(const struct master *m)
{
	bool any = m->config->control_gid != (gid_t)-1 || m->config->view_gid != (gid_t)-1;

	/* By name: a pool whose world is broken has not looked them up. */
	for (unsigned i = 0; i < m->npools; i++)
		any |= m->pools[i]->conf->control_group || m->pools[i]->conf->view_group;
	return any;
}

void ctl_open_to_groups(struct ctl *c)
{
	ignore(chmod(c->path, any_group(c->master) ? 0666 : 0600));
}

static void answer_waiting(struct grave *g)
{
	struct ctl *c = container_of(g, struct ctl, turn);

	list_each(it, &c->clients) {
		struct ctl_client *cl = container_of(it, struct ctl_client, node);

		if (cl->want_stop && cl->stop_pool)
			client_check_stopped(cl);
		if (cl->want_ready)
			client_check_ready(cl);
		if (cl->want_applied)
			client_check_applied(cl);
	}
}

void ctl_init(struct ctl *c, struct master *m)
{
	*c = (struct ctl){ .master = m, .fd = -1, .src = SOURCE_NONE };
	timer_init(&c->again, on_again);
	list_init(&c->clients);
	list_init(&c->turn.node);
	c->turn.release = answer_waiting;
	list_init(&c->events);
}

int ctl_watch(struct ctl *c, struct err *e)
{
	int r = source_add(&c->master->loop, &c->src, c->fd, EPOLLIN, on_connect);

	return r < 0 ? err_sys(e, r, "control socket %s", c->path) : 0;
}

int ctl_open(struct ctl *c, struct master *m, const char *run_dir, struct err *e)
{
	int r;

	ctl_init(c, m);
	if (snprintf(c->path, sizeof(c->path), "%s/%s.sock", run_dir, m->config->name) >=
	    (int)sizeof(c->path))
		return err_set(e, -ENAMETOOLONG, "%s is too long for a unix socket", run_dir);
	/* With groups everybody may connect and the credentials decide. */
	r = make_socket(c, run_dir, any_group(m) ? 0666 : 0600, e);
	if (r == 0)
		r = ctl_watch(c, e);
	if (r < 0)
		ctl_close(c);
	return r;
}

void ctl_close(struct ctl *c)
{
	list_each(it, &c->clients) {
		struct ctl_client *cl = container_of(it, struct ctl_client, node);

		client_flush(cl);
		client_free(cl);
	}
	timer_clear(&c->master->loop, &c->again);
	list_remove(&c->turn.node);
	if (c->fd >= 0) {
		source_remove(&c->master->loop, &c->src);
		fd_close(&c->fd);
		(void)unlink(c->path);
	}
	eventlog_done(c);
}

void ctl_on_event(struct master *m, const struct event *ev)
{
	struct ctl *c = m->ctx;
	uint64_t before = c->seq;
	const struct ctl_event *last;

	eventlog_add(c, ev);
	if (c->seq == before)
		return;
	last = container_of(c->events.prev, struct ctl_event, node);
	list_each(it, &c->clients) {
		struct ctl_client *cl = container_of(it, struct ctl_client, node);

		if (cl->want_events && (!cl->event_pool || cl->event_pool == ev->pool) &&
		    (client_rights(cl, ev->pool) & RIGHT_VIEW))
			client_send_text(cl, "{\"event\":", last->line, last->len, "}\n");
	}
	/* Not now: an event is told while what follows from it is still to be done, and who
	 * is answered counts on that too, such as where new connections go. */
	if (list_empty(&c->turn.node))
		loop_bury(&m->loop, &c->turn);
}

void ctl_pool_gone(struct ctl *c, const struct pool *p)
{
	list_each(it, &c->clients) {
		struct ctl_client *cl = container_of(it, struct ctl_client, node);

		if (cl->log_pool == p || cl->ready_pool == p || cl->stop_pool == p ||
		    cl->event_pool == p) {
			if (cl->want_stop && cl->stop_pool == p)
				client_ok(cl);
			else
				client_fail(cl, 3, "pool %s is gone", p->conf->name);
			cl->want_logs = cl->want_ready = cl->want_stop = cl->want_events = false;
			cl->log_pool = cl->ready_pool = cl->stop_pool = cl->event_pool = NULL;
		}
	}
}

void ctl_stopped(struct ctl *c)
{
	list_each(it, &c->clients) {
		struct ctl_client *cl = container_of(it, struct ctl_client, node);

		if (cl->want_stop)
			client_ok(cl);
	}
}
