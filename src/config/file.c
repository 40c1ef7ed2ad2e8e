/* SPDX-License-Identifier: MIT */
/* file.c - a file of pools, and those that it includes: opened, trusted, walked through;
 * all that is wrong is told at once, each with file:line:column. */
#define _GNU_SOURCE
#include "config/file.h"

#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "config/trusted.h"

/* ---- complaints ---- */

static void complain(struct file_reader *r, const char *text)
{
	struct complaints *cs = r->cs;
	char **more;

	r->complained++;
	/* An anchor that is used twice is wrong once. */
	for (unsigned i = 0; i < cs->n; i++)
		if (strcmp(cs->text[i], text) == 0)
			return;
	if (cs->n == COMPLAINTS_MAX) {
		cs->dropped++;
		return;
	}
	if ((cs->n & (cs->n - 1)) == 0) {
		more = arena_alloc(&cs->arena, (cs->n ? 2 * cs->n : 1) * sizeof(*more));
		if (!more)
			return;
		if (cs->n)
			memcpy(more, cs->text, cs->n * sizeof(*more));
		cs->text = more;
	}
	cs->text[cs->n] = arena_strdup(&cs->arena, text);
	if (cs->text[cs->n])
		cs->n++;
}

void file_complain(struct file_reader *r, const struct err *e)
{
	char safe[sizeof(e->msg) * 2];

	(void)text_safe(e->msg, strlen(e->msg), safe, sizeof(safe));
	complain(r, safe);
}

void file_wrong(struct file_reader *r, const yaml_node_t *n, const char *fmt, ...)
{
	struct err e = { 0 };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(e.msg, sizeof(e.msg), fmt, ap);
	va_end(ap);
	(void)err_wrap(&e, "%s:%zu:%zu", r->f->doc.path, n->start_mark.line + 1,
		       n->start_mark.column + 1);
	file_complain(r, &e);
}

/* ---- one file ---- */

static void take_file(struct file_reader *r, const char *path, struct source_file *from,
		      const yaml_node_t *at);

