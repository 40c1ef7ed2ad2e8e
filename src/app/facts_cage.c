/* SPDX-License-Identifier: MIT */
/* facts_cage.c - the parts of the cage that a worker is born into, each tried alone. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "app/facts.h"
#include "base/fd.h"
#include "cage/cage.h"
#include "kernel/surroundings.h"
#include "kernel/try.h"

/* ---- what is tried in a child: 0 or a positive errno ---- */

static int do_mount_ns(const void *arg)
{
	(void)arg;
	if (unshare(CLONE_NEWNS) < 0)
		return errno;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? errno : 0;
}

static int do_user_ns(const void *arg)
{
	(void)arg;
	return unshare(CLONE_NEWUSER) < 0 ? errno : 0;
}

static int do_uid(const void *arg)
{
	return -cage_set_uid(arg);
}

static int do_groups(const void *arg)
{
	return -cage_set_groups(arg);
}

static int do_caps(const void *arg)
{
	int r = cage_drop_bounding(arg);

	return r < 0 ? -r : -cage_drop_caps(arg);
}

static int do_view(const void *arg)
{
	const struct cage *c = arg;
	int r = view_enter(c->mold_fd);

	if (r == 0)
		r = view_mount_proc(&c->view);
	return r < 0 ? -r : -view_mount_own(&c->view);
}

static int do_pin(const void *arg)
{
	return -cage_pin(arg);
}

/* ---- facts of them ---- */

static const char *help_for(int error, uint64_t ns_flag)
{
	if (error == EPERM && geteuid() != 0)
		return "sudo";
	if (error == EPERM || error == EACCES)
		return "the rights above, or a container runtime or security module that permits "
		       "it; --no-sandbox does without";
	if (ns_flag && (error == ENOSPC || error == EUSERS))
		return "raise user.max_*_namespaces (sysctl)";
	if (error == ENOSYS)
		return "a kernel or a container's seccomp profile that knows the call";
	return ns_flag ? "a kernel with it (CONFIG_*_NS)" : "see what is missing above";
}

/* r: what a try returned. */
static void tell(struct host_facts *h, const char *name, enum verdict v, int r, uint32_t words,
		 const char *had, const char *lost, uint64_t ns_flag)
{
	struct fact *f;

	if (r == 0) {
		(void)fact_add(h, name, FACT_OK, "%s", had);
		h->had |= words;
		return;
	}
	f = fact_add(h, name, v, "%s", strerror(-r));
	f->words = words;
	fact_missing(f, lost, help_for(-r, ns_flag));
}

static void user_namespace(struct host_facts *h)
{
	char sysctl[96], help[160];
	int r = try_in_child(0, do_user_ns, NULL);
	struct fact *f;

	surroundings_userns("", sysctl, sizeof(sysctl));
	if (r == 0)
		h->had |= CAGE_BIT(CAGE_USER);
	if (r == 0 && !sysctl[0]) {
		(void)fact_add(h, "user namespace", FACT_OK, "made; no option uses it yet");
		return;
	}
	f = fact_add(h, "user namespace", FACT_NOTE, "%s%s%s", r < 0 ? strerror(-r) : "made",
		     sysctl[0] ? "; " : "", sysctl);
	(void)snprintf(help, sizeof(help), "%s",
		       sysctl[0] ? "sysctl" : help_for(-r, CLONE_NEWUSER));
	fact_missing(f,
		     r < 0 ? "nothing yet: no option uses it" :
			     "programs that make their own as an ordinary user (browsers)",
		     help);
}

