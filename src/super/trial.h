/* SPDX-License-Identifier: MIT */
/* trial.h - one real birth in the whole cage of a generation, in a leaf of its own, that
 * is ended again at once: the last word on whether a start would work here.
 *
 * Layer: super. Blocks, at most some seconds; never logs; nothing of it is left. */
#ifndef MPSUP_SUPER_TRIAL_H
#define MPSUP_SUPER_TRIAL_H

#include "super/super.h"

/* 0; else a sentence that names the step. *ret_word: enum cage_word that a start would do
 * without, CAGE_WORDS: none. After prepare_master(). */
MUST_CHECK int trial_birth(struct master *m, const struct generation *g, unsigned *ret_word,
			   struct err *e);

/* Of a leaf that nobody is born into: *ret_kill as of try_cgroup_kill(), *ret_peak whether
 * memory.peak is there. -errno: no leaf can be made. */
MUST_CHECK int trial_leaf(const struct master *m, int *ret_kill, bool *ret_peak);

#endif
