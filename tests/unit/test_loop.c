/* SPDX-License-Identifier: MIT */
/* test_loop.c - one epoll set, one timerfd: sources, timers, graves. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "fds.h"
#include "kernel/loop.h"

#define TIMERS 1000

struct thing {
	struct source src;
	struct timer timer;
	struct grave grave;
	struct thing *other;
	int *hits, pipe[2];
	unsigned number;
};

static struct {
	struct loop l;
	struct thing things[4];
	struct thing *many;
	int hits, fds_before;
	unsigned order[TIMERS], fired;
} fx;

static int setup(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	fx.fds_before = count_fds();
	for (unsigned i = 0; i < 4; i++) {
		fx.things[i].src = SOURCE_NONE;
		fx.things[i].hits = &fx.hits;
		if (pipe2(fx.things[i].pipe, O_CLOEXEC | O_NONBLOCK) < 0)
			return -1;
	}
	return loop_init(&fx.l);
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		source_remove(&fx.l, &fx.things[i].src);
		fd_close(&fx.things[i].pipe[0]);
		fd_close(&fx.things[i].pipe[1]);
	}
	loop_done(&fx.l);
	loop_done(&fx.l);
	free(fx.many);
	return count_fds() == fx.fds_before ? 0 : -1;
}

static void watch(struct thing *t, source_fn *fn)
{
	assert_int_equal(source_add(&fx.l, &t->src, t->pipe[0], EPOLLIN, fn), 0);
}

static void make_ready(struct thing *t)
{
	assert_int_equal(write(t->pipe[1], "x", 1), 1);
}

static void on_hit(struct source *s, uint32_t events)
{
	struct thing *t = container_of(s, struct thing, src);
	char c;

	assert_true(events & EPOLLIN);
	assert_int_equal(read(t->pipe[0], &c, 1), 1);
	(*t->hits)++;
}

static void an_event_reaches_its_owner(void **state)
{
	(void)state;
	watch(&fx.things[0], on_hit);
	assert_int_equal(loop_once(&fx.l, 0), 0);
	make_ready(&fx.things[0]);
	assert_int_equal(loop_once(&fx.l, 0), 1);
	assert_int_equal(fx.hits, 1);
	assert_int_equal(loop_once(&fx.l, 0), 0);
}

static void a_source_that_is_not_live_is_harmless(void **state)
{
	(void)state;
	source_remove(&fx.l, &fx.things[0].src);
	assert_int_equal(source_mod(&fx.l, &fx.things[0].src, EPOLLIN), -ENOENT);
	assert_int_equal(source_add(&fx.l, &fx.things[0].src, -1, EPOLLIN, on_hit), -EBADF);
	assert_false(fx.things[0].src.live);
	watch(&fx.things[0], on_hit);
	assert_int_equal(source_add(&fx.l, &fx.things[1].src, fx.things[0].pipe[0], 0, on_hit),
			 -EEXIST);
	assert_false(fx.things[1].src.live);
}

static void a_modified_source_is_quiet_until_asked(void **state)
{
	(void)state;
	watch(&fx.things[0], on_hit);
	assert_int_equal(source_mod(&fx.l, &fx.things[0].src, 0), 0);
	make_ready(&fx.things[0]);
	assert_int_equal(loop_once(&fx.l, 0), 0);
	assert_int_equal(source_mod(&fx.l, &fx.things[0].src, EPOLLIN), 0);
	assert_int_equal(loop_once(&fx.l, 0), 1);
	assert_int_equal(fx.hits, 1);
}

static void release_thing(struct grave *g)
{
	struct thing *t = container_of(g, struct thing, grave);

	t->number = 77; /* stands for free() */
	(*t->hits) += 100;
}

static void removes_the_other(struct source *s, uint32_t events)
{
	struct thing *t = container_of(s, struct thing, src);

	(void)events;
	(*t->hits)++;
	assert_int_not_equal(t->number, 77);
	source_remove(&fx.l, &t->other->src);
	source_remove(&fx.l, s);
	loop_bury(&fx.l, &t->other->grave);
}

/* Both are in one batch: whoever comes first ends the other. */
static void an_event_of_the_same_batch_cannot_reach_the_dead(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		fx.things[i].other = &fx.things[1 - i];
		fx.things[i].grave.release = release_thing;
		watch(&fx.things[i], removes_the_other);
		make_ready(&fx.things[i]);
	}
	assert_int_equal(loop_once(&fx.l, 0), 2);
	assert_int_equal(fx.hits, 101); /* one event, one burial */
}

static void release_and_bury_the_other(struct grave *g)
{
	struct thing *t = container_of(g, struct thing, grave);

	(*t->hits)++;
	if (t->other)
		loop_bury(&fx.l, &t->other->grave);
}

static void a_burial_may_cause_another(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		fx.things[i].grave.release = release_and_bury_the_other;
		fx.things[i].other = i < 3 ? &fx.things[i + 1] : NULL;
	}
	loop_bury(&fx.l, &fx.things[0].grave);
	loop_settle(&fx.l, 0);
	assert_int_equal(fx.hits, 4);
}

