/* SPDX-License-Identifier: MIT */
/* pm2_read.c - from a file to its values, as JSON has them: JSON, YAML; the rest is
 * evaluated (pm2_evaluate.c). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/doc.h"
#include "base/fd.h"
#include "base/text.h"
#include "import/pm2_inner.h"

#define YAML_VALUES_MAX 200000 /* aliases make much of little */
#define YAML_DEPTH_MAX	64

int pm2_form_of(const char *path, enum pm2_form *ret, struct err *e)
{
	static const struct {
		const char *end;
		enum pm2_form form;
	} ends[] = {
		{ ".js", PM2_JS },     { ".cjs", PM2_JS },     { ".mjs", PM2_JS },
		{ ".json", PM2_JSON }, { ".json5", PM2_JSON }, { ".yaml", PM2_YAML },
		{ ".yml", PM2_YAML },  { ".pm2", PM2_JSON },   { ".pm2.bak", PM2_JSON },
	};
	size_t len = strlen(path);

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		size_t n = strlen(ends[i].end);

		if (len > n && strcasecmp(path + len - n, ends[i].end) == 0) {
			*ret = ends[i].form;
			return 0;
		}
	}
	return err_set(e, -EINVAL,
		       "%s: its name does not say what it is; PM2's files end in .js, .cjs, .mjs, "
		       ".json or .yaml, and its dump is dump.pm2",
		       path);
}

/* ---- JSON ---- */

int pm2_parse_json(const char *text, size_t len, const char *path, json_t **ret_root, struct err *e)
{
	json_error_t je;
	json_t *root = json_loadb(text, len, JSON_DECODE_ANY, &je);
	char safe[200];

	if (root) {
		*ret_root = root;
		return 0;
	}
	(void)text_safe(je.text, strlen(je.text), safe, sizeof(safe));
	return err_set(e, -EINVAL, "%s:%d:%d: %s", path, je.line, je.column, safe);
}

/* ---- YAML ---- */

struct yaml {
	struct doc doc;
	unsigned values, depth;
};

static json_t *plain(const char *text)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	char *end;
	long long n;
	double d;

	for (size_t i = 0; i < ARRAY_LEN(nulls); i++)
		if (strcmp(text, nulls[i]) == 0)
			return json_null();
	if (strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0)
		return json_boolean(strcasecmp(text, "true") == 0);
	if (!strchr("+-.0123456789", *text))
		return json_string(text);
	errno = 0;
	n = strtoll(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
	/* A leading zero is a code or a mode to people: its text stays what it is. */
	if (!*end && errno == 0 && !(text[0] == '0' && text[1] >= '0' && text[1] <= '9'))
		return json_integer(n);
	d = strtod(text, &end);
	if (!*end && strspn(text, "+-.0123456789eE") == strlen(text) && strchr(text, '.'))
		return json_real(d);
	return json_string(text);
}

static json_t *value_of(struct yaml *y, const yaml_node_t *n, struct err *e);

