/* SPDX-License-Identifier: MIT */
/* seccomp.h - load a filter that somebody else has compiled.
 *
 * Layer: kernel. See seccomp(2), Documentation/userspace-api/seccomp_filter.rst. */
#ifndef MPSUP_KERNEL_SECCOMP_H
#define MPSUP_KERNEL_SECCOMP_H

#include <linux/filter.h>

#include "base/base.h"

/* A finished program, as the kernel takes it. */
struct bpf {
	struct sock_filter *insns; /* malloc'ed; owned by the struct */
	unsigned short len;	   /* instructions, not bytes */
};

/* Free it; accepts an empty one, leaves an empty one. */
void bpf_done(struct bpf *b);

/* Put a filter on the calling thread and on what it will execute or fork. One
 * system call, nothing else: made for the time between clone and exec. From
 * then on the filter judges this process too, so it comes last before exec.
 *
 * Needs no_new_privs or CAP_SYS_ADMIN. Filters add up and cannot be taken off.
 *
 * flags, SECCOMP_FILTER_FLAG_*; 0 is right for a worker:
 *  - SPEC_ALLOW leaves the store bypass mitigation off. Since 5.16 a filter
 *    does not turn it on any more; on 5.15 a worker without the flag runs
 *    slower on some CPUs, with it a worker can be read by another through them.
 *  - NEW_LISTENER returns the descriptor for refusals that ask (one per task).
 *  - WAIT_KILLABLE_RECV (5.19): a call that the listener has received is not
 *    interrupted by signals that do not kill, as Go sends itself all the time.
 *  - LOG lets the kernel write refusals to the audit log.
 *
 * Returns 0, with NEW_LISTENER the descriptor, or -errno: -EACCES neither
 * no_new_privs nor the capability, -EINVAL not a valid program, -EBUSY a second
 * listener, -ENOMEM. */
MUST_CHECK int seccomp_load_filter(const struct sock_filter *insns, unsigned short len,
				   unsigned flags);

#endif