static bool is_open_already(const struct source_file *f, const struct stat *st)
{
	for (; f; f = f->from)
		if (f->dev == st->st_dev && f->ino == st->st_ino)
			return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A pattern that nothing matches is an empty folder; a name without one must be there. */
static void include(struct file_reader *r, yaml_node_t *n)
{
	struct source_file *f = r->f;
	const char *text = file_text(r, n, "include"), *path;
	glob_t found = { 0 };
	struct stat st;

	r->rd.arena = &r->rd.c->arena;
	r->rd.dir = f->dir;
	if (text && !*text)
		file_wrong(r, n, "include: it is empty; right is: a folder, a pattern or a file");
	path = text && *text ? reading_path(&r->rd, text) : NULL;
	if (path && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		path = arena_printf(r->rd.arena, "%s/*.yaml", path);
	if (!path)
		return;
	if (!strpbrk(path, "*?[")) {
		take_file(r, path, f, n);
	} else if (glob(path, GLOB_NOSORT, NULL, &found) == 0) {
		qsort(found.gl_pathv, found.gl_pathc, sizeof(*found.gl_pathv), compare);
		for (size_t i = 0; i < found.gl_pathc; i++)
			take_file(r, found.gl_pathv[i], f, n);
	}
	globfree(&found);
	r->f = f;
}

static void take_include(struct file_reader *r, yaml_node_t *n)
{
	if (n->type != YAML_SEQUENCE_NODE) {
		include(r, n);
		return;
	}
	for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top;
	     i++)
		if (file_count(r, n))
			include(r, doc_node(&r->f->doc, *i));
}

static void take_file_version(struct file_reader *r, yaml_node_t *n)
{
	const char *text = file_text(r, n, "version");

	if (text && strcmp(text, "1") != 0)
		file_wrong(r, n, "version: '%.20s' is found; this mpsup (%s) reads version 1%s",
			   text, MPSUP_VERSION,
			   strspn(text, "0123456789") == strlen(text) ?
				   ": a newer mpsup reads newer ones" :
				   "");
}

/* name and other keys of the instance are the first file's alone. */
static void take_top(struct file_reader *r, const char *name, yaml_node_t *key_node,
		     yaml_node_t *value, void *ctx)
{
	const struct key *k = keys_find_at(LEVEL_INSTANCE, name);
	enum key_level folder = file_folder(false, name);

	(void)ctx;
	if (strcmp(name, "version") == 0) {
		take_file_version(r, value);
	} else if (strcmp(name, "pools") == 0 || strcmp(name, "include") == 0) {
		/* After the rest: what is above may be below. */
	} else if (strcmp(name, "defaults") == 0) {
		if (value->type == YAML_MAPPING_NODE)
			r->f->defaults = value;
		else
			file_wrong(r, value, "defaults: %s is found; right is: keys of pools",
				   doc_kind(value));
	} else if (!k && folder == LEVELS) {
		file_unknown(r, key_node, name, false, "the file");
	} else if (r->f->from) {
		file_wrong(r, key_node, "%s is of the whole instance: it belongs in %s", name,
			   r->rd.c->file);
	} else if (folder != LEVELS) {
		file_take_folder(r, folder, value, NULL);
	} else {
		file_take(r, k, value);
	}
}

/* Keys of a pool in defaults are taken for each pool; without one nobody would look. */
static void check_defaults(struct file_reader *r, unsigned pools_before)
{
	if (r->f->defaults && r->rd.c->npools == pools_before && !r->f->from)
		file_wrong(r, r->f->defaults, "defaults: there is no pool that they could be for");
}

static void walk(struct file_reader *r)
{
	struct source_file *f = r->f;
	yaml_node_t *root = doc_root(&f->doc), *n;
	unsigned before = r->rd.c->npools;

	file_pairs(r, root, "the file", take_top, NULL);
	n = doc_find(&f->doc, root, "pools");
	if (n && file_count(r, n))
		file_take_pools(r, n);
	n = doc_find(&f->doc, root, "include");
	if (n && file_count(r, n))
		take_include(r, n);
	r->f = f;
	check_defaults(r, before);
}

static const char *folder_of(struct file_reader *r, const char *path)
{
	char *copy = strdup(path), *whole = copy ? realpath(dirname(copy), NULL) : NULL;
	const char *dir = whole ? arena_strdup(&r->rd.c->arena, whole) : NULL;

	free(copy);
	free(whole);
	return dir ? dir : "/";
}

static int open_file(struct file_reader *r, const char *path, struct source_file *f, struct err *e)
{
	bool is_stdin = strcmp(path, "-") == 0;
	AUTO_FD int fd = is_stdin ? dup(STDIN_FILENO) :
				    trusted_open(path, r->by_hand && !f->from, e);
	struct stat st;
	int r2;

	if (is_stdin && fd < 0)
		return err_sys(e, -errno, "standard input");
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_sys(e, -errno, "%s", path);
	if (!is_stdin && is_open_already(f->from, &st))
		return err_set(e, -ELOOP, "%s includes itself", path);
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->dir = is_stdin ? reading_here(&r->rd.c->arena) : folder_of(r, path);
	r2 = doc_load_fd(&f->doc, fd, is_stdin ? "standard input" : path, FILE_MAX_BYTES, e);
	return f->dir ? r2 : err_set(e, -ENOMEM, "out of memory");
}

/* at: the word that includes it, NULL for the first. */
static void take_file(struct file_reader *r, const char *path, struct source_file *from,
		      const yaml_node_t *at)
{
	struct source_file f = { .from = from, .depth = from ? from->depth + 1 : 0 };
	struct err e = { 0 };
	int code = 0;

	if (f.depth > FILE_MAX_DEPTH)
		code = err_set(&e, -ELOOP, "%s: included %u files deep", path, f.depth);
	else if (++r->nfiles > FILE_MAX_FILES)
		code = err_set(&e, -E2BIG, "%s: more than %u files", path, FILE_MAX_FILES);
	else
		code = open_file(r, path, &f, &e);
	if (code < 0) {
		if (!from) {
			r->first = e;
			r->complained++;
			doc_done(&f.doc);
			return;
		}
		if (strncmp(e.msg, path, strlen(path)) != 0 || e.code != -EINVAL)
			(void)err_wrap(&e, "%s:%zu:%zu: include", from->doc.path,
				       at->start_mark.line + 1, at->start_mark.column + 1);
		file_complain(r, &e);
	} else {
		r->f = &f;
		walk(r);
		r->f = from;
	}
	doc_done(&f.doc);
}

/* ---- the whole ---- */

/* What options say overrules the file. */
static void take_args(struct file_reader *r, const struct givens *args)
{
	struct err e = { 0 };

	for (unsigned i = 0; args && i < args->n; i++) {
		const struct given *g = &args->list[i];

		r->rd.at = (struct given){ .file = NULL };
		if (!g->file && reading_take(&r->rd, g->key, g->value, &e) < 0)
			file_complain(r, &e);
	}
}

static const char *default_name(const struct config *c)
{
	const char *base = strrchr(c->file, '/') ? strrchr(c->file, '/') + 1 : c->file;
	static char name[33];
	size_t n = 0;

	for (const char *p = base; *p && *p != '.' && n < 28; p++) {
		char ch = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;

		if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') ||
		    (n > 0 && (ch == '_' || ch == '-')))
			name[n++] = ch;
	}
	name[n] = '\0';
	return n ? name : "mpsup";
}

