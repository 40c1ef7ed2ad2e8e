/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/host_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "kernel/allowed.h"
#include "kernel/pidfd.h"
#include "super/companions.h"
#include "super/super.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#define LANDLOCK_CREATE_RULESET_VERSION_FLAG (1U << 0)

static struct fact *add(struct host_facts *h, const char *name, enum verdict v)
{
	static struct fact spill; /* one too many is a mistake of ours, not a crash */
	struct fact *f = h->n < FACTS_MAX ? &h->facts[h->n++] : &spill;

	*f = (struct fact){ .name = name, .verdict = v };
	return f;
}

PRINTF(4, 5)
static struct fact *found(struct host_facts *h, const char *name, enum verdict v, const char *fmt,
			  ...)
{
	struct fact *f = add(h, name, v);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(f->found, sizeof(f->found), fmt, ap);
	va_end(ap);
	return f;
}

static void missing(struct fact *f, const char *lost, const char *help)
{
	(void)snprintf(f->lost, sizeof(f->lost), "%s", lost);
	(void)snprintf(f->help, sizeof(f->help), "%s", help);
}

/* The first line of a small file; false: there is none. */
static bool read_line(const char *path, char *buf, size_t size)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n < 0)
		return false;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return true;
}

static uint64_t number_in(const char *path)
{
	char text[32];

	return read_line(path, text, sizeof(text)) ? strtoull(text, NULL, 10) : 0;
}

/* What a child of ours says, which does what would change us. */
static int in_child(uint64_t ns_flags, int (*fn)(void))
{
	struct pidfd child = PIDFD_NONE;
	struct pidfd_exit ex = { 0 };
	int r = pidfd_clone(ns_flags, -1, &child);

	if (r == 0)
		_exit(fn ? fn() : 0);
	if (r < 0)
		return r;
	while ((r = pidfd_reap(&child, &ex)) == 0)
		(void)pidfd_wait(&child);
	return ex.by_signal ? -EIO : -ex.code;
}

/* ---- kernel, rights, where we are ---- */

static void kernel(struct host_facts *h)
{
	struct utsname u;
	unsigned major = 0, minor = 0;
	struct fact *f;

	(void)uname(&u);
	if (sscanf(u.release, "%u.%u", &major, &minor) < 2)
		major = 0;
	f = found(h, "kernel", major > 5 || (major == 5 && minor >= 15) ? FACT_OK : FACT_PROBLEM,
		  "Linux %s, %s", u.release, u.machine);
	if (f->verdict != FACT_OK)
		missing(f, "mpsup relies on what came up to Linux 5.15", "a newer kernel");
}

static void container(struct host_facts *h)
{
	static const char *const marks[] = { "/.dockerenv", "/run/.containerenv",
					     "/run/systemd/container" };
	const char *mark = getenv("container");

	for (size_t i = 0; i < ARRAY_LEN(marks) && !mark; i++)
		if (access(marks[i], F_OK) == 0)
			mark = marks[i];
	/* What its runtime refuses is told by what follows. */
	if (mark)
		(void)found(h, "container", FACT_OK, "this is one (%s)", mark);
	else
		(void)found(h, "container", FACT_OK, "none is seen");
}

