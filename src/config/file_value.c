/* SPDX-License-Identifier: MIT */
/* file_value.c - from YAML nodes to the values that the table's functions take. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"

#define NAME_MAX_BYTES 128

bool file_count(struct file_reader *r, const yaml_node_t *n)
{
	if (r->nvalues > FILE_MAX_VALUES)
		return false;
	if (++r->nvalues > FILE_MAX_VALUES) {
		file_wrong(r, n, "more than %u values: aliases make them many", FILE_MAX_VALUES);
		return false;
	}
	return true;
}

bool file_fits(struct file_reader *r, const yaml_node_t *n, const char *what, size_t many)
{
	if (many <= FILE_MAX_ITEMS)
		return true;
	file_wrong(r, n, "%s: more than %u of them", what, FILE_MAX_ITEMS);
	return false;
}

static bool list_fits(struct file_reader *r, const struct key *k, const yaml_node_t *n)
{
	return file_fits(r, n, k->key,
			 (size_t)(n->data.sequence.items.top - n->data.sequence.items.start));
}

/* ---- ${VAR} ---- */

/* At "${": its value, and what follows it. NULL: told. */
static const char *variable(struct file_reader *r, const yaml_node_t *n, const char *at,
			    const char **ret_rest, size_t *ret_len)
{
	const char *name = at + 2, *end = strchr(name, '}'), *value;
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789_");
	char copy[NAME_MAX_BYTES];
	bool has_default = end && strncmp(name + len, ":-", 2) == 0;
	/* The default ends at the first }: half of another variable would be taken for text. */
	bool nested = has_default && memmem(name, (size_t)(end - name), "${", 2);

	if (!end || nested || len == 0 || len >= sizeof(copy) || isdigit((unsigned char)*name) ||
	    (!has_default && name + len != end)) {
		file_wrong(r, n,
			   "'%.40s' is no variable; right is: ${NAME} or ${NAME:-default}, and "
			   "$${ for ${ itself",
			   at);
		return NULL;
	}
	(void)snprintf(copy, sizeof(copy), "%.*s", (int)len, name);
	*ret_rest = end + 1;
	value = getenv(copy);
	if (value && (*value || !has_default)) {
		*ret_len = strlen(value);
		return value;
	}
	if (has_default) {
		*ret_len = (size_t)(end - name) - len - 2;
		return name + len + 2;
	}
	file_wrong(r, n,
		   "the variable %s is not set in mpsup's environment; ${%s:-...} gives it a "
		   "default",
		   copy, copy);
	return NULL;
}

static char *expand(struct file_reader *r, const yaml_node_t *n, const char *text)
{
	const char *value, *rest, *dollar;
	size_t size = strlen(text) + 1, used = 0, len;
	char *out = malloc(size), *more, *kept;

	for (; out && (dollar = strchr(text, '$')); text = rest) {
		if (strncmp(dollar, "$${", 3) == 0) {
			value = dollar + 1;
			len = 2;
			rest = dollar + 3;
		} else if (dollar[1] == '{') {
			value = variable(r, n, dollar, &rest, &len);
			if (!value) {
				free(out);
				return NULL;
			}
		} else {
			value = dollar;
			len = 1;
			rest = dollar + 1;
		}
		size += len;
		more = realloc(out, size);
		if (!more)
			break;
		out = more;
		memcpy(out + used, text, (size_t)(dollar - text));
		used += (size_t)(dollar - text);
		memcpy(out + used, value, len);
		used += len;
	}
	if (out)
		memcpy(out + used, text, strlen(text) + 1);
	kept = out ? arena_strdup(&r->rd.c->arena, out) : NULL;
	free(out);
	if (!kept)
		file_wrong(r, n, "out of memory");
	return kept;
}

