/* SPDX-License-Identifier: MIT */
/* diag.h - what the kernel knows about sockets: sock_diag(7) by libnl.
 *
 * One dump answers for all listeners and all workers. An accepted socket carries
 * the listener's cgroup (traps 8), so a worker's connections are those whose
 * inode is found among the descriptors of its processes.
 *
 * Layer: kernel. -Exxx, never logs, never waits: the kernel answers a dump
 * within the call, and what is not there then is -EAGAIN. */
#ifndef MPSUP_KERNEL_DIAG_H
#define MPSUP_KERNEL_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/base.h"

#define DIAG_CONNECTIONS_MAX (1u << 20) /* what is beyond is not counted */

struct diag_listener {
	uint64_t inode;
	int64_t queue;	 /* connections that wait for an accept(); -1: not known */
	int64_t backlog; /* how many may wait, as the kernel capped it; -1 */
};

struct diag_connection {
	uint64_t inode;
	bool seen;	   /* scratch of diag_count() */
	bool timeless;	   /* unix: owed, doubtful and rest_ms are not known */
	uint32_t waits[2]; /* of such a one: bytes that wait to be read here, memory there */
	/* With DIAG_TRAFFIC: */
	bool queued;	  /* bytes wait to be read by the program, or to be taken by the client */
	bool owed;	  /* the client's were the last */
	bool doubtful;	  /* or may have been */
	uint32_t rest_ms; /* since the last bytes of either side */
};

#define DIAG_TRAFFIC 1u
#define DIAG_DOUBT   6u

struct diag_sockets {
	struct diag_listener *listeners; /* in the order of the descriptors given */
	size_t nlisteners;
	struct diag_connection *connections; /* sorted by inode */
	size_t nconnections, room;
};

/* Look at the listening sockets fds (TCP of both families, unix; others stay
 * "not known") and at all connections that came in by them and are accepted.
 * -ENOENT: the kernel has no inet_diag or unix_diag; -ENOMEM. The caller gives *ret_sockets back with diag_done(). */
MUST_CHECK int diag_gather(const int *fds, size_t nfds, unsigned flags,
			   struct diag_sockets *ret_sockets);
void diag_done(struct diag_sockets *s); /* harmless on a zeroed one */

/* How many of the connections these processes hold; one that several hold counts
 * once. A process that is gone is skipped; -EACCES when none could be looked at.
 * Of each process 65536 descriptors are looked at, about 6 us each. */
MUST_CHECK int64_t diag_count(const struct diag_sockets *s, const pid_t *pids, size_t npids);

/* What can be seen of their unix connections from one look to the next, which the kernel has
 * no times of: which there are, and what waits in them. */
struct diag_picture {
	uint64_t hash, since_ms; /* zero before the first look */
	uint64_t now_ms;	 /* the caller's */
};

/* How many of them are not done: bytes are under way, the client waits for an answer to
 * what it has sent, or they rested for less than idle_ms; DIAG_DOUBT times as long where
 * nobody can tell whether it waits: the kernel's clock is too coarse, or it is a unix socket,
 * which rests since the picture has changed (NULL: since just now). After DIAG_TRAFFIC. */
MUST_CHECK int64_t diag_count_busy(const struct diag_sockets *s, const pid_t *pids, size_t npids,
				   uint64_t idle_ms, struct diag_picture *picture);

#endif
