/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "base/doc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

static int parse_error(const struct doc *d, const yaml_parser_t *y, struct err *e)
{
	/* Reader errors (bad UTF-8) have an offset instead of a mark. */
	if (y->error == YAML_READER_ERROR)
		return err_set(e, -EINVAL, "%s: byte %zu: %s", d->path, y->problem_offset,
			       y->problem);
	if (y->error == YAML_MEMORY_ERROR)
		return err_set(e, -ENOMEM, "%s: out of memory", d->path);
	return err_set(e, -EINVAL, "%s:%zu:%zu: %s%s", d->path, y->problem_mark.line + 1,
		       y->problem_mark.column + 1, y->problem ? y->problem : "not YAML",
		       y->problem && strstr(y->problem, "cannot start any token") ?
			       " (a group is written in quotes: \"@io\")" :
			       "");
}

static int refuse_second(const struct doc *d, yaml_parser_t *y, struct err *e)
{
	yaml_document_t more;
	yaml_node_t *root;
	int r = 0;

	if (!yaml_parser_load(y, &more))
		return parse_error(d, y, e);
	root = yaml_document_get_root_node(&more);
	if (root)
		r = doc_error(d, root, e, "a second document; one file holds one");
	yaml_document_delete(&more);
	return r;
}

struct shape {
	unsigned depth, anchors;
};

static bool is_named(const yaml_event_t *ev)
{
	return (ev->type == YAML_SCALAR_EVENT && ev->data.scalar.anchor) ||
	       (ev->type == YAML_SEQUENCE_START_EVENT && ev->data.sequence_start.anchor) ||
	       (ev->type == YAML_MAPPING_START_EVENT && ev->data.mapping_start.anchor);
}

static int count_event(const struct doc *d, struct shape *s, const yaml_event_t *ev, struct err *e)
{
	bool starts = ev->type == YAML_SEQUENCE_START_EVENT || ev->type == YAML_MAPPING_START_EVENT;
	bool ends = ev->type == YAML_SEQUENCE_END_EVENT || ev->type == YAML_MAPPING_END_EVENT;

	s->depth += starts;
	s->depth -= ends;
	s->anchors += is_named(ev);
	if (s->depth <= DOC_MAX_DEPTH && s->anchors <= DOC_MAX_ANCHORS)
		return 0;
	return err_set(e, -EINVAL, "%s:%zu:%zu: more than %u %s", d->path, ev->start_mark.line + 1,
		       ev->start_mark.column + 1,
		       s->depth > DOC_MAX_DEPTH ? DOC_MAX_DEPTH : DOC_MAX_ANCHORS,
		       s->depth > DOC_MAX_DEPTH ? "lists and mappings in each other" : "anchors");
}

/* libyaml's time grows with the square of these: minutes for a file of megabytes. What is
 * wrong otherwise is told by the loader. */
static int check_shape(const struct doc *d, const unsigned char *text, size_t len, struct err *e)
{
	struct shape s = { 0 };
	yaml_parser_t y;
	yaml_event_t ev;
	bool more = true;
	int r = 0;

	if (!yaml_parser_initialize(&y))
		return err_set(e, -ENOMEM, "%s: out of memory", d->path);
	yaml_parser_set_input_string(&y, text, len);
	while (r == 0 && more && yaml_parser_parse(&y, &ev)) {
		r = count_event(d, &s, &ev, e);
		more = ev.type != YAML_STREAM_END_EVENT;
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&y);
	return r;
}

static int parse(struct doc *d, const unsigned char *text, size_t len, struct err *e)
{
	yaml_parser_t y;
	yaml_node_t *root;
	int r = check_shape(d, text, len, e);

	if (r < 0)
		return r;
	if (!yaml_parser_initialize(&y))
		return err_set(e, -ENOMEM, "%s: out of memory", d->path);
	yaml_parser_set_input_string(&y, text, len);
	if (!yaml_parser_load(&y, &d->yaml)) {
		r = parse_error(d, &y, e);
	} else {
		d->loaded = true;
		root = yaml_document_get_root_node(&d->yaml);
		if (!root)
			r = err_set(e, -EINVAL, "%s:1:1: nothing is in this file", d->path);
		else if (root->type != YAML_MAPPING_NODE)
			r = doc_error(d, root, e, "expected keys and values, found %s",
				      doc_kind(root));
		else
			r = refuse_second(d, &y, e);
	}
	yaml_parser_delete(&y);
	return r;
}

/* To its end, whatever its size is said to be: it may be a pipe. */
static int read_whole(int fd, const char *path, size_t max, unsigned char **ret, size_t *ret_len,
		      struct err *e)
{
	unsigned char *text = NULL, *more;
	size_t len = 0, size = 0;
	ssize_t n;

