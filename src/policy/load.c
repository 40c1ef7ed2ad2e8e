/* SPDX-License-Identifier: MIT */
/* load.c - from a policy's name to what each system call gets. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/doc.h"
#include "policy/groups.h"
#include "policy/names.h"
#include "policy/policy.h"
#include "policy/profile.h"
#include "policy/rules.h"

struct loader {
	struct policy *policy;
	struct groups *groups;
	const char *const *dirs;
	struct err *e;
	/* Of the file that is being read: */
	struct doc *doc;
	yaml_node_t *optional;
	bool own; /* not an included one */
	/* Of the entry that is being read: */
	yaml_node_t *at;
	struct call entry;
};

/* ---- one entry for one call ---- */

/* A name beats a group, also an included name: "allow: [@process]" must not take
 * away the rule that the included file has for clone. Apart from that the file
 * itself beats what it includes. */
static int decide(void *ctx, int nr, const char *name)
{
	struct loader *l = ctx;
	struct call *old = &l->policy->calls[nr];

	if (nr > l->policy->highest)
		l->policy->highest = nr;
	if (old->verdict != VERDICT_NONE && old->own == l->entry.own &&
	    old->named == l->entry.named)
		return doc_error(l->doc, l->at, l->e, "'%s' already stands in line %u", name,
				 old->line);
	if (old->named && !l->entry.named)
		return 0;
	*old = l->entry;
	return 0;
}

/* The flags of clone3 lie behind a pointer, which no filter sees: what may make
 * threads could make namespaces. */
static bool is_clone3(const char *name)
{
	return strcmp(name, "clone3") == 0 || strcmp(name, "@clone3") == 0;
}

static int apply(struct loader *l, yaml_node_t *n)
{
	const char *name = doc_text(n);
	char hint[GROUPS_HINT_BYTES];
	int nr, r;

	l->at = n;
	l->entry.own = l->own;
	l->entry.line = doc_line(n);
	l->entry.named = !name || name[0] != '@';
	if (name && is_clone3(name) && l->entry.verdict == VERDICT_ALLOW)
		return doc_error(l->doc, n, l->e,
				 "clone3 cannot be allowed: its flags lie behind a "
				 "pointer; it is always ENOSYS, and libc falls back to clone");
	if (l->entry.named) {
		r = groups_resolve(l->doc, n, l->optional, &nr, l->e);
		return r > 0 ? decide(l, nr, name) : r;
	}
	r = groups_each(l->groups, name + 1, decide, l);
	if (r != -ENOENT)
		return r;
	groups_hint(l->groups, name + 1, hint);
	return doc_error(l->doc, n, l->e, "unknown group '%s'%s", name, hint);
}

/* ---- the keys of a file ---- */

static int take_allow(void *ctx, yaml_node_t *n)
{
	struct loader *l = ctx;

	l->entry = (struct call){ .verdict = VERDICT_ALLOW };
	return apply(l, n);
}

static int take_refusal(struct loader *l, yaml_node_t *name, yaml_node_t *error, bool quiet)
{
	const char *text = error ? doc_text(error) : "EPERM";
	char hint[NAMES_HINT_BYTES] = "";
	int number = text ? names_errno(text) : 0;

	if (!number) {
		if (text)
			names_errno_hint(text, hint);
		return doc_error(l->doc, error, l->e,
				 "expected the name of an error as EPERM, found %s%s",
				 text ? text : doc_kind(error), hint);
	}
	l->entry = (struct call){ .verdict = VERDICT_ERRNO, .error = number, .quiet = quiet };
	return apply(l, name);
}

static int take_deny(void *ctx, yaml_node_t *key, yaml_node_t *value)
{
	return take_refusal(ctx, key, value, false);
}

static int take_quiet_pair(void *ctx, yaml_node_t *key, yaml_node_t *value)
{
	return take_refusal(ctx, key, value, true);
}

static int take_quiet(void *ctx, yaml_node_t *n)
{
	struct loader *l = ctx;

	if (n->type == YAML_MAPPING_NODE)
		return doc_pairs(l->doc, n, "quiet", take_quiet_pair, l, l->e);
	return take_refusal(l, n, NULL, true);
}

