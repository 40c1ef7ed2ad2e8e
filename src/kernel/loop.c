/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define BATCH 64

static void on_timerfd(struct source *s, uint32_t events)
{
	struct loop *l = container_of(s, struct loop, timer_source);
	uint64_t ticks;

	(void)events;
	ignore((int)read(s->fd, &ticks, sizeof(ticks)));
	l->armed_ms = 0;
}

int loop_init(struct loop *l)
{
	int r;

	*l = (struct loop){ .epoll_fd = -1, .timer_fd = -1, .timer_source = SOURCE_NONE };
	list_init(&l->timers);
	list_init(&l->graves);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		return -errno;
	l->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->timer_fd < 0) {
		r = -errno;
		loop_done(l);
		return r;
	}
	r = source_add(l, &l->timer_source, l->timer_fd, EPOLLIN, on_timerfd);
	/* Asked now, not at the first deadline. */
	if (r == 0 && timerfd_settime(l->timer_fd, 0, &(struct itimerspec){ 0 }, NULL) < 0)
		r = -errno;
	if (r < 0)
		loop_done(l);
	return r;
}

static void release_graves(struct loop *l)
{
	/* A release may bury something else: take them one by one. */
	while (!list_empty(&l->graves)) {
		struct grave *g = container_of(l->graves.next, struct grave, node);

		list_remove(&g->node);
		g->release(g);
	}
}

void loop_done(struct loop *l)
{
	release_graves(l);
	fd_close(&l->timer_fd);
	fd_close(&l->epoll_fd);
}

int source_add(struct loop *l, struct source *s, int fd, uint32_t events, source_fn *on_ready)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	*s = (struct source){ .fd = fd, .live = true, .on_ready = on_ready };
	return 0;
}

int source_mod(struct loop *l, struct source *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (!s->live)
		return -ENOENT;
	return epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, s->fd, &ev) < 0 ? -errno : 0;
}

void source_remove(struct loop *l, struct source *s)
{
	if (!s->live)
		return;
	s->live = false;
	(void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
	s->fd = -1;
}

void timer_init(struct timer *t, timer_fn *on_time)
{
	*t = (struct timer){ .on_time = on_time };
	list_init(&t->node);
}

void timer_set(struct loop *l, struct timer *t, uint64_t at_ms)
{
	struct list *after = l->timers.prev;

	timer_clear(l, t);
	/* From the end: most deadlines are later than those already there. */
	after = l->timers.prev;
	while (after != &l->timers && container_of(after, struct timer, node)->at_ms > at_ms)
		after = after->prev;
	t->at_ms = at_ms;
	t->armed = true;
	list_append(after->next, &t->node);
}

void timer_clear(struct loop *l, struct timer *t)
{
	(void)l;
	if (!t->armed)
		return;
	t->armed = false;
	list_remove(&t->node);
}

/* Set the timerfd only when the earliest deadline moved: a cleared timer costs
 * nothing, and an idle loop nothing at all. */
static int arm(struct loop *l)
{
	struct itimerspec its = { 0 };
	uint64_t at = 0;

	if (!list_empty(&l->timers)) {
		at = container_of(l->timers.next, struct timer, node)->at_ms;
		at = at ? at : 1;
	}
	if (at == l->armed_ms)
		return 0;
	its.it_value.tv_sec = (time_t)(at / 1000);
	its.it_value.tv_nsec = (long)(at % 1000) * 1000000;
	if (timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &its, NULL) < 0)
		return -errno;
	l->armed_ms = at;
	return 0;
}

void loop_settle(struct loop *l, uint64_t now_ms)
{
	while (!list_empty(&l->timers)) {
		struct timer *t = container_of(l->timers.next, struct timer, node);

		if (t->at_ms > now_ms)
			break;
		timer_clear(l, t);
		t->on_time(t);
	}
	release_graves(l);
}

int loop_once(struct loop *l, int timeout_ms)
{
	struct epoll_event ev[BATCH];
	int r = arm(l);
	int n;

	if (r < 0)
		return r;
	n = epoll_wait(l->epoll_fd, ev, BATCH, timeout_ms);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct source *s = ev[i].data.ptr;

		if (s->live)
			s->on_ready(s, ev[i].events);
	}
	loop_settle(l, clock_boot_ms());
	return n;
}

int loop_run(struct loop *l)
{
	while (!l->stop) {
		int r = loop_once(l, -1);

		if (r < 0)
			return r;
	}
	return 0;
}

void loop_bury(struct loop *l, struct grave *g)
{
	list_append(&l->graves, &g->node);
}
