/* SPDX-License-Identifier: MIT */
/* json.h - JSON as workers write it. Layer: wire. */
#ifndef MPSUP_WIRE_JSON_H
#define MPSUP_WIRE_JSON_H

#include <jansson.h>

/* Any JSON value, at most 2048 levels deep (jansson's bound), UTF-8 checked. What
 * JSON.stringify() may write and jansson refuses is taken as the nearest that can be
 * written again: half a surrogate pair and a NUL in a key become U+FFFD, an integer of
 * more than 64 bits a real number. NULL: it is no JSON. */
json_t *wire_json(const char *text, size_t len);

#endif
