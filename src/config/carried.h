/* SPDX-License-Identifier: MIT */
/* carried.h - a configuration in an image of the master (kernel/image.h): the values as they
 * were given, and what was found out about this host, so that neither files nor users nor
 * CPUs are looked at again: an upgrade is no reload.
 *
 * Layer: config. */
#ifndef MPSUP_CONFIG_CARRIED_H
#define MPSUP_CONFIG_CARRIED_H

#include "config/config.h"
#include "kernel/image.h"

void pool_config_put(struct image *im, json_t *o, const struct pool_config *p);
/* A new one with one reference; NULL: im->err says why. */
struct pool_config *pool_config_get(struct image *im, const json_t *o);

/* The instance's own values, without pools. */
void config_put(struct image *im, json_t *o, const struct config *c);
struct config *config_get(struct image *im, const json_t *o);

void givens_put(struct image *im, json_t *array, const struct givens *g);
/* Texts in the arena. A key that is not known any more is an error that names it. */
void givens_get(struct image *im, const json_t *array, struct arena *a, struct givens *ret);

#endif