char *file_text(struct file_reader *r, const yaml_node_t *n, const char *what)
{
	const char *text;

	if (n->type != YAML_SCALAR_NODE) {
		file_wrong(r, n, "%s: %s is found; right is one value", what, doc_kind(n));
		return NULL;
	}
	text = (const char *)n->data.scalar.value;
	if (strlen(text) != n->data.scalar.length) {
		file_wrong(r, n, "%s: a NUL byte in the text", what);
		return NULL;
	}
	if (n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0)) {
		file_wrong(r, n, "%s: no value is given", what);
		return NULL;
	}
	return strstr(text, "${") ? expand(r, n, text) : arena_strdup(&r->rd.c->arena, text);
}

/* ---- shapes ---- */

static const char *name_of(const struct key *k, char buf[96])
{
	(void)snprintf(buf, 96, "%s%s", keys_folder(k->level), k->key);
	return buf;
}

static void take_one(struct file_reader *r, const struct key *k, const yaml_node_t *n,
		     const char *value)
{
	struct err e = { 0 };
	char name[96];

	r->rd.at = (struct given){ .file = r->f->doc.path,
				   .line = (unsigned)n->start_mark.line + 1,
				   .column = (unsigned)n->start_mark.column + 1 };
	if (reading_take(&r->rd, k, value, &e) == 0)
		return;
	/* A sentence that begins with a file's name is of a file that this one names. */
	if (strncmp(e.msg, "--", 2) != 0 && strncmp(e.msg, name_of(k, name), strlen(name)) != 0)
		(void)err_wrap(&e, "%s", name);
	(void)keys_in_words_of_file(e.msg, sizeof(e.msg));
	file_wrong(r, n, "%s", e.msg);
}

static void take_flag(struct file_reader *r, const struct key *k, const yaml_node_t *n)
{
	static const char *const yes[] = { "true", "yes", "on", NULL };
	static const char *const no[] = { "false", "no", "off", NULL };
	char name[96], *text = file_text(r, n, name_of(k, name));

	for (int i = 0; text && yes[i]; i++) {
		if (strcasecmp(text, yes[i]) == 0) {
			take_one(r, k, n, NULL);
			return;
		}
		if (strcasecmp(text, no[i]) == 0)
			return;
	}
	if (text)
		file_wrong(r, n, "%s: '%.100s' is not understood; right is: true or false", name,
			   text);
}

static void take_text(struct file_reader *r, const struct key *k, const yaml_node_t *n)
{
	char name[96], *text = file_text(r, n, name_of(k, name));

	if (text)
		take_one(r, k, n, text);
}

/* {address: 127.0.0.1:80, name: api, mode: "0660"}, as the option writes it. */
static void take_address(struct file_reader *r, const struct key *k, yaml_node_t *n)
{
	yaml_node_t *address = doc_find(&r->f->doc, n, "address");
	char *text = address ? file_text(r, address, "listen.address") : NULL, *more;

	if (!address)
		file_wrong(r, n, "listen: its address is missing: {address: 127.0.0.1:80}");
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start;
	     text && p < n->data.mapping.pairs.top; p++) {
		yaml_node_t *key = doc_node(&r->f->doc, p->key);
		yaml_node_t *value = doc_node(&r->f->doc, p->value);
		const char *word = doc_text(key);

		if (!word) {
			file_wrong(r, key, "listen: a key must be a word");
			return;
		}
		if (value == address)
			continue;
		more = file_text(r, value, word);
		text = more ? arena_printf(&r->rd.c->arena, "%s,%s=%s", text, word, more) : NULL;
	}
	if (text)
		take_one(r, k, n, text);
}

static void take_item(struct file_reader *r, const struct key *k, yaml_node_t *n)
{
	if (n->type == YAML_MAPPING_NODE && strcmp(k->key, "listen") == 0)
		take_address(r, k, n);
	else
		take_text(r, k, n);
}

/* [einhorn, server-starter] is "einhorn,server-starter" */
static void take_words(struct file_reader *r, const struct key *k, const yaml_node_t *n)
{
	char name[96], *all = NULL;

	if (n->type != YAML_SEQUENCE_NODE) {
		take_text(r, k, n);
		return;
	}
	if (!list_fits(r, k, n))
		return;
	for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top;
	     i++) {
		yaml_node_t *item = doc_node(&r->f->doc, *i);
		char *word = file_count(r, item) ? file_text(r, item, name_of(k, name)) : NULL;

		if (!word)
			return;
		all = all ? arena_printf(&r->rd.c->arena, "%s,%s", all, word) : word;
		if (!all)
			return;
	}
	if (all)
		take_one(r, k, n, all);
}

