/* SPDX-License-Identifier: MIT */
/* kept.h - what outlives an instance: the usage of its pools, the number of its last
 * event. The text of state.json, to and from; keys that are not known stay in it.
 *
 * Layer: ctl. */
#ifndef MPSUP_CTL_KEPT_H
#define MPSUP_CTL_KEPT_H

#include <jansson.h>
#include <stdio.h>

#include "super/super.h"

#define KEPT_BYTES_MAX (8u << 20)
#define KEPT_POOLS_MAX 8192
#define KEPT_GONE_MS   (90 * INT64_C(86400000)) /* a pool that is gone is remembered so long */

struct kept_pool {
	char name[40];
	struct usage usage;
	int64_t gone_ms; /* CLOCK_REALTIME; 0: it is there */
	json_t *rest;	 /* its keys that we do not know, or NULL */
};

struct kept {
	uint64_t seq; /* of events: all up to this one may have been given out */
	struct kept_pool *pools;
	size_t npools;
	json_t *rest;
};

/* *ret is untouched on failure. -EINVAL with a sentence, -ENOMEM. */
MUST_CHECK int kept_parse(const char *text, size_t len, struct kept *ret, struct err *e);
/* Errors are the stream's. */
void kept_write(const struct kept *k, int64_t now_ms, FILE *f);
void kept_done(struct kept *k);

/* A pool that comes goes on with what its name has used. */
void kept_give(const struct kept *k, struct pool *p);
/* From the pools, with the living as they were last looked at; those that are not there any
 * more keep their last figures. -ENOMEM: some are as they were. */
MUST_CHECK int kept_take(struct kept *k, const struct master *m, int64_t now_ms);

#endif
