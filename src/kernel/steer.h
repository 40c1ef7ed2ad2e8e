/* SPDX-License-Identifier: MIT */
/* steer.h - which socket of a reuseport group a new connection goes to.
 *
 * A group's members are numbered in the order in which they listened; closing
 * one moves the last into its place (net/core/sock_reuseport.c), and an answer
 * out of range falls back to the kernel's own hash over all. A classic BPF
 * program, attached through any member, gives the number; it is replaced in one
 * step, so that no connection is lost (SO_ATTACH_REUSEPORT_CBPF, socket(7)).
 *
 * Layer: kernel. */
#ifndef MPSUP_KERNEL_STEER_H
#define MPSUP_KERNEL_STEER_H

#include <linux/filter.h>
#include <stdbool.h>

#include "base/base.h"

#define STEER_SEATS_MAX 1300 /* a program has at most 4096 instructions */

struct steer_seat {
	unsigned rank; /* its number in the group */
	bool live;     /* false: gets nothing as long as another is */
};

/* By chance over the live seats, or by the client's address: a seat's clients come
 * back to it when it is live again. All seats are given each time, also those that do not
 * listen: an address's home follows from their number. Returns the number of instructions (at most
 * BPF_MAXINSNS), or -E2BIG; -ENOENT: nobody is live. */
MUST_CHECK int steer_program(const struct steer_seat *seats, unsigned n, bool by_address,
			     struct sock_filter out[BPF_MAXINSNS]);

/* Put the program on the group that fd belongs to. 0 or -errno. */
MUST_CHECK int steer_attach(int fd, const struct sock_filter *insns, unsigned short len);

/* Let the kernel refuse new connections on that group, as if nobody listened there: the
 * client gets a reset. Who waits in a queue can be accepted still. It is a program of
 * BPF_PROG_TYPE_SK_REUSEPORT that answers SK_DROP (Linux 4.19, include/uapi/linux/bpf.h;
 * SO_ATTACH_REUSEPORT_EBPF, socket(7)); it lasts as long as the group has a member, or
 * until steer_attach(). 0 or -errno: bpf(2) needs CAP_BPF or CAP_SYS_ADMIN. */
MUST_CHECK int steer_refuse(int fd);

#endif
