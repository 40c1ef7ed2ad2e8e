/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "policy/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int yaml_file_load(struct yaml_file *f, const char *path, struct err *e)
{
	FILE *in = fopen(path, "re");
	yaml_parser_t parser;
	int r = 0;

	f->loaded = false;
	(void)snprintf(f->path, sizeof(f->path), "%s", path);
	if (!in)
		return err_sys(e, -errno, "%s", path);
	if (!yaml_parser_initialize(&parser)) {
		(void)fclose(in);
		return err_set(e, -ENOMEM, "out of memory");
	}
	yaml_parser_set_input_file(&parser, in);
	if (!yaml_parser_load(&parser, &f->doc))
		r = err_set(e, -EINVAL, "%s:%zu:%zu: %s", path, parser.problem_mark.line + 1,
			    parser.problem_mark.column + 1,
			    parser.problem ? parser.problem : "not YAML");
	f->loaded = r == 0;
	yaml_parser_delete(&parser);
	(void)fclose(in);
	return r;
}

void yaml_file_done(struct yaml_file *f)
{
	if (f->loaded)
		yaml_document_delete(&f->doc);
	f->loaded = false;
}

int yaml_wrong(const struct yaml_file *f, const yaml_node_t *at, struct err *e, const char *fmt,
	       ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(e, -EINVAL, "%s:%zu:%zu: %s", f->path, at ? at->start_mark.line + 1 : 1,
		       at ? at->start_mark.column + 1 : 1, text);
}

const char *yaml_text(const yaml_node_t *n)
{
	return n && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

int yaml_u32(const struct yaml_file *f, const yaml_node_t *n, uint32_t *ret_value, struct err *e)
{
	const char *text = yaml_text(n);
	char *end;
	unsigned long v;

	if (!text || !*text || *text == '-')
		return yaml_wrong(f, n, e, "a number is missing here");
	errno = 0;
	v = strtoul(text, &end, 0);
	if (*end || errno || v > UINT32_MAX)
		return yaml_wrong(f, n, e, "'%s' is not a number of 32 bits", text);
	*ret_value = (uint32_t)v;
	return 0;
}
