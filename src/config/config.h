/* SPDX-License-Identifier: MIT */
/* config.h - what an instance is to be: one validated, immutable,
 * reference-counted struct. A bad text changes nothing; a reload builds a new
 * one; each worker holds a reference to the one that it was born with.
 *
 * Layer: config. Nothing here looks at the live host except where a comment
 * says so (config_resolve: users, folders, CPUs). Strings belong to the arena. */
#ifndef MPSUP_CONFIG_CONFIG_H
#define MPSUP_CONFIG_CONFIG_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"
#include "base/log.h"
#include "cage/leaf_limits.h"

enum protocol {
	PROTO_AUTO,
	PROTO_NATIVE,
	PROTO_NODE_CLUSTER,
	PROTO_NODE_IPC,
	PROTO_SYSTEMD,
	PROTO_BIND,
};

/* Who of the workers gets a connection. */
enum balance {
	BALANCE_AUTO,	    /* never after config_resolve() */
	BALANCE_SHARED,	    /* one socket for all */
	BALANCE_REUSEPORT,  /* one socket per slot, in one group; the kernel chooses */
	BALANCE_ROUNDROBIN, /* the master accepts and deals them out */
	BALANCE_STICKY,	    /* by source address: dealt out, or chosen in the group */
};

/* A port that the program asks for and that was not configured. */
enum unlisted { UNLISTED_DEFAULT, UNLISTED_OPEN, UNLISTED_REFUSE, UNLISTED_PASS };

/* When a worker that says nothing of its own counts as ready. */
enum ready_rule { READY_AUTO, READY_NOTIFY, READY_LISTEN, READY_EXEC, READY_AFTER };

/* How a worker that is to leave ends its connections. */
enum drain_mode { DRAIN_AUTO, DRAIN_PROTOCOL, DRAIN_OBSERVE, DRAIN_SIGNAL };

/* The words of --no-sandbox, --require and audit, in the contract's order. */
/* clang-format off */
enum cage_word {
	CAGE_PID, CAGE_MOUNT, CAGE_IPC, CAGE_UTS, CAGE_CGROUP, CAGE_NET, CAGE_USER,
	CAGE_UID, CAGE_GROUPS, CAGE_CAPS, CAGE_NNP, CAGE_SECCOMP, CAGE_VIEW,
	CAGE_LANDLOCK, CAGE_PIN, CAGE_FDS, CAGE_RLIMITS, CAGE_ENV,
	CAGE_WORDS
};
/* clang-format on */
#define CAGE_BIT(word) (1u << (word))
extern const char *const cage_word_name[CAGE_WORDS + 1]; /* ends with NULL */

struct listen_spec {
	const char *text;  /* as a person wrote it: "3000", "127.0.0.1:80", "unix:/run/x.sock" */
	const char *shown; /* as sockets are shown: "[::]:3000", "unix:/run/x.sock" */
	const char *name;  /* for LISTEN_FDNAMES; default "http" for the first, then "http2", ... */
	struct sockaddr_storage addr;
	socklen_t addr_len;
	bool dual_stack; /* AF_INET6 any-address that also takes IPv4 (--port) */
	/* unix sockets only: */
	bool has_mode;
	mode_t mode;		  /* default 0660 */
	const char *user, *group; /* NULL: root */
	uid_t uid;		  /* (uid_t)-1: leave; filled by config_resolve() */
	gid_t gid;
};

struct restart_limit {
	unsigned count;
	uint64_t window_ms;
};

struct env_var {
	const char *name, *value;
};

struct credential {
	const char *name, *path;
};

/* Where the lines of a pool's workers go. */
struct pool_log {
	const char *file;      /* absolute; NULL: the default */
	bool none;	       /* nowhere */
	uint64_t rotate_bytes; /* 0: never */
	unsigned keep;
	enum log_format format; /* where format_given; else the instance's */
	bool format_given;
	unsigned rate; /* lines of a worker in rate_ms; 0: any number */
	uint64_t rate_ms;
};
#define LOG_ROTATE_BYTES (32u << 20)
#define LOG_KEEP	 5

enum env_inherit { ENV_INHERIT_ALL, ENV_INHERIT_NONE, ENV_INHERIT_NAMES };
enum view_kind { VIEW_KIND_APP, VIEW_KIND_HOST };
enum on_failed { ON_FAILED_EXIT, ON_FAILED_HOLD };
struct key;
enum cpus_kind { CPUS_ALL, CPUS_PHYSICAL, CPUS_NUMA, CPUS_LLC, CPUS_LIST };

#define WORKERS_PER_CPU 0 /* default and --workers max: one per CPU */

/* One value as a person gave it, and where. */
struct given {
	const struct key *key;
	const char *value; /* NULL: a flag */
	const char *file;  /* NULL: an option of the command line, or `mpsup set` */
	unsigned line, column;
};

struct givens {
	struct given *list; /* in the arena, in the order of their taking */
	unsigned n;
};

