/* SPDX-License-Identifier: MIT */
/* rules.h - the text of one rule as a struct rule. Private to policy/. */
#ifndef MPSUP_POLICY_RULES_H
#define MPSUP_POLICY_RULES_H

#include "base/base.h"
#include "base/err.h"
#include "base/doc.h"
#include "policy/profile.h"

/* {allow|refuse: {arg0: VALUE|[VALUE, ...]|{any_bit: ...}, ...} or a list of
 * those, errno: NAME}. The rule lives in the arena. */
MUST_CHECK int rules_read(struct doc *d, yaml_node_t *n, struct arena *arena,
			  const struct rule **ret, struct err *e);

#endif