static void take_pair(struct file_reader *r, const char *key, yaml_node_t *key_node,
		      yaml_node_t *value, void *ctx)
{
	const struct key *k = ctx;
	char name[256], *text, *pair;

	(void)snprintf(name, sizeof(name), "%s%s.%.100s", keys_folder(k->level), k->key, key);
	/* A variable may well be empty. */
	if (value->type == YAML_SCALAR_NODE && value->data.scalar.length == 0 &&
	    strcmp(k->key, "env") == 0)
		text = arena_strdup(&r->rd.c->arena, "");
	else
		text = file_text(r, value, name);
	pair = text ? arena_printf(&r->rd.c->arena, "%s=%s", key, text) : NULL;
	if (pair)
		take_one(r, k, key_node, pair);
}

static void take_each(struct file_reader *r, const struct key *k, yaml_node_t *n)
{
	if (n->type != YAML_SEQUENCE_NODE) {
		take_item(r, k, n);
		return;
	}
	if (!list_fits(r, k, n))
		return;
	for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top;
	     i++) {
		yaml_node_t *item = doc_node(&r->f->doc, *i);

		if (!file_count(r, item))
			return;
		take_item(r, k, item);
	}
}

/* A command in one text is split at blanks as a shell does, with its quotes and nothing
 * else of it. */
static void split_command(struct file_reader *r, const struct key *k, const yaml_node_t *n)
{
	char *text = file_text(r, n, "command"), *word, *to, quote = 0;
	size_t words = 0;

	if (text && text[strcspn(text, "|&;<>()`*?\n")]) {
		file_wrong(r, n,
			   "command: no shell reads it; right is: a list of words, or "
			   "[sh, -c, \"...\"]");
		return;
	}
	while (text && *(text += strspn(text, " \t"))) {
		for (word = to = text; *text && (quote || !strchr(" \t", *text)); text++) {
			if (quote ? *text == quote : strchr("'\"", *text) != NULL)
				quote = quote ? 0 : *text;
			else if (*text == '\\' && quote != '\'' && text[1])
				*to++ = *++text;
			else
				*to++ = *text;
		}
		text += *text != '\0';
		*to = '\0';
		if (quote) {
			file_wrong(r, n, "command: a quote is not closed");
			return;
		}
		if (!file_fits(r, n, "command", ++words))
			return;
		take_one(r, k, n, word);
	}
}

static void take_words_of_command(struct file_reader *r, const struct key *k, yaml_node_t *n)
{
	if (n->type == YAML_SEQUENCE_NODE &&
	    n->data.sequence.items.start == n->data.sequence.items.top)
		file_wrong(r, n,
			   "command: the list is empty; without the key it is the built-in "
			   "worker");
	else if (n->type == YAML_SEQUENCE_NODE)
		take_each(r, k, n);
	else
		split_command(r, k, n);
}

void file_take(struct file_reader *r, const struct key *k, yaml_node_t *n)
{
	if (!file_count(r, n))
		return;
	switch (k->shape) {
	case SHAPE_ONE:
		if (k->value)
			take_text(r, k, n);
		else
			take_flag(r, k, n);
		break;
	case SHAPE_EACH:
		take_each(r, k, n);
		break;
	case SHAPE_WORDS:
		take_words(r, k, n);
		break;
	case SHAPE_PAIRS:
		if (n->type == YAML_MAPPING_NODE)
			file_pairs(r, n, k->key, take_pair, (void *)(uintptr_t)k);
		else
			take_each(r, k, n);
		break;
	case SHAPE_COMMAND:
		take_words_of_command(r, k, n);
		break;
	case SHAPE_ARGV_ONLY:
		break;
	}
}
