/* SPDX-License-Identifier: MIT */
/* mpsup.c - the channel's life, and what the master says on it as events. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/lib.h"
#include "lib/send.h"

/* A number from the environment may be anything: a closed descriptor, or one
 * that the program opened for itself. */
static int check_channel(int fd)
{
	int domain, type;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
		return -errno;
	len = sizeof(int);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return -errno;
	if (domain != AF_UNIX || type != SOCK_SEQPACKET)
		return -EPROTOTYPE;
	return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

static int find_channel(int *ret_fd)
{
	const char *word = getenv("MPSUP_FD");
	uint64_t fd;
	int r;

	if (!word)
		return -ENOENT;
	if (mpsup_parse_number(word, INT_MAX, &fd) < 0 || fd <= STDERR_FILENO)
		return -EINVAL;
	r = check_channel((int)fd);
	if (r < 0)
		return r;
	*ret_fd = (int)fd;
	return 0;
}

int mpsup_open(struct mpsup **ret)
{
	const char *spare = getenv("MPSUP_SPARE");
	struct mpsup *m;
	int fd, r;

	r = find_channel(&fd);
	if (r < 0)
		return r;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->fd = fd;
	if (spare && strcmp(spare, "1") == 0)
		r = mpsup_send(m, "PARKED=", "1", 1);
	if (r < 0) {
		free(m);
		return r;
	}
	(void)unsetenv("MPSUP_FD");
	*ret = m;
	return 0;
}

void mpsup_close(struct mpsup *m)
{
	if (!m)
		return;
	(void)close(m->fd);
	free(m);
}

int mpsup_fd(const struct mpsup *m)
{
	return m->fd;
}

const struct mpsup_hello *mpsup_hello(const struct mpsup *m)
{
	return m->greeted ? &m->hello : NULL;
}

/* Half: one that comes late, or is lost to -EAGAIN, is made good by the next. */
int mpsup_watchdog_interval_ms(const struct mpsup *m)
{
	uint64_t half_ms = m->hello.watchdog_usec / 2000;

	if (m->hello.watchdog_usec == 0)
		return -1;
	if (half_ms == 0)
		return 1;
	return half_ms > INT_MAX ? INT_MAX : (int)half_ms;
}

static bool starts_with(const char *text, const char *word)
{
	return strncmp(text, word, strlen(word)) == 0;
}

static int hello_event(struct mpsup *m, struct mpsup_datagram *d, struct mpsup_event *ev)
{
	int r = mpsup_parse_hello(m, d);

	mpsup_datagram_close_fds(d);
	if (r < 0)
		return r;
	ev->type = MPSUP_HELLO;
	ev->hello = &m->hello;
	return 1;
}

static int message_event(char *text, struct mpsup_event *ev)
{
	char *key, *value;

	if (mpsup_parse_line(&text, &key, &value) < 0)
		return -EPROTO;
	ev->type = MPSUP_MESSAGE;
	ev->message = value;
	ev->message_len = strlen(value);
	return 1;
}

/* The word goes before the connection is looked at: what was not answered for is given to
 * another worker when this one dies, and it must be whole then. */
static void answer(struct mpsup *m, bool takes, uint64_t number)
{
	int n = snprintf(m->owed, sizeof(m->owed), "%s=%" PRIu64, takes ? "ACCEPTED" : "REFUSED",
			 number);

	m->owes = n > 0;
	(void)mpsup_pay(m); /* no room: with the next word, or the next call */
}

static int connection_event(struct mpsup *m, struct mpsup_datagram *d, struct mpsup_event *ev)
{
	uint64_t number, listener;
	bool takes = d->nfds == 1 && !m->sends_back;

	if (!m->greeted || !m->hello.dispatch || d->nfds > 1 ||
	    mpsup_parse_connection(d->text, &number, &listener) < 0 ||
	    listener >= m->hello.nlisteners) {
		mpsup_datagram_close_fds(d);
		return -EPROTO;
	}
	answer(m, takes, number);
	if (!takes) {
		mpsup_datagram_close_fds(d);
		return 0;
	}
	ev->type = MPSUP_CONNECTION;
	ev->connection = d->fds[0];
	ev->listener = &m->hello.listeners[listener];
	d->nfds = 0;
	return 1;
}

void mpsup_take_connections(struct mpsup *m, int yes)
{
	m->sends_back = !yes;
}

/* The first line says what a datagram is. 0: something of a later version. */
static int event_of(struct mpsup *m, struct mpsup_datagram *d, struct mpsup_event *ev)
{
	unsigned surplus = d->nfds;

	if (starts_with(d->text, "HELLO=1\n"))
		return hello_event(m, d, ev);
	if (starts_with(d->text, "CONNECTION="))
		return connection_event(m, d, ev);
	mpsup_datagram_close_fds(d);
	if (starts_with(d->text, "DRAIN=1\n")) {
		if (surplus || mpsup_parse_drain(d->text, &ev->timeout_usec) < 0)
			return -EPROTO;
		ev->type = MPSUP_DRAIN;
		return 1;
	}
	if (starts_with(d->text, "MESSAGE="))
		return surplus ? -EPROTO : message_event(d->text, ev);
	return strchr(d->text, '=') ? 0 : -EPROTO;
}

int mpsup_next(struct mpsup *m, struct mpsup_event *ret)
{
	struct mpsup_event ev = { .type = MPSUP_CLOSED, .connection = -1 };
	struct mpsup_datagram d;
	int r;

	(void)mpsup_pay(m);
	do {
		r = mpsup_datagram_receive(m, &d);
		if (r == -EAGAIN)
			return 0;
		if (r < 0)
			return r;
		if (r > 0)
			r = event_of(m, &d, &ev);
		else
			r = 1; /* the end: ev says so already */
	} while (r == 0);
	if (r > 0)
		*ret = ev;
	return r;
}
