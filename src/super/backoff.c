/* SPDX-License-Identifier: MIT */
#include "super/backoff.h"

#include <errno.h>
#include <stdlib.h>

unsigned restarts_count(const struct restarts *r, const struct restart_policy *p, uint64_t now_ms)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->used; i++) {
		unsigned at = (r->head + r->size - 1 - i) % r->size;

		if (now_ms - r->at_ms[at] >= p->window_ms)
			break;
		n++;
	}
	return n;
}

static int note(struct restarts *r, const struct restart_policy *p, uint64_t now_ms)
{
	if (!r->at_ms || r->size != p->limit + 1) {
		uint64_t *at = calloc((size_t)p->limit + 1, sizeof(*at));

		if (!at)
			return -ENOMEM;
		free(r->at_ms);
		*r = (struct restarts){ .at_ms = at,
					.size = p->limit + 1,
					.step = r->step,
					.last_ms = r->last_ms };
	}
	r->at_ms[r->head] = now_ms;
	r->head = (r->head + 1) % r->size;
	if (r->used < r->size)
		r->used++;
	return 0;
}

int64_t restarts_now(struct restarts *r, const struct restart_policy *p, uint64_t now_ms,
		     unsigned *ret_count)
{
	int err = note(r, p, now_ms);

	if (err < 0)
		return err;
	*ret_count = restarts_count(r, p, now_ms);
	return *ret_count > p->limit ? -EAGAIN : 0;
}

/* A worker that was stable, or a quiet window: the ladder starts anew. */
static bool is_first(const struct restarts *r, const struct restart_policy *p, uint64_t now_ms,
		     uint64_t ready_ms)
{
	return ready_ms >= RESTART_STABLE_MS || now_ms - r->last_ms >= p->window_ms;
}

bool restarts_at_once(const struct restarts *r, const struct restart_policy *p, uint64_t now_ms,
		      uint64_t ready_ms)
{
	return restarts_count(r, p, now_ms) < p->limit &&
	       (r->step == 0 || p->max_ms == 0 || is_first(r, p, now_ms, ready_ms));
}

int64_t restarts_next(struct restarts *r, const struct restart_policy *p, uint64_t now_ms,
		      uint64_t ready_ms, unsigned random, unsigned *ret_count)
{
	uint64_t wait = p->min_ms;
	int64_t first;

	if (is_first(r, p, now_ms, ready_ms))
		r->step = 0;
	r->last_ms = now_ms;
	first = restarts_now(r, p, now_ms, ret_count);
	if (first < 0)
		return first;
	if (r->step++ == 0)
		return 0;
	for (unsigned i = 2; i < r->step && wait < p->max_ms; i++)
		wait *= 2;
	if (wait > p->max_ms)
		wait = p->max_ms;
	/* ±20 %: a hundred workers that lost the same database do not come back as one. */
	return (int64_t)(wait * (800 + random * 400 / 1000) / 1000);
}

void restarts_reset(struct restarts *r)
{
	r->head = r->used = r->step = 0;
	r->last_ms = 0;
}

void restarts_done(struct restarts *r)
{
	free(r->at_ms);
	*r = (struct restarts){ 0 };
}
