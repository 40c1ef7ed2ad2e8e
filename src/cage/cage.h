/* SPDX-License-Identifier: MIT */
/* cage.h - everything one worker takes on, as plain data that is complete
 * before the clone: the child only makes system calls (no malloc, no stdio, no
 * log between clone and exec).
 *
 * Layer: cage. One per pool and generation; what differs from birth to birth is
 * in struct cage_birth. The steps return 0 or -errno and are called in the
 * child by super/child.c, whose tables give their order and its reasons. */
#ifndef MPSUP_CAGE_CAGE_H
#define MPSUP_CAGE_CAGE_H

#include <linux/filter.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/capability.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"
#include "cage/view.h"

#define CAGE_ENV_EXTRA	  64 /* variables of one birth: MPSUP_*, NODE_*, LISTEN_* */
#define CAGE_CHANNEL_FD	  3  /* where the worker finds its channel */
#define CAGE_LISTEN_FD	  3  /* or its sockets, never both */
#define CAGE_LISTEN_MAX	  32
#define CAGE_EINHORN_MAX  CAGE_LISTEN_MAX
#define CAGE_PID_PLACES	  3 /* where the environment names the worker's own number */
#define CAGE_PARENT_PLACE 2 /* but this one: its parent's */
#define CAGE_PID_DIGITS	  10
#define CAGE_NOTIFY_PATH  "/run/mpsup-notify"  /* inside the view */
#define CAGE_EINHORN_PATH "/run/mpsup-einhorn" /* the same */

struct cage {
	uint32_t words;	      /* CAGE_BIT() of what is applied */
	uint64_t clone_flags; /* CLONE_NEW* of the one clone3 */
	struct view view;
	int mold_fd; /* owned; -1: no view */

	uid_t uid;
	gid_t gid;
	const gid_t *gids;
	unsigned ngids;
	cap_t no_caps; /* owned: the empty set, so that no malloc is needed later */

	const struct sock_filter *filter; /* borrowed */
	unsigned short filter_len;
	unsigned filter_flags; /* SECCOMP_FILTER_FLAG_* */
	bool filter_asks;      /* it has a listener: cage_filter() returns that */

	uint64_t nofile;
	uint64_t data_bytes;	   /* RLIMIT_DATA, for who has no leaf; 0: the master's */
	uint64_t cpu_s;		   /* RLIMIT_CPU, the same */
	bool no_files;		   /* RLIMIT_FSIZE 0: no file grows */
	const char *oom_score_adj; /* "0"; NULL: the master's is right */
	const char *cwd;
	const char *exec_path; /* absolute inside the view; NULL with exec_fd */
	int exec_fd;	       /* borrowed: the built-in worker, executed by descriptor */
	char *const *argv;
	char *const *envp; /* base; each birth adds its own */
	bool preloads;	   /* VIEW_PRELOAD is in its mold, and named in envp */
};
#define CAGE_NONE ((struct cage){ .mold_fd = -1, .exec_fd = -1 })

struct cage_birth {
	cpu_set_t cpus;
	pid_t inner_pid;       /* 0: no PID namespace of its own */
	int null_fd;	       /* borrowed, as all below */
	int out_fd, err_fd;    /* write ends of the log pipes, owned by the worker's uid */
	int channel_fd;	       /* worker's end, -1: none */
	const int *listen_fds; /* from CAGE_LISTEN_FD on; with channel_fd -1 */
	unsigned nlisten;
	char *const *pid_at;	/* in envp, CAGE_PID_PLACES of CAGE_PID_DIGITS, or NULL */
	char *notify_at;	/* in envp; NULL: no notify socket */
	char **einhorn_last;	/* the last of envp: EINHORN_SOCK_PATH; NULL: no such socket */
	int report_fd;		/* SEQPACKET, CLOEXEC: struct child_report */
	int lifeline_fd;	/* SEQPACKET: init's end */
	int init_fd;		/* O_PATH of mpsup-init */
	char *const *envp;	/* complete */
	char *const *init_argv; /* its title */
	char **init_args;	/* its environment: INIT_ARG_*; the worker's number is filled in */
};

void cage_done(struct cage *c);

/* Bits of enum cage_word. */
static inline bool cage_has(const struct cage *c, unsigned word)
{
	return c->words & (1u << word);
}

int cage_drop_bounding(const struct cage *c); /* capability bounding set; needs CAP_SETPCAP */
int cage_set_groups(const struct cage *c);
int cage_set_uid(const struct cage *c);	  /* gid, then uid; verified by reading back */
int cage_drop_caps(const struct cage *c); /* every set empty; verified */
int cage_no_new_privs(void);
int cage_limit(const struct cage *c);  /* RLIMIT_CORE 1 (traps 18), RLIMIT_NOFILE, ... */
int cage_pin(const cpu_set_t *cpus);   /* and read back */
int cage_filter(const struct cage *c); /* 0, or the descriptor of its listener */

/* A datagram socket whose name is in the environment: a path in the worker's own /run,
 * which others cannot reach, else an abstract name of the kernel's choice, which is
 * written there ("@..."). The descriptor. */
int cage_notify_socket(const struct cage *c, char *notify_at);
/* A listening stream socket at CAGE_EINHORN_PATH, or -errno; -EROFS: it cannot be there. */
int cage_einhorn_socket(void);

/* Put stdin, stdout, stderr and the channel or the listeners in their places and mark all other
 * descriptors close-on-exec. ret_report_fd: where report_fd is from now on. */
int cage_place_fds(const struct cage_birth *b, int *ret_report_fd);

#endif
