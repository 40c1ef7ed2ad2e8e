/* SPDX-License-Identifier: MIT */
/* lograte.h - so many lines in a window, and how many more there were. A value. */
#ifndef MPSUP_CTL_LOGRATE_H
#define MPSUP_CTL_LOGRATE_H

#include <stdbool.h>
#include <stdint.h>

struct lograte {
	uint64_t until_ms; /* the end of the window that runs */
	unsigned taken;
	unsigned long dropped; /* not told yet: the caller tells, and sets it to 0 */
};

/* May one more line pass? limit 0: any number may. A window begins with its first line. */
bool lograte_passes(struct lograte *r, unsigned limit, uint64_t window_ms, uint64_t now_ms);

#endif
