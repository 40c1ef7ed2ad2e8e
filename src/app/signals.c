/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "super/pool.h"

void signals_block(void)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
}

static void stop(struct signals *s, const char *why)
{
	if (s->master->stopping) {
		log_warn("%s again: every worker is ended at once", why);
		master_end_at_once(s->master);
		return;
	}
	log_info("%s: stopping; workers finish what they have begun", why);
	master_stop(s->master, 0);
}

/* A window that is resized says so by WINCH. */
static bool has_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return false;
	(void)close(fd);
	return true;
}

static void drain(struct signals *s)
{
	struct master *m = s->master;

	log_info("WINCH: workers finish what they have begun; the master stays");
	for (unsigned i = 0; i < m->npools; i++)
		if (m->pools[i]->gen && m->pools[i]->phase != POOL_FAILED)
			pool_stop(m->pools[i]);
}

static void take(struct signals *s, const struct signalfd_siginfo *si)
{
	/* The terminal's own have SI_KERNEL; a process that sends has SI_USER (traps 42). */
	bool from_terminal = si->ssi_code == SI_KERNEL;

	switch (si->ssi_signo) {
	case SIGTERM:
		stop(s, "TERM");
		break;
	case SIGINT:
		stop(s, "INT");
		break;
	case SIGQUIT:
		stop(s, "QUIT");
		break;
	case SIGHUP:
		if (from_terminal)
			stop(s, "the terminal was closed");
		else
			s->reload(s->ctx);
		break;
	case SIGUSR1:
		s->reopen(s->ctx);
		break;
	case SIGUSR2:
		s->upgrade(s->ctx);
		break;
	case SIGTTIN:
	case SIGTTOU:
		s->scale(s->ctx, si->ssi_signo == SIGTTIN ? 1 : -1);
		break;
	case SIGWINCH:
		if (!from_terminal && !has_terminal())
			drain(s);
		break;
	default: /* PIPE, CHLD, ...: nothing to do */
		break;
	}
}

static void on_signal(struct source *src, uint32_t events)
{
	struct signals *s = container_of(src, struct signals, src);
	struct signalfd_siginfo si;

	(void)events;
	while (read(s->fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		take(s, &si);
}

int signals_open(struct signals *s, struct master *m)
{
	static const int wanted[] = { SIGTERM, SIGINT,	SIGQUIT, SIGHUP,  SIGUSR1,
				      SIGUSR2, SIGTTIN, SIGTTOU, SIGWINCH };
	sigset_t set;
	int r;

	s->master = m;
	s->src = SOURCE_NONE;
	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		(void)sigaddset(&set, wanted[i]);
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd < 0)
		return -errno;
	r = source_add(&m->loop, &s->src, s->fd, EPOLLIN, on_signal);
	if (r < 0)
		fd_close(&s->fd);
	return r;
}

void signals_close(struct signals *s)
{
	source_remove(&s->master->loop, &s->src);
	fd_close(&s->fd);
}
