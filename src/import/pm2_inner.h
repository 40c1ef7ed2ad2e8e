/* SPDX-License-Identifier: MIT */
/* pm2_inner.h - between the files pm2_*.c; for them alone. */
#ifndef MPSUP_IMPORT_PM2_INNER_H
#define MPSUP_IMPORT_PM2_INNER_H

#include <stdint.h>

#include "import/pm2.h"

#define POOL_NAME_BYTES 33

/* ---- what PM2 documents: pm2_keys.c ---- */

enum pm2_does {
	PM2_MAPPED,  /* pm2_pool.c writes it */
	PM2_WANTED,  /* has no equal here: advice where it is on */
	PM2_FILLED,  /* the same; PM2 writes it to its dump whoever wanted it */
	PM2_OPT_OUT, /* where it is off */
	PM2_INNER    /* PM2's own records, as in its dump: nothing to say */
};

struct pm2_key {
	const char *name;
	const char *aliases; /* words with blanks between, or NULL */
	enum pm2_does does;
	const char *advice; /* what to do here instead */
};

extern const struct pm2_key pm2_keys[];
extern const size_t pm2_keys_count;

/* By name or alias; NULL: PM2 documents no such key. */
const struct pm2_key *pm2_key_find(const char *name);
const char *pm2_key_nearest(const char *name);
/* The value by its name or, without that, an alias; NULL: none, or null. */
const json_t *pm2_get(const json_t *conf, const char *name);
bool pm2_is_on(const json_t *v); /* as JavaScript's truth, and "false" is false */

/* ---- a pool in the making: pm2_text.c ---- */

enum pm2_part { PART_REMARKS, PART_POOL, PART_LIMITS, PART_RESTART, PARTS };

struct pm2_pool {
	const struct pm2_request *rq;
	const json_t *conf;
	const char *theirs;	    /* its name at PM2's */
	char name[POOL_NAME_BYTES]; /* and here */
	unsigned count;		    /* times that a dump has it */
	bool dumped;
	FILE *part[PARTS];
	char *text[PARTS];
	size_t len[PARTS];
	FILE *notes;
};

/* 0 or -ENOMEM; pm2_pool_done() is due in both cases. */
MUST_CHECK int pm2_pool_open(struct pm2_pool *p);
void pm2_pool_print(struct pm2_pool *p, FILE *out);
void pm2_pool_done(struct pm2_pool *p);

/* "key: " and what follows, into its part. */
PRINTF(4, 5)
void pm2_put(struct pm2_pool *p, enum pm2_part part, const char *key, const char *fmt, ...);
/* The same with a stranger's text for a value. */
void pm2_put_text(struct pm2_pool *p, enum pm2_part part, const char *key, const char *value);
/* A comment above the pool: what, and what to do about it. */
PRINTF(3, 4) void pm2_remark(struct pm2_pool *p, const char *what, const char *fmt, ...);
/* A line for the person, with the pool's name. */
PRINTF(2, 3) void pm2_note(struct pm2_pool *p, const char *fmt, ...);

/* Text for a comment or a note, on one line whoever reads it. malloc()ed, or NULL. */
char *pm2_one_line(const char *text);
/* Lines of comments, as wide as the rest. */
void pm2_put_comment(FILE *to, int indent, const char *what, const char *text);

/* ---- values: pm2_value.c ---- */

#define SCALAR_BYTES 40
/* A string itself, a number or a truth in buf; NULL: it is none of these. */
const char *pm2_scalar(const json_t *v, char buf[SCALAR_BYTES]);
/* A whole number, also one in a string. false: it is none. */
bool pm2_number(const json_t *v, int64_t *ret);
/* PM2's forms: 300M, 1G, bytes; 10s, 5m, 1h, milliseconds. */
bool pm2_size(const json_t *v, uint64_t *ret_bytes);
bool pm2_time(const json_t *v, uint64_t *ret_ms);
/* "1500ms", "30s" */
#define TIME_BYTES 32
const char *pm2_time_text(uint64_t ms, char buf[TIME_BYTES]);
/* A list, or one string split at its blanks as PM2 splits it, quotes heeded; a new array
 * of strings, empty for NULL. NULL: neither, or out of memory. */
json_t *pm2_words(const json_t *v);

/* ---- the parts of a pool ---- */

struct pm2_run {
	bool node, cluster;
	json_t *command; /* owned */
};
/* pm2_command.c: command and cwd. -EINVAL: it has no script. */
MUST_CHECK int pm2_put_command(struct pm2_pool *p, struct pm2_run *ret, struct err *e);
/* From dir on; not looked at, for it may be meant for another host. malloc()ed. */
char *pm2_absolute(const char *dir, const char *path);
/* pm2_env.c: env, env_file, port. *ret_port: 0: none is known. */
MUST_CHECK int pm2_put_env(struct pm2_pool *p, unsigned *ret_port, struct err *e);
/* pm2_pool.c: all of it. */
MUST_CHECK int pm2_put_pool(struct pm2_pool *p, struct err *e);

#endif
