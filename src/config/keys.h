/* SPDX-License-Identifier: MIT */
/* keys.h - the one table of options and keys: parsing, --help, the errors with
 * the nearest known word come from it, and so will the file and the manual. */
#ifndef MPSUP_CONFIG_KEYS_H
#define MPSUP_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/base.h"
#include "base/err.h"

/* Where a key is at home; in a file all but the plain ones are in a folder of their own:
 * `limits: {memory: 512M}`. */
enum key_level {
	LEVEL_INSTANCE,
	LEVEL_CONTROL, /* of the instance */
	LEVEL_LOG,     /* mpsup's own */
	LEVEL_POOL,
	LEVEL_LIMITS,
	LEVEL_TOTAL, /* limits of all workers of a pool together */
	LEVEL_RESTART,
	LEVEL_POOL_LOG, /* its workers' lines */
	LEVEL_POOL_CONTROL,
	LEVELS
};
/* What a change of it needs in a running instance. */
enum key_change { CHANGE_LIVE, CHANGE_RELOAD, CHANGE_RESTART };
/* How it is written in a file. */
enum key_shape {
	SHAPE_ONE,	/* one value; without a placeholder a flag: true or false */
	SHAPE_EACH,	/* one value, or a list of them */
	SHAPE_WORDS,	/* the same, and an option has them with commas */
	SHAPE_PAIRS,	/* NAME: VALUE, or a list of NAME=VALUE */
	SHAPE_COMMAND,	/* words of a command line */
	SHAPE_ARGV_ONLY /* not for a file */
};

struct reading;

struct key {
	const char *option; /* long name without dashes; NULL: only a file has it */
	char letter;	    /* 0: none */
	const char *key;    /* name in a file */
	enum key_level level;
	enum key_change change;
	const char *value;    /* placeholder; NULL: a flag */
	const char *standard; /* the default, as text */
	const char *help;
	/* Take one value. -EINVAL with the sentence after "--option: ". */
	int (*take)(struct reading *rd, const struct key *k, const char *value, struct err *e);
	const char *form; /* "what would be right", for the common error */
	enum key_shape shape;
	/* The words that are right, which `take` compares with; NULL: it is no matter of words. */
	const char *const *words;
	bool open; /* beside the words other values are right */
};

extern const struct key keys[];
extern const size_t keys_count;

/* By option or, with by_key, by a pool's name for it in a file ("limit",
 * "restart.limit"); NULL: none. */
const struct key *keys_find(const char *name, size_t len, int by_key);
/* The one that is called so at this level; NULL: none. */
const struct key *keys_find_at(enum key_level level, const char *name);
/* The same at any level of a pool, or (false) of the instance. */
const struct key *keys_find_any(bool of_pool, const char *name);
bool keys_level_is_pool(enum key_level level);
const struct key *keys_find_letter(char letter);
/* Options of later versions that the contract names already. */
int keys_is_planned(const char *name, size_t len);
/* Nearest option or, with by_key, nearest key of a pool; NULL: none is near. */
const char *keys_nearest(const char *name, int by_key);
/* Is it a key of a pool, in a file, and so for --set? */
int keys_is_pool(const struct key *k);
/* "limits.", "restart.", "log.", "control.": where a file keeps keys of that level; or "". */
const char *keys_folder(enum key_level level);

/* "--memory-high" becomes "limits.memory_high" in a sentence for the reader of a file.
 * The first that was there, or NULL. */
const struct key *keys_in_words_of_file(char *text, size_t size);

void keys_print_help(FILE *to);

#endif
