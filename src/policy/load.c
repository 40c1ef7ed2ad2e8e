/* SPDX-License-Identifier: MIT */
/* load.c - policy files: names become numbers, groups are opened, one level of
 * includes is merged. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "policy/policy.h"
#include "policy/yaml.h"

struct loading {
	const char *const *dirs;
	struct policy *p;
	struct yaml_file groups;
	struct err *e;
};

static int append(void *array_ptr, size_t *n, size_t item_size, const void *item)
{
	void **array = array_ptr;
	void *more = realloc(*array, (*n + 1) * item_size);

	if (!more)
		return -ENOMEM;
	memcpy((char *)more + *n * item_size, item, item_size);
	*array = more;
	++*n;
	return 0;
}

static int allow(struct policy *p, int call)
{
	for (size_t i = 0; i < p->nallow; i++)
		if (p->allow[i] == call)
			return 0;
	return append(&p->allow, &p->nallow, sizeof(call), &call);
}

/* Is it a system call anywhere? libseccomp gives names of other architectures a
 * negative pseudo number and unknown ones __NR_SCMP_ERROR. */
static int number_of(const char *name)
{
	return seccomp_syscall_resolve_name(name);
}

static int unknown_call(const struct yaml_file *f, const yaml_node_t *at, const char *name,
			struct err *e)
{
	static const char *const common[] = { "accept",	  "accept4", "bind",	   "clone",
					      "connect",  "execve",  "fork",	   "futex",
					      "ioctl",	  "kill",    "listen",	   "mmap",
					      "mprotect", "open",    "openat",	   "ptrace",
					      "read",	  "sendto",  "setsockopt", "socket",
					      "unshare",  "write",   NULL };
	const char *near = nearest_word(name, common);

