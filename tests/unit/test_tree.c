/* SPDX-License-Identifier: MIT */
/* test_tree.c - the compiled tree answers every number as the policy says, for
 * the shipped policies and for ones made to have many and few runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "policy/tree.h"

#define OTHERWISE (SECCOMP_RET_ERRNO | EPERM)

static struct sock_filter code[BPF_MAXINSNS];

/* The four instructions that a tree is made of. */
static uint32_t interpret(uint32_t nr, int n)
{
	uint32_t acc = 0;

	for (int pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &code[pc];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			acc = nr;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += acc >= i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JA:
			pc += (int)i->k;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			fail_msg("instruction %d is %x", pc, i->code);
		}
	}
	fail_msg("no answer for %u", nr);
	return 0;
}

static uint32_t wanted(const struct call *c)
{
	if (c->verdict == VERDICT_ALLOW)
		return SECCOMP_RET_ALLOW;
	return c->verdict == VERDICT_ERRNO ? SECCOMP_RET_ERRNO | (uint32_t)c->error : OTHERWISE;
}

static void check(const struct policy *p)
{
	int n = tree_build(p, OTHERWISE, code, BPF_MAXINSNS);

	assert_true(n > 0);
	for (uint32_t nr = 0; nr < PROFILE_CALLS; nr++)
		assert_int_equal(interpret(nr, n), wanted(&p->calls[nr]));
	/* Numbers above all known ones never reach it, but end safely. */
	assert_int_equal(interpret(UINT32_MAX, n), wanted(&p->calls[PROFILE_CALLS - 1]));
}

static void every_number_is_answered(void **state)
{
	struct policy *p = calloc(1, sizeof(*p));

	(void)state;
	assert_non_null(p);
	check(p);				    /* one run */
	for (int step = 1; step <= 64; step *= 2) { /* many runs: far jumps too */
		memset(p->calls, 0, sizeof(p->calls));
		for (int nr = 0; nr < PROFILE_CALLS; nr += 2 * step)
			for (int k = nr; k < nr + step; k++)
				p->calls[k].verdict = VERDICT_ALLOW;
		check(p);
	}
	srand(7);
	for (int round = 0; round < 200; round++) {
		for (int nr = 0; nr < PROFILE_CALLS; nr++) {
			int dice = rand() % 8;

			p->calls[nr].verdict = dice < 4 ? VERDICT_ALLOW :
					       dice < 5 ? VERDICT_ERRNO :
							  VERDICT_NONE;
			p->calls[nr].error = ENOSYS;
		}
		check(p);
	}
	free(p);
}

static void a_small_room_is_an_error(void **state)
{
	struct policy *p = calloc(1, sizeof(*p));

	(void)state;
	assert_non_null(p);
	for (int nr = 0; nr < PROFILE_CALLS; nr += 2)
		p->calls[nr].verdict = VERDICT_ALLOW;
	assert_int_equal(tree_build(p, OTHERWISE, code, 100), -E2BIG);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_number_is_answered),
		cmocka_unit_test(a_small_room_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