	do {
		if (len == size) {
			size = size ? size * 2 : 4096;
			more = realloc(text, size);
			if (!more) {
				free(text);
				return err_set(e, -ENOMEM, "%s: out of memory", path);
			}
			text = more;
		}
		n = read(fd, text + len, size - len);
		if (n < 0 && errno != EINTR) {
			int code = -errno;

			free(text);
			return err_sys(e, code, "%s", path);
		}
		len += n > 0 ? (size_t)n : 0;
		if (len > max) {
			free(text);
			return err_set(e, -EFBIG, "%s: longer than %zu bytes", path, max);
		}
	} while (n != 0);
	*ret = text;
	*ret_len = len;
	return 0;
}

int doc_load_fd(struct doc *d, int fd, const char *path, size_t max, struct err *e)
{
	unsigned char *text = NULL;
	size_t len = 0;
	int r;

	*d = (struct doc){ .path = strdup(path) };
	if (!d->path)
		return err_set(e, -ENOMEM, "%s: out of memory", path);
	r = read_whole(fd, path, max, &text, &len, e);
	if (r < 0)
		return r;
	r = parse(d, text, len, e);
	free(text);
	return r;
}

int doc_load(struct doc *d, const char *path, struct err *e)
{
	/* O_NONBLOCK: a fifo must not hold us up. */
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	*d = (struct doc){ 0 };
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, -errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s: not a regular file", path);
	return doc_load_fd(d, fd, path, DOC_MAX_BYTES, e);
}

void doc_done(struct doc *d)
{
	if (d->loaded)
		yaml_document_delete(&d->yaml);
	free(d->path);
	*d = (struct doc){ 0 };
}

yaml_node_t *doc_root(struct doc *d)
{
	return yaml_document_get_root_node(&d->yaml);
}

yaml_node_t *doc_node(struct doc *d, int index)
{
	return yaml_document_get_node(&d->yaml, index);
}

unsigned doc_line(const yaml_node_t *n)
{
	return (unsigned)n->start_mark.line + 1;
}

int doc_error(const struct doc *d, const yaml_node_t *n, struct err *e, const char *fmt, ...)
{
	va_list ap;
	int used;

	e->code = -EINVAL;
	used = snprintf(e->msg, sizeof(e->msg), "%s:%zu:%zu: ", d->path, n->start_mark.line + 1,
			n->start_mark.column + 1);
	if (used < 0 || (size_t)used >= sizeof(e->msg))
		return e->code;
	va_start(ap, fmt);
	(void)vsnprintf(e->msg + used, sizeof(e->msg) - (size_t)used, fmt, ap);
	va_end(ap);
	return e->code;
}

const char *doc_text(const yaml_node_t *n)
{
	const char *text;

	if (n->type != YAML_SCALAR_NODE || n->data.scalar.length == 0)
		return NULL;
	text = (const char *)n->data.scalar.value;
	return strlen(text) == n->data.scalar.length ? text : NULL;
}

const char *doc_kind(const yaml_node_t *n)
{
	switch (n->type) {
	case YAML_SCALAR_NODE:
		return n->data.scalar.length ? "text" : "nothing";
	case YAML_SEQUENCE_NODE:
		return "a list";
	case YAML_MAPPING_NODE:
		return "a mapping";
	case YAML_NO_NODE:
		break;
	}
	return "nothing";
}

int doc_each(struct doc *d, yaml_node_t *n, doc_item_fn *fn, void *ctx)
{
	if (n->type != YAML_SEQUENCE_NODE)
		return fn(ctx, n);
	for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top;
	     i++) {
		int r = fn(ctx, doc_node(d, *i));

		if (r < 0)
			return r;
	}
	return 0;
}

int doc_pairs(struct doc *d, yaml_node_t *n, const char *what, doc_pair_fn *fn, void *ctx,
	      struct err *e)
{
	if (n->type != YAML_MAPPING_NODE)
		return doc_error(d, n, e, "%s is written as keys and values, found %s", what,
				 doc_kind(n));
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
	     p++) {
		yaml_node_t *key = doc_node(d, p->key);
		const char *text = doc_text(key);
		int r;

		if (!text)
			return doc_error(d, key, e, "a key of %s must be a word, found %s", what,
					 doc_kind(key));
		/* YAML forbids a key twice; libyaml lets it pass. */
		if (doc_find(d, n, text) != doc_node(d, p->value))
			return doc_error(d, key, e, "key '%s' was there before", text);
		r = fn(ctx, key, doc_node(d, p->value));
		if (r < 0)
			return r;
	}
	return 0;
}

yaml_node_t *doc_find(struct doc *d, const yaml_node_t *map, const char *key)
{
	size_t len = strlen(key);

	for (yaml_node_pair_t *p = map->data.mapping.pairs.start;
	     len > 0 && p < map->data.mapping.pairs.top; p++) {
		const yaml_node_t *n = doc_node(d, p->key);

		if (n->type == YAML_SCALAR_NODE && n->data.scalar.length == len &&
		    memcmp(n->data.scalar.value, key, len) == 0)
			return doc_node(d, p->value);
	}
	return NULL;
}
