/* SPDX-License-Identifier: MIT */
#include "super/life_sockets.h"

#include <errno.h>
#include <stdlib.h>

#include "super/listeners.h"
#include "super/seats.h"

int life_sockets_number(const struct life *l, const struct listener *on)
{
	for (unsigned i = 0; i < l->sockets.n; i++)
		if (l->sockets.on[i] == on)
			return (int)i;
	return -1;
}

struct listener *life_sockets_of(const struct life *l, unsigned number)
{
	return number < l->sockets.n ? l->sockets.on[number] : NULL;
}

unsigned life_sockets_configured(const struct life *l)
{
	return l->gen->on ? l->gen->conf->nlistens : 0;
}

static int make_room(struct life *l, unsigned n)
{
	struct listener **on = realloc(l->sockets.on, n * sizeof(struct listener *));

	if (on)
		l->sockets.on = on;
	return on ? 0 : -ENOMEM;
}

int life_sockets_add(struct life *l, struct listener *on)
{
	int number = life_sockets_number(l, on);

	if (number >= 0)
		return number;
	if (l->sockets.n == LIFE_SOCKETS_MAX)
		return -ENOSPC;
	if (make_room(l, l->sockets.n + 1) < 0)
		return -ENOMEM;
	l->sockets.on[l->sockets.n] = listener_ref(on);
	l->pool->steer_anew = true; /* it may serve already */
	return (int)l->sockets.n++;
}

int life_sockets_take(struct life *l)
{
	unsigned n = life_sockets_configured(l);

	if (n == 0 || l->sockets.n > 0)
		return 0;
	if (make_room(l, n) < 0)
		return -ENOMEM;
	while (l->sockets.n < n) {
		l->sockets.on[l->sockets.n] = listener_ref(l->gen->on[l->sockets.n]);
		l->sockets.n++;
	}
	return 0;
}

static int socket_of(const struct life *l, const struct listener *on)
{
	int fd = -1;

	for (unsigned f = 0; f < FORMS; f++) {
		const struct seat *s = listener_seat_of(on, f, l);

		if (s && s->listens)
			fd = s->fd;
	}
	return fd;
}

const int *life_sockets_fds(const struct life *l)
{
	static int fds[LIFE_SOCKETS_MAX]; /* single-threaded */

	for (unsigned i = 0; i < l->sockets.n; i++)
		fds[i] = socket_of(l, l->sockets.on[i]);
	return l->sockets.n ? fds : NULL;
}

void life_sockets_drop(struct life *l)
{
	while (l->sockets.n > 0)
		listener_unref(l->sockets.on[--l->sockets.n]);
	free(l->sockets.on);
	l->sockets = (struct sockets){ 0 };
}
