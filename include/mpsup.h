/* SPDX-License-Identifier: MIT */
/* mpsup.h - libmpsup: what a worker needs to live under mpsup(1).
 *
 * The master gives a worker its listening sockets and a channel to speak on;
 * the words on it are docs/protocol.md. This library finds the channel, reads
 * it safely and writes to it. A worker's life:
 *
 *	struct mpsup *m;
 *	if (mpsup_open(&m) < 0) ...		not started by mpsup
 *	wait until mpsup_fd(m) is readable, then
 *	while (mpsup_next(m, &ev) > 0)
 *		HELLO:   serve on ev.hello->listeners, then mpsup_ready(m)
 *		CONNECTION: serve ev.connection (only where ev.hello->dispatch was set)
 *		DRAIN:   stop accepting, finish what is open, exit 0
 *		CLOSED:  the master is gone: exit
 *
 * All functions return 0 (or what they say) on success and -Exxx on failure;
 * errno is not used. Nothing blocks, nothing raises SIGPIPE, no thread is made,
 * no state is global. One object may be used by one thread at a time.
 * Times are in microseconds, but where a name ends in _ms. Linux only; C99 and C++. */
#ifndef MPSUP_H
#define MPSUP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MPSUP_LISTENERS_MAX 32
#define MPSUP_STATUS_MAX    1000  /* bytes of a status; the rest is cut */
#define MPSUP_MESSAGE_MAX   65000 /* bytes of a message */

struct mpsup;

/* A listening socket, set CLOEXEC. It is shared with the other workers of the
 * pool: accept() may find nothing, so use it non-blocking (accept4(2) after
 * poll(2), expecting EAGAIN) and never shutdown() or reconfigure it. */
struct mpsup_listener {
	int fd;		  /* yours to close; mpsup_close() leaves it open. -1: see dispatch */
	const char *name; /* LISTEN_FDNAMES' word for it, never NULL */
};

/* What the master says once, before a worker may serve. Lives until mpsup_close(). */
struct mpsup_hello {
	const char *pool;
	unsigned slot;		/* 0 to workers - 1 */
	unsigned generation;	/* counts reloads, from 1 */
	unsigned workers;	/* slots of the pool */
	int host_pid;		/* this worker as the host sees it; 0: was not told */
	uint64_t watchdog_usec; /* call mpsup_watchdog() at least this often; 0: off */
	/* 1: the master accepts and deals the connections out (--balance roundrobin and
	 * sticky): the listeners have names and no descriptors, and MPSUP_CONNECTION comes. */
	int dispatch;
	unsigned nlisteners;
	struct mpsup_listener listeners[MPSUP_LISTENERS_MAX];
};

enum mpsup_event_type {
	MPSUP_HELLO = 1, /* hello is set; comes once */
	MPSUP_DRAIN,	 /* timeout_usec is set: be gone by then */
	MPSUP_MESSAGE,	 /* message and message_len are set */
	MPSUP_CLOSED,	 /* the master is gone; comes again at each call */
	MPSUP_CONNECTION /* connection and listener are set */
};

struct mpsup_event {
	enum mpsup_event_type type;
	const struct mpsup_hello *hello;
	uint64_t timeout_usec;
	const char *message; /* JSON text, terminated; until the next call with this object */
	size_t message_len;
	int connection;			       /* accepted, non-blocking, CLOEXEC; yours to close */
	const struct mpsup_listener *listener; /* where it came in; one of hello's */
};

/* Take the channel that MPSUP_FD names: the descriptor becomes the library's
 * (CLOEXEC), the variable leaves the environment, so call it before there are
 * threads. A spare (MPSUP_SPARE=1) reports here that it is parked.
 * *ret is written on success only; free it with mpsup_close().
 * -ENOENT: not started by mpsup. -EINVAL: MPSUP_FD is not a number from 3 on.
 * -EBADF, -ENOTSOCK, -EPROTOTYPE: the number is not a unix SOCK_SEQPACKET socket.
 * -EPIPE: the master is gone. -ENOMEM. */
int mpsup_open(struct mpsup **ret);

/* Close the channel and free the object; NULL is allowed. */
void mpsup_close(struct mpsup *m);

/* For poll(2) and epoll(7); readable: call mpsup_next() until it returns 0.
 * Borrowed: do not read, write or close it. */
int mpsup_fd(const struct mpsup *m);

/* 1: *ret holds an event; 0: nothing to read now.
 * -EPROTO: the master broke the protocol; that datagram is dropped and every
 * descriptor it carried is closed; a worker should give up. Other -Exxx: recvmsg(2).
 * A connection is acknowledged here: from then on it is this worker's, dead or alive. */
int mpsup_next(struct mpsup *m, struct mpsup_event *ret);

/* HELLO if it came, else NULL. */
const struct mpsup_hello *mpsup_hello(const struct mpsup *m);

/* All that follows: -EAGAIN: the master does not read just now, nothing was
 * sent. -EPIPE: the master is gone. */

/* Serving. -ENOTCONN: there was no HELLO yet. */
int mpsup_ready(struct mpsup *m);

/* One line for `mpsup status`, in printf's manner. Cut at MPSUP_STATUS_MAX
 * bytes, line ends become spaces. -EINVAL: the format cannot be printed. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int mpsup_status(struct mpsup *m, const char *format, ...);

/* Still alive; see watchdog_usec. */
int mpsup_watchdog(struct mpsup *m);

/* How long to wait between two mpsup_watchdog(), in milliseconds as poll(2) and
 * epoll_wait(2) take them: half of watchdog_usec, at least 1. -1: no watchdog, or
 * there was no HELLO yet. */
int mpsup_watchdog_interval_ms(const struct mpsup *m);

/* Whether MPSUP_CONNECTION may come: 1 at the beginning. With 0 each connection is sent
 * back by mpsup_next(), and another worker gets it: for one that is full, or leaves. */
void mpsup_take_connections(struct mpsup *m, int yes);

/* Leaving by itself: no error, whatever the exit status says later. */
int mpsup_stopping(struct mpsup *m);

/* While it starts: the wait for READY lasts until usec from now. Later it has no
 * effect: a worker cannot put off its own end. */
int mpsup_extend_timeout(struct mpsup *m, uint64_t usec);

/* Met an error it should not live with: asks to be replaced at once, while it
 * finishes what is open. reason: one line or NULL. -EINVAL: a line end in it;
 * -EMSGSIZE: longer than MPSUP_STATUS_MAX. */
int mpsup_suicide(struct mpsup *m, const char *reason);

/* Send JSON text; it is not looked into here.
 * -EINVAL: empty, or a line end or zero byte in it (JSON needs neither);
 * -EMSGSIZE: longer than MPSUP_MESSAGE_MAX. */
int mpsup_message(struct mpsup *m, const char *json, size_t len);

#ifdef __cplusplus
}
#endif

#endif
