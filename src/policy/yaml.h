/* SPDX-License-Identifier: MIT */
/* yaml.h - a YAML file as libyaml's document, with words for what is wrong in it. */
#ifndef MPSUP_POLICY_YAML_H
#define MPSUP_POLICY_YAML_H

#include <stdbool.h>
#include <stdint.h>
#include <yaml.h>

#include "base/base.h"
#include "base/err.h"

struct yaml_file {
	char path[512];
	yaml_document_t doc;
	bool loaded;
};

MUST_CHECK int yaml_file_load(struct yaml_file *f, const char *path, struct err *e);
void yaml_file_done(struct yaml_file *f);

/* Fill *e with "path:line:column: ..."; returns -EINVAL. */
PRINTF(4, 5)
int yaml_wrong(const struct yaml_file *f, const yaml_node_t *at, struct err *e, const char *fmt,
	       ...);

/* NULL unless the node is a scalar. */
const char *yaml_text(const yaml_node_t *n);
/* Decimal or 0x hex; -EINVAL with the place. */
MUST_CHECK int yaml_u32(const struct yaml_file *f, const yaml_node_t *n, uint32_t *ret_value,
			struct err *e);

#define yaml_each_pair(f, map, it)                                                                 \
	for (yaml_node_pair_t *it = (map)->data.mapping.pairs.start;                               \
	     it < (map)->data.mapping.pairs.top; it++)
#define yaml_each_item(f, seq, it)                                                                 \
	for (yaml_node_item_t *it = (seq)->data.sequence.items.start;                              \
	     it < (seq)->data.sequence.items.top; it++)
static inline const yaml_node_t *yaml_node(const struct yaml_file *f, int index)
{
	/* libyaml only lacks the const: it looks the node up. */
	return yaml_document_get_node((yaml_document_t *)(uintptr_t)&f->doc, index);
}

#endif
