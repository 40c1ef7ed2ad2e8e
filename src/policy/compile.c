/* SPDX-License-Identifier: MIT */
/* compile.c - from a policy to one program: our guard, then the tree over the
 * calls' numbers. Jumps in BPF are relative, so that the two are simply put one
 * after the other. Names, numbers and architectures are libseccomp's. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>

#include "policy/guard.h"
#include "policy/policy.h"
#include "policy/profile.h"
#include "policy/tree.h"

#define OTHERWISE (SECCOMP_RET_ERRNO | EPERM)

static int build(const struct policy *p, struct sock_filter insns[BPF_MAXINSNS])
{
	int guard = guard_build(p, insns, BPF_MAXINSNS);
	int tree;

	if (guard < 0)
		return guard;
	tree = tree_build(p, OTHERWISE, insns + guard, (size_t)(BPF_MAXINSNS - guard));
	return tree < 0 ? tree : guard + tree;
}

int policy_compile(const struct policy *p, struct bpf *ret, struct err *e)
{
	struct sock_filter *insns = calloc(BPF_MAXINSNS, sizeof(*insns));
	struct sock_filter *exact;
	int n;

	if (!insns)
		return err_set(e, -ENOMEM, "out of memory");
	n = build(p, insns);
	if (n < 0) {
		free(insns);
		if (n == -E2BIG)
			return err_set(e, n, "the policy's rules do not fit into one filter");
		return err_sys(e, n, "cannot make the policy's filter");
	}
	*ret = (struct bpf){ .insns = insns, .len = (unsigned short)n };
	/* Give back what the largest program would have taken. */
	exact = realloc(insns, (size_t)n * sizeof(*insns));
	if (exact)
		ret->insns = exact;
	return 0;
}
