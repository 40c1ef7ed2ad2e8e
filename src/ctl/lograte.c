/* SPDX-License-Identifier: MIT */
#include "ctl/lograte.h"

bool lograte_passes(struct lograte *r, unsigned limit, uint64_t window_ms, uint64_t now_ms)
{
	if (limit == 0)
		return true;
	if (now_ms >= r->until_ms) {
		r->until_ms = now_ms + window_ms;
		r->taken = 0;
	}
	if (r->taken < limit) {
		r->taken++;
		return true;
	}
	r->dropped++;
	return false;
}
