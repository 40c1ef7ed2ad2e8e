/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "wire/einhorn.h"

#include <jansson.h>
#include <string.h>

#include "wire/json.h"

#define ACK "worker:ack"

/* %0A and %25, in place. */
static void unescape(char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		bool newline = len - i > 2 && memcmp(text + i, "%0A", 3) == 0;
		bool percent = len - i > 2 && memcmp(text + i, "%25", 3) == 0;

		text[n++] = newline ? '\n' : text[i];
		i += newline || percent ? 2 : 0;
	}
	text[n] = '\0';
}

/* "command: worker:ack"; a symbol's key begins with a colon. */
static bool yaml_is_ack(char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line += *line == ':';
		if (strncmp(line, "command: ", 9) == 0)
			return strcmp(line + 9, ACK) == 0;
	}
	return false;
}

bool einhorn_is_ack(char *text, size_t len)
{
	const char *command;
	json_t *msg;
	bool is;

	if (memchr(text, '\0', len))
		return false;
	if (len > 0 && *text != '{') {
		unescape(text, len);
		return yaml_is_ack(text);
	}
	msg = wire_json(text, len);
	command = json_string_value(json_object_get(msg, "command"));
	is = command && strcmp(command, ACK) == 0;
	json_decref(msg);
	return is;
}
