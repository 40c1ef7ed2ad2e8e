/* SPDX-License-Identifier: MIT */
/* super.h - the structs of the supervisor: master, pool, slot, life.
 *
 * A slot is a place in the pool. A life is one process from clone to an empty
 * leaf: it is on the heap, never moves, and every event carries it, so that an
 * old one cannot touch a slot that has a newer (traps 31). Promotion of a spare
 * moves a pointer.
 *
 * Layer: super: here decisions are made and lines are logged. */
#ifndef MPSUP_SUPER_SUPER_H
#define MPSUP_SUPER_SUPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/initproto.h"
#include "base/list.h"
#include "cage/cage.h"
#include "cage/leaf_limits.h"
#include "config/config.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_stat.h"
#include "kernel/cpuset.h"
#include "kernel/diag.h"
#include "kernel/inherited.h"
#include "kernel/loop.h"
#include "kernel/pidfd.h"
#include "kernel/topology.h"
#include "super/backoff.h"
#include "super/fsm.h"
#include "super/logring.h"
#include "super/usage.h"
#include "wire/bind.h"
#include "wire/einhorn.h"
#include "wire/wire.h"

struct master;
struct pool;
struct slot;
struct life;
struct filter;

/* Why a worker ended: the contract's words. */
/* clang-format off */
enum reason {
	REASON_NONE, REASON_EXIT, REASON_SIGNAL, REASON_OOM, REASON_OOM_POOL, REASON_OOM_HOST,
	REASON_SECCOMP, REASON_WATCHDOG, REASON_READY_TIMEOUT, REASON_START, REASON_STOP,
	REASON_STOP_TIMEOUT, REASON_DRAIN_TIMEOUT, REASON_RELOAD, REASON_RESTART, REASON_SCALE,
	REASON_SUICIDE, REASON_MAX_AGE, REASON_RECYCLE_MEMORY, REASON_PROTOCOL,
	REASONS
};
/* clang-format on */
const char *reason_name(enum reason r);

#define CHILD_STEP_NONE	  999u /* failed before the clone: not a step of the child */
#define EXIT_HOST_CANNOT  69   /* exit status: this host or these rights cannot give it */
#define EXIT_ALL_FAILED	  70
#define EXIT_ASKED_WRONG  2
#define STATUS_TEXT_BYTES 201

/* The death certificate. */
struct death {
	uint64_t life;
	unsigned generation;
	int64_t time_ms; /* CLOCK_REALTIME */
	pid_t pid;	 /* on the host; 0: never got that far */
	enum reason reason;
	int code; /* exit status, -1: by signal or unknown */
	int sig;  /* 0: none */
	bool core_dumped;
	bool ready;	   /* was ever ready */
	bool host_refuses; /* the failed step is a part of the cage, not the command */
	const char *step;  /* of the birth that failed, or NULL */
	int error;	   /* errno of that step */
	uint64_t uptime_ms, cpu_ms, memory_peak_bytes; /* UINT64_MAX: unknown */
	uint64_t pids_refused, throttled_usec;	       /* the same */
	char status_text[STATUS_TEXT_BYTES];
	char detail[160]; /* "64 KiB line" of protocol, "memory.max 64M" of oom; "" */
	char hint[256];
};

/* One fact for `events`; names as in the contract. Borrowed for the call. */
struct event {
	const char *name;
	const struct pool *pool;   /* NULL: the master */
	const struct life *life;   /* or NULL */
	int slot;		   /* -1: none */
	const struct death *death; /* worker.exit, worker.boot_failure */
	/* worker.respawn: */
	uint64_t delay_ms;
	unsigned count, limit;
	bool from_spare;
	const char *text; /* a sentence, a message */
	/* control: */
	const char *verb, *target, *result;
	uid_t uid;
	pid_t pid;
};

/* What super may do to the world. The real one is in spawn.c and life.c; tests
 * put a fake here and live through a week in a microsecond. */
