/* SPDX-License-Identifier: MIT */
/* einhorn.h - the one word that einhorn's workers say to their master. Layer: wire. */
#ifndef MPSUP_WIRE_EINHORN_H
#define MPSUP_WIRE_EINHORN_H

#include <stdbool.h>
#include <stddef.h>

#define EINHORN_LINE_MAX 512

/* Is the line, without its newline, {"command":"worker:ack","pid":N}? As JSON, or as the
 * YAML of einhorn's own library with %0A for its newlines. text[len] may be written to. */
bool einhorn_is_ack(char *text, size_t len);

#endif
