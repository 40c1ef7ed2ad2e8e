/* SPDX-License-Identifier: MIT */
/* death.c - the certificate: from what is known about an end to one reason. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "super/child.h"
#include "super/leaf.h"
#include "super/life.h"
#include "super/watchdog.h"

/* clang-format off */
static const char *const reason_names[REASONS] = {
	[REASON_NONE] = "none", [REASON_EXIT] = "exit", [REASON_SIGNAL] = "signal",
	[REASON_OOM] = "oom", [REASON_OOM_POOL] = "oom_pool", [REASON_OOM_HOST] = "oom_host",
	[REASON_SECCOMP] = "seccomp", [REASON_WATCHDOG] = "watchdog",
	[REASON_READY_TIMEOUT] = "ready_timeout", [REASON_START] = "start",
	[REASON_STOP] = "stop", [REASON_STOP_TIMEOUT] = "stop_timeout",
	[REASON_DRAIN_TIMEOUT] = "drain_timeout", [REASON_RELOAD] = "reload",
	[REASON_RESTART] = "restart", [REASON_SCALE] = "scale", [REASON_SUICIDE] = "suicide",
	[REASON_MAX_AGE] = "max_age", [REASON_RECYCLE_MEMORY] = "recycle_memory",
	[REASON_PROTOCOL] = "protocol",
};
/* clang-format on */

const char *reason_name(enum reason r)
{
	return r < REASONS ? reason_names[r] : "none";
}

/* A step that failed, then what we asked for, then what it said, then how it went. */
static enum reason find_reason(const struct life *l, const struct death *d)
{
	if (l->failed_error)
		return REASON_START;
	if (l->asked)
		return l->asked;
	if (d->sig == SIGKILL && leaf_oom(l) != REASON_NONE)
		return leaf_oom(l);
	if (l->suicide)
		return REASON_SUICIDE;
	if (d->sig == SIGSYS)
		return REASON_SECCOMP;
	return d->sig ? REASON_SIGNAL : REASON_EXIT;
}

void death_fill(struct death *d, const struct life *l)
{
	*d = (struct death){
		.life = l->number,
		.generation = l->generation,
		.time_ms = clock_real_ms(),
		.pid = l->pid,
		.code = -1,
		.ready = l->was_ready,
		.error = l->failed_error,
		.uptime_ms = l->master->world->now_ms() - l->born_ms,
		.cpu_ms = UINT64_MAX,
		.memory_peak_bytes = UINT64_MAX,
		.pids_refused = l->stat.pids_refused,
		.throttled_usec = l->stat.throttled_usec,
	};
	if (l->failed_error)
		d->step = l->failed_step == CHILD_STEP_NONE ? "clone" :
							      child_step_name(l->failed_step);
	d->host_refuses = l->failed_error && l->failed_step != STEP_EXEC &&
			  l->failed_step != STEP_CWD &&
			  (l->failed_step != CHILD_STEP_NONE || l->failed_error == EOPNOTSUPP);
	if (l->have_exit) {
		d->sig = l->exit.by_signal ? l->exit.code : 0;
		d->code = l->exit.by_signal ? -1 : l->exit.code;
		d->core_dumped = l->exit.core_dumped;
		d->cpu_ms = l->exit.cpu_usec / 1000;
		/* Without a memory controller: the largest process, as the kernel saw it. */
		d->memory_peak_bytes = l->exit.maxrss_bytes;
	} else if (l->worker_gone || l->init_gone) {
		d->sig = SIGKILL; /* only a kill of the whole leaf takes init with it */
	}
	/* The leaf knows all that was in it, the exit only the worker and whom it collected. */
	if (l->stat.cpu_usec != STAT_UNKNOWN)
		d->cpu_ms = l->stat.cpu_usec / 1000;
	if (l->stat.memory_peak != STAT_UNKNOWN)
		d->memory_peak_bytes = l->stat.memory_peak;
	d->reason = find_reason(l, d);
	(void)snprintf(d->status_text, sizeof(d->status_text), "%s",
		       l->status_text ? l->status_text : "");
	(void)snprintf(d->detail, sizeof(d->detail), "%s", l->detail ? l->detail : "");
	leaf_detail(d, l);
}

