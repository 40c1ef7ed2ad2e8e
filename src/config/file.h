/* SPDX-License-Identifier: MIT */
/* file.h - what the reader of a file of pools is made of; for file*.c alone. */
#ifndef MPSUP_CONFIG_FILE_H
#define MPSUP_CONFIG_FILE_H

#include "base/doc.h"
#include "config/reading.h"

#define FILE_MAX_BYTES	(4u << 20)
#define FILE_MAX_FILES	1024
#define FILE_MAX_POOLS	4096
#define FILE_MAX_DEPTH	8      /* of includes */
#define FILE_MAX_ITEMS	4096   /* of one list or mapping: each is compared with all others */
#define FILE_MAX_VALUES 500000 /* aliases make much of little */

struct source_file {
	struct doc doc;
	const char *dir; /* in the arena of the configuration */
	yaml_node_t *defaults;
	uint64_t dev, ino;
	struct source_file *from; /* included by */
	unsigned depth;
};

struct file_reader {
	struct reading rd;
	struct complaints *cs;
	struct complaints own_cs; /* when the caller wants only the first */
	struct source_file *f;
	bool by_hand;
	unsigned nfiles, nvalues;
	unsigned complained;
	struct err first;
};

/* ---- complaints: file.c ---- */
PRINTF(3, 4)
void file_wrong(struct file_reader *r, const yaml_node_t *n, const char *fmt, ...);
/* An error that has its place already, or none. */
void file_complain(struct file_reader *r, const struct err *e);

/* ---- values: file_value.c ---- */
/* The text of a scalar with its ${VAR}s, in the arena of the configuration; NULL: told. */
char *file_text(struct file_reader *r, const yaml_node_t *n, const char *what);
/* All values of a key. */
void file_take(struct file_reader *r, const struct key *k, yaml_node_t *n);
/* false: too many values, told once. */
bool file_count(struct file_reader *r, const yaml_node_t *n);

/* May n hold this many, all of one key? false: told. */
bool file_fits(struct file_reader *r, const yaml_node_t *n, const char *what, size_t many);

/* ---- mappings: file_map.c ---- */
typedef void file_pair_fn(struct file_reader *r, const char *key, yaml_node_t *key_node,
			  yaml_node_t *value, void *ctx);
/* Each pair once, with those of `<<`, whose keys the mapping does not have itself. */
void file_pairs(struct file_reader *r, yaml_node_t *map, const char *what, file_pair_fn *fn,
		void *ctx);
yaml_node_t *file_find(struct file_reader *r, const yaml_node_t *map, const char *key);
/* A mapping, of perhaps another file, whose keys are not taken from defaults. */
struct file_skip {
	struct source_file *file;
	yaml_node_t *map; /* NULL: none */
};
bool file_skips(struct file_reader *r, const struct file_skip *skip, const struct key *k);
/* Keys of a level, in its folder. */
void file_take_folder(struct file_reader *r, enum key_level level, yaml_node_t *map,
		      const struct file_skip *skip);
/* The level whose folder is called so, of a pool or of the instance; LEVELS: none. */
enum key_level file_folder(bool of_pool, const char *name);
/* The key was not known: the sentence with the nearest, or where it belongs. */
void file_unknown(struct file_reader *r, const yaml_node_t *key_node, const char *key, bool of_pool,
		  const char *where);

/* ---- pools: file_pool.c ---- */
void file_take_pools(struct file_reader *r, yaml_node_t *list);
/* What concerns several: names, addresses. */
void file_check_pools(struct file_reader *r);

#endif
