/* SPDX-License-Identifier: MIT */
/* facts_cgroup.c - leaves of workers, and the controllers that limit them. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "app/facts.h"
#include "kernel/cgroup_tree.h"
#include "kernel/controllers.h"
#include "kernel/surroundings.h"
#include "super/trial.h"

static const char *mode_name(enum cgroup_mode mode)
{
	static const char *const names[] = {
		[CGROUPS_NONE] = "none mounted",
		[CGROUPS_UNIFIED] = "unified mode",
		[CGROUPS_HYBRID] = "hybrid mode (controllers in cgroup v1)",
		[CGROUPS_LEGACY] = "legacy mode (cgroup v1 alone)",
	};

	return names[mode];
}

/* ---- no place ---- */

static void no_leaves(struct host_facts *h, const struct master *m, const struct err *why)
{
	enum cgroup_mode mode = controllers_mode("/proc");
	const char *reason = why->msg[0]     ? why->msg :
			     m->no_limits[0] ? m->no_limits :
					       "none that we may use";
	struct fact *f;

	/* The programs come first; without them the place was not looked for. */
	if (m->init_fd < 0 || m->worker_exe_fd < 0)
		reason = "not tried, for a program of mpsup's own is missing";
	f = fact_add(h, "cgroup v2", fact_verdict(m), "%s: %s", mode_name(mode), reason);
	f->words = CAGE_BIT(CAGE_CGROUP);
	h->had &= ~CAGE_BIT(CAGE_CGROUP);
	fact_missing(
		f, "leaves of their own for workers: limits, an end of all that they forked",
		!m->root ?
			"sudo, or systemd-run --user --scope -p Delegate=yes" :
		mode == CGROUPS_UNIFIED || mode == CGROUPS_HYBRID ?
			"a tree that may be written (a container: --cgroupns=private and a "
			"writable /sys/fs/cgroup); --no-sandbox cgroup does without" :
			"mount -t cgroup2 none FOLDER, an empty one; --no-sandbox cgroup does without");
}

/* ---- controllers ---- */

static const struct {
	const char *name, *title, *lost;
} controllers[] = {
	{ "memory", "memory controller", "limits.memory, memory_high, swap; usage of memory" },
	{ "cpu", "cpu controller", "limits.cpu_quota, cpu_weight" },
	{ "pids", "pids controller", "limits.pids: a fork bomb is the host's matter" },
	{ "io", "io controller", "limits.io; usage of disks" },
};

static void why_not(struct host_facts *h, const struct master *m, size_t i)
{
	const char *name = controllers[i].name;
	const struct cgroup_root *c = &m->cgroup;
	char at[200], found[400] = "", help[200] = "";
	const char *v1_name = strcmp(name, "io") == 0 ? "blkio" : name;

	switch (controllers_why("/proc", c->mount, c->own + c->above, name, at, sizeof(at))) {
	case CONTROLLER_V1:
		(void)snprintf(found, sizeof(found), "bound to cgroup v1 (%s)", v1_name);
		(void)snprintf(help, sizeof(help),
			       "boot with cgroup_no_v1=%s (all: every controller), or "
			       "systemd.unified_cgroup_hierarchy=1",
			       v1_name);
		break;
	case CONTROLLER_OFF:
		(void)snprintf(found, sizeof(found), "switched off in this kernel");
		(void)snprintf(help, sizeof(help),
			       "boot without cgroup_disable=%s, or with cgroup_enable=%s", v1_name,
			       v1_name);
		break;
	case CONTROLLER_NONE:
		(void)snprintf(found, sizeof(found), "not in this kernel");
		(void)snprintf(help, sizeof(help), "a kernel built with it");
		break;
	case CONTROLLER_OUTSIDE:
		(void)snprintf(found, sizeof(found),
			       "not given to the part of the tree that is seen here");
		(void)snprintf(help, sizeof(help), "who made this container has to delegate it");
		break;
	case CONTROLLER_ABOVE:
		(void)snprintf(found, sizeof(found),
			       "not given on: cgroup.subtree_control of %s lacks it", at);
		(void)snprintf(help, sizeof(help), "Delegate=yes in the unit, or start as root");
		break;
	case CONTROLLER_THERE:
		(void)snprintf(found, sizeof(found), "%s",
			       m->no_limits[0] ? m->no_limits : "not given to the workers");
		(void)snprintf(help, sizeof(help), "%s",
			       strncmp(found, "other processes", 15) == 0 ?
				       "a unit or a scope that mpsup is alone in" :
				       "Delegate=yes in the unit, or start as root");
		break;
	}
	fact_missing(fact_add(h, controllers[i].title, FACT_NOTE, "%s", found), controllers[i].lost,
		     help);
}

/* ---- a leaf ---- */

static void leaf(struct host_facts *h, const struct master *m)
{
	bool peak = false;
	int killed = 0, r = trial_leaf(m, &killed, &peak);
	struct fact *f;

	if (r == 0)
		r = killed;
	if (r < 0) {
		f = fact_add(h, "cgroup.kill", FACT_PROBLEM,
			     "a process cannot be born into a leaf and ended with it (%s)",
			     strerror(-r));
		f->words = CAGE_BIT(CAGE_CGROUP);
		fact_missing(f, "an end of all that a worker has forked",
			     "Linux 5.14; --no-sandbox cgroup does without");
	} else {
		(void)fact_add(h, "cgroup.kill", FACT_OK,
			       "ended a process that was born in a leaf");
	}
	if (!cgroup_list_has(m->cgroup.controllers, "memory"))
		return;
	if (peak)
		(void)fact_add(h, "memory.peak", FACT_OK, "there");
	else
		fact_missing(fact_add(h, "memory.peak", FACT_NOTE, "not in this kernel"),
			     "peaks of memory in certificates and usage", "Linux 5.19");
}

static void pressure(struct host_facts *h)
{
	char text[128];

	if (surroundings_line("", "/proc/pressure/memory", text, sizeof(text)))
		(void)fact_add(h, "pressure (PSI)", FACT_OK, "%s", text);
	else
		fact_missing(fact_add(h, "pressure (PSI)", FACT_NOTE, "not told"),
			     "nothing yet: no option uses it",
			     "psi=1 on the kernel's command line");
}

void facts_cgroups(struct host_facts *h, const struct master *m, const struct err *no_cgroup)
{
	struct cgroup_facts f;

	if (!m->has_cgroup) {
		no_leaves(h, m, no_cgroup);
		pressure(h);
		return;
	}
	cgroup_facts_gather(&m->cgroup, &f);
	(void)fact_add(h, "cgroup v2", FACT_OK, "%s, at %s; leaves below %s%s",
		       mode_name(controllers_mode("/proc")), m->cgroup.mount, m->cgroup.own,
		       f.delegated ? ", which was delegated" : "");
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
		if (cgroup_list_has(m->cgroup.controllers, controllers[i].name))
			(void)fact_add(h, controllers[i].title, FACT_OK, "the workers have it");
		else
			why_not(h, m, i);
	}
	if (h->births)
		leaf(h, m);
	pressure(h);
}
