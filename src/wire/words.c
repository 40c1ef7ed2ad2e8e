/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "wire/words.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "wire/json.h"

#define LINES_MAX 64 /* lines in one datagram */

static void say_message(struct channel *ch, const char *text, size_t len)
{
	json_t *msg = wire_json(text, len);

	channel_message(ch, msg, text, len);
	json_decref(msg);
}

static void answer(struct channel *ch, const char *value, bool taken)
{
	char *end;
	unsigned long long number = strtoull(value, &end, 10);

	if (*value >= '0' && *value <= '9' && *end == '\0' && ch->up->answered(ch, number, taken))
		channel_answer(ch);
}

static void say_own(struct channel *ch, const char *key, const char *value)
{
	size_t len = strlen(value);

	if (strcmp(key, "PARKED") == 0 && strcmp(value, "1") == 0)
		ch->up->parked(ch);
	else if (strcmp(key, "SUICIDE") == 0)
		ch->up->suicide(ch, value, len);
	else if (strcmp(key, "ACCEPTED") == 0)
		answer(ch, value, true);
	else if (strcmp(key, "REFUSED") == 0)
		answer(ch, value, false);
	else if (strcmp(key, "MESSAGE") == 0)
		say_message(ch, value, len);
	/* Unknown keys are for later versions, as in sd_notify(3). */
}

static void say(struct channel *ch, const char *key, const char *value, bool own)
{
	if (strcmp(key, "READY") == 0 && strcmp(value, "1") == 0)
		ch->up->ready(ch);
	else if (strcmp(key, "STATUS") == 0)
		ch->up->status(ch, value, strlen(value));
	else if (strcmp(key, "WATCHDOG") == 0 && strcmp(value, "1") == 0)
		ch->up->watchdog(ch);
	else if (strcmp(key, "WATCHDOG") == 0 && strcmp(value, "trigger") == 0)
		ch->up->trigger(ch);
	else if (strcmp(key, "WATCHDOG_USEC") == 0)
		ch->up->watchdog_usec(ch, strtoull(value, NULL, 10));
	else if (strcmp(key, "STOPPING") == 0 && strcmp(value, "1") == 0)
		ch->up->stopping(ch);
	else if (strcmp(key, "EXTEND_TIMEOUT_USEC") == 0)
		ch->up->extend(ch, strtoull(value, NULL, 10));
	else if (own)
		say_own(ch, key, value);
}

/* The whole datagram is checked before the first word of it is believed. */
const char *words_check(const char *buf, size_t len)
{
	unsigned lines = 0;

	if (memchr(buf, '\0', len))
		return "a zero byte in a message";
	for (size_t i = 0; i < len;) {
		const char *nl = memchr(buf + i, '\n', len - i);
		size_t n = nl ? (size_t)(nl - (buf + i)) : len - i;
		const char *eq = memchr(buf + i, '=', n);

		if (n > 0 && (!eq || eq == buf + i))
			return "a line that is not KEY=VALUE";
		if (++lines > LINES_MAX)
			return "more than 64 lines in one message";
		i += n + 1;
	}
	return NULL;
}

void words_say(struct channel *ch, char *buf, bool own)
{
	for (char *line = buf, *next; line && *line && ch->source.live; line = next) {
		char *eq = strchr(line, '=');

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!eq || *line == '\0' || (next && eq > next))
			continue;
		*eq = '\0';
		say(ch, line, eq + 1, own);
	}
}
