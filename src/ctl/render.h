/* SPDX-License-Identifier: MIT */
/* render.h - what a master answered, laid out for people.
 *
 * Takes the JSON of the contract and trusts none of it: a key may be missing or
 * of another type, and every text is made safe before it is written.
 *
 * Layer: ctl. */
#ifndef MPSUP_CTL_RENDER_H
#define MPSUP_CTL_RENDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define RENDER_COLUMNS 100

struct render {
	FILE *out;
	bool colour;
};

/* The status object: master, pools, workers; with their certificates if there. */
void render_status(const struct render *r, const json_t *status);

/* A line for an instance: its status object. */
void render_list_head(const struct render *r);
void render_list_line(const struct render *r, const json_t *status);

/* The object inside {"event": ...} and {"log": ...}: one line each. */
void render_event(const struct render *r, const json_t *event);
void render_log(const struct render *r, const json_t *log);

/* "signal 9 (KILL)", "code 1", "reason hung": how a life ended, from a worker.exit
 * object or a part of it. */
#define RENDER_END_BYTES 96
void render_end(const json_t *death, char out[RENDER_END_BYTES]);

/* ---- for the files of render ---- */

enum tone { TONE_NONE, TONE_GOOD, TONE_WARN, TONE_BAD, TONE_DIM, TONE_BOLD };

const char *render_tone(const struct render *r, enum tone tone); /* "" without colour */
enum tone render_state_tone(const char *state);

/* The text of a key, safe for a terminal, in out; "-" when it is not a text. */
const char *render_text(const json_t *o, const char *key, char *out, size_t size);
/* -1 when it is not a number, or negative. */
json_int_t render_int(const json_t *o, const char *key);
/* The number of a key in out, "-" when it has none. */
#define RENDER_INT_BYTES 24
const char *render_number(const json_t *o, const char *key, char out[RENDER_INT_BYTES]);

/* ---- a table: columns as wide as their widest cell ---- */

#define TABLE_COLUMNS	 12
#define TABLE_CELL_BYTES 204

struct table {
	unsigned ncolumns;
	const char *const *heads; /* a leading '>' puts the column to the right */
	struct table_row *rows;
	size_t nrows;
	unsigned indent;
};

struct table_row {
	char cell[TABLE_COLUMNS][TABLE_CELL_BYTES];
	enum tone tone[TABLE_COLUMNS];
	char note[TABLE_CELL_BYTES]; /* on lines of its own below the row */
};

/* A fresh row to fill, valid until the next call; NULL when memory is out. */
struct table_row *table_add(struct table *t);
/* The last column is cut so that a row fits RENDER_COLUMNS. */
void table_print(const struct table *t, const struct render *r);
void table_done(struct table *t);

#endif
