/* SPDX-License-Identifier: MIT */
/* keys.h - the one table of options and keys: parsing, --help, the errors with
 * the nearest known word come from it, and so will the file and the manual. */
#ifndef MPSUP_CONFIG_KEYS_H
#define MPSUP_CONFIG_KEYS_H

#include <stddef.h>
#include <stdio.h>

#include "base/base.h"
#include "base/err.h"

enum key_level { LEVEL_INSTANCE, LEVEL_POOL, LEVEL_LIMITS, LEVEL_RESTART, LEVEL_LOG };
/* What a change of it needs in a running instance. */
enum key_change { CHANGE_LIVE, CHANGE_RELOAD, CHANGE_RESTART };

struct reading;

struct key {
	const char *option; /* long name without dashes */
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
};

extern const struct key keys[];
extern const size_t keys_count;

/* By option or, with by_key, by its name in a file ("limit", "restart.limit");
 * NULL: none. */
const struct key *keys_find(const char *name, size_t len, int by_key);
const struct key *keys_find_letter(char letter);
/* Options of later versions that the contract names already. */
int keys_is_planned(const char *name, size_t len);
/* Nearest option or, with by_key, nearest key of a pool; NULL: none is near. */
const char *keys_nearest(const char *name, int by_key);
/* Is it a key of a pool, in a file, and so for --set? */
int keys_is_pool(const struct key *k);
/* "limits.", "restart.", "log.": where a file keeps keys of that level; or "". */
const char *keys_folder(enum key_level level);

void keys_print_help(FILE *to);

#endif
