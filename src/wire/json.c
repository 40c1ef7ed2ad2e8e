/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "wire/json.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS (JSON_DECODE_ANY | JSON_ALLOW_NUL)

/* The code unit of a \uXXXX at p, or -1. */
static int unit_at(const char *p, const char *end)
{
	int unit = 0;

	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		if (!isxdigit((unsigned char)p[i]))
			return -1;
		unit = unit * 16 +
		       (isdigit((unsigned char)p[i]) ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
	}
	return unit;
}

static bool is_high(int unit)
{
	return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low(int unit)
{
	return unit >= 0xdc00 && unit <= 0xdfff;
}

/* Halves of pairs become U+FFFD, and NULs where they may not stand. */
static bool mend(char *text, size_t len, bool nuls)
{
	const char *end = text + len;
	bool mended = false;

	for (char *p = text; p < end;) {
		int unit = unit_at(p, end);

		if (is_high(unit) && is_low(unit_at(p + 6, end))) {
			p += 12;
		} else if (is_high(unit) || is_low(unit) || (nuls && unit == 0)) {
			memcpy(p, "\\ufffd", 6);
			mended = true;
			p += 6;
		} else {
			p += *p == '\\' ? 2 : 1; /* the next one is escaped, whatever it is */
		}
	}
	return mended;
}

static json_t *load(const char *text, size_t len, enum json_error_code *ret_why)
{
	json_error_t why;
	json_t *msg = json_loadb(text, len, FLAGS, &why);

	if (!msg && json_error_code(&why) == json_error_numeric_overflow)
		msg = json_loadb(text, len, FLAGS | JSON_DECODE_INT_AS_REAL, &why);
	if (!msg)
		*ret_why = json_error_code(&why);
	return msg;
}

json_t *wire_json(const char *text, size_t len)
{
	enum json_error_code why;
	json_t *msg = load(text, len, &why);
	char *copy;

	if (msg || why == json_error_stack_overflow)
		return msg;
	copy = malloc(len);
	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	if (mend(copy, len, why == json_error_null_byte_in_key))
		msg = load(copy, len, &why);
	/* The first thing that was found may have hidden the other. */
	if (!msg && why == json_error_null_byte_in_key && mend(copy, len, true))
		msg = load(copy, len, &why);
	free(copy);
	return msg;
}
