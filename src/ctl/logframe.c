/* SPDX-License-Identifier: MIT */
#include "ctl/logframe.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "super/life.h"

size_t logframe_text(const struct logline *line, bool safe, char text[LOGFRAME_BYTES])
{
	char name[LIFE_NAME_BYTES];
	size_t n = (size_t)snprintf(text, 128, "%s | ", slot_name(line->slot, name));

	if (safe) {
		n += text_safe(line->text, line->len, text + n, LOGFRAME_BYTES - n - 1);
	} else {
		memcpy(text + n, line->text, line->len);
		n += line->len;
	}
	text[n++] = '\n';
	return n;
}

size_t logframe_timed(const struct logline *line, char text[LOGFRAME_BYTES])
{
	char name[LIFE_NAME_BYTES], when[TEXT_TIME_BYTES];
	size_t n;

	text_time(line->time_ms, when);
	n = (size_t)snprintf(text, 128, "%s %s | ", when, slot_name(line->slot, name));
	memcpy(text + n, line->text, line->len);
	n += line->len;
	text[n++] = '\n';
	return n;
}

size_t logframe_json(const struct logline *line, char text[LOGFRAME_BYTES])
{
	char name[LIFE_NAME_BYTES], when[TEXT_TIME_BYTES];
	char safe[LOG_LINE_MAX * 2], quoted[LOG_LINE_MAX * 4];

	text_time(line->time_ms, when);
	(void)text_safe(line->text, line->len, safe, sizeof(safe));
	(void)text_json(safe, quoted, sizeof(quoted));
	return (size_t)snprintf(
		text, LOGFRAME_BYTES,
		"{\"time\":\"%s\",\"worker\":\"%s\",\"stream\":\"%s\",\"line\":\"%s\"}\n", when,
		slot_name(line->slot, name), line->is_err ? "err" : "out", quoted);
}
