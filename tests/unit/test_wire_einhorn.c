/* SPDX-License-Identifier: MIT */
/* test_wire_einhorn.c - which lines are einhorn's worker:ack. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "wire/einhorn.h"

/* On the heap, with no byte to spare: a read behind the line is ASan's. */
static bool is_ack(const char *text, size_t len)
{
	char *line = malloc(len + 1);
	bool r;

	assert_non_null(line);
	memcpy(line, text, len);
	line[len] = '\n';
	r = einhorn_is_ack(line, len);
	free(line);
	return r;
}

static void acks(void **state)
{
	static const char *const lines[] = {
		"{\"command\":\"worker:ack\",\"pid\":12}",
		"{\"pid\":\"12\", \"command\": \"worker:ack\"}",
		"{\"command\":\"worker\\u003aack\"}",
		"---%0Acommand: worker:ack%0Apid: 12%0A",
		"--- %0A:pid: 12%0A:command: worker:ack%0A",
		"command: worker:ack",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (!is_ack(lines[i], strlen(lines[i])))
			fail_msg("not understood: %s", lines[i]);
}

static void other_lines(void **state)
{
	static const char *const lines[] = {
		"",
		"%",
		"%0",
		"%0A",
		"%25%25",
		"worker:ack",
		"{\"command\":\"worker:ack\"",
		"{\"command\":\"worker:acks\"}",
		"{\"command\":[\"worker:ack\"]}",
		"{\"commands\":\"worker:ack\"}",
		"{\"a\":{\"command\":\"worker:ack\"}}",
		"[\"command\",\"worker:ack\"]",
		"{%0A\"command\":\"worker:ack\"}",
		"---%0Acommand: worker:ack, please%0A",
		"---%0Acommand: die%0Acommand: worker:ack%0A",
		"---%0Ax-command: worker:ack%0A",
		"---%250Acommand: worker:ack%0A",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (is_ack(lines[i], strlen(lines[i])))
			fail_msg("taken for an ack: %s", lines[i]);
	assert_false(is_ack("command: worker:ack\0", 20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(acks),
		cmocka_unit_test(other_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