struct world {
	uint64_t (*now_ms)(void);
	int (*birth)(struct life *l, struct err *e);
	int (*hand_over)(struct life *l);
	int (*drain)(struct life *l, uint64_t timeout_ms);
	/* Watch its connections until they are done: life_observed(); or, before a word, its
	 * queue until it is empty: life_emptied(). 1: in a stop, and there is nothing to wait
	 * for; it is not watched. -EOPNOTSUPP: new ones would still come. */
	int (*observe)(struct life *l, bool word);
	/* Nobody can connect to it any more; who waits in a queue can be accepted. -errno:
	 * at least one of its sockets cannot do so. Until unlisten(). */
	int (*refuse)(struct pool *p);
	/* Connections of which something is owed or under way just now; -1: not known. */
	int64_t (*busy)(struct life *l);
	/* Does it live? 0: asked; -EBUSY: it has not answered the last question; -EAGAIN:
	 * it is not listened to now; -EOPNOTSUPP: it says so by itself; -EPIPE. */
	int (*ask)(struct life *l);
	void (*signal)(struct life *l, int sig);
	void (*kill)(struct life *l);	 /* the whole leaf */
	void (*release)(struct life *l); /* after the certificate: see it gone, bury it */
	/* Its generation anew, of what is on the disk now. -errno with a sentence: as before. */
	int (*renew)(struct pool *p, struct err *e);
	/* One whose world was broken: look at it again. */
	int (*open)(struct pool *p, struct err *e);
	int (*listen)(struct pool *p, struct err *e);  /* open its sockets again */
	void (*unlisten)(struct pool *p);	       /* it has stopped: close them */
	int (*post)(struct life *l, struct packet *p); /* a message to it; as channel_post() */
	/* Bytes of messages that it has not read yet, and how many it has. */
	size_t (*waiting)(const struct life *l, uint64_t *ret_taken);
	void (*flush)(struct life *l); /* send what it takes now: bus_room() */
	/* As in struct wire; -EAGAIN also when other words of ours still wait for it. */
	int (*give)(struct life *l, unsigned listener, uint64_t number, int fd);
	bool (*takes)(const struct life *l, unsigned listener);
};

/* One socket of a listener: of all workers, or of one slot. */
struct seat {
	struct listener *listener;
	enum listener_form { FORM_CONFIGURED, FORM_V4, FORM_V6ONLY, FORMS } form;
	int fd; /* -1: not opened */
	bool listens;
	bool accepts;	/* the master takes its connections, now */
	bool silent;	/* listened until its pool failed, and will with its next worker */
	bool out;	/* a worker shut it down: not in the kernel's group just now */
	bool lent;	/* a .socket unit's, which listens on when we do not */
	bool aside;	/* the path of its listener leads to another */
	unsigned era;	/* of a path: whose it is, see eras.c */
	unsigned rank;	/* its number in the kernel's group */
	uint64_t inode; /* names the socket, whoever holds it */
	struct source src;
	struct timer again; /* shut down too often: looked at again then */
	uint64_t window_ms;
	unsigned in_window;
};

struct listener { /* one address */
	struct grave grave;
	unsigned refs; /* the pool's, generations', lives' */
	struct pool *pool;
	unsigned index;		  /* among the pool's */
	struct listen_spec spec;  /* its strings are those of conf, or ours: see owned */
	struct pool_config *conf; /* a reference: whose it is; NULL: a program asked for it */
	unsigned at;		  /* in conf->listens */
	char *owned;		  /* spec.shown of one that a program asked for */
	unsigned nseats;	  /* of each form: 1, the pool's places, SOCKFILES_MAX of a path */
	struct seat *seats[FORMS];
	unsigned nlistening[FORMS];
	unsigned nmembers[FORMS];   /* of them in the kernel's group */
	const struct seat *closing; /* gets no new connection any more */
	unsigned users[FORMS];	    /* lives that took it by bind(2) */
	unsigned revived;	    /* times a worker shut it down */
	uint64_t said_ms;
	bool at_once; /* workers find it at their birth, whether it has listened or not */
	bool refuses; /* in the kernel: it is not the present generation's, and nobody serves it */
	bool stale;   /* it goes when it is no generation's; not one that its programs ask for */
	bool no_v6;   /* dual_stack was asked for, and this host has IPv4 alone */
	bool apart;   /* a path that has, or has just had, several sockets */
	bool said_shared;
};

#define LEAF_NAME_BYTES 112
#define UNLISTED_MAX	8 /* addresses that programs of a pool asked for */

/* A replacement, as worker.respawn tells it. */
struct respawn {
	uint64_t delay_ms;
	unsigned count; /* restarts in the window, with this one; 0: none was made */
	bool spare;
};

#define DEATHS_KEPT 8

