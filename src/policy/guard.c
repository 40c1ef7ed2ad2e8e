/* SPDX-License-Identifier: MIT */
#include "policy/guard.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "x86_64 and aarch64 only: others have foreign ways into the same kernel to think of"
#endif
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half of an argument is first");

#define JUMP_MAX   255u /* reach of a conditional jump */
#define HEAD_INSNS 6u

#define LOAD(offset)	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offset))
#define JUMP_IF(k, t, f)    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (uint8_t)(t), (uint8_t)(f))
#define JUMP_ABOVE(k, t, f) BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (k), (uint8_t)(t), (uint8_t)(f))
#define JUMP_BITS(k, t, f)  BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (k), (uint8_t)(t), (uint8_t)(f))
#define GO(n)		    BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(n))
#define RETURN(action)	    BPF_STMT(BPF_RET | BPF_K, (action))
#define REFUSE(error)	    RETURN(SECCOMP_RET_ERRNO | ((uint32_t)(error)&SECCOMP_RET_DATA))

struct emitter {
	struct sock_filter *out;
	unsigned n;
	unsigned end; /* where libseccomp's program begins */
};

static void emit(struct emitter *em, struct sock_filter insn)
{
	em->out[em->n++] = insn;
}

/* Its tests, each a load and a jump for each value, and what it leads to. */
static unsigned clause_insns(const struct rule_clause *c)
{
	unsigned n = 1;

	for (unsigned i = 0; i < c->ntests; i++)
		n += 1 + c->tests[i].nvalues;
	return n;
}

/* Its clauses, and what follows when none of them holds. */
static unsigned rule_insns(const struct rule *r)
{
	unsigned n = 1;

	for (unsigned i = 0; i < r->nclauses; i++)
		n += clause_insns(&r->clauses[i]);
	return n;
}

/* Falls out at its end when the test holds, else goes to `otherwise`. */
static void emit_test(struct emitter *em, const struct rule_test *t, unsigned otherwise)
{
	emit(em, (struct sock_filter)LOAD(offsetof(struct seccomp_data, args) + t->arg * 8u));
	for (unsigned i = 0; i < t->nvalues; i++) {
		unsigned left = t->nvalues - 1 - i;
		unsigned miss = left ? 0 : otherwise - em->n - 1;

		if (t->bits)
			emit(em, (struct sock_filter)JUMP_BITS(t->values[i], left, miss));
		else
			emit(em, (struct sock_filter)JUMP_IF(t->values[i], left, miss));
	}
}

static void emit_verdict(struct emitter *em, const struct rule *r, bool allow)
{
	if (allow)
		emit(em, (struct sock_filter)GO(em->end - em->n - 1));
	else
		emit(em, (struct sock_filter)REFUSE(r->error));
}

static void emit_rule(struct emitter *em, unsigned nr, const struct rule *r)
{
	emit(em, (struct sock_filter)JUMP_IF(nr, 0, rule_insns(r)));
	for (unsigned i = 0; i < r->nclauses; i++) {
		const struct rule_clause *c = &r->clauses[i];
		unsigned next = em->n + clause_insns(c);

		for (unsigned t = 0; t < c->ntests; t++)
			emit_test(em, &c->tests[t], next);
		emit_verdict(em, r, r->allow);
	}
	emit_verdict(em, r, !r->allow);
}

/* The kernel keeps a bitmap of calls that are allowed whatever their arguments,
 * found by running the filter once: what stands here costs these nothing. */
static void emit_head(struct emitter *em, const struct policy *p)
{
	emit(em, (struct sock_filter)LOAD(offsetof(struct seccomp_data, arch)));
	emit(em, (struct sock_filter)JUMP_IF(NATIVE_ARCH, 1, 0));
	emit(em, (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS));
	emit(em, (struct sock_filter)LOAD(offsetof(struct seccomp_data, nr)));
	/* x32 sets bit 30 of the number, so it is above as well. */
	emit(em, (struct sock_filter)JUMP_ABOVE((uint32_t)p->highest, 0, 1));
	emit(em, (struct sock_filter)REFUSE(ENOSYS));
}

int guard_build(const struct policy *p, struct sock_filter *out, size_t max)
{
	struct emitter em = { .out = out, .end = HEAD_INSNS };

	for (unsigned nr = 0; nr < PROFILE_CALLS; nr++) {
		const struct rule *r = p->calls[nr].rule;

		if (r && rule_insns(r) > JUMP_MAX)
			return -E2BIG;
		em.end += r ? 1 + rule_insns(r) : 0;
	}
	if (em.end > max)
		return -E2BIG;
	emit_head(&em, p);
	for (unsigned nr = 0; nr < PROFILE_CALLS; nr++)
		if (p->calls[nr].rule)
			emit_rule(&em, nr, p->calls[nr].rule);
	return (int)em.n;
}
