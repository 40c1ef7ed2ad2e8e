/* SPDX-License-Identifier: MIT */
/* compile.c - policy to BPF: a prologue of our own (architecture, calls that are
 * newer than we know, refusals by argument), then libseccomp's binary tree over
 * the allow list. Jumps are relative, so the two can be joined. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "policy/policy.h"

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#else
#error "mpsup knows x86_64 and aarch64"
#endif

#define PROLOGUE_MAX 512
#define SCAN_CALLS   1024 /* numbers looked at for the highest known one */

struct prologue {
	struct sock_filter code[PROLOGUE_MAX];
	size_t n;
	bool full;
};

static void emit(struct prologue *p, struct sock_filter ins)
{
	if (p->n == PROLOGUE_MAX)
		p->full = true;
	else
		p->code[p->n++] = ins;
}

#define STMT(op, k)	  ((struct sock_filter)BPF_STMT(op, k))
#define JUMP(op, k, t, f) ((struct sock_filter)BPF_JUMP(op, k, t, f))
#define LOAD(field)	  STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(field))
#define RET(action)	  STMT(BPF_RET | BPF_K, (uint32_t)(action))
#define RET_ERRNO(error)  RET(SECCOMP_RET_ERRNO | ((uint32_t)(error)&SECCOMP_RET_DATA))
/* Little-endian both: the low word of an argument comes first. */
#define ARG_LOW(i) (offsetof(struct seccomp_data, args) + 8u * (i))

static uint32_t highest_known(void)
{
	for (int nr = SCAN_CALLS; nr > 0; nr--) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);

		free(name);
		if (name)
			return (uint32_t)nr;
	}
	return 0;
}

static void emit_start(struct prologue *p)
{
	emit(p, LOAD(offsetof(struct seccomp_data, arch)));
	emit(p, JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE, 1, 0));
	emit(p, RET(SECCOMP_RET_KILL_PROCESS));
	emit(p, LOAD(offsetof(struct seccomp_data, nr)));
	/* x32's numbers are above all others (bit 30): ENOSYS as well. */
	emit(p, JUMP(BPF_JMP | BPF_JGT | BPF_K, highest_known(), 0, 1));
	emit(p, RET_ERRNO(ENOSYS));
}

/* Instructions of one refusal after its first jump, up to the ret. */
static unsigned test_size(const struct policy_refusal *r)
{
	unsigned first = r->if_arg >= 0 ? 2 : 0;
	unsigned tests = r->test == TEST_ANY_BIT ? 1 : r->nvalues;

	return first + 1 + tests + 1; /* load, tests, ret */
}

/* Each refusal leaves the call's number in the accumulator for what follows:
 *   jeq call ? next : skip all
 *   [ld if_arg; jeq if_is ? next : out]
 *   ld arg; tests jump to "refuse" or "out"
 *   refuse: ret errno
 *   out: ld nr */
static void emit_refusal(struct prologue *p, const struct policy_refusal *r)
{
	unsigned body = test_size(r); /* tests and the ret */

	emit(p, JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->call, 0, (uint8_t)(body + 1)));
	if (r->if_arg >= 0) {
		emit(p, LOAD(ARG_LOW((unsigned)r->if_arg)));
		emit(p, JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->if_is, 0, (uint8_t)(body - 2)));
	}
	emit(p, LOAD(ARG_LOW(r->arg)));
	for (unsigned i = 0; i < (r->test == TEST_ANY_BIT ? 1 : r->nvalues); i++) {
		uint8_t to_ret = (uint8_t)(r->nvalues - 1 - i), to_out = (uint8_t)(to_ret + 1);
		bool last = i + 1 == r->nvalues;

		if (r->test == TEST_ANY_BIT)
			emit(p, JUMP(BPF_JMP | BPF_JSET | BPF_K, r->values[0], 0, 1));
		else if (r->test == TEST_IN) /* a match refuses */
			emit(p,
			     JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->values[i], to_ret, last ? 1 : 0));
		else /* a match lets it through */
			emit(p, JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->values[i], to_out, 0));
	}
	emit(p, RET_ERRNO(r->error));
	emit(p, LOAD(offsetof(struct seccomp_data, nr)));
}

static int export(scmp_filter_ctx ctx, struct sock_filter **ret_code, size_t *ret_n)
{
	AUTO_FD int fd = memfd_create("mpsup-policy", MFD_CLOEXEC);
	struct sock_filter *code;
	off_t size;
	int r;

	if (fd < 0)
		return -errno;
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return r;
	size = lseek(fd, 0, SEEK_END);
	if (size <= 0 || size % (off_t)sizeof(*code) != 0)
		return -EIO;
	code = malloc((size_t)size);
	if (!code)
		return -ENOMEM;
	if (pread(fd, code, (size_t)size, 0) != (ssize_t)size) {
		free(code);
		return -EIO;
	}
	*ret_code = code;
	*ret_n = (size_t)size / sizeof(*code);
	return 0;
}

static bool has_error(const struct policy *p, int call)
{
	for (size_t i = 0; i < p->nerrors; i++)
		if (p->errors[i].call == call)
			return true;
	return false;
}

static int tree(const struct policy *p, struct sock_filter **ret_code, size_t *ret_n)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = ctx ? seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < p->nallow; i++)
		if (!has_error(p, p->allow[i]))
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, p->allow[i], 0);
	/* A rule equal to the default is -EACCES in libseccomp: leave it out. */
	for (size_t i = 0; r == 0 && i < p->nerrors; i++)
		if (p->errors[i].error != EPERM)
			r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint16_t)p->errors[i].error),
					     p->errors[i].call, 0);
	if (r == 0)
		r = export(ctx, ret_code, ret_n);
	seccomp_release(ctx);
	return r;
}

int policy_compile(const struct policy *p, struct bpf *ret_bpf, struct err *e)
{
	struct prologue pro = { .n = 0 };
	struct sock_filter *rest = NULL, *all;
	size_t nrest = 0;
	int r = tree(p, &rest, &nrest);

	if (r < 0)
		return err_sys(e, r, "policy %s cannot be compiled", p->name);
	emit_start(&pro);
	for (size_t i = 0; i < p->nrefusals; i++)
		emit_refusal(&pro, &p->refusals[i]);
	if (pro.full || pro.n + nrest > BPF_MAXINSNS) {
		free(rest);
		return err_set(e, -E2BIG, "policy %s has too many rules for one filter", p->name);
	}
	all = realloc(rest, (pro.n + nrest) * sizeof(*all));
	if (!all) {
		free(rest);
		return err_set(e, -ENOMEM, "out of memory");
	}
	memmove(all + pro.n, all, nrest * sizeof(*all));
	memcpy(all, pro.code, pro.n * sizeof(*all));
	*ret_bpf = (struct bpf){ .insns = all, .len = (unsigned short)(pro.n + nrest) };
	return 0;
}

void bpf_done(struct bpf *b)
{
	free(b->insns);
	*b = (struct bpf){ 0 };
}