static void rights(struct host_facts *h, bool root)
{
	static const struct {
		int cap;
		const char *name;
		bool needed;
		const char *lost;
	} caps[] = {
		{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN", true, "namespaces and mounts of workers" },
		{ CAP_SETUID, "CAP_SETUID", true, "workers with a uid of their own" },
		{ CAP_SETGID, "CAP_SETGID", true, "workers with groups of their own" },
		{ CAP_SETPCAP, "CAP_SETPCAP", true, "dropping the bounding set" },
		{ CAP_KILL, "CAP_KILL", true, "ending workers of another uid" },
		{ CAP_CHOWN, "CAP_CHOWN", true, "files of workers of another uid" },
		{ CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE", false,
		  "limits above the hard ones, a lower oom_score_adj" },
		{ CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE", false, "ports below 1024" },
	};
	char names[200] = "", lost[200] = "";
	bool problem = false;

	if (!root) {
		missing(found(h, "rights", FACT_NOTE, "uid %u, not root", geteuid()),
			"workers run as you, without the parts of the cage that need root", "sudo");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
		if (prctl(PR_CAPBSET_READ, caps[i].cap, 0, 0, 0) == 1)
			continue;
		problem |= caps[i].needed;
		(void)snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
			       *names ? ", " : "", caps[i].name);
		(void)snprintf(lost + strlen(lost), sizeof(lost) - strlen(lost), "%s%s",
			       *lost ? "; " : "", caps[i].lost);
	}
	if (*names)
		missing(found(h, "rights", problem ? FACT_PROBLEM : FACT_NOTE, "root, without %s",
			      names),
			lost, "start mpsup where they are not taken away (CapabilityBoundingSet=)");
	else
		(void)found(h, "rights", FACT_OK, "root, with all capabilities");
}

static void modules(struct host_facts *h)
{
	char text[128];

	if (read_line("/sys/fs/selinux/enforce", text, sizeof(text)))
		missing(found(h, "selinux", FACT_NOTE, "%s",
			      text[0] == '1' ? "enforcing" : "permissive"),
			text[0] == '1' ? "what its policy refuses to mpsup's domain" :
					 "nothing now",
			"see ausearch -m avc when a start is refused");
	if (read_line("/sys/module/apparmor/parameters/enabled", text, sizeof(text)) &&
	    text[0] == 'Y') {
		char own[128] = "unconfined";

		(void)read_line("/proc/self/attr/current", own, sizeof(own));
		if (strncmp(own, "unconfined", 10) == 0)
			(void)found(h, "apparmor", FACT_OK, "on, mpsup is unconfined");
		else
			missing(found(h, "apparmor", FACT_NOTE, "on, mpsup is under %s", own),
				"what that profile refuses", "aa-status; a profile of its own");
	}
}

static int try_nnp(void)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 1 : 0;
}

static void already_caged(struct host_facts *h)
{
	if (try_nnp())
		missing(found(h, "no_new_privs", FACT_NOTE, "set on us already"),
			"nothing; somebody has caged mpsup itself", "");
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2)
		missing(found(h, "outer filter", FACT_NOTE, "a seccomp filter is on us already"),
			"what it refuses, workers are refused too",
			"--security-opt seccomp=unconfined for a container");
}

/* ---- namespaces and the cage ---- */

static int try_mount_ns(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		return errno;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? errno : 0;
}

static int try_user_ns(void)
{
	return unshare(CLONE_NEWUSER) < 0 ? errno : 0;
}

static const char *namespace_help(int error)
{
	if (error == EPERM && geteuid() != 0)
		return "sudo";
	if (error == EPERM)
		return "a container runtime or a security module refuses it; --no-sandbox does "
		       "without";
	if (error == ENOSPC || error == EUSERS)
		return "raise user.max_*_namespaces (sysctl)";
	return "a kernel with it (CONFIG_*_NS)";
}

static void namespaces(struct host_facts *h, bool root)
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
	int r;

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		r = in_child(all[i].flag, NULL);
		if (r == 0) {
			(void)found(h, all[i].name, FACT_OK, "made");
			h->had |= CAGE_BIT(all[i].word);
			continue;
		}
		missing(found(h, all[i].name, root && all[i].by_default ? FACT_PROBLEM : FACT_NOTE,
			      "%s", strerror(-r)),
			all[i].lost, namespace_help(-r));
	}
	r = -in_child(0, try_mount_ns);
	if (r == 0) {
		(void)found(h, "mount namespace", FACT_OK, "made");
		h->had |= CAGE_BIT(CAGE_MOUNT) | CAGE_BIT(CAGE_VIEW);
	} else {
		missing(found(h, "mount namespace", root ? FACT_PROBLEM : FACT_NOTE, "%s",
			      strerror(r)),
			"workers see the whole file system", namespace_help(r));
	}
	r = -in_child(0, try_user_ns);
	if (r == 0) {
		(void)found(h, "user namespace", FACT_OK, "made");
		h->had |= CAGE_BIT(CAGE_USER);
	} else {
		missing(found(h, "user namespace", FACT_NOTE, "%s", strerror(r)),
			"nothing yet: no option uses it",
			"sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, "
			"kernel.apparmor_restrict_unprivileged_userns");
	}
}

