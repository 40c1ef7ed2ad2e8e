/* SPDX-License-Identifier: MIT */
/* recycle.h - workers that are old or large are replaced before they fail: by a twin, or,
 * where the pool's total has no room for one, drained first. One of a pool at a time.
 *
 * Layer: super. */
#ifndef MPSUP_SUPER_RECYCLE_H
#define MPSUP_SUPER_RECYCLE_H

#include "super/super.h"

void recycle_init(struct life *l);
/* It is ready, or max_age has changed. */
void recycle_watch(struct life *l);
void recycle_done(struct life *l);
/* It has met its memory.high. false: that is not why it would be replaced. */
bool recycle_large(struct life *l);
/* Its twin did not get ready: tried again later. */
void recycle_failed(struct life *l);

#endif
