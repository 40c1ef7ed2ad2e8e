/* SPDX-License-Identifier: MIT */
/* child.h - the child half of a birth: two tables of named steps, one for PID 1
 * of the new namespaces (it ends as mpsup-init), one for the worker itself.
 *
 * Layer: super. Only system calls between clone and exec. */
#ifndef MPSUP_SUPER_CHILD_H
#define MPSUP_SUPER_CHILD_H

#include <stdint.h>

#include "cage/cage.h"

/* child -> master on the report channel; one datagram. */
struct child_report {
	uint32_t kind;
#define CHILD_BORN   1	 /* from the worker: SCM_CREDENTIALS its pid, SCM_RIGHTS its pidfd */
#define CHILD_FAILED 2	 /* a step failed: what follows says which */
#define CHILD_ASKS   3	 /* SCM_RIGHTS: the filter's listener (seccomp user notification) */
#define CHILD_HEARS  4	 /* SCM_RIGHTS: its notify socket (sd_notify) */
#define CHILD_ACKS   5	 /* SCM_RIGHTS: the socket of its EINHORN_SOCK_PATH */
	uint32_t step;	 /* enum child_step */
	int32_t error;	 /* positive errno */
	uint32_t sealed; /* CHILD_HEARS: nobody outside of its view can reach it */
};

/* clang-format off */
enum child_step {
	STEP_SESSION, STEP_VIEW, STEP_PROC, STEP_OWN, STEP_CGROUP_VIEW, STEP_NOTIFY, STEP_EINHORN,
	STEP_CLONE_WORKER, STEP_INIT_FDS, STEP_EXEC_INIT,
	STEP_BORN, STEP_WORKER_SESSION, STEP_PIN, STEP_LIMITS, STEP_BOUNDING, STEP_GROUPS, STEP_UID,
	STEP_CAPS, STEP_CWD, STEP_FDS, STEP_NNP, STEP_SIGNALS, STEP_FILTER, STEP_EXEC,
	CHILD_STEPS
};
/* clang-format on */

/* "drop capabilities", for messages and worker.exit's "step". */
const char *child_step_name(unsigned step);
/* The same text, which stays; NULL: no step is called so. */
const char *child_step_called(const char *name);
/* The --no-sandbox word that would leave this step out, or NULL. */
const char *child_step_word(unsigned step);

/* Runs in the clone; never returns. */
_Noreturn void child_main(const struct cage *c, const struct cage_birth *b);

#endif