	return yaml_wrong(f, at, e, "'%s' is no system call that libseccomp knows%s%s%s", name,
			  near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static int allow_group(struct loading *l, const struct yaml_file *f, const yaml_node_t *at,
		       const char *name)
{
	const yaml_node_t *root = yaml_document_get_root_node(&l->groups.doc);
	int r = 0;

	if (!root || root->type != YAML_MAPPING_NODE)
		return yaml_wrong(&l->groups, root, l->e, "groups are a mapping of names to lists");
	yaml_each_pair(&l->groups, root, it)
	{
		const char *key = yaml_text(yaml_node(&l->groups, it->key));
		const yaml_node_t *list = yaml_node(&l->groups, it->value);

		if (!key || strcmp(key, name) != 0 || list->type != YAML_SEQUENCE_NODE)
			continue;
		yaml_each_item(&l->groups, list, item)
		{
			const char *call = yaml_text(yaml_node(&l->groups, *item));
			int nr = call ? number_of(call) : __NR_SCMP_ERROR;

			if (nr >= 0 && r == 0) /* others: newer, or another architecture's */
				r = allow(l->p, nr);
		}
		return r;
	}
	return yaml_wrong(f, at, l->e, "there is no group '%s' in %s", name, l->groups.path);
}

static int take_allow(struct loading *l, const struct yaml_file *f, const yaml_node_t *list,
		      bool optional)
{
	if (list->type != YAML_SEQUENCE_NODE)
		return yaml_wrong(f, list, l->e,
				  "a list of system calls or @groups is missing here");
	yaml_each_item(f, list, it)
	{
		const yaml_node_t *at = yaml_node(f, *it);
		const char *name = yaml_text(at);
		int r = 0, nr;

		if (!name)
			return yaml_wrong(f, at, l->e, "a name is missing here");
		if (name[0] == '@') {
			r = allow_group(l, f, at, name);
		} else {
			nr = number_of(name);
			if (nr == __NR_SCMP_ERROR && !optional)
				return unknown_call(f, at, name, l->e);
			if (nr >= 0)
				r = allow(l->p, nr);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int errno_of(const char *name)
{
	static const struct {
		const char *name;
		int value;
	} known[] = { { "EPERM", EPERM },   { "ENOSYS", ENOSYS }, { "EACCES", EACCES },
		      { "EINVAL", EINVAL }, { "ENOENT", ENOENT }, { "EAFNOSUPPORT", EAFNOSUPPORT } };

	for (size_t i = 0; name && i < ARRAY_LEN(known); i++)
		if (strcmp(known[i].name, name) == 0)
			return known[i].value;
	return -1;
}

static int take_errors(struct loading *l, const struct yaml_file *f, const yaml_node_t *map)
{
	if (map->type != YAML_MAPPING_NODE)
		return yaml_wrong(f, map, l->e, "errors: a mapping of system call to errno");
	yaml_each_pair(f, map, it)
	{
		const yaml_node_t *key = yaml_node(f, it->key), *val = yaml_node(f, it->value);
		const char *name = yaml_text(key);
		struct policy_error pe = { .call = name ? number_of(name) : __NR_SCMP_ERROR,
					   .error = errno_of(yaml_text(val)) };

		if (pe.error < 0)
			return yaml_wrong(f, val, l->e,
					  "EPERM, ENOSYS, EACCES, EINVAL, ENOENT or EAFNOSUPPORT "
					  "belongs here");
		if (pe.call == __NR_SCMP_ERROR)
			return unknown_call(f, key, name ? name : "?", l->e);
		if (pe.call >= 0 && append(&l->p->errors, &l->p->nerrors, sizeof(pe), &pe) < 0)
			return err_set(l->e, -ENOMEM, "out of memory");
	}
	return 0;
}

static int take_values(const struct yaml_file *f, const yaml_node_t *n, struct policy_refusal *ret,
		       struct err *e)
{
	if (n->type != YAML_SEQUENCE_NODE) {
		ret->nvalues = 1;
		return yaml_u32(f, n, &ret->values[0], e);
	}
	yaml_each_item(f, n, it)
	{
		int r;

		if (ret->nvalues == POLICY_VALUES_MAX)
			return yaml_wrong(f, n, e, "more than %d values", POLICY_VALUES_MAX);
		r = yaml_u32(f, yaml_node(f, *it), &ret->values[ret->nvalues++], e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_refusal_key(const struct yaml_file *f, const char *key, const yaml_node_t *val,
			    struct policy_refusal *ref, struct err *e)
{
	static const char *const known[] = { "call", "arg",    "if_arg", "if_is", "any_bit",
					     "in",   "not_in", "errno",	 NULL };
	const char *near;
	uint32_t n = 0;
	int r = 0;

	if (strcmp(key, "call") == 0) {
		ref->call = yaml_text(val) ? number_of(yaml_text(val)) : __NR_SCMP_ERROR;
		return ref->call == __NR_SCMP_ERROR ?
			       unknown_call(f, val, yaml_text(val) ? yaml_text(val) : "?", e) :
			       0;
	}
	if (strcmp(key, "errno") == 0) {
		ref->error = errno_of(yaml_text(val));
		return ref->error < 0 ? yaml_wrong(f, val, e, "unknown errno") : 0;
	}
	if (strcmp(key, "any_bit") == 0 || strcmp(key, "in") == 0 || strcmp(key, "not_in") == 0) {
		ref->test = key[0] == 'a' ? TEST_ANY_BIT : key[0] == 'i' ? TEST_IN : TEST_NOT_IN;
		return take_values(f, val, ref, e);
	}
	near = nearest_word(key, known);
	if (strcmp(key, "arg") != 0 && strcmp(key, "if_arg") != 0 && strcmp(key, "if_is") != 0)
		return yaml_wrong(f, val, e, "unknown key '%s'%s%s%s", key,
				  near ? " (did you mean '" : "", near ? near : "",
				  near ? "'?)" : "");
	r = yaml_u32(f, val, &n, e);
	if (r == 0 && key[3] != 'i' && n > 5 && strcmp(key, "if_is") != 0)
		return yaml_wrong(f, val, e, "an argument is 0 to 5");
	if (strcmp(key, "arg") == 0)
		ref->arg = n;
	else if (strcmp(key, "if_arg") == 0)
		ref->if_arg = (int)n;
	else
		ref->if_is = n;
	return r;
}

static int take_refusals(struct loading *l, const struct yaml_file *f, const yaml_node_t *list)
{
	if (list->type != YAML_SEQUENCE_NODE)
		return yaml_wrong(f, list, l->e, "refuse: a list of conditions");
	yaml_each_item(f, list, it)
	{
		const yaml_node_t *map = yaml_node(f, *it);
		struct policy_refusal ref = { .call = __NR_SCMP_ERROR,
					      .if_arg = -1,
					      .error = EPERM };

		if (map->type != YAML_MAPPING_NODE)
			return yaml_wrong(f, map, l->e, "a condition is {call:, arg:, in: ...}");
		yaml_each_pair(f, map, kv)
		{
			const char *key = yaml_text(yaml_node(f, kv->key));
			int r = take_refusal_key(f, key ? key : "?", yaml_node(f, kv->value), &ref,
						 l->e);

			if (r < 0)
				return r;
		}
		if (ref.call == __NR_SCMP_ERROR || ref.nvalues == 0)
			return yaml_wrong(f, map, l->e,
					  "call and one of any_bit, in, not_in belong "
					  "here");
		if (ref.call >= 0 &&
		    append(&l->p->refusals, &l->p->nrefusals, sizeof(ref), &ref) < 0)
			return err_set(l->e, -ENOMEM, "out of memory");
	}
	return 0;
}

static int find_file(const char *name, const char *const *dirs, char *ret_path, size_t size)
{
	if (strchr(name, '/'))
		return snprintf(ret_path, size, "%s", name) < (int)size ? 0 : -ENAMETOOLONG;
	for (size_t i = 0; dirs[i]; i++) {
		if (snprintf(ret_path, size, "%s/%s.yaml", dirs[i], name) >= (int)size)
			continue;
		if (access(ret_path, R_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

static int load_one(struct loading *l, const char *name, int depth);

static int take_includes(struct loading *l, const struct yaml_file *f, const yaml_node_t *list,
			 int depth)
{
	if (list->type != YAML_SEQUENCE_NODE)
		return yaml_wrong(f, list, l->e, "include: a list of policy names");
	if (depth > 0)
		return yaml_wrong(
			f, list, l->e,
			"an included policy may not include others: one level can be read");
	yaml_each_item(f, list, it)
	{
		const yaml_node_t *at = yaml_node(f, *it);
		const char *name = yaml_text(at);
		int r = name ? load_one(l, name, depth + 1) : -EINVAL;

		if (r == -ENOENT)
			return yaml_wrong(f, at, l->e, "there is no policy '%s'", name);
		if (r < 0)
			return name ? r : yaml_wrong(f, at, l->e, "a name is missing here");
	}
	return 0;
}

static int take_key(struct loading *l, const struct yaml_file *f, const yaml_node_t *key_node,
		    const yaml_node_t *val, int depth)
{
	static const char *const known[] = { "name",	 "description", "include", "allow",
					     "optional", "errors",	"refuse",  NULL };
	const char *key = yaml_text(key_node), *near;

	if (!key)
		return yaml_wrong(f, key_node, l->e, "a key is a word");
	if (strcmp(key, "name") == 0 || strcmp(key, "description") == 0)
		return yaml_text(val) ? 0 : yaml_wrong(f, val, l->e, "%s: a text", key);
	if (strcmp(key, "include") == 0)
		return take_includes(l, f, val, depth);
	if (strcmp(key, "allow") == 0 || strcmp(key, "optional") == 0)
		return take_allow(l, f, val, key[0] == 'o');
	if (strcmp(key, "errors") == 0)
		return take_errors(l, f, val);
	if (strcmp(key, "refuse") == 0)
		return take_refusals(l, f, val);
	near = nearest_word(key, known);
	return yaml_wrong(f, key_node, l->e, "unknown key '%s'%s%s%s", key,
			  near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static int load_one(struct loading *l, const char *name, int depth)
{
	struct yaml_file f;
	char path[PATH_MAX];
	const yaml_node_t *root;
	int r = find_file(name, l->dirs, path, sizeof(path));

	if (r == 0)
		r = yaml_file_load(&f, path, l->e);
	if (r < 0)
		return r;
	root = yaml_document_get_root_node(&f.doc);
	if (!root || root->type != YAML_MAPPING_NODE)
		r = yaml_wrong(&f, root, l->e, "a policy is a mapping: name:, allow:, ...");
	else
		yaml_each_pair(&f, root, it) if (r == 0) r =
			take_key(l, &f, yaml_node(&f, it->key), yaml_node(&f, it->value), depth);
	yaml_file_done(&f);
	return r;
}

int policy_load(const char *name, const char *const *dirs, struct policy **ret_policy,
		struct err *e)
{
	struct loading l = { .dirs = dirs, .e = e };
	char path[PATH_MAX];
	int r;

	l.p = calloc(1, sizeof(*l.p));
	if (l.p)
		l.p->name = strdup(name);
	if (!l.p || !l.p->name) {
		policy_free(l.p);
		return err_set(e, -ENOMEM, "out of memory");
	}
	r = find_file("groups", dirs, path, sizeof(path));
	if (r == 0)
		r = yaml_file_load(&l.groups, path, e);
	else
		(void)err_set(e, r, "groups.yaml is in none of the policy folders (%s, ...)",
			      dirs[0] ? dirs[0] : "none");
	if (r == 0) {
		r = load_one(&l, name, 0);
		if (r == -ENOENT)
			(void)err_set(e, r,
				      "there is no policy '%s'; shipped are generic, node and "
				      "static, or give a file",
				      name);
	}
	yaml_file_done(&l.groups);
	if (r < 0) {
		policy_free(l.p);
		return r;
	}
	*ret_policy = l.p;
	return 0;
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	free(p->name);
	free(p->allow);
	free(p->errors);
	free(p->refusals);
	free(p);
}
