/* SPDX-License-Identifier: MIT */
/* loop.h - one epoll set, one timerfd: everything that can happen is a
 * descriptor, nothing sleeps and nothing polls; idle, it makes no system call.
 *
 * Layer: kernel. A source is embedded in its owner. Removing one marks it dead,
 * so that an event of the same batch cannot reach it; its owner's memory is
 * given back through loop_bury() after the batch (epoll(7), "stale pointers").
 * Single-threaded. */
#ifndef MPSUP_KERNEL_LOOP_H
#define MPSUP_KERNEL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"
#include "base/list.h"

struct loop;
struct source;
struct timer;

typedef void source_fn(struct source *s, uint32_t events);
typedef void timer_fn(struct timer *t);

struct source {
	int fd; /* borrowed: the owner closes it after source_remove(); -1: unset */
	bool live;
	source_fn *on_ready; /* events: EPOLL* bits of epoll_ctl(2) */
};
#define SOURCE_NONE ((struct source){ .fd = -1 })

struct timer {
	struct list node; /* sorted by at_ms */
	uint64_t at_ms;	  /* CLOCK_BOOTTIME */
	bool armed;
	timer_fn *on_time;
};

struct grave { /* embedded in what must outlive the batch */
	struct list node;
	void (*release)(struct grave *g);
};

struct loop {
	int epoll_fd, timer_fd;
	struct source timer_source;
	struct list timers, graves;
	uint64_t armed_ms; /* what timer_fd is set to, 0: disarmed */
	bool stop;
};

MUST_CHECK int loop_init(struct loop *l);
void loop_done(struct loop *l);

/* Watch fd for events (EPOLLIN, ...; 0: only EPOLLHUP and EPOLLERR). */
MUST_CHECK int source_add(struct loop *l, struct source *s, int fd, uint32_t events,
			  source_fn *on_ready);
MUST_CHECK int source_mod(struct loop *l, struct source *s, uint32_t events);
/* Harmless on an unset source. Does not close the descriptor. */
void source_remove(struct loop *l, struct source *s);

void timer_init(struct timer *t, timer_fn *on_time);
/* Replaces an earlier deadline. */
void timer_set(struct loop *l, struct timer *t, uint64_t at_ms);
void timer_clear(struct loop *l, struct timer *t); /* harmless when not armed */

void loop_bury(struct loop *l, struct grave *g);

/* Until l->stop. Returns 0 or -errno of epoll_wait(2). */
MUST_CHECK int loop_run(struct loop *l);
/* One batch; timeout_ms as in epoll_wait(2). For tests and for the way out. */
MUST_CHECK int loop_once(struct loop *l, int timeout_ms);
/* The end of a batch: timers that are due at now_ms, then the graves. By itself
 * for tests that have a clock of their own. */
void loop_settle(struct loop *l, uint64_t now_ms);

#endif
