/* SPDX-License-Identifier: MIT */
/* facts_filters.c - what judges a worker's system calls, and answers some of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "app/facts.h"
#include "cage/cage.h"
#include "kernel/seccomp.h"
#include "kernel/surroundings.h"
#include "kernel/try.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#define LANDLOCK_VERSION (1U << 0) /* LANDLOCK_CREATE_RULESET_VERSION */

static int do_nnp(const void *arg)
{
	(void)arg;
	return -cage_no_new_privs();
}

/* One that lets everything pass. */
static int do_filter(const void *arg)
{
	const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	int r = cage_no_new_privs();

	(void)arg;
	return r < 0 ? -r : -seccomp_load_filter(&allow, 1, 0);
}

static bool filter(struct host_facts *h)
{
	struct fact *f;
	int r = try_in_child(0, do_nnp, NULL);

	if (r == 0)
		h->had |= CAGE_BIT(CAGE_NNP);
	r = try_in_child(0, do_filter, NULL);
	if (r == 0) {
		h->had |= CAGE_BIT(CAGE_SECCOMP);
		(void)fact_add(h, "seccomp filter", FACT_OK, "loaded");
		return true;
	}
	f = fact_add(h, "seccomp filter", FACT_PROBLEM, "%s", strerror(-r));
	f->words = CAGE_BIT(CAGE_SECCOMP);
	fact_missing(f,
		     "system calls of workers are not filtered; servers that open their own port",
		     r == -EPERM || r == -EACCES ? "a container's seccomp profile that permits it" :
						   "a kernel with CONFIG_SECCOMP_FILTER");
	return false;
}

/* Whose memory is read: a worker's, so with its uid where we are root. */
static const char *memory_help(void)
{
	uint64_t scope;

	if (surroundings_number("", "/proc/sys/kernel/yama/ptrace_scope", &scope) && scope >= 2)
		return scope == 2 ? "CAP_SYS_PTRACE, or sysctl kernel.yama.ptrace_scope=1" :
				    "kernel.yama.ptrace_scope below 3, which takes a boot";
	return "CAP_SYS_PTRACE; a container's seccomp profile that permits process_vm_readv";
}

/* A program's own bind() is answered: the kernel tells of the call, its arguments are read
 * from the program's memory, and our socket takes the place of its own. */
static void interception(struct host_facts *h, const struct master *m)
{
	const char *const lost = "servers that open their own port (--protocol bind, auto)";
	unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	int r = try_addfd(SECCOMP_ADDFD_FLAG_SETFD);

	if (r < 0) {
		fact_missing(fact_add(h, "bind interception", FACT_NOTE,
				      "no user notification, or no descriptor into it (%s)",
				      strerror(-r)),
			     lost, "Linux 5.9, and an outer filter without a listener of its own");
		return;
	}
	r = try_read_memory(m->root ? FACTS_UID : 0, FACTS_UID);
	if (r < 0)
		fact_missing(fact_add(h, "bind interception", FACT_NOTE,
				      "a worker's memory cannot be read (%s)", strerror(-r)),
			     lost, memory_help());
	else if (!try_filter_flags(flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV))
		fact_missing(fact_add(h, "bind interception", FACT_NOTE,
				      "by user notification, which signals interrupt"),
			     "spares that wait inside bind()", "Linux 5.19");
	else
		(void)fact_add(h, "bind interception", FACT_OK,
			       "by user notification, which signals do not interrupt%s",
			       try_addfd(SECCOMP_ADDFD_FLAG_SEND) == 0 ?
				       ", with answers that carry a descriptor" :
				       "");
}

static void landlock(struct host_facts *h)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_VERSION);
	int error = errno;

	if (abi > 0) {
		(void)fact_add(h, "Landlock", FACT_OK, "ABI %ld; no option uses it yet", abi);
		h->had |= CAGE_BIT(CAGE_LANDLOCK);
		return;
	}
	fact_missing(fact_add(h, "Landlock", FACT_NOTE, "%s",
			      error == EOPNOTSUPP ? "switched off at boot" :
			      error == ENOSYS	  ? "not in this kernel" :
						    strerror(error)),
		     "nothing yet; it will be a second fence around the view",
		     error == ENOSYS ? "a kernel with CONFIG_SECURITY_LANDLOCK" :
				       "lsm=...,landlock on the kernel's command line");
}

void facts_filters(struct host_facts *h, const struct master *m)
{
	if (h->births && filter(h))
		interception(h, m);
	landlock(h);
}
