/* SPDX-License-Identifier: MIT */
/* render_table.c - cells, widths, colours and numbers for people. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/text.h"
#include "ctl/render.h"

const char *render_tone(const struct render *r, enum tone tone)
{
	static const char *const code[] = {
		[TONE_NONE] = "",	 [TONE_GOOD] = "\033[32m", [TONE_WARN] = "\033[33m",
		[TONE_BAD] = "\033[31m", [TONE_DIM] = "\033[2m",   [TONE_BOLD] = "\033[1m",
	};

	return r->colour ? code[tone] : "";
}

enum tone render_state_tone(const char *state)
{
	static const struct {
		const char *state;
		enum tone tone;
	} tones[] = {
		{ "ready", TONE_GOOD },	   { "parked", TONE_GOOD },    { "starting", TONE_WARN },
		{ "draining", TONE_WARN }, { "reloading", TONE_WARN }, { "degraded", TONE_WARN },
		{ "backoff", TONE_WARN },  { "failed", TONE_BAD },     { "stopped", TONE_DIM },
	};

	for (size_t i = 0; i < ARRAY_LEN(tones); i++)
		if (strcmp(tones[i].state, state) == 0)
			return tones[i].tone;
	return TONE_NONE;
}

const char *render_text(const json_t *o, const char *key, char *out, size_t size)
{
	const json_t *v = json_object_get(o, key);

	(void)snprintf(out, size, "-");
	if (json_is_string(v))
		(void)text_safe(json_string_value(v), json_string_length(v), out, size);
	return out;
}

json_int_t render_int(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) && json_integer_value(v) >= 0 ? json_integer_value(v) : -1;
}

const char *render_number(const json_t *o, const char *key, char out[RENDER_INT_BYTES])
{
	json_int_t n = render_int(o, key);

	(void)snprintf(out, RENDER_INT_BYTES, "-");
	if (n >= 0)
		(void)snprintf(out, RENDER_INT_BYTES, "%lld", (long long)n);
	return out;
}

struct table_row *table_add(struct table *t)
{
	struct table_row *rows = reallocarray(t->rows, t->nrows + 1, sizeof(*rows));

	if (!rows)
		return NULL;
	t->rows = rows;
	memset(&rows[t->nrows], 0, sizeof(*rows));
	return &rows[t->nrows++];
}

void table_done(struct table *t)
{
	free(t->rows);
	t->rows = NULL;
	t->nrows = 0;
}

/* Bytes of the character at s, and the columns it takes: beyond U+07FF two, which
 * is right for what is wide and cautious for the rest. */
static unsigned step(const char *s, unsigned *ret_columns)
{
	unsigned char c = (unsigned char)*s;
	unsigned n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	*ret_columns = n > 2 ? 2 : 1;
	return n;
}

static unsigned width(const char *s)
{
	unsigned sum = 0, w;

	while (*s) {
		s += step(s, &w);
		sum += w;
	}
	return sum;
}

/* How many bytes of s fit into max columns. */
static int fitting(const char *s, unsigned max)
{
	const char *p = s;
	unsigned w = 0;

	while (*p) {
		unsigned n = step(p, &w);

		if (w > max)
			break;
		max -= w;
		p += n;
	}
	return (int)(p - s);
}

struct place {
	unsigned width;
	bool right, last;
	unsigned room; /* of the last */
};

static void print_cell(const struct render *r, const struct place *at, const char *text,
		       enum tone tone)
{
	unsigned w = width(text), pad = at->width > w ? at->width - w : 0;
	const char *on = render_tone(r, tone), *off = *on ? "\033[0m" : "";

	if (at->last && w > at->room)
		(void)fprintf(r->out, "%s%.*s...%s", on, fitting(text, at->room - 3), text, off);
	else if (at->right)
		(void)fprintf(r->out, "%*s%s%s%s", (int)pad, "", on, text, off);
	else
		(void)fprintf(r->out, "%s%s%s%*s", on, text, off, at->last ? 0 : (int)pad, "");
}

static void print_row(const struct table *t, const struct render *r, const struct place *places,
		      const struct table_row *row)
{
	unsigned end = t->ncolumns;

	/* No blanks at the end of a line. */
	while (row && end > 1 && !row->cell[end - 1][0])
		end--;
	(void)fprintf(r->out, "%*s", (int)t->indent, "");
	for (unsigned c = 0; c < end; c++) {
		const char *head = t->heads[c] + (t->heads[c][0] == '>');
		struct place at = places[c];

		at.last = c + 1 == end && !at.right;
		if (c)
			(void)fputs("  ", r->out);
		print_cell(r, &at, row ? row->cell[c] : head, row ? row->tone[c] : TONE_DIM);
	}
	(void)fputc('\n', r->out);
}

static void print_note(const struct table *t, const struct render *r, const char *note)
{
	const unsigned indent = t->indent + 4;

	while (*note) {
		int n = fitting(note, RENDER_COLUMNS - indent);

		(void)fprintf(r->out, "%*s%.*s\n", (int)indent, "", n, note);
		note += n;
	}
}

void table_print(const struct table *t, const struct render *r)
{
	struct place places[TABLE_COLUMNS] = { 0 };
	unsigned left = t->indent;

	for (unsigned c = 0; c < t->ncolumns; c++) {
		struct place *p = &places[c];

		p->right = t->heads[c][0] == '>';
		p->width = width(t->heads[c] + p->right);
		for (size_t i = 0; i < t->nrows; i++)
			if (width(t->rows[i].cell[c]) > p->width)
				p->width = width(t->rows[i].cell[c]);
		p->room = left + 8 < RENDER_COLUMNS ? RENDER_COLUMNS - left : 8;
		left += p->width + 2;
	}
	print_row(t, r, places, NULL);
	for (size_t i = 0; i < t->nrows; i++) {
		print_row(t, r, places, &t->rows[i]);
		print_note(t, r, t->rows[i].note);
	}
}
