/* SPDX-License-Identifier: MIT */
/* wire.h - how a worker gets its socket and talks: the vtable of the protocols,
 * and the channel that one life speaks on.
 *
 * Layer: wire. Everything that comes in is hostile: the identity of a worker is
 * the descriptor it speaks on, never what it says. What was understood goes up
 * through struct wire_up; the functions return -Exxx and never log. */
#ifndef MPSUP_WIRE_WIRE_H
#define MPSUP_WIRE_WIRE_H

#include <jansson.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"
#include "base/err.h"
#include "base/list.h"
#include "config/config.h"
#include "kernel/loop.h"

struct channel;

/* An address that a program asks for. */
struct listen_want {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	bool v6only;
	bool narrow_is_fine; /* all addresses: takes what listens on the port, whatever its family */
};

/* Callbacks; called from inside the loop. After protocol_error() or closed()
 * the channel reads no more. */
struct wire_up {
	void (*parked)(struct channel *ch);
	void (*ready)(struct channel *ch);
	void (*status)(struct channel *ch, const char *text, size_t len);
	void (*watchdog)(struct channel *ch);
	void (*watchdog_usec)(struct channel *ch, uint64_t usec);
	void (*trigger)(struct channel *ch); /* it says that it hangs */
	/* Is a sender on the channel one of the worker's own processes? */
	bool (*owns)(struct channel *ch, pid_t pid, uid_t uid);
	void (*stopping)(struct channel *ch);
	void (*extend)(struct channel *ch, uint64_t usec);
	void (*suicide)(struct channel *ch, const char *text, size_t len);
	/* msg: the text as JSON, NULL if it is none; both borrowed */
	void (*message)(struct channel *ch, const json_t *msg, const char *text, size_t len);
	/* The number of the listener that it gets, or -errno when it gets none. */
	int (*listener)(struct channel *ch, const struct listen_want *w);
	/* It asked for any free port: a socket of this worker's own. Its descriptor, which
	 * is the caller's, or -errno. */
	int (*free_port)(struct channel *ch, const struct listen_want *w);
	/* The socket of this number, borrowed; -1: it does not listen. */
	int (*socket)(struct channel *ch, unsigned listener);
	void (*listening)(struct channel *ch, unsigned listener); /* on one that it was given */
	void (*online)(struct channel *ch); /* the program's runtime is up: Node's alone tells */
	void (*hint)(struct channel *ch, const char *text); /* worth a line, once a life */
	void (*protocol_error)(struct channel *ch, const char *what);
	void (*closed)(struct channel *ch);
	void (*room)(struct channel *ch); /* some of what waited is out; NULL: not asked */
	/* It has taken the connection of that number, or will not. Any number may come:
	 * false, it has none such. */
	bool (*answered)(struct channel *ch, uint64_t number, bool taken);
	/* What wire->takes() says has changed. */
	void (*takes)(struct channel *ch);
};

struct wire_hello { /* borrowed for the call */
	const char *pool;
	unsigned slot, generation, workers;
	int pid;		/* the worker's number on the host */
	bool promoted;		/* a spare: it learns its slot here */
	uint64_t watchdog_usec; /* 0: off */
	bool dispatch;		/* the listeners stay the master's: connections follow */
	const int *fds;		/* listeners, for hand_over() alone */
	const struct listen_spec *specs;
	unsigned nfds;
};

