/* SPDX-License-Identifier: MIT */
/* carried.h - the control socket in an image of the master (kernel/image.h).
 *
 * Layer: ctl. */
#ifndef MPSUP_CTL_CARRIED_H
#define MPSUP_CTL_CARRIED_H

#include "ctl/ctl.h"
#include "kernel/image.h"

void ctl_put(struct image *im, json_t *o, const struct ctl *c);
/* In the place of ctl_open(), after the pools. -errno with a sentence. */
MUST_CHECK int ctl_get(struct image *im, const json_t *o, struct ctl *c, struct master *m,
		       struct err *e);

#endif
