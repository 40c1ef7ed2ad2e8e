/* SPDX-License-Identifier: MIT */
#include "cage/cage.h"

#include "base/fd.h"

void cage_done(struct cage *c)
{
	fd_close(&c->mold_fd);
	if (c->no_caps)
		(void)cap_free(c->no_caps);
	*c = CAGE_NONE;
}
