/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/filters.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cage/cage.h"
#include "kernel/seccomp.h"
#include "kernel/try.h"
#include "policy/policy.h"
#include "super/companions.h"
#include "super/super.h"

/* Does this kernel take it? Better asked now than at every birth. */
static int load_it(const void *arg)
{
	const struct filter *f = arg;
	int r = cage_no_new_privs();

	if (r == 0)
		r = seccomp_load_filter(f->insns, f->len, f->flags);
	return r < 0 ? -r : 0;
}

static int try_on_kernel(struct filter *f, struct err *e)
{
	int r;

	if (f->asks)
		f->flags = SECCOMP_FILTER_FLAG_NEW_LISTENER |
			   SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	r = try_in_child(0, load_it, f);
	if (r == -EINVAL && f->asks) { /* before 5.19 */
		f->flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
		r = try_in_child(0, load_it, f);
	}
	if (r < 0)
		return err_set(e, -EOPNOTSUPP,
			       "this host takes no seccomp filter (%s); "
			       "--no-sandbox seccomp would do without",
			       strerror(-r));
	return 0;
}

static int compile(struct filter *f, const char *name, struct err *e)
{
	struct policy *pol = NULL;
	struct bpf bpf = { 0 };
	int r = policy_load(name, companion_policy_dirs(), &pol, e);

	if (r == 0)
		r = f->wants_ask ? policy_ask_bind(pol, e) : 0;
	if (r < 0) {
		policy_free(pol);
		return err_wrap(e, "--policy %s", name);
	}
	f->asks = r == 1;
	policy_refuse_faults(pol); /* see readiness.c: what it waits for is looked up */
	r = policy_compile(pol, &bpf, e);
	policy_free(pol);
	if (r == -E2BIG)
		return err_wrap(e, "--policy %s", name);
	if (r < 0) /* the text was right: libseccomp does not get on with this kernel */
		return err_set(e, -EOPNOTSUPP, "%s; --no-sandbox seccomp would do without", e->msg);
	f->insns = bpf.insns;
	f->len = bpf.len;
	return 0;
}

static struct filter *find_named(struct master *m, const char *policy, bool wants_ask)
{
	for (struct filter *f = m->filters; f; f = f->next)
		if (f->policy && f->wants_ask == wants_ask && strcmp(f->policy, policy) == 0)
			return f;
	return NULL;
}

static struct filter *find_same(struct master *m, const struct filter *as)
{
	for (struct filter *f = m->filters; f; f = f->next)
		if (f->asks == as->asks && f->wants_ask == as->wants_ask && f->len == as->len &&
		    memcmp(f->insns, as->insns, as->len * sizeof(*as->insns)) == 0)
			return f;
	return NULL;
}

struct filter *filter_ref(struct filter *f)
{
	f->refs++;
	return f;
}

void filter_unref(struct filter *f)
{
	if (!f || --f->refs > 0)
		return;
	for (struct filter **at = f->head; at && *at; at = &(*at)->next)
		if (*at == f) {
			*at = f->next;
			break;
		}
	free(f->policy);
	free(f->insns);
	free(f);
}

void filter_add(struct master *m, struct filter *f)
{
	f->refs = 1;
	f->head = &m->filters;
	f->next = m->filters;
	m->filters = f;
}

int filter_get(struct master *m, const char *policy, bool wants_ask, struct filter **ret,
	       struct err *e)
{
	struct filter *f = find_named(m, policy, wants_ask), *same;
	int r;

	if (f) {
		*ret = filter_ref(f);
		return 0;
	}
	f = calloc(1, sizeof(*f));
	if (!f)
		return err_set(e, -ENOMEM, "out of memory");
	*f = (struct filter){ .refs = 1, .wants_ask = wants_ask, .policy = strdup(policy) };
	r = compile(f, policy, e);
	same = r == 0 ? find_same(m, f) : NULL;
	if (r == 0 && !same)
		r = try_on_kernel(f, e);
	if (r < 0 || same) {
		if (same && !same->policy) {
			same->policy = f->policy; /* as the file is now */
			f->policy = NULL;
		}
		filter_unref(f);
		*ret = same ? filter_ref(same) : NULL;
		return r;
	}
	filter_add(m, f);
	*ret = f;
	return 0;
}

void filters_read_again(struct master *m)
{
	for (struct filter *f = m->filters; f; f = f->next) {
		free(f->policy);
		f->policy = NULL;
	}
}