static void finish(struct file_reader *r)
{
	struct config *c = r->rd.c;
	struct err e = { 0 };

	if (r->rd.quiet && r->rd.verbose) {
		(void)err_set(&e, -EINVAL, "%s: log.quiet and log.verbose contradict each other",
			      c->file);
		file_complain(r, &e);
	}
	if (c->npools == 0 && r->complained == 0) {
		(void)err_set(&e, -EINVAL, "%s: there is no pool in it: pools: [{name: web, ...}]",
			      c->file);
		file_complain(r, &e);
	}
	if (!c->name)
		c->name = arena_strdup(&c->arena, default_name(c));
	file_check_pools(r);
}

static int verdict(struct file_reader *r, const char *path, struct err *e)
{
	if (r->complained == 0)
		return 0;
	if (r->first.code) { /* nothing could be read of it */
		*e = r->first;
		return e->code;
	}
	if (r->cs == &r->own_cs)
		return err_set(e, -EINVAL, "%s", r->cs->n ? r->cs->text[0] : "out of memory");
	return err_set(e, -EINVAL, "%u error%s in %s", r->cs->n + r->cs->dropped,
		       r->cs->n + r->cs->dropped == 1 ? "" : "s",
		       strcmp(path, "-") == 0 ? "standard input" : path);
}

int config_from_file(const char *path, const struct givens *args, bool by_hand,
		     struct complaints *cs, struct config **ret_config, struct err *e)
{
	struct file_reader r = { .by_hand = by_hand, .cs = cs };
	int code;

	r.rd.c = config_new();
	if (!r.rd.c)
		return err_set(e, -ENOMEM, "out of memory");
	if (!cs)
		r.cs = &r.own_cs;
	r.rd.c->file = arena_strdup(&r.rd.c->arena, path);
	if (!r.rd.c->file) {
		config_unref(r.rd.c);
		return err_set(e, -ENOMEM, "out of memory");
	}
	take_file(&r, path, NULL, NULL);
	take_args(&r, args);
	if (!r.first.code)
		finish(&r);
	code = verdict(&r, path, e);
	complaints_done(&r.own_cs);
	if (code < 0)
		config_unref(r.rd.c);
	else
		*ret_config = r.rd.c;
	return code;
}
