/* SPDX-License-Identifier: MIT */
/* talker.c - a worker on libmpsup that is told by HTTP what to say to its siblings.
 *
 *     POST /SLOT/send        the body is a message; answers what mpsup_message() said
 *     POST /SLOT/flood/N     the body N times, as fast as the channel takes it
 *     GET  /SLOT/left        how many of the flood are left
 *     GET  /SLOT/deaf|hear   stop reading the channel, go on
 *     GET  /SLOT/got         what has come, a line each
 *     POST /SLOT/raw         the body as a datagram, past the library
 *
 * The listener is everybody's: who is asked in another's name answers 409, ask again.
 * On DRAIN it says bye to all, listens for half a second more, and prints what came. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "mpsup.h"

static struct {
	struct mpsup *m;
	int listener;
	unsigned slot;
	bool deaf;
	char *got;
	size_t got_len;
	char *flood;
	size_t flood_len;
	unsigned left;
	long long bye_ms; /* 0: not draining */
} t = { .listener = -1 };

static char request[80 * 1024];

static long long now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void answer(int fd, int status, const char *text, size_t len)
{
	char head[128];
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
			 status, len);

	(void)send(fd, head, (size_t)n, MSG_NOSIGNAL | MSG_MORE);
	(void)send(fd, text, len, MSG_NOSIGNAL);
}

static void answer_number(int fd, long n)
{
	char text[24];

	answer(fd, 200, text, (size_t)snprintf(text, sizeof(text), "%ld", n));
}

static void start_flood(unsigned n, const char *body, size_t len)
{
	free(t.flood);
	t.flood = malloc(len);
	if (t.flood)
		memcpy(t.flood, body, len);
	t.flood_len = len;
	t.left = t.flood ? n : 0;
}

static void go_on_flooding(void)
{
	for (int i = 0; i < 50 && t.left > 0; i++, t.left--)
		if (mpsup_message(t.m, t.flood, t.flood_len) < 0)
			return; /* not now; or never, which its left shows */
}

static void act(int fd, const char *what, const char *body, size_t len)
{
	if (strcmp(what, "send") == 0) {
		answer_number(fd, mpsup_message(t.m, body, len));
	} else if (strncmp(what, "flood/", 6) == 0) {
		start_flood((unsigned)strtoul(what + 6, NULL, 10), body, len);
		answer_number(fd, 0);
	} else if (strcmp(what, "left") == 0) {
		answer_number(fd, t.left);
	} else if (strcmp(what, "got") == 0) {
		answer(fd, 200, t.got ? t.got : "", t.got_len);
	} else if (strcmp(what, "raw") == 0) {
		answer_number(fd, send(mpsup_fd(t.m), body, len, MSG_NOSIGNAL | MSG_DONTWAIT));
	} else if (strcmp(what, "deaf") == 0 || strcmp(what, "hear") == 0) {
		t.deaf = *what == 'd';
		answer_number(fd, t.deaf);
	} else {
		answer(fd, 404, "", 0);
	}
}

/* The whole request, or as much as comes in two seconds. */
static size_t receive(int fd, char **ret_body)
{
	struct timeval patience = { .tv_sec = 2 };
	size_t len = 0, wanted = sizeof(request) - 1;
	char *body = NULL;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (len < wanted) {
		ssize_t n = recv(fd, request + len, sizeof(request) - 1 - len, 0);
		const char *length;

		if (n <= 0)
			break;
		len += (size_t)n;
		request[len] = '\0';
		if (!body && (body = strstr(request, "\r\n\r\n"))) {
			body += 4;
			length = strcasestr(request, "content-length:");
			wanted = (size_t)(body - request) +
				 (length && length < body ? strtoul(length + 15, NULL, 10) : 0);
		}
	}
	*ret_body = body;
	return body ? len - (size_t)(body - request) : 0;
}

static void serve(void)
{
	int fd = accept4(t.listener, NULL, NULL, SOCK_CLOEXEC);
	char what[64], *body;
	unsigned slot;
	size_t len;

	if (fd < 0)
		return; /* another one was quicker */
	len = receive(fd, &body);
	if (!body || sscanf(request, "%*s /%u/%63s", &slot, what) != 2)
		answer(fd, 400, "", 0);
	else if (slot != t.slot)
		answer(fd, 409, "", 0);
	else
		act(fd, what, body, len);
	(void)close(fd);
}

static void keep(const char *text, size_t len)
{
	char *got = realloc(t.got, t.got_len + len + 1);

	if (!got)
		return;
	t.got = got;
	memcpy(got + t.got_len, text, len);
	got[t.got_len + len] = '\n';
	t.got_len += len + 1;
	if (t.bye_ms) {
		(void)printf("%.*s\n", (int)len, text);
		(void)fflush(stdout);
	}
}

static void take(const struct mpsup_event *ev)
{
	static const char bye[] = "{\"to\":\"app\",\"action\":\"bye\"}";

	if (ev->type == MPSUP_HELLO) {
		t.listener = ev->hello->listeners[0].fd;
		t.slot = ev->hello->slot;
		(void)mpsup_ready(t.m);
	} else if (ev->type == MPSUP_MESSAGE) {
		keep(ev->message, ev->message_len);
	} else if (ev->type == MPSUP_DRAIN) {
		t.bye_ms = now_ms() + 500;
		t.listener = -1;
		(void)mpsup_message(t.m, bye, sizeof(bye) - 1);
	} else if (ev->type == MPSUP_CLOSED) {
		exit(0);
	}
}

/* How long to wait at most; says that it lives, when that is asked. */
static int patience_ms(void)
{
	static long long last_ms;
	int ms = mpsup_watchdog_interval_ms(t.m);

	if (ms > 0 && now_ms() - last_ms >= ms) {
		last_ms = now_ms();
		(void)mpsup_watchdog(t.m);
	}
	return t.bye_ms ? 20 : ms;
}

int main(void)
{
	if (mpsup_open(&t.m) < 0)
		return 2;
	for (;;) {
		struct pollfd p[] = {
			{ .fd = mpsup_fd(t.m),
			  .events = (short)((t.deaf ? 0 : POLLIN) | (t.left > 0 ? POLLOUT : 0)) },
			{ .fd = t.listener, .events = POLLIN },
		};
		struct mpsup_event ev;
		int r = 0;

		if (poll(p, 2, patience_ms()) < 0)
			return 1;
		while (!t.deaf && (r = mpsup_next(t.m, &ev)) > 0)
			take(&ev);
		if (r < 0 || (p[0].revents & POLLHUP))
			return 1;
		if (p[1].revents)
			serve();
		go_on_flooding();
		if (t.bye_ms && now_ms() > t.bye_ms)
			return 0;
	}
}
