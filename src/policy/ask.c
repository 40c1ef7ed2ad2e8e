/* SPDX-License-Identifier: MIT */
/* ask.c - calls that the master is asked about, on top of what the policy says. */
#include <errno.h>

#include "policy/names.h"
#include "policy/policy.h"
#include "policy/profile.h"

static struct call *find(struct policy *p, const char *name)
{
	int nr;

	return names_call(name, &nr) > 0 ? &p->calls[nr] : NULL;
}

void policy_refuse_faults(struct policy *p)
{
	struct call *fault = find(p, "userfaultfd");

	if (fault)
		*fault = (struct call){ .verdict = VERDICT_ERRNO, .error = EPERM };
}

int policy_ask_bind(struct policy *p, struct err *e)
{
	struct call *bind = find(p, "bind"), *listen = find(p, "listen");
	struct call *sendmsg = find(p, "sendmsg");

	if (!bind || !listen || bind->verdict != VERDICT_ALLOW || listen->verdict != VERDICT_ALLOW)
		return 0;
	/* The filter is on already when its listener is sent to the master. */
	if (!sendmsg || sendmsg->verdict != VERDICT_ALLOW || sendmsg->rule)
		return err_set(e, -EINVAL,
			       "'sendmsg' must be allowed, without a rule, where bind(2) is "
			       "answered by mpsup");
	bind->notify = listen->notify = true;
	policy_refuse_faults(p);
	return 1;
}
