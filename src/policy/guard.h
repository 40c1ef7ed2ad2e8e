/* SPDX-License-Identifier: MIT */
/* guard.h - the part of a filter that libseccomp does not write. It stands
 * before libseccomp's program and either answers or goes on there:
 *
 *  - a foreign architecture ends the process
 *  - a number above the highest known one (x32's too) is ENOSYS
 *  - rules on arguments
 *
 * Rules are not given to libseccomp because it allows one comparison an
 * argument (no "neither TIOCSTI nor TIOCLINUX"), and compares 64 bits where the
 * kernel takes 32 (CVE-2019-10063). Private to policy/. */
#ifndef MPSUP_POLICY_GUARD_H
#define MPSUP_POLICY_GUARD_H

#include <linux/filter.h>
#include <stddef.h>

#include "base/base.h"
#include "policy/profile.h"

/* Write it to out[0..max). Returns the number of instructions, or -E2BIG. */
MUST_CHECK int guard_build(const struct policy *p, struct sock_filter *out, size_t max);

#endif
