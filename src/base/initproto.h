/* SPDX-License-Identifier: MIT */
/* initproto.h - what mpsup-init and the master say to each other on the
 * lifeline, a SEQPACKET socketpair whose other end only the master holds. */
#ifndef MPSUP_BASE_INITPROTO_H
#define MPSUP_BASE_INITPROTO_H

#include <stdint.h>

#define INIT_LIFELINE_FD 3
#define INIT_PROC_FD	 4 /* /proc of the host; only without a PID namespace */

/* init -> master, once, when the worker's end was collected. */
struct init_report {
	uint32_t magic;
#define INIT_REPORT_MAGIC 0x6d707331u
	int32_t by_signal; /* 0: exited */
	int32_t core_dumped;
	int32_t code;	   /* exit status, or the signal */
	uint64_t cpu_usec; /* user + system, with collected children: getrusage(2) */
	uint64_t maxrss_bytes;
};

/* argv of init is its title alone; these four numbers are its environment, which
 * ps does not show by default and no library reads. */
enum init_arg { INIT_ARG_WORKER, INIT_ARG_UID, INIT_ARG_GID, INIT_ARG_FLAGS, INIT_ARGS };

#define INIT_FLAG_PIDNS 1 /* PID 1: its end ends everything below it */
#define INIT_FLAG_DROP	2 /* started as root: take uid and gid, drop capabilities */

#endif
