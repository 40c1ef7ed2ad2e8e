/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

void bpf_done(struct bpf *b)
{
	free(b->insns);
	*b = (struct bpf){ 0 };
}

int seccomp_load_filter(const struct sock_filter *insns, unsigned short len, unsigned flags)
{
	/* The kernel only reads it; its struct has no const. */
	struct sock_fprog prog = { .len = len, .filter = (struct sock_filter *)insns };
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);

	return r < 0 ? -errno : (int)r;
}
