/* SPDX-License-Identifier: MIT */
/* tree.h - the allow list as a binary tree over ranges of numbers.
 *
 * libseccomp's tree has a leaf for each call, 480 instructions for the generic
 * policy; neighbours with the same answer need one together, and loading takes
 * half the time (the kernel compiles the program and walks it once for every
 * call number). A load is part of every birth. Private to policy/. */
#ifndef MPSUP_POLICY_TREE_H
#define MPSUP_POLICY_TREE_H

#include <linux/filter.h>
#include <stddef.h>

#include "base/base.h"
#include "policy/profile.h"

/* Append it at out[0..max): the call's number is loaded first, every path ends in
 * an answer. Returns the number of instructions, or -E2BIG. */
MUST_CHECK int tree_build(const struct policy *p, uint32_t otherwise, struct sock_filter *out,
			  size_t max);

#endif
