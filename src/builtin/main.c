/* SPDX-License-Identifier: MIT */
/* main.c - mpsup-worker: the loop, and what the master says.
 *
 * Nothing is done twice or early that is not needed to serve: the time from
 * exec to READY is what a client waits for when a sibling died. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "builtin/worker.h"

#define EXIT_USAGE	2
#define ORPHAN_MS	5000u /* the master is gone: what is open has so long */
#define ACCEPT_PAUSE_MS 100u
#define SIGNAL_DRAIN_MS 60000u /* asked by signal, which tells no time */

/* What epoll's data says; a listener is its index. */
enum { TOKEN_SUP = 1000, TOKEN_SIGNAL, TOKEN_HTTP };

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)fputs("mpsup-worker: ", stderr);
	(void)vfprintf(stderr, format, ap);
	(void)fputc('\n', stderr);
	va_end(ap);
}

static int watch(struct worker *w, int fd, uint32_t token)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = token };

	return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

/* Not EPOLLEXCLUSIVE: it wakes one worker, and a connection would wait for ever
 * on one that was stopped or killed between being woken and its accept(). */
static void accept_start(struct worker *w)
{
	if (w->hello->dispatch) /* the master does */
		return;
	for (unsigned i = 0; i < w->hello->nlisteners && !w->accepting; i++) {
		int r = watch(w, w->hello->listeners[i].fd, i);

		if (r < 0)
			complain("socket %s: %s", w->hello->listeners[i].name, strerror(-r));
	}
	w->accepting = true;
}

static void accept_stop(struct worker *w)
{
	for (unsigned i = 0; w->accepting && i < w->hello->nlisteners; i++)
		(void)epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, w->hello->listeners[i].fd, NULL);
	w->accepting = false;
}

static void drain(struct worker *w, uint64_t now, uint64_t ms)
{
	uint64_t deadline = ms < NEVER - now ? now + ms : NEVER;

	if (w->draining) {
		w->deadline_ms = sooner(w->deadline_ms, deadline);
		return;
	}
	w->draining = true;
	w->deadline_ms = deadline;
	accept_stop(w);
	/* Closed, not only unwatched: a socket of an older generation must be able to end. */
	for (unsigned i = 0; w->hello && !w->hello->dispatch && i < w->hello->nlisteners; i++)
		(void)close(w->hello->listeners[i].fd);
	mpsup_take_connections(w->sup, 0);
	w->look_ms = http_hang_up_idle(w, now);
	(void)mpsup_stopping(w->sup);
	(void)mpsup_status(w->sup, "draining, %u open", w->nconns);
}

static void greet(struct worker *w, const struct mpsup_hello *hello, uint64_t now)
{
	int r;

	w->hello = hello;
	if (hello->watchdog_usec)
		w->watchdog_ms = now;
	accept_start(w);
	r = mpsup_ready(w->sup);
	if (r < 0)
		complain("cannot say READY: %s", strerror(-r));
}

static void hear_master(struct worker *w, uint64_t now)
{
	struct mpsup_event ev;
	int r;

	while (!w->done && (r = mpsup_next(w->sup, &ev)) != 0) {
		if (r < 0) {
			complain("the master broke the protocol: %s", strerror(-r));
			exit(EXIT_FAILURE);
		}
		if (ev.type == MPSUP_HELLO && !w->draining) {
			greet(w, ev.hello, now);
		} else if (ev.type == MPSUP_CONNECTION) {
			http_take(w, ev.connection);
		} else if (ev.type == MPSUP_DRAIN) {
			drain(w, now, ev.timeout_usec / 1000);
		} else if (ev.type == MPSUP_CLOSED) {
			/* Readable from now on, with nothing more to say. */
			(void)epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, mpsup_fd(w->sup), NULL);
			w->watchdog_ms = NEVER;
			drain(w, now, ORPHAN_MS);
			return;
		}
	}
}

static void take_signal(struct worker *w, uint64_t now)
{
	struct signalfd_siginfo si;

	if (read(w->signal_fd, &si, sizeof(si)) != sizeof(si))
		return;
	if (++w->signals > 1)
		w->done = true;
	else
		drain(w, now, SIGNAL_DRAIN_MS);
}

