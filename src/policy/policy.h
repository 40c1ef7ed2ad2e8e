/* SPDX-License-Identifier: MIT */
/* policy.h - which system calls a worker may make: from YAML to BPF.
 *
 * Layer: policy. -Exxx with a sentence in *e, never logs. */
#ifndef MPSUP_POLICY_POLICY_H
#define MPSUP_POLICY_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "base/err.h"
#include "kernel/seccomp.h"

#define POLICY_VALUES_MAX 32

enum policy_test { TEST_ANY_BIT, TEST_IN, TEST_NOT_IN };

struct policy_error {
	int call;
	int error;
};

struct policy_refusal {
	int call;
	uint32_t arg;
	int if_arg;
	uint32_t if_is;
	enum policy_test test;
	unsigned nvalues;
	uint32_t values[POLICY_VALUES_MAX];
	int error;
};

struct policy {
	char *name;
	int *allow;
	size_t nallow;
	struct policy_error *errors;
	size_t nerrors;
	struct policy_refusal *refusals;
	size_t nrefusals;
};

MUST_CHECK int policy_load(const char *name_or_file, const char *const *dirs, struct policy **ret,
			   struct err *e);
void policy_free(struct policy *p);
MUST_CHECK int policy_compile(const struct policy *p, struct bpf *ret, struct err *e);
const char *policy_auto(const char *exec_path, const char *const *argv);

#endif
