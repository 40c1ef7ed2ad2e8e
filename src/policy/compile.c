/* SPDX-License-Identifier: MIT */
/* compile.c - from a policy to one program: our guard, then the binary tree over
 * the calls' numbers that libseccomp makes. Jumps in BPF are relative, so that
 * the two are simply put one after the other. */
#define _GNU_SOURCE
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "policy/guard.h"
#include "policy/policy.h"
#include "policy/profile.h"

#define DEFAULT_ERROR EPERM

static int add_call(scmp_filter_ctx ctx, int nr, const struct call *c)
{
	if (c->verdict == VERDICT_ALLOW)
		return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	/* A rule that says what the default says is -EACCES. */
	if (c->verdict == VERDICT_ERRNO && c->error != DEFAULT_ERROR)
		return seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)c->error), nr, 0);
	return 0;
}

static int add_calls(scmp_filter_ctx ctx, const struct policy *p)
{
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (int nr = 0; r == 0 && nr < PROFILE_CALLS; nr++)
		r = add_call(ctx, nr, &p->calls[nr]);
	return r;
}

/* libseccomp writes to a descriptor only: an anonymous file. */
static int export_tree(const struct policy *p, int fd)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(DEFAULT_ERROR));
	int r;

	if (!ctx)
		return -ENOMEM;
	r = add_calls(ctx, p);
	if (r == 0)
		r = seccomp_export_bpf(ctx, fd);
	seccomp_release(ctx);
	return r;
}

static int build(const struct policy *p, struct sock_filter insns[BPF_MAXINSNS])
{
	AUTO_FD int fd = memfd_create("mpsup-policy", MFD_CLOEXEC);
	int guard = guard_build(p, insns, BPF_MAXINSNS);
	struct stat st;
	int r;

	if (fd < 0)
		return -errno;
	if (guard < 0)
		return guard;
	r = export_tree(p, fd);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((size_t)st.st_size > ((size_t)BPF_MAXINSNS - (size_t)guard) * sizeof(*insns))
		return -E2BIG;
	if (pread(fd, insns + guard, (size_t)st.st_size, 0) != st.st_size)
		return -EIO;
	return guard + (int)((size_t)st.st_size / sizeof(*insns));
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
