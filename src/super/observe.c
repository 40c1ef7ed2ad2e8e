/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/observe.h"

#include <errno.h>

#include "kernel/diag.h"
#include "super/binds.h"
#include "super/life.h"
#include "super/listeners.h"

#define LOOK_FIRST_MS 50
#define LOOK_MAX_MS   1000
#define QUIET_LOOKS   2
/* A handshake that had begun with its socket may still come to it. */
#define LEAST_MS	 1000
#define LEAST_MS_TO_WORD 250
/* In a stop a person waits, and nobody can begin anything new. */
#define STOP_IDLE_MS	 500
#define STOP_LOOK_MAX_MS 250
#define SOCKETS_MAX	 64 /* of one worker */
#define PIDS_MAX	 1024

struct look {
	int64_t waiting; /* nobody has accepted them yet */
	int64_t busy;	 /* -1: not known */
};

static uint64_t now(const struct life *l)
{
	return l->master->world->now_ms();
}

static size_t processes(const struct life *l, pid_t *pids)
{
	size_t n = 0;

	if (l->leaf_fd < 0 || cgroup_pids(l->leaf_fd, pids, PIDS_MAX, &n) < 0) {
		pids[0] = l->pid;
		return l->pid > 0;
	}
	return n < PIDS_MAX ? n : PIDS_MAX;
}

static int look(const struct life *l, uint64_t idle_ms, struct diag_picture *picture,
		struct look *ret)
{
	struct diag_sockets s;
	int fds[SOCKETS_MAX];
	pid_t pids[PIDS_MAX];
	size_t n = listeners_of(l, fds, SOCKETS_MAX);
	int r = diag_gather(fds, n, DIAG_TRAFFIC, &s);

	if (r < 0)
		return r;
	*ret = (struct look){ 0 };
	for (size_t i = 0; i < s.nlisteners; i++)
		ret->waiting += s.listeners[i].queue > 0 ? s.listeners[i].queue : 0;
	ret->busy = diag_count_busy(&s, pids, processes(l, pids), idle_ms, picture);
	diag_done(&s);
	return 0;
}

static bool in_a_stop(const struct life *l)
{
	return l->pool->refuses;
}

static uint64_t idle_ms(const struct life *l)
{
	uint64_t ms = l->gen->conf->drain_idle_ms;

	return in_a_stop(l) && ms > STOP_IDLE_MS ? STOP_IDLE_MS : ms;
}

/* Who closes its socket at a word must have emptied its queue first. */
static int64_t left(struct life *l)
{
	struct look k;

	l->observe.picture.now_ms = now(l);
	if (look(l, idle_ms(l), &l->observe.picture, &k) < 0 || k.busy < 0)
		return l->observe.word ? 0 : -1;
	return l->observe.word ? k.waiting : k.busy + k.waiting;
}

int64_t observe_busy(struct life *l)
{
	struct look k;

	return look(l, 0, NULL, &k) < 0 || k.busy < 0 ? -1 : k.busy + k.waiting;
}

bool observe_has_word(const struct life *l)
{
	const struct wire *w = l->gen->wire;

	return w->drain && (!w->drains_by_preload || l->gen->cage.preloads);
}

static void look_in(struct life *l)
{
	uint64_t max = in_a_stop(l) ? STOP_LOOK_MAX_MS : LOOK_MAX_MS;

	if (l->observe.step_ms > max)
		l->observe.step_ms = max;
	timer_set(&l->master->loop, &l->observe.look, now(l) + l->observe.step_ms);
	l->observe.step_ms += l->observe.step_ms / 2;
}

static bool is_over(const struct life *l)
{
	uint64_t least = l->observe.word ? LEAST_MS_TO_WORD : LEAST_MS;

	if (l->observe.quiet < QUIET_LOOKS)
		return false;
	return in_a_stop(l) || now(l) >= l->observe.began_ms + least;
}

static void on_look(struct timer *t)
{
	struct life *l = container_of(t, struct life, observe.look);

	if (l->state != LIFE_DRAINING)
		return;
	if (left(l) != 0) {
		l->observe.quiet = 0;
	} else {
		l->observe.step_ms = LOOK_FIRST_MS;
		l->observe.quiet++;
		if (is_over(l)) {
			if (l->observe.word)
				life_emptied(l);
			else
				life_observed(l);
			return;
		}
	}
	look_in(l);
}

void observe_init(struct life *l)
{
	timer_init(&l->observe.look, on_look);
}

void observe_done(struct life *l)
{
	timer_clear(&l->master->loop, &l->observe.look);
}

int observe_begin(struct life *l, bool word)
{
	int64_t n;

	if (word && (!observe_has_word(l) || binds_has_taken(l)))
		return -EOPNOTSUPP;
	if (!listeners_steer_away(l))
		return -EOPNOTSUPP;
	l->observe.word = word;
	l->observe.picture = (struct diag_picture){ 0 };
	n = in_a_stop(l) ? left(l) : observe_busy(l);
	if (n < 0) /* no diag modules: nothing would ever be seen */
		return -EOPNOTSUPP;
	if (n == 0 && in_a_stop(l))
		return 1;
	l->observe.began_ms = now(l);
	l->observe.step_ms = LOOK_FIRST_MS;
	l->observe.quiet = 0;
	look_in(l);
	return 0;
}
