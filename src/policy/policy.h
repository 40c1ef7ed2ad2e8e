/* SPDX-License-Identifier: MIT */
/* policy.h - which system calls a worker may make: from a YAML file to a program
 * that the kernel runs before each call. The format is in docs/policy.md.
 *
 * Layer: policy. -Exxx with a sentence in *e, never logs. Not for the time
 * between clone and exec: compile once, load with kernel/seccomp.h. */
#ifndef MPSUP_POLICY_POLICY_H
#define MPSUP_POLICY_POLICY_H

#include <stdbool.h>

#include "base/base.h"
#include "base/err.h"
#include "kernel/seccomp.h"

struct policy;

/* Read a policy. A name ("node") is searched as NAME.yaml in dirs, first found
 * wins; what contains a slash or ends in .yaml is a file. Includes and
 * groups.yaml are always searched in dirs (NULL-terminated, at least one).
 *
 * *ret is new and wants policy_free(). Errors in the text are -EINVAL and name
 * file:line:column, what was found and the nearest known word; -ENOENT: no such
 * policy; -EACCES and others: the file cannot be read; -ENOMEM. */
MUST_CHECK int policy_load(const char *name_or_file, const char *const *dirs, struct policy **ret,
			   struct err *e);
void policy_free(struct policy *p); /* accepts NULL */
/* Is it a file, not a name to search for? */
bool policy_is_file(const char *name_or_file);

/* Before compiling: bind(2) and listen(2) ask the listener of the filter, where the
 * policy allows them. 1; 0: it allows neither, nothing was changed. -EINVAL: mpsup
 * could not pass the listener on under this policy. userfaultfd(2) is refused then:
 * reading an argument could hang on a page that it holds back (traps 28). */
MUST_CHECK int policy_ask_bind(struct policy *p, struct err *e);
/* That alone: for workers whose memory the master reads. */
void policy_refuse_faults(struct policy *p);

/* The same text gives the same program. ret->insns is the caller's: bpf_done(),
 * or pass it on. Two to three milliseconds with loading. -EOPNOTSUPP on an architecture that is
 * neither x86_64 nor aarch64, -E2BIG too many rules, -ENOMEM. */
MUST_CHECK int policy_compile(const struct policy *p, struct bpf *ret, struct err *e);

/* The policy for a command: "node" when it is Node.js, one of its companions
 * (npm, npx, yarn, tsx, ...) or a script whose first line names one; else
 * "generic". exec_path is argv[0] as it was found, absolute; NULL if unknown. It is
 * opened to read its first line. argv NULL: the built-in worker. Never NULL,
 * never fails. */
const char *policy_auto(const char *exec_path, const char *const argv[]);

#endif
