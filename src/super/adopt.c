/* SPDX-License-Identifier: MIT */
#include "super/adopt.h"

#include "super/listeners.h"

int pool_adopt(struct pool *p, struct pool_config *conf, struct err *e)
{
	(void)e;
	pool_config_ref(conf);
	pool_config_unref(p->conf);
	p->conf = conf;
	listeners_rebase(p);
	return 0;
}
