/* SPDX-License-Identifier: MIT */
/* watchdog.h - signs of life of one worker. life_watchdog_ping() and life_online() are
 * among the facts of life.h. */
#ifndef MPSUP_SUPER_WATCHDOG_H
#define MPSUP_SUPER_WATCHDOG_H

#include "super/super.h"

void watchdog_init(struct life *l);
void watchdog_start(struct life *l); /* it is ready */
void watchdog_stop(struct life *l);  /* it leaves or is gone; harmless twice */
/* For the certificate: it never listened. */
void watchdog_hint(struct death *d, const struct life *l);

#endif
