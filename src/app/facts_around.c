/* SPDX-License-Identifier: MIT */
/* facts_around.c - the kernel, our rights, and who has put us where we are. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "app/facts.h"
#include "kernel/surroundings.h"

static void kernel(struct host_facts *h)
{
	struct utsname u;
	unsigned major = 0, minor = 0;
	struct fact *f;

	(void)uname(&u);
	if (sscanf(u.release, "%u.%u", &major, &minor) < 2)
		major = 0;
	f = fact_add(h, "kernel", major > 5 || (major == 5 && minor >= 15) ? FACT_OK : FACT_PROBLEM,
		     "Linux %s, %s", u.release, u.machine);
	if (f->verdict != FACT_OK)
		fact_missing(f, "mpsup relies on what came up to Linux 5.15", "a newer kernel");
}

/* ---- rights ---- */

#define VIEW_WORDS (CAGE_BIT(CAGE_MOUNT) | CAGE_BIT(CAGE_VIEW))
#define NS_WORDS                                                                                   \
	(CAGE_BIT(CAGE_PID) | CAGE_BIT(CAGE_MOUNT) | CAGE_BIT(CAGE_IPC) | CAGE_BIT(CAGE_UTS) |     \
	 CAGE_BIT(CAGE_CGROUP) | CAGE_BIT(CAGE_VIEW))

/* Each was taken away and a start was made without it: which of them end it is from there. */
static const struct {
	cap_value_t cap;
	const char *name;
	bool needed;
	uint32_t words;
	const char *lost;
} caps[] = {
	{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN", true, NS_WORDS, "namespaces and mounts of workers" },
	{ CAP_SYS_CHROOT, "CAP_SYS_CHROOT", true, VIEW_WORDS, "entering the view" },
	{ CAP_SETUID, "CAP_SETUID", true, CAGE_BIT(CAGE_UID), "workers with a uid of their own" },
	{ CAP_SETGID, "CAP_SETGID", true, CAGE_BIT(CAGE_GROUPS) | CAGE_BIT(CAGE_UID),
	  "workers with groups of their own" },
	{ CAP_SETPCAP, "CAP_SETPCAP", true, CAGE_BIT(CAGE_CAPS), "emptying the bounding set" },
	{ CAP_CHOWN, "CAP_CHOWN", true, CAGE_BIT(CAGE_UID), "giving workers their output" },
	{ CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE", true, CAGE_BIT(CAGE_CGROUP),
	  "folders in the cgroup tree" },
	{ CAP_KILL, "CAP_KILL", false, 0, "signals to workers of another uid" },
	{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE", false, 0, "servers that open their own port (bind)" },
	{ CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE", false, 0,
	  "limits above the hard ones, a lower oom_score_adj" },
	{ CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE", false, 0, "ports below 1024" },
};

static void append(char *buf, size_t size, const char *word)
{
	size_t n = strlen(buf);

	(void)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", word);
}

static bool effective(cap_t have, cap_value_t cap)
{
	cap_flag_value_t v = CAP_CLEAR;

	return have && cap_get_flag(have, cap, CAP_EFFECTIVE, &v) == 0 && v == CAP_SET;
}

static void rights(struct host_facts *h, const struct master *m)
{
	char names[240] = "", lost[240] = "";
	cap_t have = cap_get_proc();
	bool problem = false;
	uint32_t words = 0;
	struct fact *f;

	if (!m->root) {
		f = fact_add(h, "rights", FACT_NOTE, "uid %u, not root", geteuid());
		fact_missing(f, "workers run as you, without the parts of the cage that need root",
			     "sudo");
	}
	for (size_t i = 0; m->root && i < ARRAY_LEN(caps); i++) {
		if (effective(have, caps[i].cap))
			continue;
		append(names, sizeof(names), caps[i].name);
		append(lost, sizeof(lost), caps[i].lost);
		problem |= caps[i].needed;
		words |= caps[i].words;
	}
	if (*names) {
		f = fact_add(h, "rights", problem ? FACT_PROBLEM : FACT_NOTE, "root, without %s",
			     names);
		f->words = words;
		fact_missing(f, lost,
			     "give them back: --cap-add for a container, CapabilityBoundingSet= in "
			     "a unit");
	} else if (m->root) {
		(void)fact_add(h, "rights", FACT_OK, "root, with all capabilities that are used");
	}
	if (have)
		(void)cap_free(have);
}

/* ---- who has put us here ---- */

static void container(struct host_facts *h)
{
	char evidence[SURROUNDINGS_BYTES];

	/* What its runtime refuses is told by what follows. */
	if (surroundings_container("", evidence, sizeof(evidence)))
		(void)fact_add(h, "container", FACT_OK, "this looks like one: %s", evidence);
	else
		(void)fact_add(h, "container", FACT_OK, "none is seen");
}

static void service_manager(struct host_facts *h)
{
	unsigned version;
	char shown[24] = "";

	if (!surroundings_systemd("", &version)) {
		(void)fact_add(h, "systemd", FACT_OK,
			       "does not run here; mpsup takes a place in the cgroup tree itself");
		return;
	}
	if (version)
		(void)snprintf(shown, sizeof(shown), " %u", version);
	(void)fact_add(h, "systemd", FACT_OK,
		       "systemd%s runs this host; it gives a scope where no cgroup was delegated",
		       shown);
}

static void modules(struct host_facts *h)
{
	char profile[SURROUNDINGS_BYTES];
	enum lsm_state s = surroundings_selinux("");

	if (s == LSM_STRICT)
		fact_missing(fact_add(h, "SELinux", FACT_NOTE, "enforcing"),
			     "what its policy refuses to mpsup's domain",
			     "ausearch -m avc, when something below is refused");
	else
		(void)fact_add(h, "SELinux", FACT_OK, s == LSM_LOOSE ? "permissive" : "off");
	s = surroundings_apparmor("", profile, sizeof(profile));
	if (s == LSM_STRICT)
		fact_missing(fact_add(h, "AppArmor", FACT_NOTE, "mpsup is under %s", profile),
			     "what that profile refuses",
			     "aa-status; --security-opt apparmor=unconfined for a container");
	else
		(void)fact_add(h, "AppArmor", FACT_OK,
			       s == LSM_LOOSE ? "on, mpsup is unconfined" : "off");
}

/* Neither is in the way of a start: what they refuse is told by what follows. */
static void already_caged(struct host_facts *h)
{
	char how[64];

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		fact_missing(fact_add(h, "no_new_privs", FACT_NOTE, "set on mpsup already"),
			     "nothing: workers get it anyway; somebody has caged mpsup itself", "");
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2)
		fact_missing(fact_add(h, "outer filter", FACT_NOTE,
				      "a seccomp filter is on mpsup already"),
			     "what it refuses, workers are refused too",
			     "--security-opt seccomp=unconfined for a container; SystemCallFilter= "
			     "in a unit");
	if (surroundings_mapped("", how, sizeof(how)))
		fact_missing(
			fact_add(h, "mapped uids", FACT_NOTE,
				 "mpsup is inside a user namespace (uid_map %s)", how),
			"uids that are not mapped; parts of the view, devices and cgroups that "
			"belong to the host",
			"start mpsup outside of it, as the host's root");
}

void facts_around(struct host_facts *h, const struct master *m)
{
	kernel(h);
	rights(h, m);
	container(h);
	service_manager(h);
	modules(h);
	already_caged(h);
}