struct pool_config {
	unsigned refs;
	struct arena arena;
	struct givens given;
	const char *file; /* NULL: a command line */
	/* Where it was typed, or standard input was read: a daemon leaves that folder, and
	 * relative paths go on to be meant from there. */
	const char *dir;
	unsigned line, column;
	const char *broken; /* what it names could not be read: a sentence; NULL: it could */
	int broken_code;

	const char *name;      /* "web" for a command line */
	const char *exec_path; /* resolved argv[0], absolute; NULL: the built-in worker */
	char **command;	       /* argv, NULL-terminated; NULL: the built-in worker */
	/* After config_resolve() PROTO_AUTO means: systemd is offered and bind armed. */
	enum protocol protocol;
	const char *eats_channel; /* node-*: this in the command does; filled by config_resolve() */
	enum balance balance;	  /* never BALANCE_AUTO after config_resolve() */
	enum unlisted unlisted;	  /* never UNLISTED_DEFAULT after config_resolve() */
	enum ready_rule ready;
	unsigned compat; /* COMPAT_*: variables of other masters, beside LISTEN_FDS */
#define COMPAT_EINHORN	      1u
#define COMPAT_SERVER_STARTER 2u
	uint64_t ready_after_ms; /* READY_AFTER: from the birth on */
	bool demo;		 /* built-in worker: /crash and /exit are served */

	struct listen_spec *listens;
	unsigned nlistens;
	int backlog; /* default 4096; the kernel caps it at net.core.somaxconn */

	const char *cwd;     /* absolute after config_resolve() */
	struct env_var *env; /* --env and --env-file merged, in order, later wins */
	unsigned nenv;
	struct credential *credentials;
	unsigned ncredentials;
	enum env_inherit env_inherit;
	const char **env_names; /* with ENV_INHERIT_NAMES, NULL-terminated */

	int workers; /* >0, WORKERS_PER_CPU, or negative: CPUs minus that many */
	enum cpus_kind cpus_kind;
	unsigned cpus_number;	 /* CPUS_NUMA, CPUS_LLC: of the node, of the cache */
	cpu_set_t cpus_listed;	 /* CPUS_LIST: as written */
	cpu_set_t cpus;		 /* after config_resolve(): those that may be used */
	unsigned ncpus;		 /* after config_resolve(): a quota may make it fewer */
	const char *cpus_reason; /* which fact decided, for the log */
	bool pin;
	unsigned spares;
	unsigned parallel; /* births at once; 0: number of CPUs, at least 2 */

	const char *user, *group; /* as written, or NULL for the default */
	const char **groups;	  /* as written, NULL-terminated; NULL: none */
	bool dynamic_uid;	  /* filled by config_resolve(): uid comes from the pool's name */
	bool caller_uid;	  /* the uid is the sudo caller's (grade B) */
	int uid_lock_fd;	  /* dynamic uid: held as long as the configuration, -1 */
	uid_t uid;
	gid_t gid;
	gid_t *gids; /* supplementary groups asked for */
	unsigned ngids;
	const char *user_name, *home, *shell; /* for USER, LOGNAME, HOME, SHELL */

	const char *control_group, *view_group; /* of this pool alone; names, or NULL */
	gid_t control_gid, view_gid;		/* (gid_t)-1: none */

	struct pool_log log;

	const char *policy; /* name or file; NULL: auto by the command */
	enum view_kind view;
	const char **ro, **rw, **hide; /* absolute paths, NULL-terminated, never NULL */
	uint32_t cage_off;	       /* CAGE_BIT()s of --no-sandbox */
	uint32_t cage_required;	       /* CAGE_BIT()s of --require */
	bool net_none;		       /* --net none */
	uint64_t tmp_bytes;	       /* size of the private /tmp, default 256M */
	uint64_t nofile; /* RLIMIT_NOFILE; 0 until resolved: 65536, or the hard limit if lower */

	struct limits limits; /* of each worker's leaf */
	struct limits total;  /* of all of them together; nothing asked: no folder of their own */

	struct restart_limit restart_limit;	 /* 10/60s */
	unsigned boot_limit;			 /* 5 */
	uint64_t backoff_min_ms, backoff_max_ms; /* 100 ms .. 10 s */
	enum on_failed on_failed;
	uint8_t *fatal_exit; /* exit codes that end the slot at once */
	unsigned nfatal_exit;
	uint64_t ready_timeout_ms; /* 30 s */
	uint64_t stop_timeout_ms;  /* 10 s, from the signal to cgroup.kill */
	unsigned surge; /* twins at once in a reload; 0: a quarter of the workers, at least 2 */
	enum drain_mode drain;
	uint64_t drain_timeout_ms; /* 60 s; at most 30 s in a stop */
	uint64_t drain_idle_ms;	   /* 5 s: a connection that rests so long is done */
	uint64_t max_age_ms;	   /* 0: off */
	uint64_t recycle_memory;   /* bytes; 0: off. After config_resolve() memory.high, too */
	int stop_signal;	   /* SIGTERM */
	uint64_t watchdog_ms;	   /* 0: off */
};

