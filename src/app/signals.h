/* SPDX-License-Identifier: MIT */
/* signals.h - signals to the master become events of the loop. */
#ifndef MPSUP_APP_SIGNALS_H
#define MPSUP_APP_SIGNALS_H

#include "super/super.h"

struct signals {
	struct master *master;
	int fd;
	struct source src;
	void (*reopen)(void *ctx);	  /* USR1 */
	void (*reload)(void *ctx);	  /* HUP */
	void (*scale)(void *ctx, int by); /* TTIN, TTOU */
	void (*upgrade)(void *ctx);	  /* USR2 */
	void *ctx;
};

/* First thing a master does: nothing is delivered any more but through the loop. */
void signals_block(void);
MUST_CHECK int signals_open(struct signals *s, struct master *m);
void signals_close(struct signals *s);

#endif