static int take_rule(void *ctx, yaml_node_t *key, yaml_node_t *value)
{
	struct loader *l = ctx;
	const struct rule *rule;
	int r = rules_read(l->doc, value, &l->policy->arena, &rule, l->e);

	if (r < 0)
		return r;
	if (doc_text(key)[0] == '@')
		return doc_error(l->doc, key, l->e, "a rule is about one call, not about a group");
	l->entry = (struct call){ .verdict = VERDICT_ALLOW, .rule = rule };
	return apply(l, key);
}

static int key_allow(struct loader *l, yaml_node_t *n)
{
	return doc_each(l->doc, n, take_allow, l);
}

static int key_quiet(struct loader *l, yaml_node_t *n)
{
	return doc_each(l->doc, n, take_quiet, l);
}

static int key_deny(struct loader *l, yaml_node_t *n)
{
	return doc_pairs(l->doc, n, "deny", take_deny, l, l->e);
}

static int key_rules(struct loader *l, yaml_node_t *n)
{
	return doc_pairs(l->doc, n, "rules", take_rule, l, l->e);
}

static int key_text(struct loader *l, yaml_node_t *n)
{
	return doc_text(n) ? 0 : doc_error(l->doc, n, l->e, "expected text, found %s", doc_kind(n));
}

/* Read before all other keys, or where a name is unknown. */
static int key_done(struct loader *l, yaml_node_t *n)
{
	(void)l;
	(void)n;
	return 0;
}

static const struct {
	const char *name;
	int (*take)(struct loader *l, yaml_node_t *n);
} keys[] = {
	{ "name", key_text },	  { "description", key_text }, { "include", key_done },
	{ "optional", key_done }, { "allow", key_allow },      { "quiet", key_quiet },
	{ "deny", key_deny },	  { "rules", key_rules },
};

static int take_key(void *ctx, yaml_node_t *key, yaml_node_t *value)
{
	const char *names[ARRAY_LEN(keys) + 1] = { NULL };
	struct loader *l = ctx;
	char hint[NAMES_HINT_BYTES];

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (strcmp(doc_text(key), keys[i].name) == 0)
			return keys[i].take(l, value);
		names[i] = keys[i].name;
	}
	names_word_hint(doc_text(key), names, hint);
	return doc_error(l->doc, key, l->e, "unknown key '%s'%s", doc_text(key), hint);
}

/* ---- files ---- */

bool policy_is_file(const char *name)
{
	size_t len = strlen(name);

	return strchr(name, '/') || (len > 5 && strcmp(name + len - 5, ".yaml") == 0);
}