struct slot {
	struct pool *pool;
	unsigned index;
	enum slot_state state; /* written by fsm.c only */
	bool halted;	       /* by a person: nothing is born before it is started */
	bool renew;	       /* by a person: however its worker ends, a new one follows */
	bool surplus;	       /* scaled away: once it is empty it goes */
	bool vacant;	       /* nobody serves it soon: its sockets are closed, or anybody's */
	struct life *current;
	struct list beside; /* lives that were replaced and are not gone, and a twin */
	struct life *twin;  /* boots, to take the place of the current one; or NULL */
	enum reason twin_why;
	unsigned place; /* of its sockets: the current life's */
	cpu_set_t cpus;
	struct restarts restarts;
	unsigned boot_failures; /* in a row */
	unsigned total_restarts;
	struct timer timer;		   /* backoff, or the next try of a failed slot */
	struct death *deaths[DEATHS_KEPT]; /* newest first, owned */
	struct logring log;
};

struct life {
	struct grave grave;
	struct list node; /* in slot->beside or pool->spares */
	struct master *master;
	struct pool *pool;
	struct slot *slot;	      /* NULL: a spare */
	struct generation *gen;	      /* a reference: what it was born with */
	struct sockets {	      /* life_sockets.h */
		struct listener **on; /* a reference each */
		unsigned n;
	} sockets;
	unsigned place; /* its sockets' */
	unsigned era;	/* those of its unix sockets: eras.c */
	uint64_t number;
	unsigned generation;
	enum life_state state; /* written by fsm.c only */
	bool hinted;	       /* said what may be wrong */
	bool was_ready, suicide, exec_seen, from_spare;
	bool in_birth; /* one of pool->in_birth */
	struct {
		struct list node; /* in master->births.under_way */
		bool counts;
		uint64_t looked_ms, cpu_usec;
	} birth;
	bool has_sockets;	    /* found them at its birth: LISTEN_FDS */
	bool notify_is_sealed;	    /* only its own processes can reach its NOTIFY_SOCKET */
	unsigned strangers;	    /* datagrams of others there */
	bool pin_late;		    /* dealt other CPUs while it was born: pinned after exec */
	bool replaced;		    /* its slot has (or will have) another: no respawn */
	bool lost;		    /* dead, and how is not known yet */
	struct respawn heir;	    /* made while lost, told after the certificate */
	enum reason asked;	    /* why we ended it; REASON_NONE: we did not */
	uint64_t born_ms, ready_ms; /* CLOCK_BOOTTIME */
	pid_t pid, inner_pid;
	cpu_set_t cpus;
	char *status_text, *detail; /* owned; NULL: none */
	struct timer deadline, watchdog;
	uint64_t total_oom;	  /* what its pool's folder had counted at its birth */
	uint64_t watchdog_ms;	  /* --watchdog, or its own WATCHDOG_USEC */
	uint64_t silent_since_ms; /* its last sign of life, or the question that is open */
	struct timer quiet;	  /* a Node program is up: has it listened by then? */
	bool online, wants_socket;
	bool drained;	      /* it leaves, and serves nobody any more */
	uint64_t extended_ms; /* EXTEND_TIMEOUT_USEC moved the deadline up to here */

	struct binding {	       /* what it took by bind(2) */
		uint64_t taken[FORMS]; /* bits: its numbers for listeners */
		uint64_t kept[FORMS];  /* it serves from those that it found at its birth */
		uint64_t listening;    /* those that it listens on */
		struct timer settle;   /* more listen() may follow */
	} binding;

	struct bus_end {		    /* what bus.c knows of it */
		struct list waiters, waits; /* senders held for it; among whose waiters it is */
		struct timer look;	    /* while somebody waits for it */
		int64_t credit_ms;	    /* how long it may still hold others back */
		uint64_t taken;		    /* messages that it had read at the last look */
		bool deaf, knows_pool_ready;
		bool said_fast, said_deaf, said_again, said_undelivered;
		uint64_t sent, received, undelivered, dropped; /* dropped: those to it */
	} bus;

	struct dispatch_end {	   /* what dispatch.c knows of it */
		struct list queue; /* connections that are dealt to it and not sent */
		unsigned nqueued;
		struct conn *sent; /* not answered yet */
		struct timer late; /* for its answer, or until the next try */
		bool stalled;	   /* gets none before it has answered */
		bool said_late, said_strange;
		uint64_t taken, refused, strange; /* strange: answers to nothing */
	} dispatch;

	struct {
		struct timer look;
		uint64_t exec_ms, step_ms;
	} readiness;

	struct {
		struct timer timer;
		enum reason why; /* it is to be replaced */
	} recycle;

	struct { /* while it drains and is only watched */
		struct timer look;
		uint64_t began_ms, step_ms;
		unsigned quiet; /* looks in a row that found nothing */
		bool word;	/* then its protocol's word follows */
		struct diag_picture picture;
	} observe;