struct wire {
	const char *name;
	int sock_type; /* of the channel's socketpair: SOCK_SEQPACKET, SOCK_STREAM; 0: none */
	const char *env_name;	  /* variable that names the channel's descriptor */
	unsigned hand_over_ms;	  /* a promoted spare must be ready within this */
	bool notifies;		  /* the channel is a socket that the child makes: NOTIFY_SOCKET */
	bool wants_id;		  /* NODE_UNIQUE_ID, never used twice, in the environment */
	bool closes_when_drained; /* asked to leave, it closes its channel after its servers */
	bool drains_by_preload;	  /* the word is the preload's: without it there is none */
	bool parks_by_itself;	  /* false: counts as parked when exec was seen */
	/* Give the sockets. 0, or -errno (-EAGAIN: the worker does not read). */
	int (*hand_over)(struct channel *ch, const struct wire_hello *h);
	/* Ask to leave: stop accepting, finish, end. NULL: there is no word for it, and it is
	 * watched until it serves nobody. */
	int (*drain)(struct channel *ch, uint64_t timeout_ms);
	/* Ask whether it lives; its answer goes up as watchdog(). 0, -EBUSY: the last
	 * question is open, or other -errno. NULL: it says so by itself, or cannot. */
	int (*ask)(struct channel *ch);
	/* One read's worth of input. 1: more may be there, 0: nothing, <0: over. Each word
	 * is counted, and between two lines it asks whether to go on (channel_listens()). */
	int (*on_input)(struct channel *ch);
	/* Give it a connection that was accepted on that listener; up->answered() follows.
	 * The descriptor stays the caller's. One at a time. 0, -EAGAIN: it does not read just
	 * now, other -errno: nothing is sent. */
	int (*give)(struct channel *ch, unsigned listener, uint64_t number, int fd);
	bool (*takes)(const struct channel *ch, unsigned listener); /* connections of it */
	/* A script that its runtime loads before the program, named by this option of that
	 * variable. The text is static; NULL: not into this program, with those options (what
	 * the variable is, or NULL). A preload of NULL: none. */
	const char *(*preload)(const char *const *argv, const char *options);
	const char *preload_env, *preload_option;
	/* A message to it is this, the JSON text, and that. NULL: it cannot be told any. */
	const char *message_before, *message_after;
};

extern const struct wire wire_native, wire_node_ipc, wire_node_cluster, wire_bind, wire_systemd,
	wire_auto;

/* NULL: this protocol is not built. */
const struct wire *wire_find(enum protocol p);

#define CHANNEL_LINE_MAX 65536 /* bytes of one message */
#define CHANNEL_RATE	 500   /* words a second before it is paused */
#define CHANNEL_MESSAGES 100   /* of them messages */

/* Bytes of hand-overs and other words of ours that wait for a worker that does not read:
 * more than any needs. Messages are counted apart (super/bus.c bounds them): they cannot
 * take a word's place. */
#define CHANNEL_OUT_WORDS 65536

/* Bytes that several channels may wait to send. */
struct packet {
	unsigned refs;
	size_t len;
	char bytes[];
};

#define NODE_QUERIES	64 /* listen() calls of one program that are open at once */
#define NODE_FREE_PORTS 16 /* the last ones are known by number */

struct channel {
	int fd; /* the master's end, owned; -1: closed */
	const struct wire *wire;
	const struct wire_up *up;
	struct loop *loop;
	struct source source;
	struct timer pause; /* a flooding worker is not listened to until then */
	uint64_t window_ms; /* start of the current second */
	unsigned in_window, messages_in_window;
	size_t turn_bytes; /* of messages, since the others had their turn */
	bool was_deaf;	   /* since somebody asked: channel_was_deaf() */
	bool held;	   /* by us: not listened to until it is let go */
	bool hung;	   /* nothing more comes than what is there: read to the end */
	uint32_t watched;  /* what epoll was told */
	struct channel_out {
		struct list queue;
		size_t words, messages; /* bytes that wait */
		uint64_t taken;		/* messages that are out as a whole */
	} out;
	char *buf; /* stream wires: half a line; owned */
	size_t buf_len, buf_size;
	/* node-ipc: handles go one at a time, each acknowledged */
	struct wire_hello hello;
	unsigned next_fd;
	bool waiting_ack;
	bool asked; /* whether it lives: no handle may go before its answer */
	/* node-cluster: what the program's listen() calls wait for */
	bool handed;
	struct node_query {
		uint64_t seq;
		int error; /* negative errno, 0: gets the listener */
		uint8_t listener;
		bool v6;
		bool free_port;	      /* no listener: a socket of its own, at this address */
		struct in6_addr addr; /* IPv4 in its first bytes */
	} * queries;		      /* NODE_QUERIES; NULL while there are none */
	unsigned nqueries;
	uint64_t open[2]; /* bits: listeners that it has open, [1] those for IPv6 */
	uint64_t told[2]; /* of them: those that it was told to get connections for */
	uint64_t giving;  /* the connection whose handle it has not acknowledged; 0: none */
	uint16_t free_ports[NODE_FREE_PORTS];
	unsigned nfree_ports; /* ever given */
};
#define CHANNEL_NONE ((struct channel){ .fd = -1, .source = SOURCE_NONE })

