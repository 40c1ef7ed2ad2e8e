/* SPDX-License-Identifier: MIT */
/* diff.h - what differs between two configurations, by the values that were given. */
#ifndef MPSUP_CONFIG_DIFF_H
#define MPSUP_CONFIG_DIFF_H

#include "config/config.h"
#include "config/keys.h"

#define DIFF_MAX 160

struct config_diff {
	const struct key *keys[DIFF_MAX]; /* in the table's order */
	unsigned n;
	enum key_change need; /* the most that one of them needs; n is 0: nothing */
};

/* Of pools, with what their env files hold; of instances, without their pools. */
void pool_config_diff(const struct pool_config *a, const struct pool_config *b,
		      struct config_diff *ret);
void config_diff(const struct config *a, const struct config *b, struct config_diff *ret);
bool diff_has(const struct config_diff *d, const char *key); /* of a pool's own level */

#endif
