/* SPDX-License-Identifier: MIT */
/* logframe.h - a worker's line as it is shown: with POOL/SLOT, and its time where the
 * reader has no clock. */
#ifndef MPSUP_CTL_LOGFRAME_H
#define MPSUP_CTL_LOGFRAME_H

#include <stdbool.h>
#include <stddef.h>

#include "super/logring.h"

#define LOGFRAME_BYTES (LOG_LINE_MAX * 4 + 512)

/* "web/3 | line\n"; safe: control characters are made visible (base/text.h). */
size_t logframe_text(const struct logline *line, bool safe, char text[LOGFRAME_BYTES]);
/* With its time in front. */
size_t logframe_timed(const struct logline *line, char text[LOGFRAME_BYTES]);
/* {"time", "worker", "stream": "out"|"err", "line"} */
size_t logframe_json(const struct logline *line, char text[LOGFRAME_BYTES]);

#endif