/* A filter that lets everything pass. */
static int try_filter(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = { .len = 1, .filter = &allow };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return errno;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0 ? errno : 0;
}

/* Known flags get as far as to look for the program: EFAULT. */
static bool knows_filter_flag(unsigned long flags)
{
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL) < 0 && errno == EFAULT;
}

static void filters(struct host_facts *h)
{
	int r = -in_child(0, try_filter);

	if (r != 0) {
		missing(found(h, "seccomp filter", FACT_PROBLEM, "%s", strerror(r)),
			"system calls of workers are not filtered; bind", "CONFIG_SECCOMP_FILTER");
		return;
	}
	h->had |= CAGE_BIT(CAGE_SECCOMP) | CAGE_BIT(CAGE_NNP);
	(void)found(h, "seccomp filter", FACT_OK, "loaded");
	if (!knows_filter_flag(SECCOMP_FILTER_FLAG_NEW_LISTENER))
		missing(found(h, "bind interception", FACT_NOTE, "no user notification"),
			"any server that opens its own port (--protocol bind)", "Linux 5.9");
	else if (!knows_filter_flag(SECCOMP_FILTER_FLAG_NEW_LISTENER |
				    SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV))
		missing(found(h, "bind interception", FACT_NOTE,
			      "by user notification, which "
			      "signals interrupt"),
			"spares that wait inside bind()", "Linux 5.19");
	else
		(void)found(h, "bind interception", FACT_OK,
			    "by user notification, which signals do not interrupt");
}

static void landlock(struct host_facts *h)
{
	long abi =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION_FLAG);

	if (abi > 0) {
		(void)found(h, "landlock", FACT_OK, "ABI %ld", abi);
		h->had |= CAGE_BIT(CAGE_LANDLOCK);
		return;
	}
	missing(found(h, "landlock", FACT_NOTE, "%s",
		      errno == EOPNOTSUPP ? "switched off at boot" : "not in this kernel"),
		"a second fence around the view", "lsm=...,landlock on the kernel's command line");
}

static void mounts(struct host_facts *h)
{
	if (syscall(SYS_mount_setattr, -1, "", 0, NULL, (size_t)0) < 0 && errno == ENOSYS)
		missing(found(h, "mount_setattr", FACT_PROBLEM, "not in this kernel"),
			"a read-only view", "Linux 5.12");
	else
		(void)found(h, "mount_setattr", FACT_OK, "there");
}

/* ---- cgroups ---- */

static void cgroups(struct host_facts *h, const struct master *m, const struct err *no_cgroup)
{
	const char *mount = m->cgroup.mount;

	if (!m->has_cgroup) {
		missing(found(h, "cgroup v2", m->root ? FACT_PROBLEM : FACT_NOTE, "%s",
			      no_cgroup->msg[0] ? no_cgroup->msg :
			      m->no_limits[0]	? m->no_limits :
						  "none that we may use"),
			"leaves of their own for workers: limits, an end of all that they forked",
			m->root ?
				"mount -t cgroup2, or Delegate=yes; --no-sandbox cgroup does without" :
				"sudo, or systemd-run --user --scope -p Delegate=yes");
		return;
	}
	h->had |= CAGE_BIT(CAGE_CGROUP);
	(void)found(h, "cgroup v2", FACT_OK, "%s mode, at %s; leaves below %s",
		    strcmp(mount, "/sys/fs/cgroup") == 0 ? "unified" : "hybrid", mount,
		    m->cgroup.own);
	for (size_t i = 0; i < 4; i++) {
		static const struct {
			const char *name, *lost;
		} all[] = { { "memory", "limits.memory, memory_high, swap; usage of memory" },
			    { "cpu", "limits.cpu_quota, cpu_weight" },
			    { "pids", "limits.pids: a fork bomb is the host's matter" },
			    { "io", "limits.io; usage of disks" } };
		char name[40];

		(void)snprintf(name, sizeof(name), "%s controller", all[i].name);
		if (cgroup_list_has(m->cgroup.controllers, all[i].name)) {
			struct fact *f = found(h, "", FACT_OK, "the workers have it");

			f->name = i == 0 ? "memory controller" :
				  i == 1 ? "cpu controller" :
				  i == 2 ? "pids controller" :
					   "io controller";
			continue;
		}
		missing(found(h,
			      i == 0 ? "memory controller" :
			      i == 1 ? "cpu controller" :
			      i == 2 ? "pids controller" :
				       "io controller",
			      FACT_NOTE, "%s", m->no_limits[0] ? m->no_limits : "not given to us"),
			all[i].lost,
			strstr(m->no_limits, "hybrid") ?
				"boot with systemd.unified_cgroup_hierarchy=1 or cgroup_no_v1=all" :
				"Delegate=yes in the unit, or start as root");
	}
}

