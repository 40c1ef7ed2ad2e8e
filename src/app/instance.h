/* SPDX-License-Identifier: MIT */
/* instance.h - the folder and the name of a running instance. */
#ifndef MPSUP_APP_INSTANCE_H
#define MPSUP_APP_INSTANCE_H

#include <limits.h>

#include "config/config.h"

struct instance {
	char run_dir[PATH_MAX]; /* /run/mpsup */
	char dir[PATH_MAX];	/* /run/mpsup/NAME, 0700 */
	int lock_fd;		/* flock on dir: one master a name */
};

/* Take c->name, or name-2, name-3, ... when it was not given and is taken.
 * -EBUSY: an instance of that name runs. */
MUST_CHECK int instance_claim(struct instance *in, struct config *c, struct err *e);
void instance_release(struct instance *in);

#endif