static void what_is_buried_goes_with_the_loop(void **state)
{
	(void)state;
	fx.things[0].grave.release = release_thing;
	loop_bury(&fx.l, &fx.things[0].grave);
	loop_done(&fx.l);
	assert_int_equal(fx.hits, 100);
	assert_int_equal(loop_init(&fx.l), 0);
}

static void on_fire(struct timer *t)
{
	struct thing *th = container_of(t, struct thing, timer);

	assert_false(t->armed);
	fx.order[fx.fired++] = th->number;
}

static void timers_fire_in_order(void **state)
{
	(void)state;
	fx.many = calloc(TIMERS, sizeof(*fx.many));
	assert_non_null(fx.many);
	for (unsigned i = 0; i < TIMERS; i++) {
		fx.many[i].number = i * 7919 % TIMERS;
		timer_init(&fx.many[i].timer, on_fire);
		timer_set(&fx.l, &fx.many[i].timer, 1000 + fx.many[i].number);
	}
	loop_settle(&fx.l, 999);
	assert_int_equal(fx.fired, 0);
	loop_settle(&fx.l, 1000 + TIMERS / 2 - 1);
	assert_int_equal(fx.fired, TIMERS / 2);
	loop_settle(&fx.l, UINT64_MAX);
	for (unsigned i = 0; i < TIMERS; i++)
		assert_int_equal(fx.order[i], i);
	assert_true(list_empty(&fx.l.timers));
}

static void equal_times_fire_as_they_were_set(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		fx.things[i].number = i;
		timer_init(&fx.things[i].timer, on_fire);
		timer_set(&fx.l, &fx.things[i].timer, 5);
	}
	timer_set(&fx.l, &fx.things[0].timer, 5); /* set again: now the last */
	loop_settle(&fx.l, 5);
	assert_int_equal(fx.fired, 4);
	assert_int_equal(fx.order[0], 1);
	assert_int_equal(fx.order[3], 0);
}

static void a_timer_moves_and_goes(void **state)
{
	struct timer *t = &fx.things[0].timer;

	(void)state;
	timer_init(t, on_fire);
	timer_clear(&fx.l, t);
	timer_set(&fx.l, t, 10);
	timer_set(&fx.l, t, 20);
	loop_settle(&fx.l, 19);
	assert_int_equal(fx.fired, 0);
	timer_set(&fx.l, t, 5);
	loop_settle(&fx.l, 19);
	assert_int_equal(fx.fired, 1);
	timer_set(&fx.l, t, 30);
	timer_clear(&fx.l, t);
	timer_clear(&fx.l, t);
	loop_settle(&fx.l, UINT64_MAX);
	assert_int_equal(fx.fired, 1);
}

static void clears_the_other(struct timer *t)
{
	struct thing *th = container_of(t, struct thing, timer);

	(*th->hits)++;
	timer_clear(&fx.l, &th->other->timer);
}

static void a_timer_may_clear_one_that_is_due(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		fx.things[i].other = &fx.things[1 - i];
		timer_init(&fx.things[i].timer, clears_the_other);
		timer_set(&fx.l, &fx.things[i].timer, 5);
	}
	loop_settle(&fx.l, 5);
	assert_int_equal(fx.hits, 1);
	assert_true(list_empty(&fx.l.timers));
}

static void stops(struct timer *t)
{
	on_fire(t);
	fx.l.stop = true;
}

static void the_kernel_wakes_for_a_timer(void **state)
{
	uint64_t begin = clock_boot_ms();

	(void)state;
	timer_init(&fx.things[0].timer, stops);
	timer_init(&fx.things[1].timer, on_fire);
	timer_set(&fx.l, &fx.things[0].timer, begin + 30);
	timer_set(&fx.l, &fx.things[1].timer, begin + 10);
	assert_int_equal(loop_run(&fx.l), 0);
	assert_int_equal(fx.fired, 2);
	assert_in_range(clock_boot_ms() - begin, 30, 2000);
}

/* A deadline in the past, or at 0, is now; one that is cleared wakes nobody. */
static void deadlines_at_the_edges(void **state)
{
	(void)state;
	timer_init(&fx.things[0].timer, on_fire);
	timer_init(&fx.things[1].timer, on_fire);
	timer_set(&fx.l, &fx.things[0].timer, 0);
	assert_true(loop_once(&fx.l, 1000) >= 0);
	assert_int_equal(fx.fired, 1);
	timer_set(&fx.l, &fx.things[0].timer, UINT64_MAX / 2);
	assert_int_equal(loop_once(&fx.l, 0), 0);
	timer_clear(&fx.l, &fx.things[0].timer);
	assert_int_equal(loop_once(&fx.l, 0), 0);
	assert_int_equal(fx.fired, 1);
	assert_int_equal(fx.l.armed_ms, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_event_reaches_its_owner),
		T(a_source_that_is_not_live_is_harmless),
		T(a_modified_source_is_quiet_until_asked),
		T(an_event_of_the_same_batch_cannot_reach_the_dead),
		T(a_burial_may_cause_another),
		T(what_is_buried_goes_with_the_loop),
		T(timers_fire_in_order),
		T(equal_times_fire_as_they_were_set),
		T(a_timer_moves_and_goes),
		T(a_timer_may_clear_one_that_is_due),
		T(the_kernel_wakes_for_a_timer),
		T(deadlines_at_the_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
