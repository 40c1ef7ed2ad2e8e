/* SPDX-License-Identifier: MIT */
/* pm2_value.c - values as people write them in PM2's files: numbers in strings, sizes,
 * times, lists with blanks. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "import/pm2_inner.h"

#define KIBI	 1024u
#define FAR_MS	 (400ull * 24 * 3600 * 1000) /* the longest time that a key takes */
#define FAR_SIZE (1ull << 50)

const char *pm2_scalar(const json_t *v, char buf[SCALAR_BYTES])
{
	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_STRING:
		return json_string_value(v);
	case JSON_INTEGER:
		(void)snprintf(buf, SCALAR_BYTES, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		return buf;
	case JSON_REAL:
		(void)snprintf(buf, SCALAR_BYTES, "%.15g", json_real_value(v));
		return buf;
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	default:
		return NULL;
	}
}

bool pm2_number(const json_t *v, int64_t *ret)
{
	const char *text = json_string_value(v);
	char *end;
	long long n;

	if (json_is_integer(v)) {
		*ret = json_integer_value(v);
		return true;
	}
	if (json_is_real(v) && fabs(json_real_value(v)) < 1e15) {
		*ret = (int64_t)json_real_value(v);
		return true;
	}
	if (!text || !*text)
		return false;
	n = strtoll(text, &end, 10);
	if (*end || strlen(text) > 18)
		return false;
	*ret = n;
	return true;
}

/* "300M": the number, times what its last letter stands for. */
static bool scaled(const json_t *v, const char *letters, const uint64_t *factors, uint64_t max,
		   uint64_t *ret)
{
	const char *text = json_string_value(v), *letter;
	char digits[24];
	size_t len = text ? strlen(text) : 0;
	uint64_t n, factor = 1;
	int64_t plain;

	if (pm2_number(v, &plain)) {
		*ret = plain < 0 ? 0 : (uint64_t)plain;
		return plain >= 0 && *ret <= max;
	}
	letter = len > 1 ? strchr(letters, text[len - 1]) : NULL;
	if (!letter || len > sizeof(digits))
		return false;
	factor = factors[letter - letters];
	memcpy(digits, text, len - 1);
	digits[len - 1] = '\0';
	if (parse_u64(digits, 0, max / factor, &n) < 0)
		return false;
	*ret = n * factor;
	return true;
}

bool pm2_size(const json_t *v, uint64_t *ret_bytes)
{
	static const uint64_t factors[] = { KIBI, KIBI * KIBI, KIBI * KIBI * KIBI };

	return scaled(v, "KMG", factors, FAR_SIZE, ret_bytes);
}

bool pm2_time(const json_t *v, uint64_t *ret_ms)
{
	static const uint64_t factors[] = { 1000, 60 * 1000, 3600 * 1000 };

	return scaled(v, "smh", factors, FAR_MS, ret_ms);
}

const char *pm2_time_text(uint64_t ms, char buf[TIME_BYTES])
{
	bool whole = ms % 1000 == 0;

	(void)snprintf(buf, TIME_BYTES, "%" PRIu64 "%s", whole ? ms / 1000 : ms,
		       whole ? "s" : "ms");
	return buf;
}

/* One word at *s, as far as the next blank that is in no quotes; a word that is in
 * quotes as a whole loses them. */
static json_t *next_word(const char **s)
{
	const char *start = *s, *p = *s;
	char quote = '\0';
	size_t len;

	while (*p && (quote || !strchr(" \t\r\n", *p))) {
		if (quote && *p == quote)
			quote = '\0';
		else if (!quote && (*p == '"' || *p == '\'') && strchr(p + 1, *p))
			quote = *p;
		p++;
	}
	len = (size_t)(p - start);
	*s = p;
	if (len >= 2 && strchr("\"'", *start) && start[len - 1] == *start)
		return json_stringn(start + 1, len - 2);
	return json_stringn(start, len);
}

json_t *pm2_words(const json_t *v)
{
	json_t *words = json_array();
	char buf[SCALAR_BYTES];
	const char *text = pm2_scalar(v, buf);
	const json_t *item;
	size_t i;

	if (text) {
		while (*(text += strspn(text, " \t\r\n")))
			if (json_array_append_new(words, next_word(&text)) < 0)
				goto fail;
		return words;
	}
	if (v && !json_is_array(v))
		goto fail;
	json_array_foreach(v, i, item)
	{
		text = pm2_scalar(item, buf);
		if (!text || json_array_append_new(words, json_string(text)) < 0)
			goto fail;
	}
	return words;
fail:
	json_decref(words);
	return NULL;
}