/* Takes over fd. */
MUST_CHECK int channel_open(struct channel *ch, struct loop *loop, const struct wire *wire,
			    const struct wire_up *up, int fd);
void channel_close(struct channel *ch); /* harmless when closed */

/* Both never block and never tear a line: what the worker does not take now waits, and
 * goes in the order of the calls. Descriptors are copied when they wait. 0; -EAGAIN: it
 * has not read for CHANNEL_OUT_WORDS; -EPIPE, -ENOMEM, other -errno: nothing is sent. */
MUST_CHECK int channel_say(struct channel *ch, const void *bytes, size_t len, const int *fds,
			   unsigned nfds);
MUST_CHECK int channel_post(struct channel *ch, struct packet *p); /* takes a reference */
/* Send what waits and fits; up->room() tells that some did. The loop calls it too. */
void channel_flush(struct channel *ch);

/* NULL: no memory. One reference is the caller's. */
struct packet *packet_new(const char *before, const char *text, size_t len, const char *after);
void packet_unref(struct packet *p); /* NULL is allowed */

/* ---- of an upgrade ---- */

struct channel_word {
	const char *bytes; /* borrowed: what of it is not sent yet */
	size_t len;
	bool is_message;
	const int *fds; /* borrowed: those that go with its first byte */
	unsigned nfds;
};
/* The i-th of those that wait to be sent; false: there are no more. */
bool channel_waiting(const struct channel *ch, unsigned i, struct channel_word *ret);
/* The same in a new channel. What does not fit any more is lost, as its reader would be. */
void channel_say_again(struct channel *ch, const struct channel_word *w);
/* Half a line that was read; whole ones in it are heard from the loop. -ENOMEM. */
MUST_CHECK int channel_read_again(struct channel *ch, const void *half, size_t len);

/* Do not listen to it, or again. What it says meanwhile waits in its socket, and so does
 * the worker; only one that has gone cannot be held: see hung. */
void channel_hold(struct channel *ch, bool hold);
/* Not listened to just now, whyever: its silence says nothing. */
bool channel_is_deaf(const struct channel *ch);
/* The same, now or since the last call: what was to be said may have found no room. */
bool channel_was_deaf(struct channel *ch);

/* The worker is dead: hear what it has said up to its end. */
void channel_finish(struct channel *ch);

/* For the wires: a word was understood; a message was, and goes up. */
void channel_word(struct channel *ch);
void channel_message(struct channel *ch, const json_t *msg, const char *text, size_t len);
/* The word was an answer to ours, which are bounded: it is not counted. */
void channel_answer(struct channel *ch);
/* May the next line be looked at? false: it must wait, the loop comes back. */
bool channel_listens(struct channel *ch);

/* Between channel.c and channel_out.c. */
void channel_watch(struct channel *ch); /* for what there is to wait for now */
void channel_out_clear(struct channel *ch);

/* For the wires: the worker broke the protocol, or is gone. Return -EPROTO / -EPIPE. */
int channel_broken(struct channel *ch, const char *what);
int channel_eof(struct channel *ch);

#endif