static void how(const struct death *d, char *buf, size_t size)
{
	if (d->sig && sigabbrev_np(d->sig))
		(void)snprintf(buf, size, "signal SIG%s%s", sigabbrev_np(d->sig),
			       d->core_dumped ? " (core dumped)" : "");
	else if (d->sig)
		(void)snprintf(buf, size, "signal %d", d->sig);
	else
		(void)snprintf(buf, size, "exit %d", d->code);
}

void death_cause(const struct death *d, char *buf, size_t size)
{
	char end[64];

	how(d, end, sizeof(end));
	switch (d->reason) {
	case REASON_EXIT:
	case REASON_SIGNAL:
		(void)snprintf(buf, size, "%s", end);
		break;
	case REASON_START:
		if (d->error) /* else it did not get as far as its sockets */
			(void)snprintf(buf, size, "start (%s: %s)", d->step, err_name(d->error));
		else
			(void)snprintf(buf, size, "start (%s)", end);
		break;
	case REASON_PROTOCOL:
	case REASON_WATCHDOG:
	case REASON_OOM:
	case REASON_OOM_POOL:
	case REASON_OOM_HOST:
		(void)snprintf(buf, size, "%s (%s)", reason_name(d->reason), d->detail);
		break;
	default:
		(void)snprintf(buf, size, "%s (%s)", reason_name(d->reason), end);
		break;
	}
}

struct hint {
	struct death *d;
	const struct life *l;
};

/* The option that would allow what the last words complain about. */
static void look(void *ctx, const char *line)
{
	static const struct {
		const char *says, *help;
	} known[] = {
		{ "EROFS", "the view is read-only there: --rw PATH makes a folder writable" },
		{ "Read-only file system",
		  "the view is read-only there: --rw PATH makes a folder writable" },
		{ "ENOENT",
		  "the worker sees only the app view: --ro PATH shows it more, --view host all" },
		{ "No such file or directory",
		  "the worker sees only the app view: --ro PATH shows it more, --view host all" },
		{ "EACCES", "the worker runs as another user: --user, or the file's mode" },
		{ "Permission denied",
		  "the worker runs as another user: --user, or the file's mode" },
		{ "EPERM", "the policy or the missing capabilities refuse it: --policy" },
		{ "Operation not permitted",
		  "the policy or the missing capabilities refuse it: --policy" },
		{ "ENOSPC", "its private /tmp is full: --tmp SIZE" },
		{ "No space left on device", "its private /tmp is full: --tmp SIZE" },
	};
	struct hint *h = ctx;

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strstr(line, known[i].says))
			(void)snprintf(h->d->hint, sizeof(h->d->hint), "%s", known[i].help);
}

static void step_hint(struct death *d, const struct life *l)
{
	const char *word = l->failed_step == CHILD_STEP_NONE ? NULL :
							       child_step_word(l->failed_step);

	if (l->failed_step == STEP_EXEC && (d->error == EACCES || d->error == ENOENT))
		(void)snprintf(d->hint, sizeof(d->hint),
			       "uid %u must be able to reach %s inside its view: --ro, --user or "
			       "the modes of its folders",
			       l->gen->cage.uid,
			       l->gen->cage.exec_path ? l->gen->cage.exec_path : "the worker");
	else if (l->failed_step == STEP_CWD)
		(void)snprintf(d->hint, sizeof(d->hint),
			       "uid %u cannot enter %s: --user, --cwd or the folder's mode",
			       l->gen->cage.uid, l->gen->cage.cwd);
	else if (l->failed_step == CHILD_STEP_NONE)
		(void)snprintf(d->hint, sizeof(d->hint), "%s", l->detail ? l->detail : "");
	else if (word)
		(void)snprintf(d->hint, sizeof(d->hint),
			       "--no-sandbox %s would accept a worker without it", word);
}

void death_hint(struct death *d, const struct life *l)
{
	struct hint h = { .d = d, .l = l };

	if (d->reason == REASON_START && d->error)
		step_hint(d, l);
	else if (d->reason == REASON_EXIT || d->reason == REASON_SIGNAL)
		output_tail(l->slot ? l->slot : &l->pool->spare_slot, l->number, 10, look, &h);
	watchdog_hint(d, l);
	leaf_hint(d, l);
}
