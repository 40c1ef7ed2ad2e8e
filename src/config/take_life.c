/* SPDX-License-Identifier: MIT */
/* take_life.c - the options of a worker's life: restarts, deadlines, signals. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>

#include "base/nearest.h"
#include "base/parse.h"
#include "config/reading.h"

TAKE(restart_limit)
{
	int r = parse_rate(value, &rd->p->restart_limit.count, &rd->p->restart_limit.window_ms);

	return r < 0 ? reading_not_right(k, value, r, e) : 0;
}

TAKE(boot_limit)
{
	uint64_t n;
	int r = reading_number(k, value, 1, 1000, &n, e);

	if (r == 0)
		rd->p->boot_limit = (unsigned)n;
	return r;
}

TAKE(backoff)
{
	int r = parse_range(value, &rd->p->backoff_min_ms, &rd->p->backoff_max_ms);

	return r < 0 ? reading_not_right(k, value, r, e) : 0;
}

const char *const words_on_failed[] = { "exit", "hold", NULL };

TAKE(on_failed)
{
	int i = 0, r = reading_one_of(k, value, &i, e);

	if (r == 0)
		rd->p->on_failed = i ? ON_FAILED_HOLD : ON_FAILED_EXIT;
	return r;
}

TAKE(fatal_exit)
{
	const char **words;
	uint8_t *codes;
	unsigned n = 0;
	int r;

	rd->p->nfatal_exit = 0;
	if (strcmp(value, "none") == 0)
		return 0;
	r = reading_words(rd, &words, k, value, e);
	if (r < 0)
		return r;
	while (words[n])
		n++;
	codes = arena_alloc(rd->arena, n);
	if (!codes)
		return reading_no_memory(e);
	for (unsigned i = 0; i < n; i++) {
		uint64_t code;

		r = reading_number(k, words[i], 0, 255, &code, e);
		if (r < 0)
			return r;
		codes[i] = (uint8_t)code;
	}
	rd->p->fatal_exit = codes;
	rd->p->nfatal_exit = n;
	return 0;
}

TAKE(ready_timeout)
{
	(void)rd;
	return reading_duration(k, value, 10, &rd->p->ready_timeout_ms, e);
}

const char *const words_surge[] = { "all", NULL };

TAKE(surge)
{
	uint64_t n;
	int r;

	if (strcmp(value, "all") == 0) {
		rd->p->surge = UINT_MAX;
		return 0;
	}
	r = reading_number(k, value, 1, 4096, &n, e);
	if (r == 0)
		rd->p->surge = (unsigned)n;
	return r;
}

TAKE(drain_timeout)
{
	return reading_duration(k, value, 0, &rd->p->drain_timeout_ms, e);
}

const char *const words_drain[] = { [DRAIN_AUTO] = "auto",
				    [DRAIN_PROTOCOL] = "protocol",
				    [DRAIN_OBSERVE] = "observe",
				    [DRAIN_SIGNAL] = "signal",
				    NULL };

TAKE(drain)
{
	int i = 0, r = reading_one_of(k, value, &i, e);

	if (r == 0)
		rd->p->drain = (enum drain_mode)i;
	return r;
}

TAKE(drain_idle)
{
	return reading_duration(k, value, 100, &rd->p->drain_idle_ms, e);
}

TAKE(stop_timeout)
{
	return reading_duration(k, value, 0, &rd->p->stop_timeout_ms, e);
}

TAKE(stop_signal)
{
	const char *names[NSIG + 1], *near;
	size_t n = 0;

	if (parse_signal(value, &rd->p->stop_signal) == 0)
		return 0;
	for (int sig = 1; sig < NSIG; sig++)
		if (sigabbrev_np(sig))
			names[n++] = sigabbrev_np(sig);
	names[n] = NULL;
	near = nearest_word(strncmp(value, "SIG", 3) == 0 ? value + 3 : value, names);
	return reading_wrong(k, e, -EINVAL, "'%.100s' is no signal; right is: %s%s%s%s", value,
			     k->form, near ? " (did you mean '" : "", near ? near : "",
			     near ? "'?)" : "");
}

TAKE(max_age)
{
	if (strcmp(value, "off") == 0) {
		rd->p->max_age_ms = 0;
		return 0;
	}
	return reading_duration(k, value, 1000, &rd->p->max_age_ms, e);
}

TAKE(recycle_memory)
{
	uint64_t n = 0;
	int r = strcmp(value, "off") == 0 ? 0 : parse_size(value, &n);

	if (r < 0 || (n > 0 && n < (1u << 20)) || n == UINT64_MAX)
		return reading_not_right(k, value, r < 0 ? r : -ERANGE, e);
	rd->p->recycle_memory = n;
	return 0;
}

TAKE(watchdog)
{
	if (strcmp(value, "off") == 0) {
		rd->p->watchdog_ms = 0;
		return 0;
	}
	return reading_duration(k, value, 100, &rd->p->watchdog_ms, e);
}
