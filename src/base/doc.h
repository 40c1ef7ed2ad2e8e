/* SPDX-License-Identifier: MIT */
/* doc.h - one YAML document with its places: libyaml's document API, and errors
 * that begin with file:line:column. */
#ifndef MPSUP_BASE_DOC_H
#define MPSUP_BASE_DOC_H

#include <stdbool.h>
#include <yaml.h>

#include "base/base.h"
#include "base/err.h"

#define DOC_MAX_BYTES	(1u << 20)
#define DOC_MAX_DEPTH	64 /* of lists and mappings in each other */
#define DOC_MAX_ANCHORS 1000

struct doc {
	char *path;
	yaml_document_t yaml;
	bool loaded;
};

/* Read a file whose root is a mapping, and nothing after it. *d may be
 * uninitialised and always wants doc_done(). */
MUST_CHECK int doc_load(struct doc *d, const char *path, struct err *e);
/* The same of what is open already, read to its end; the caller's fd. */
MUST_CHECK int doc_load_fd(struct doc *d, int fd, const char *path, size_t max, struct err *e);
void doc_done(struct doc *d);

yaml_node_t *doc_root(struct doc *d);
yaml_node_t *doc_node(struct doc *d, int index);
unsigned doc_line(const yaml_node_t *n);

/* "path:line:column: ..."; returns -EINVAL. */
PRINTF(4, 5)
int doc_error(const struct doc *d, const yaml_node_t *n, struct err *e, const char *fmt, ...);

/* The text of a scalar, or NULL when it is not one, is empty or holds a NUL. */
const char *doc_text(const yaml_node_t *n);

/* "text", "a list", "a mapping": for sentences about what was found. */
const char *doc_kind(const yaml_node_t *n);

/* Call fn for each item of a list, or for a lone scalar or mapping as if it were
 * a list of one. Stops at the first result below 0 and returns it. */
typedef int doc_item_fn(void *ctx, yaml_node_t *item);
MUST_CHECK int doc_each(struct doc *d, yaml_node_t *n, doc_item_fn *fn, void *ctx);

/* Call fn for each pair of a mapping whose keys are distinct texts; anything
 * else is an error that says what was meant to be here: "a rule". */
typedef int doc_pair_fn(void *ctx, yaml_node_t *key, yaml_node_t *value);
MUST_CHECK int doc_pairs(struct doc *d, yaml_node_t *n, const char *what, doc_pair_fn *fn,
			 void *ctx, struct err *e);

/* The value of a key in a mapping, or NULL. */
yaml_node_t *doc_find(struct doc *d, const yaml_node_t *map, const char *key);

#endif