static void take_connection(struct worker *w, unsigned listener, uint64_t now)
{
	if (!w->accepting) /* stopped by an event before this one */
		return;
	if (w->nconns >= w->max_conns || http_accept(w, w->hello->listeners[listener].fd) < 0) {
		accept_stop(w);
		w->accept_again_ms = now + ACCEPT_PAUSE_MS;
	}
}

static void dispatch(struct worker *w, uint32_t token, uint64_t now)
{
	switch (token) {
	case TOKEN_SUP:
		hear_master(w, now);
		break;
	case TOKEN_SIGNAL:
		take_signal(w, now);
		break;
	case TOKEN_HTTP:
		break; /* run after each turn anyway */
	default:
		take_connection(w, token, now);
	}
}

/* Everything that depends on the clock. Returns when it wants to be called again. */
static uint64_t on_time(struct worker *w, uint64_t now)
{
	uint64_t next;

	(void)http_wake_slow(w, now);
	if (w->accept_again_ms <= now) {
		w->accept_again_ms = NEVER;
		if (!w->draining)
			accept_start(w);
	}
	if (w->watchdog_ms <= now) {
		(void)mpsup_watchdog(w->sup);
		w->watchdog_ms = now + (unsigned)mpsup_watchdog_interval_ms(w->sup);
	}
	if (w->look_ms <= now)
		w->look_ms = http_hang_up_idle(w, now);
	http_run(w);
	if (w->draining && (w->nconns == 0 || w->deadline_ms <= now))
		w->done = true;
	/* Only now: a request of this turn may be a slow one. */
	next = http_wake_slow(w, now);
	next = sooner(next, sooner(w->accept_again_ms, w->watchdog_ms));
	next = sooner(next, sooner(w->look_ms, w->deadline_ms));
	return sooner(next, http_due(w, now));
}

static int timeout_until(uint64_t due, uint64_t now)
{
	if (due == NEVER)
		return -1;
	if (due <= now)
		return 0;
	return due - now > 3600000 ? 3600000 : (int)(due - now);
}

static void serve(struct worker *w)
{
	struct epoll_event events[16];
	uint64_t now = now_ms();

	while (!w->done) {
		int timeout = timeout_until(on_time(w, now), now);
		int n;

		if (w->done)
			break;
		n = epoll_wait(w->epoll_fd, events, 16, timeout);
		now = now_ms();
		for (int i = 0; i < n; i++)
			dispatch(w, events[i].data.u32, now);
	}
}

static int set_up(struct worker *w)
{
	sigset_t set;
	int r;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGQUIT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	w->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->signal_fd < 0 || w->epoll_fd < 0)
		return -errno;
	r = http_start(w);
	if (r == 0)
		r = watch(w, http_fd(w), TOKEN_HTTP);
	if (r == 0)
		r = watch(w, w->signal_fd, TOKEN_SIGNAL);
	return r;
}

static int join(struct worker *w)
{
	int r = mpsup_open(&w->sup); /* last: a spare says here that it is parked */

	if (r == -ENOENT) {
		complain("this is mpsup's own worker; start it with `mpsup --port N`");
		return EXIT_USAGE;
	}
	if (r == 0)
		r = watch(w, mpsup_fd(w->sup), TOKEN_SUP);
	if (r < 0) {
		complain("MPSUP_FD: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct worker w = {
		.accept_again_ms = NEVER,
		.look_ms = NEVER,
		.deadline_ms = NEVER,
		.watchdog_ms = NEVER,
	};
	int r;

	w.demo = argc == 2 && strcmp(argv[1], "--demo") == 0;
	if (argc > 1 && !w.demo) {
		complain("usage: mpsup-worker [--demo]");
		return EXIT_USAGE;
	}
	w.pid = getpid();
	w.parent = getppid();
	r = set_up(&w);
	if (r < 0) {
		complain("cannot start: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	r = join(&w);
	if (r != 0)
		return r;
	serve(&w);
	/* Connections that are still open end with the process. */
	mpsup_close(w.sup);
	return 0;
}
