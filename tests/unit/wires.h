/* SPDX-License-Identifier: MIT */
/* wires.h - a channel with a test at the other end: what the worker's side sends
 * are raw bytes, what was understood is written down in the order of its coming. */
#ifndef MPSUP_TESTS_UNIT_WIRES_H
#define MPSUP_TESTS_UNIT_WIRES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "fds.h"
#include "wire/wire.h"

static struct {
	struct loop loop;
	struct channel ch;
	int worker; /* the other end */
	int fds[3]; /* to hand over */
	struct listen_spec specs[3];
	char heard[65536 + 256]; /* "ready; status(x); " */
	size_t heard_len;
	unsigned messages, pings, asked_owner;
	bool is_stranger; /* the sender */
	char *big;
	int fds_before;
} x;

static inline void hear(const char *what, const char *arg, size_t len)
{
	size_t room = sizeof(x.heard) - x.heard_len;
	int n = snprintf(x.heard + x.heard_len, room, arg ? "%s(%.*s); " : "%s; ", what, (int)len,
			 arg ? arg : "");

	x.heard_len = n >= 0 && (size_t)n < room ? x.heard_len + (size_t)n : 0;
}

static inline void h_parked(struct channel *ch)
{
	(void)ch;
	hear("parked", NULL, 0);
}
static inline void h_ready(struct channel *ch)
{
	(void)ch;
	hear("ready", NULL, 0);
}
static inline void h_status(struct channel *ch, const char *text, size_t len)
{
	(void)ch;
	hear("status", text, len);
}
static inline void h_watchdog(struct channel *ch)
{
	(void)ch;
	x.pings++;
}
static inline void h_watchdog_usec(struct channel *ch, uint64_t usec)
{
	char buf[32];

	(void)ch;
	(void)snprintf(buf, sizeof(buf), "%" PRIu64, usec);
	hear("watchdog_usec", buf, strlen(buf));
}
static inline void h_trigger(struct channel *ch)
{
	(void)ch;
	hear("trigger", NULL, 0);
}
static inline bool h_owns(struct channel *ch, pid_t pid, uid_t uid)
{
	(void)ch;
	x.asked_owner++;
	return pid == getpid() && uid == getuid() && !x.is_stranger;
}
static inline void h_stopping(struct channel *ch)
{
	(void)ch;
	hear("stopping", NULL, 0);
}
static inline void h_extend(struct channel *ch, uint64_t usec)
{
	char buf[32];

	(void)ch;
	(void)snprintf(buf, sizeof(buf), "%" PRIu64, usec);
	hear("extend", buf, strlen(buf));
}
static inline void h_suicide(struct channel *ch, const char *text, size_t len)
{
	(void)ch;
	hear("suicide", text, len);
}
static inline void h_message(struct channel *ch, const json_t *msg, const char *text, size_t len)
{
	(void)ch;
	x.messages++;
	hear(msg ? "message" : "no json", text, len < 64 ? len : 64);
}
static inline int h_socket(struct channel *ch, unsigned listener)
{
	(void)ch;
	return x.fds[listener];
}
static inline int h_listener(struct channel *ch, const struct listen_want *w)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&w->addr;
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&w->addr;
	const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&w->addr;

	(void)ch;
	for (int i = 0; i < 3; i++) {
		const struct sockaddr_in *have = (const void *)&x.specs[i].addr;
		const struct sockaddr_un *path = (const void *)&x.specs[i].addr;

		if (w->addr.ss_family == AF_UNIX || have->sin_family == AF_UNIX) {
			if (have->sin_family == w->addr.ss_family &&
			    strcmp(path->sun_path, un->sun_path) == 0)
				return i;
		} else if (have->sin_port == in->sin_port &&
			   (w->addr.ss_family == AF_INET6 ?
				    IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr) :
				    in->sin_addr.s_addr == have->sin_addr.s_addr ||
					    in->sin_addr.s_addr == 0)) {
			return i;
		}
	}
	hear("unlisted", NULL, 0);
	return -EADDRINUSE;
}
static inline int h_free_port(struct channel *ch, const struct listen_want *w)
{
	int fd = socket(w->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)ch;
	assert_int_equal(((const struct sockaddr_in *)(const void *)&w->addr)->sin_port, 0);
	hear("free port", NULL, 0);
	if (fd >= 0 && bind(fd, (const struct sockaddr *)&w->addr, w->addr_len) < 0)
		fd_close(&fd);
	return fd < 0 ? -EADDRNOTAVAIL : fd;
}
static inline void h_listening(struct channel *ch, unsigned listener)
{
	char buf[16];

	(void)ch;
	(void)snprintf(buf, sizeof(buf), "%u", listener);
	hear("listening", buf, strlen(buf));
}
static inline void h_online(struct channel *ch)
{
	(void)ch;
	hear("online", NULL, 0);
}
static inline void h_hint(struct channel *ch, const char *text)
{
	(void)ch;
	hear("hint", text, strlen(text));
}
static inline void h_error(struct channel *ch, const char *what)
{
	(void)ch;
	hear("broken", what, strlen(what));
}
static inline void h_closed(struct channel *ch)
{
	(void)ch;
	hear("closed", NULL, 0);
}