	struct acks {
		int listen_fd, fd; /* EINHORN_SOCK_PATH; whom it listens to, -1: nobody */
		struct source source;
		struct timer timer;
		char *line; /* while it listens to somebody */
		size_t len;
	} acks;

	/* the world's half */
	struct binder binder;
	struct pidfd init;
	int worker_fd, leaf_fd, events_fd, report_fd, lifeline_fd;
	char *leaf_name; /* below the instance's folder: "web.7", "web.total/web.7"; owned, or NULL */
	struct source init_src, worker_src, events_src, report_src, lifeline_src;
	struct channel channel;
	struct output {
		int fd;
		struct source src;
		char *line; /* an unfinished line */
		size_t len;
		bool is_err;
	} out, err;
	char *held; /* stderr of a boot that may only repeat the last */
	size_t held_len;
	bool holding;
	struct cgroup_stat stat; /* of the leaf, when the end was known */
	struct usage_part used;	 /* as far as it was read */
	int pids_fd;		 /* pids.events, from readiness on */
	struct source pids_src;
	uint64_t pids_said, high_said, limit_said_ms; /* worker.limit: counts, when */
	struct timer facts;			      /* the certificate does not wait for ever */
	struct init_report exit;
	bool have_exit, worker_gone, init_gone, certified, leaf_gone;
	unsigned failed_step;
	int failed_error; /* 0: no step failed */
};

enum pool_state {
	POOL_STARTING,
	POOL_READY,
	POOL_DEGRADED,
	POOL_RELOADING,
	POOL_DRAINING,
	POOL_FAILED,
	POOL_STOPPED,
};
const char *pool_state_name(enum pool_state s);

/* What the births of a pool need, made once from its configuration (prepare.c); a
 * reload makes a new one. The pool and each life hold a reference. */
struct generation {
	unsigned refs;
	unsigned number;
	struct pool_config *conf;      /* a reference: the cage borrows from it */
	struct pool_config *plan_conf; /* the same of leaf_plan; NULL: conf */
	struct pool_config *left_conf; /* the pool's when another took over: changed live; NULL */
	struct pool_config *file_conf; /* the text that it is of, if the pool's may differ; NULL */
	struct cage cage;
	struct leaf_plan leaf_plan; /* limits of each worker */
	const struct wire *wire;
	struct filter *filter; /* a reference; NULL: none */
	const char *policy_name;
	struct listener **on; /* of conf->listens, a reference each; NULL: its pool is closed */
	char *listen_names;   /* LISTEN_FDNAMES=..., the configuration's */
	char *starter_ports;  /* SERVER_STARTER_PORT=..., or NULL */
};

