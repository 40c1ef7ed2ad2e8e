/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "base/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Length of the well-formed UTF-8 character at s (RFC 3629: shortest form, no
 * surrogates, at most U+10FFFF), or 0. */
static size_t utf8_decode(const unsigned char *s, size_t left, uint32_t *ret_rune)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t rune;

	if (len == 0 || len > left || s[0] > 0xf4)
		return 0;
	rune = len == 1 ? s[0] : s[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		rune = (rune << 6) | (s[i] & 0x3fu);
	}
	if (rune < smallest[len] || rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff))
		return 0;
	*ret_rune = rune;
	return len;
}

/* Characters that move the cursor, end the line or turn the reading direction:
 * each of them can make a line say something else than it holds. */
static bool rune_is_unsafe(uint32_t r)
{
	return (r < 0x20 && r != '\t') || (r >= 0x7f && r <= 0x9f) || r == 0x061c || r == 0x200e ||
	       r == 0x200f || (r >= 0x2028 && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069);
}

static size_t put_hex(unsigned char byte, char out[5])
{
	static const char digit[] = "0123456789abcdef";

	out[0] = '\\';
	out[1] = 'x';
	out[2] = digit[byte >> 4];
	out[3] = digit[byte & 15];
	out[4] = '\0';
	return 4;
}

size_t text_safe(const char *in, size_t in_len, char *out, size_t out_size)
{
	const unsigned char *s = (const unsigned char *)in;
	size_t used = 0;

	if (out_size == 0)
		return 0;
	for (size_t i = 0; i < in_len;) {
		uint32_t rune = 0;
		size_t len = utf8_decode(s + i, in_len - i, &rune);
		char piece[4 * 4 + 1];
		size_t n = 0;

		if (len > 0 && !rune_is_unsafe(rune)) {
			memcpy(piece, s + i, len);
			n = len;
		} else {
			len = len ? len : 1;
			for (size_t k = 0; k < len; k++)
				n += put_hex(s[i + k], piece + n);
		}
		if (n > out_size - 1 - used)
			break;
		memcpy(out + used, piece, n);
		used += n;
		i += len;
	}
	out[used] = '\0';
	return used;
}

/* One character of a JSON string: what to write for the byte c, which may be
 * the first of several. */
static size_t json_piece(const char *in, char piece[8])
{
	static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
	unsigned char c = (unsigned char)in[0];
	const char *found = strchr(plain, c);
	size_t n = 1;

	if (found) {
		piece[0] = '\\';
		piece[1] = letter[found - plain];
		return 2;
	}
	if (c < 0x20 || c == 0x7f)
		return (size_t)snprintf(piece, 8, "\\u%04x", c);
	piece[0] = in[0];
	while (n < 4 && ((unsigned char)in[n] & 0xc0) == 0x80) {
		piece[n] = in[n];
		n++;
	}
	return n;
}

size_t text_json(const char *in, char *out, size_t out_size)
{
	size_t used = 0;

	if (out_size == 0)
		return 0;
	while (*in) {
		char piece[8];
		size_t n = json_piece(in, piece);

		if (n > out_size - 1 - used)
			break;
		memcpy(out + used, piece, n);
		used += n;
		in++;
		while (((unsigned char)*in & 0xc0) == 0x80)
			in++;
	}
	out[used] = '\0';
	return used;
}

void text_time(int64_t realtime_ms, char out[TEXT_TIME_BYTES])
{
	int64_t ms = realtime_ms % 1000;
	time_t seconds = (time_t)(realtime_ms / 1000);
	struct tm tm;
	size_t n;

	if (ms < 0) {
		ms += 1000;
		seconds--;
	}
	if (!gmtime_r(&seconds, &tm))
		memset(&tm, 0, sizeof(tm));
	n = strftime(out, TEXT_TIME_BYTES - 5, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out + n, TEXT_TIME_BYTES - n, ".%03uZ", (unsigned)ms % 1000u);
}

void text_duration(uint64_t ms, char out[TEXT_DURATION_BYTES])
{
	uint64_t s = ms / 1000, m = s / 60, h = m / 60;

	if (s == 0)
		(void)snprintf(out, TEXT_DURATION_BYTES, "%" PRIu64 " ms", ms);
	else if (m == 0)
		(void)snprintf(out, TEXT_DURATION_BYTES, "%" PRIu64 ".%" PRIu64 " s", s,
			       ms % 1000 / 100);
	else if (h == 0)
		(void)snprintf(out, TEXT_DURATION_BYTES, "%" PRIu64 "m%02" PRIu64 "s", m, s % 60);
	else if (h < 24)
		(void)snprintf(out, TEXT_DURATION_BYTES, "%" PRIu64 "h%02" PRIu64 "m", h, m % 60);
	else
		(void)snprintf(out, TEXT_DURATION_BYTES, "%" PRIu64 "d%02" PRIu64 "h", h / 24,
			       h % 24);
}

void text_size(uint64_t bytes, char out[TEXT_SIZE_BYTES])
{
	static const char unit[] = "BKMGTPE";
	unsigned u = 0, whole, tenths;

	while (bytes >= UINT64_C(1024) * 1024 && u < sizeof(unit) - 3) {
		bytes /= 1024;
		u++;
	}
	/* Below 1 MiB of the unit beneath: one more division gives the decimal. */
	whole = (unsigned)bytes;
	tenths = 0;
	if (bytes >= 1024) {
		whole = (unsigned)(bytes / 1024);
		tenths = (unsigned)(bytes % 1024 * 10 / 1024);
		u++;
	}
	if (tenths == 0)
		(void)snprintf(out, TEXT_SIZE_BYTES, "%u%c", whole, unit[u]);
	else
		(void)snprintf(out, TEXT_SIZE_BYTES, "%u.%u%c", whole, tenths, unit[u]);
}

void text_cpus(const cpu_set_t *cpus, char out[TEXT_CPUS_BYTES])
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < CPU_SETSIZE; i++) {
		char piece[24];
		size_t last = i;
		int n;

		if (!CPU_ISSET(i, cpus))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus))
			last++;
		n = snprintf(piece, sizeof(piece), last > i ? "%s%zu-%zu" : "%s%zu",
			     used ? "," : "", i, last);
		if (used + (size_t)n + sizeof("...") > TEXT_CPUS_BYTES) {
			memcpy(out + used, "...", sizeof("..."));
			return;
		}
		memcpy(out + used, piece, (size_t)n + 1);
		used += (size_t)n;
		i = last;
	}
}