struct config {
	unsigned refs;
	struct arena arena;
	struct givens given; /* of the instance; what options say comes last */
	const char *file;    /* --config: absolute, or "-"; NULL: a command line */
	bool strict;	     /* refuse to start if any pool cannot */
	unsigned parallel;   /* births at once over all pools; 0: see super/births.h */

	const char *name; /* [a-z0-9][a-z0-9._-]{0,31} */
	bool name_given;  /* false: app may append -2, -3 when taken */
	bool daemonize;
	const char *pidfile;  /* NULL: none */
	const char *log_file; /* mpsup's own log, NULL: stderr, a daemon's: its own folder */
	enum log_format log_format;
	enum log_level log_level;		/* --quiet: WARN, default INFO, --verbose: DEBUG */
	const char *control_group, *view_group; /* names, or NULL */
	gid_t control_gid, view_gid;		/* (gid_t)-1: none */

	struct pool_config **pools; /* a reference each */
	unsigned npools;
};

/* What is wrong in a text, all of it: a sentence each, with file:line:column. */
struct complaints {
	struct arena arena;
	char **text;
	unsigned n, dropped; /* those that were too many */
};
#define COMPLAINTS_MAX 200
void complaints_done(struct complaints *cs);

/* Parse "run" options (argv after the verb). *ret_config is new with one
 * reference. Text errors only: no file is opened but --env-file.
 * Errors: -EINVAL with the option, what was found, what would be right and the
 * nearest known word; -ENOMEM. */
/* *ret_config may also say help or version was asked for: then it is NULL and
 * *ret_ask is 'h' or 'v'. With --config the pools come from that file, and all that is
 * wrong in it goes to *cs (NULL: only the first, into *e), with a sum in *e. */
MUST_CHECK int config_from_argv(int argc, char **argv, struct complaints *cs,
				struct config **ret_config, char *ret_ask, struct err *e);

/* Read a file of pools. args: values of options, which overrule its own (NULL: none).
 * by_hand: a person starts mpsup now, so that files of the sudo caller are trusted too.
 * -EINVAL: the text; -ENOENT, -EACCES and others: the file itself. */
MUST_CHECK int config_from_file(const char *path, const struct givens *args, bool by_hand,
				struct complaints *cs, struct config **ret_config, struct err *e);
/* Another configuration of a pool: the values of this one, with some of its keys given
 * anew (a value of NULL takes the key away). -EINVAL with a sentence. */
MUST_CHECK int pool_config_changed(const struct pool_config *p, const struct given *changes,
				   unsigned n, struct pool_config **ret, struct err *e);

/* Look at the host: users, groups, folders, command, CPUs, and settle every
 * default that depends on it. Errors carry the contract's sentence; -EINVAL,
 * -ENOENT, -EACCES: exit 2. One pool's world at a time. */
MUST_CHECK int config_resolve(struct config *c, struct err *e); /* of the instance */
MUST_CHECK int config_resolve_pool(struct config *c, struct pool_config *p, struct err *e);

struct topology;
/* The CPUs that --cpus names, as far as they are allowed: also for a pool that runs,
 * when that has changed. Looks at nothing but its arguments. -EINVAL: none is left, or
 * there is no such node or cache; -EOPNOTSUPP: the host does not tell. */
MUST_CHECK int config_cpus(const struct pool_config *p, const struct topology *t,
			   const cpu_set_t *allowed, cpu_set_t *ret_cpus, struct err *e);

/* NULL: none of these. The word's index or -1. */
int cage_word_find(const char *word, size_t len);
const char *protocol_name(enum protocol p);
const char *balance_name(enum balance b);
/* The master accepts the connections itself and deals them out. */
bool config_dispatches(const struct pool_config *p);
/* Each slot has a socket of its own, in a group of the kernel's (SO_REUSEPORT). */
bool config_has_groups(const struct pool_config *p);
/* bind(2) and listen(2) of its programs are asked about (seccomp user notification). */
bool config_arms_bind(const struct pool_config *p);

/* The kernel would let only one of them listen. */
bool listen_specs_collide(const struct listen_spec *a, const struct listen_spec *b);

struct config *config_ref(struct config *c);
void config_unref(struct config *c); /* accepts NULL */
struct pool_config *pool_config_ref(struct pool_config *p);
void pool_config_unref(struct pool_config *p); /* accepts NULL */
/* The dynamic uid of the pool goes on to its next configuration, if that names no user. */
void pool_config_inherit(struct pool_config *to, struct pool_config *from);
/* "shop.yaml:12:5: " of the key that the sentence is about, or of the pool; "" for a
 * command line. Options in it get the words of a file. */
void pool_config_place(const struct pool_config *p, struct err *e);

#endif