/* "name" -> the first DIR/name.yaml that is there. */
static int find(const char *const *dirs, const char *name, char path[PATH_MAX])
{
	for (; *dirs; dirs++) {
		int n = snprintf(path, PATH_MAX, "%s/%s.yaml", *dirs, name);

		if (n > 0 && n < PATH_MAX && access(path, F_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

#define POLICIES_MAX 32

/* ", did you mean 'node'?" from what lies in the folders. */
static void policy_hint(const char *const *dirs, const char *name, char hint[NAMES_HINT_BYTES])
{
	static const char tail[] = ".yaml";
	char *names[POLICIES_MAX + 1] = { NULL };
	size_t n = 0;

	for (; *dirs; dirs++) {
		DIR *dir = opendir(*dirs);
		struct dirent *d;

		while (dir && n < POLICIES_MAX && (d = readdir(dir))) {
			size_t len = strlen(d->d_name);

			if (len <= strlen(tail) ||
			    strcmp(d->d_name + len - strlen(tail), tail) != 0 ||
			    strcmp(d->d_name, "groups.yaml") == 0)
				continue;
			names[n] = strndup(d->d_name, len - strlen(tail));
			n += names[n] != NULL;
		}
		if (dir)
			(void)closedir(dir);
	}
	names_word_hint(name, (const char *const *)names, hint);
	while (n > 0)
		free(names[--n]);
}

static int read_file(struct loader *l, const char *path, bool own);

static int take_include(void *ctx, yaml_node_t *n)
{
	struct loader *l = ctx;
	struct loader inner = *l;
	const char *name = doc_text(n);
	char path[PATH_MAX], hint[NAMES_HINT_BYTES];

	if (!l->own)
		return doc_error(l->doc, n, l->e,
				 "an included policy cannot include: one level is allowed");
	if (!name)
		return doc_error(l->doc, n, l->e, "expected the name of a policy, found %s",
				 doc_kind(n));
	if (policy_is_file(name) || find(l->dirs, name, path) < 0) {
		policy_hint(l->dirs, name, hint);
		return doc_error(l->doc, n, l->e, "no policy '%s' in the policy folders%s", name,
				 hint);
	}
	return read_file(&inner, path, false);
}

static int read_doc(struct loader *l)
{
	yaml_node_t *root = doc_root(l->doc);
	yaml_node_t *include = doc_find(l->doc, root, "include");
	int r = 0;

	l->optional = doc_find(l->doc, root, "optional");
	if (include)
		r = doc_each(l->doc, include, take_include, l);
	if (r < 0)
		return r;
	if (!doc_find(l->doc, root, "name"))
		return doc_error(l->doc, root, l->e, "key 'name' is missing");
	return doc_pairs(l->doc, root, "a policy", take_key, l, l->e);
}

static int read_file(struct loader *l, const char *path, bool own)
{
	struct doc doc;
	int r = doc_load(&doc, path, l->e);

	l->doc = &doc;
	l->own = own;
	if (r == 0)
		r = read_doc(l);
	l->doc = NULL;
	doc_done(&doc);
	return r;
}

/* ---- what every policy must be ---- */

/* The filter is loaded before the command is executed: mpsup's own last steps
 * pass it, or say through it why they failed. */
static int check_last_steps(const struct policy *p, const char *path, struct err *e)
{
	static const char *const needed[] = { "execve", "execveat", "write", "exit_group" };

	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		int nr;

		if (names_call(needed[i], &nr) <= 0)
			continue;
		if (p->calls[nr].verdict != VERDICT_ALLOW || p->calls[nr].rule)
			return err_set(
				e, -EINVAL,
				"%s:1:1: '%s' must be allowed, without a rule: the filter is "
				"loaded before the command is executed",
				path, needed[i]);
	}
	return 0;
}

static void settle_clone3(struct policy *p)
{
	int nr;

	if (names_call("clone3", &nr) > 0)
		p->calls[nr] = (struct call){ .verdict = VERDICT_ERRNO,
					      .error = ENOSYS,
					      .quiet = true,
					      .own = true,
					      .named = true };
}

static int load(struct policy *p, const char *path, const char *const *dirs, struct err *e)
{
	char groups_path[PATH_MAX];
	struct groups groups;
	struct loader l = { .policy = p, .groups = &groups, .dirs = dirs, .e = e };
	int r;

	if (find(dirs, "groups", groups_path) < 0)
		return err_set(e, -ENOENT, "no groups.yaml in %s and the other policy folders",
			       dirs[0] ? dirs[0] : "no folder");
	r = groups_load(&groups, groups_path, e);
	p->highest = groups.highest;
	if (r == 0)
		r = read_file(&l, path, true);
	groups_done(&groups);
	if (r < 0)
		return r;
	settle_clone3(p);
	return check_last_steps(p, path, e);
}

int policy_load(const char *name_or_file, const char *const *dirs, struct policy **ret,
		struct err *e)
{
	char found[PATH_MAX], hint[NAMES_HINT_BYTES];
	const char *path = name_or_file;
	struct policy *p;
	int r;

	if (!policy_is_file(name_or_file)) {
		if (find(dirs, name_or_file, found) < 0 || strcmp(name_or_file, "groups") == 0) {
			policy_hint(dirs, name_or_file, hint);
			return err_set(e, -ENOENT, "no policy '%s'%s", name_or_file, hint);
		}
		path = found;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(e, -ENOMEM, "out of memory");
	r = load(p, path, dirs, e);
	if (r < 0) {
		policy_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	arena_done(&p->arena);
	free(p);
}
