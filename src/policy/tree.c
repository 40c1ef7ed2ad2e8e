/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "policy/tree.h"

#include <errno.h>
#include <linux/seccomp.h>

struct run {
	uint32_t from; /* first number of the run; it ends where the next begins */
	uint32_t answer;
};

struct tree {
	struct run runs[PROFILE_CALLS];
	int nruns;
	struct sock_filter *out;
	size_t n, max;
};

static uint32_t answer_of(const struct call *c, uint32_t otherwise)
{
	if (c->verdict == VERDICT_ALLOW)
		return c->notify ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW;
	if (c->verdict == VERDICT_ERRNO)
		return SECCOMP_RET_ERRNO | ((uint32_t)c->error & SECCOMP_RET_DATA);
	return otherwise;
}

static void find_runs(struct tree *t, const struct policy *p, uint32_t otherwise)
{
	for (uint32_t nr = 0; nr < PROFILE_CALLS; nr++) {
		uint32_t answer = answer_of(&p->calls[nr], otherwise);

		if (t->nruns == 0 || t->runs[t->nruns - 1].answer != answer)
			t->runs[t->nruns++] = (struct run){ .from = nr, .answer = answer };
	}
}

static void emit(struct tree *t, struct sock_filter ins)
{
	if (t->n < t->max)
		t->out[t->n] = ins;
	t->n++;
}

/* A node asks "is it in the upper half"; the lower half follows it at once. A
 * conditional jump reaches 255 instructions, so the far one is a plain jump. */
static void emit_runs(struct tree *t, int first, int count)
{
	int lower = count / 2;
	size_t jump;

	if (count == 1) {
		emit(t, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, t->runs[first].answer));
		return;
	}
	emit(t, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, t->runs[first + lower].from,
					     0, 1));
	jump = t->n;
	emit(t, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
	emit_runs(t, first, lower);
	/* A half of n runs has at most 3n instructions: near enough for one jump. */
	if (t->n - jump - 1 <= 255 && t->n <= t->max) {
		size_t size = t->n - jump - 1;

		for (size_t i = jump; i + 1 < t->n; i++)
			t->out[i] = t->out[i + 1];
		t->n--;
		t->out[jump - 1].jt = (unsigned char)size;
		t->out[jump - 1].jf = 0;
	} else if (jump < t->max) {
		t->out[jump].k = (unsigned)(t->n - jump - 1);
	}
	emit_runs(t, first + lower, count - lower);
}

int tree_build(const struct policy *p, uint32_t otherwise, struct sock_filter *out, size_t max)
{
	struct tree t = { .out = out, .max = max };

	find_runs(&t, p, otherwise);
	emit(&t, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, nr)));
	emit_runs(&t, 0, t.nruns);
	return t.n > max ? -E2BIG : (int)t.n;
}