static void namespaces(struct host_facts *h, const struct master *m)
{
	static const struct {
		const char *name;
		enum cage_word word;
		uint64_t flag;
		bool by_default;
		const char *lost;
	} all[] = {
		{ "pid namespace", CAGE_PID, CLONE_NEWPID, true, "workers see other processes" },
		{ "ipc namespace", CAGE_IPC, CLONE_NEWIPC, true, "workers share System V IPC" },
		{ "uts namespace", CAGE_UTS, CLONE_NEWUTS, true, "workers share the host name" },
		{ "cgroup namespace", CAGE_CGROUP, CLONE_NEWCGROUP, true,
		  "workers see the host's cgroups" },
		{ "net namespace", CAGE_NET, CLONE_NEWNET, false, "--net none" },
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		tell(h, all[i].name, all[i].by_default ? fact_verdict(m) : FACT_NOTE,
		     try_in_child(all[i].flag, NULL, NULL), CAGE_BIT(all[i].word), "made",
		     all[i].lost, all[i].flag);
	tell(h, "mount namespace", fact_verdict(m), try_in_child(0, do_mount_ns, NULL),
	     CAGE_BIT(CAGE_MOUNT), "made", "workers share the host's mounts", CLONE_NEWNS);
	user_namespace(h);
}

static void identity(struct host_facts *h, const struct master *m)
{
	struct cage c = CAGE_NONE;
	cpu_set_t cpus;

	c.uid = FACTS_UID;
	c.gid = FACTS_UID;
	c.no_caps = cap_init();
	tell(h, "uid of its own", fact_verdict(m), try_in_child(0, do_uid, &c), CAGE_BIT(CAGE_UID),
	     "taken", "workers run as mpsup does", 0);
	tell(h, "no groups", fact_verdict(m), try_in_child(0, do_groups, &c), CAGE_BIT(CAGE_GROUPS),
	     "emptied", "workers have mpsup's groups", 0);
	tell(h, "no capabilities", fact_verdict(m),
	     c.no_caps ? try_in_child(0, do_caps, &c) : -ENOMEM, CAGE_BIT(CAGE_CAPS), "dropped",
	     "workers could gain capabilities by what they execute", 0);
	cage_done(&c);
	tell(h, "pinning", fact_verdict(m),
	     sched_getaffinity(0, sizeof(cpus), &cpus) < 0 ? -errno :
							     try_in_child(0, do_pin, &cpus),
	     CAGE_BIT(CAGE_PIN), "set and read back", "workers move between CPUs", 0);
}

/* The default one, of a program in /usr; built, entered and given its own places. */
static void view(struct host_facts *h, const struct master *m)
{
	static const char *none[] = { NULL };
	const struct view_request req = { .app = true,
					  .cwd = "/usr",
					  .ro = none,
					  .rw = none,
					  .hide = none };
	bool own_pid = h->had & CAGE_BIT(CAGE_PID);
	struct cage c = CAGE_NONE;
	struct arena arena = { 0 };
	struct err e = { 0 };
	struct fact *f;
	int r = view_plan(&req, &arena, &c.view, &e);

	c.view.own_pid = own_pid;
	c.view.tmp_bytes = 1 << 20;
	c.view.uid = c.view.gid = FACTS_UID;
	if (r == 0)
		r = view_build_mold(&c.view, &c.mold_fd, &e);
	if (r < 0) {
		f = fact_add(h, "view", fact_verdict(m), "%s", e.msg);
		f->words = CAGE_BIT(CAGE_VIEW);
		fact_missing(f, "workers see the whole file system", help_for(-r, 0));
	} else {
		tell(h, "view", fact_verdict(m),
		     try_in_child(own_pid ? CLONE_NEWPID : 0, do_view, &c), CAGE_BIT(CAGE_VIEW),
		     "built and entered", "workers see the whole file system", 0);
	}
	cage_done(&c);
	arena_done(&arena);
}

void facts_cage(struct host_facts *h, const struct master *m)
{
	int r = try_in_child(0, NULL, NULL);

	h->births = r == 0;
	if (r < 0) { /* all that follows would say the same */
		fact_missing(fact_add(h, "clone3, pidfd", FACT_PROBLEM,
				      "%s; the parts of the cage cannot be tried", strerror(-r)),
			     "every birth",
			     r == -ENOSYS || r == -EPERM ?
				     "a container's seccomp profile that knows clone3; a unit "
				     "without RestrictNamespaces=" :
				     "see the limit on processes (ulimit -u, pids.max)");
		return;
	}
	(void)fact_add(h, "clone3, pidfd", FACT_OK, "used for every try below");
	namespaces(h, m);
	identity(h, m);
	view(h, m);
}