static void pressure(struct host_facts *h)
{
	char text[128];

	if (read_line("/proc/pressure/memory", text, sizeof(text)))
		(void)found(h, "pressure (PSI)", FACT_OK, "%s", text);
	else
		missing(found(h, "pressure (PSI)", FACT_NOTE, "not told"),
			"recycling by memory pressure, which is not built yet",
			"psi=1 on the kernel's command line");
}

/* ---- numbers ---- */

static void numbers(struct host_facts *h)
{
	uint64_t somaxconn = number_in("/proc/sys/net/core/somaxconn");
	struct rlimit rl = { 0 };
	cpu_set_t cpus;
	char list[TEXT_CPUS_BYTES] = "?";
	unsigned quota = allowed_quota();

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_max < 65536)
		missing(found(h, "open files", FACT_NOTE, "at most %llu",
			      (unsigned long long)rl.rlim_max),
			"--nofile above that, more than a tenth as many workers",
			"LimitNOFILE=, or ulimit -Hn as root");
	else
		(void)found(h, "open files", FACT_OK, "at most %llu",
			    (unsigned long long)rl.rlim_max);
	if (somaxconn < 4096)
		missing(found(h, "accept queue", FACT_NOTE, "net.core.somaxconn is %llu",
			      (unsigned long long)somaxconn),
			"longer queues: a burst of clients is refused sooner",
			"sysctl net.core.somaxconn=4096");
	else
		(void)found(h, "accept queue", FACT_OK, "net.core.somaxconn is %llu",
			    (unsigned long long)somaxconn);
	if (allowed_cpus(&cpus) == 0)
		text_cpus(&cpus, list);
	(void)found(h, "CPUs", FACT_OK, "%s%s", list, quota ? ", and a quota up the cgroups" : "");
}

static void network(struct host_facts *h)
{
	AUTO_FD int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		(void)found(h, "IPv6", FACT_OK, "there");
	else
		missing(found(h, "IPv6", FACT_NOTE, "%s", strerror(errno)),
			"--port listens for IPv4 alone", "ipv6.disable=0");
}

static void companions(struct host_facts *h)
{
	static const char *const names[] = { "mpsup-init", "mpsup-worker" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_FD int fd = -1;
		struct err e = { 0 };

		if (companion_open(names[i], &fd, &e) < 0)
			missing(found(h, names[i], FACT_PROBLEM, "%s", e.msg), "every start",
				"install mpsup whole: make install");
		else
			(void)found(h, names[i], FACT_OK, "there");
	}
}

void host_facts_gather(struct host_facts *h, const struct master *m, const struct err *no_cgroup)
{
	*h = (struct host_facts){ .had = CAGE_BIT(CAGE_PIN) | CAGE_BIT(CAGE_FDS) |
					 CAGE_BIT(CAGE_RLIMITS) | CAGE_BIT(CAGE_ENV) };
	if (m->root)
		h->had |= CAGE_BIT(CAGE_UID) | CAGE_BIT(CAGE_GROUPS) | CAGE_BIT(CAGE_CAPS);
	kernel(h);
	rights(h, m->root);
	container(h);
	modules(h);
	already_caged(h);
	companions(h);
	namespaces(h, m->root);
	mounts(h);
	filters(h);
	landlock(h);
	cgroups(h, m, no_cgroup);
	pressure(h);
	numbers(h);
	network(h);
}

unsigned host_facts_problems(const struct host_facts *h)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->n; i++)
		n += h->facts[i].verdict == FACT_PROBLEM;
	return n;
}
