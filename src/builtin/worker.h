/* SPDX-License-Identifier: MIT */
/* worker.h - the built-in worker: a small HTTP server written against libmpsup,
 * as any user's program would be. One process, one epoll loop, no threads.
 *
 * main.c has the loop and the master's words, http.c the daemon and its
 * connections, pages.c what is answered. */
#ifndef MPSUP_BUILTIN_WORKER_H
#define MPSUP_BUILTIN_WORKER_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "mpsup.h"

#define NEVER UINT64_MAX /* of a time in ms of CLOCK_MONOTONIC */

/* An accepted connection; lives as libmicrohttpd's socket context. */
struct conn {
	struct conn *prev, *next;
	struct MHD_Connection *mhd;
	int fd;	       /* libmicrohttpd's */
	bool busy;     /* a request is being answered */
	bool answered; /* had at least one answer */
	bool quiet;    /* was found idle at the last look */
	bool hung_up;  /* was told to go */
	uint64_t accepted_ms;
};

/* A request under way; lives from its headers to its completion. */
struct request {
	struct request *next; /* in worker.slow */
	struct MHD_Connection *mhd;
	struct conn *conn;
	uint64_t due_ms; /* of /slow: when to go on; 0: not asked */
};

struct worker {
	struct mpsup *sup;
	const struct mpsup_hello *hello; /* NULL: not told yet */
	int epoll_fd, signal_fd;
	pid_t pid, parent; /* they do not change: we end with init */
	struct MHD_Daemon *http;
	struct conn *conns;
	struct request *slow;
	unsigned nconns, max_conns;
	bool demo;	/* may be made to crash */
	bool accepting; /* the listeners are in epoll_fd */
	bool draining;
	bool done;
	unsigned signals;	  /* how often it was asked to end by signal */
	uint64_t accept_again_ms; /* full: not before this, or the end of a connection */
	uint64_t look_ms;	  /* draining: when to look for idle connections */
	uint64_t deadline_ms;	  /* draining: gone by then */
	uint64_t watchdog_ms;	  /* when to say that it lives */
};

static inline uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static inline uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* 0 or -Exxx. */
int http_start(struct worker *w);

/* The daemon's own epoll descriptor; readable: call http_run(). */
int http_fd(const struct worker *w);
void http_run(struct worker *w);

/* Take one connection from a listener. 0, also when there was none; -EMFILE and
 * the like: no use to try again at once. */
int http_accept(struct worker *w, int listener);

/* Serve one that the master has accepted. Takes over fd. */
void http_take(struct worker *w, int fd);

/* Go on with every /slow whose time has come. Returns when the next is due. */
uint64_t http_wake_slow(struct worker *w, uint64_t now);

/* Draining: let idle connections go. Returns when to look again. */
uint64_t http_hang_up_idle(struct worker *w, uint64_t now);

/* Milliseconds that libmicrohttpd wants to be called in, from now. */
uint64_t http_due(struct worker *w, uint64_t now);

/* Answer, or put off: then http_wake_slow() brings the request here again. */
enum MHD_Result pages_answer(struct worker *w, struct request *req, const char *path,
			     const char *method);

#endif