struct pool {
	struct master *master;
	struct pool_config *conf;      /* a reference; gen's, once there is one */
	struct generation *gen;	       /* NULL: its world is broken, and it has no slots */
	struct pool_config *file_conf; /* a reference; as the file has it, without overrides */
	struct overrides {	       /* what `set` and `scale` changed */
		struct arena arena;
		struct givens given;
	} overrides;
	enum pool_state phase;		 /* shown as "state" */
	char reason[512];		 /* why degraded or failed, "" */
	unsigned generation;		 /* the number of the last one */
	struct generation *rolled_from;	 /* while another takes over: the one before */
	struct roll {			 /* the one that is under way, or the last */
		struct generation *next; /* asked for meanwhile: the last one that was */
		bool back;		 /* on its way back to what was */
		bool proved;		 /* a worker of the new generation was ready */
		bool said_waits;	 /* that too many still drain */
		bool failed;		 /* verdict: the one before serves again */
		uint64_t over_ms;	 /* the last one has taken over; 0: not yet */
		unsigned generation;	 /* the new one's number */
		unsigned replaced, cut;	 /* workers; connections that were not finished */
		char *reason;		 /* why it failed, owned; NULL */
		char *words;		 /* the last lines of stderr of who failed, owned; NULL */
	} roll;
	struct timer roll_timer;     /* it has taken over, and the old ones leave still */
	bool retiring;		     /* not in the file any more: it drains and goes */
	struct pool_config *pending; /* it stops, and starts again with this */
	bool stays_stopped;	     /* a person's stop while it does */
	bool waits_for_address;	     /* for an address that one on its way out still has */
	struct inherited kept;	     /* sockets that go on under pending, until it is open */
	struct listener **listeners; /* NULL: closed; one that went leaves a hole */
	unsigned nlisteners;	     /* with the holes */
	struct total {	       /* a folder for all leaves, for a pool with limits of its own */
		int fd;	       /* -1: none */
		char name[48]; /* "web.total", below the instance's */
		struct leaf_plan plan;
		struct pool_config *conf; /* a reference: whose arena the plan is in */
	} total;
	unsigned places; /* workers that listeners have room for: slots, and twins */
	uint64_t *live;	 /* bits: slots that get new connections */
	bool steer_anew; /* sockets came or went */
	struct eras {
		unsigned path; /* of the sockets that paths lead to */
		unsigned next; /* of those who take over in a roll; else the same */
		unsigned last;
	} eras;
	bool binds;	  /* its program has opened a socket itself */
	bool said_unused; /* that it has sockets which its program does not take */
	struct dispatch {
		struct list waiting; /* accepted, and nobody takes them just now */
		unsigned nheld;	     /* all that are not taken, wherever they wait */
		unsigned turn;	     /* roundrobin: the slot that is next */
		uint64_t number;     /* of the last one */
		struct timer pause;  /* accepting was of no use: not before this */
		bool anew;	     /* some came back to waiting */
		uint64_t said_full_ms, said_closed_ms;
		uint64_t redispatched, closed;
	} dispatch;
	struct slot **slots;  /* each on the heap: their number changes (scale) */
	unsigned nslots_made; /* those after nslots were scaled away, and are empty */
	unsigned nslots;
	cpu_set_t cpus; /* what its slots are dealt; conf->cpus until something changes */
	struct list spares;
	struct list held_for_all; /* senders to all of it, while one of it is full: bus_flow.c */
	struct slot spare_slot;	  /* the place of all spares: log, restart history */
	bool ever_ready, announced, draining;
	bool refuses;  /* while it stops: the kernel refuses new connections to it */
	int exit_code; /* of the instance when this pool has failed */
	uint64_t started_ms;
	unsigned in_birth;	     /* cloned and not ready */
	struct list waits_for_birth; /* in master->births.waiting */
	unsigned lives;		     /* structs that are not gone yet */
	char *boot_stderr;	     /* of the last boot failure, to say it once */
	size_t boot_stderr_len;
	struct usage usage; /* with earlier masters'; the living are not in its sums */
	struct timer later; /* zero-delay: it has stopped, and goes or starts as another */
	void *ctx;	    /* of the callbacks: where its lines go */
};

struct master {
	struct loop loop;
	const struct world *world;
	struct config *config;
	struct pool **pools; /* each on the heap: they come and go (apply) */
	unsigned npools;
	struct cgroup_root cgroup;
	bool has_cgroup;
	struct topology topology; /* all zero: nothing is known */
	struct pins {
		struct cpuset_watch watch;
		struct timer settle;
		cpu_set_t limit; /* the affinity that the master was started with */
		bool limited;	 /* it was less than the cpuset's */
	} pins;
	unsigned stat_files; /* STAT_*: what leaves count */
	int memory_fd;	     /* memory.events of the instance's folder, -1 */
	struct source memory_src;
	struct timer memory_timer;
	uint64_t memory_scan_ms;
	char no_limits[400];	    /* why leaves lack controllers, and what would help; "" */
	struct filter *filters;	    /* compiled policies: filters.h */
	bool batch;		    /* pools are opened together: what was read for one is right */
	uint64_t clones_given;	    /* CLONE_NEW* that this kernel was seen to give */
	struct inherited inherited; /* sockets that our starter had for us */
	int null_fd, init_fd, worker_exe_fd;
	const char *init_path;
	struct births {			  /* births.h */
		unsigned n, asked, least; /* least 0: there is no bound */
		struct list under_way, waiting;
		bool dealing; /* to those that wait, in turn */
		struct timer timer;
	} births;
	unsigned lives; /* structs that are not gone yet */
	uint64_t born;	/* of the whole instance: leaf names, inner pids */
	uint64_t started_ms;
	bool root, stopping, ending, announced;
	int exit_code;
	void (*on_event)(struct master *m, const struct event *ev);
	void (*on_log)(struct master *m, const struct logline *line);
	/* One has come; -errno with a sentence: it cannot. One is going: forget it. */
	int (*on_pool)(struct master *m, struct pool *p, struct err *e);
	void (*on_pool_gone)(struct master *m, struct pool *p);
	void (*on_reopen)(struct master *m); /* of log files */
	/* It listens, for all workers of its pool: it would be worth keeping; or it is closed. */
	void (*on_socket)(struct master *m, const struct seat *s, bool listens);
	void (*on_idle)(struct master *m); /* every pool stopped or failed for good */
	void *ctx;			   /* of the callbacks */
};

#endif