static json_t *list_of(struct yaml *y, const yaml_node_t *n, struct err *e)
{
	json_t *list = json_array();

	for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top;
	     i++) {
		json_t *v = value_of(y, doc_node(&y->doc, *i), e);

		if (!v || json_array_append_new(list, v) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* `<<`: keys of other mappings, which the mapping's own overrule. */
static void merge(json_t *map, const json_t *from)
{
	const json_t *item;
	size_t i;

	if (json_is_object(from))
		ignore(json_object_update_missing(map, (json_t *)(uintptr_t)from));
	else
		json_array_foreach(from, i, item) if (json_is_object(item)) merge(map, item);
}

static json_t *map_of(struct yaml *y, const yaml_node_t *n, struct err *e)
{
	json_t *map = json_object(), *merged = NULL;

	for (yaml_node_pair_t *i = n->data.mapping.pairs.start; i < n->data.mapping.pairs.top;
	     i++) {
		const yaml_node_t *key = doc_node(&y->doc, i->key);
		const char *name = doc_text(key);
		json_t *v = name ? value_of(y, doc_node(&y->doc, i->value), e) : NULL;

		if (!name)
			ignore(doc_error(&y->doc, key, e, "%s for a key; a text is right",
					 doc_kind(key)));
		if (!v)
			goto fail;
		if (strcmp(name, "<<") == 0) {
			json_decref(merged);
			merged = v;
		} else if (json_object_set_new(map, name, v) < 0) {
			ignore(doc_error(&y->doc, key, e, "a key that is not UTF-8"));
			goto fail;
		}
	}
	merge(map, merged);
	json_decref(merged);
	return map;
fail:
	json_decref(merged);
	json_decref(map);
	return NULL;
}

/* NULL: told in *e. */
static json_t *value_of(struct yaml *y, const yaml_node_t *n, struct err *e)
{
	json_t *v = NULL;

	if (++y->values > YAML_VALUES_MAX) {
		ignore(doc_error(&y->doc, n, e, "more than %u values: aliases make them many",
				 YAML_VALUES_MAX));
		return NULL;
	}
	if (y->depth == YAML_DEPTH_MAX) {
		ignore(doc_error(&y->doc, n, e, "more than %u levels deep", YAML_DEPTH_MAX));
		return NULL;
	}
	y->depth++;
	if (n->type == YAML_SEQUENCE_NODE) {
		v = list_of(y, n, e);
	} else if (n->type == YAML_MAPPING_NODE) {
		v = map_of(y, n, e);
	} else {
		const char *text = (const char *)n->data.scalar.value;

		if (strlen(text) == n->data.scalar.length)
			v = n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain(text) :
									      json_string(text);
	}
	y->depth--;
	if (!v && !e->code)
		ignore(doc_error(&y->doc, n, e, "a text with a NUL, or out of memory"));
	return v;
}

int pm2_parse_yaml(int fd, const char *path, json_t **ret_root, struct err *e)
{
	struct yaml y = { .values = 0 };
	json_t *root;
	int r;

	*e = (struct err){ 0 };
	r = doc_load_fd(&y.doc, fd, path, PM2_FILE_MAX, e);
	root = r == 0 ? value_of(&y, doc_root(&y.doc), e) : NULL;
	doc_done(&y.doc);
	if (r < 0)
		return r;
	if (!root)
		return e->code;
	*ret_root = root;
	return 0;
}

/* ---- the file ---- */

static int open_it(const char *path, struct err *e)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, -errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s is not a file", path);
	if (st.st_size > PM2_FILE_MAX)
		return err_set(e, -E2BIG, "%s is longer than %u MiB", path, PM2_FILE_MAX >> 20);
	return fd_take(&fd);
}

/* malloc()ed. The file may grow while it is read. */
static int read_all(int fd, const char *path, char **ret_text, size_t *ret_len, struct err *e)
{
	char *text = malloc(PM2_FILE_MAX + 1);
	size_t len = 0;
	ssize_t n = 1;

	while (text && n > 0 && len <= PM2_FILE_MAX) {
		n = read(fd, text + len, PM2_FILE_MAX + 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (text && n >= 0 && len <= PM2_FILE_MAX) {
		*ret_text = text;
		*ret_len = len;
		return 0;
	}
	free(text);
	if (!text)
		return err_set(e, -ENOMEM, "out of memory");
	return n < 0 ? err_sys(e, -errno, "%s", path) :
		       err_set(e, -E2BIG, "%s is longer than %u MiB", path, PM2_FILE_MAX >> 20);
}

static int read_json(int fd, const struct pm2_request *rq, json_t **ret_root, FILE *notes,
		     struct err *e)
{
	struct err js = { 0 };
	char *text = NULL;
	size_t len = 0;
	int r = read_all(fd, rq->path, &text, &len, e);

	if (r < 0)
		return r;
	r = pm2_parse_json(text, len, rq->path, ret_root, e);
	free(text);
	/* PM2 reads it as an expression of JavaScript, where comments are right. */
	if (r < 0 && pm2_evaluate(rq, true, ret_root, notes, &js) == 0)
		return 0;
	return r;
}

int pm2_read(const struct pm2_request *rq, json_t **ret_root, FILE *notes, struct err *e)
{
	enum pm2_form form = PM2_JSON;
	int r = pm2_form_of(rq->path, &form, e);
	AUTO_FD int fd = r < 0 ? -1 : open_it(rq->path, e);

	if (r < 0)
		return r;
	if (fd < 0)
		return fd;
	if (form == PM2_JS)
		return pm2_evaluate(rq, false, ret_root, notes, e);
	return form == PM2_YAML ? pm2_parse_yaml(fd, rq->path, ret_root, e) :
				  read_json(fd, rq, ret_root, notes, e);
}