static inline bool h_answered(struct channel *ch, uint64_t number, bool taken)
{
	char buf[32];

	(void)ch;
	(void)snprintf(buf, sizeof(buf), "%" PRIu64, number);
	hear(taken ? "took" : "refused", buf, strlen(buf));
	return number < 1000000; /* it was given those */
}
static inline void h_takes(struct channel *ch)
{
	(void)ch;
	hear("takes", NULL, 0);
}

static const struct wire_up ears = {
	.parked = h_parked,
	.ready = h_ready,
	.status = h_status,
	.watchdog = h_watchdog,
	.watchdog_usec = h_watchdog_usec,
	.trigger = h_trigger,
	.owns = h_owns,
	.stopping = h_stopping,
	.extend = h_extend,
	.suicide = h_suicide,
	.message = h_message,
	.listener = h_listener,
	.free_port = h_free_port,
	.socket = h_socket,
	.listening = h_listening,
	.online = h_online,
	.hint = h_hint,
	.protocol_error = h_error,
	.closed = h_closed,
	.answered = h_answered,
	.takes = h_takes,
};

/* One that has no channel of its own has the socket of NOTIFY_SOCKET. */
static inline int wire_setup(const struct wire *wire)
{
	int sv[2], type = wire->sock_type ? wire->sock_type : SOCK_DGRAM;

	memset(&x, 0, sizeof(x));
	x.fds_before = count_fds();
	x.worker = x.fds[0] = x.fds[1] = x.fds[2] = -1;
	x.ch = CHANNEL_NONE;
	if (loop_init(&x.loop) < 0 || socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, sv) < 0 ||
	    (wire->notifies &&
	     setsockopt(sv[0], SOL_SOCKET, SO_PASSCRED, &(int){ 1 }, sizeof(int)) < 0))
		return -1;
	x.worker = sv[1];
	if (channel_open(&x.ch, &x.loop, wire, &ears, sv[0]) < 0)
		return -1;
	for (unsigned i = 0; i < 3; i++) {
		struct sockaddr_in *in = (struct sockaddr_in *)(void *)&x.specs[i].addr;

		x.fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)(3000 + i));
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		x.specs[i].name = i == 0 ? "http" : i == 1 ? "http2" : "admin";
	}
	return 0;
}

static inline int wire_teardown(void **state)
{
	bool timers;

	(void)state;
	channel_close(&x.ch);
	channel_close(&x.ch); /* twice is harmless */
	timers = list_empty(&x.loop.timers);
	loop_done(&x.loop);
	fd_close(&x.worker);
	for (unsigned i = 0; i < 3; i++)
		fd_close(&x.fds[i]);
	free(x.big);
	return timers && count_fds() == x.fds_before ? 0 : -1;
}

/* Until nothing more comes at once. */
static inline void listen_to_it(void)
{
	for (int n = 0; n < 10000 && loop_once(&x.loop, 0) > 0; n++)
		;
}

static inline void send_bytes(const void *bytes, size_t len)
{
	assert_int_equal(send(x.worker, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT), (ssize_t)len);
}

/* Send one text, listen, and compare what was understood. */
static inline void say_and_hear(const char *text, const char *heard)
{
	x.heard_len = 0;
	x.heard[0] = '\0';
	send_bytes(text, strlen(text));
	listen_to_it();
	assert_string_equal(x.heard, heard);
}

static inline void hears_only(const char *heard)
{
	x.heard_len = 0;
	x.heard[0] = '\0';
	listen_to_it();
	assert_string_equal(x.heard, heard);
}

/* One message with n descriptors. */
static inline void send_fds(const void *bytes, size_t len, unsigned n)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(253 * sizeof(int))];
	} ctl = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = ctl.buf,
			    .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (unsigned i = 0; i < n; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &x.fds[0], sizeof(int));
	assert_int_equal(sendmsg(x.worker, &h, MSG_NOSIGNAL), (ssize_t)len);
}

/* What the worker reads: text, and how many descriptors came along (closed). */
static inline unsigned read_text(char *buf, size_t size)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(32 * sizeof(int))];
	} ctl;
	struct iovec iov = { .iov_base = buf, .iov_len = size - 1 };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = ctl.buf,
			    .msg_controllen = sizeof(ctl.buf) };
	ssize_t n = recvmsg(x.worker, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	unsigned nfds = 0;

	buf[n > 0 ? n : 0] = '\0';
	if (n < 0)
		return 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		nfds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (unsigned i = 0; i < nfds; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			fd_close(&fd);
		}
	}
	return nfds;
}

static inline struct wire_hello hello(unsigned nfds)
{
	return (struct wire_hello){ .pool = "web",
				    .slot = 3,
				    .generation = 7,
				    .workers = 4,
				    .pid = 4711,
				    .fds = x.fds,
				    .specs = x.specs,
				    .nfds = nfds };
}

#endif
