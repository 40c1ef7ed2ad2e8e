/* SPDX-License-Identifier: MIT */
/* mpsup-init - PID 1 of one worker's namespaces.
 *
 * It collects everybody, tells the master the worker's exact wait status and
 * leaves; when PID 1 of a namespace leaves, the kernel ends all that is in it.
 * The same when the lifeline ends: nobody outlives the master. It holds no
 * other descriptor and no privilege: nothing in it is worth stealing.
 *
 * The worker is already there (a child of this process, cloned before the
 * exec). All signals are blocked since then, but SIGCHLD while it waits. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/initproto.h"

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#endif

enum { EXIT_SETUP = 125 };

#define ALLOW(call)                                                                                \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 1),                                    \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* What the loop below needs, and nothing that could open, make or signal. */
static int confine(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(write),
		ALLOW(ppoll),
		ALLOW(wait4),
		ALLOW(exit),
		ALLOW(exit_group),
		ALLOW(rt_sigreturn),
		ALLOW(restart_syscall),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog prog = { .len = ARRAY_LEN(code), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

static int drop(uid_t uid, gid_t gid)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -1;
	if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, gid, gid, gid) < 0 ||
	    syscall(SYS_setresuid, uid, uid, uid) < 0)
		return -1;
	return (int)syscall(SYS_capset, &head, none);
}

/* Without a PID namespace our end does not end the others: end them one by one.
 * They are ours by PR_SET_CHILD_SUBREAPER; killing one may hand us its children. */
static void end_descendants(void)
{
	char buf[4096];
	ssize_t n;

	for (;;) {
		int fd = openat(INIT_PROC_FD, "thread-self/children", O_RDONLY | O_CLOEXEC);

		n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
		if (fd >= 0)
			close(fd);
		if (n <= 0)
			return;
		buf[n] = '\0';
		/* A full buffer may end inside a number: the rest comes the next time. */
		while (n == (ssize_t)sizeof(buf) - 1 && n > 0 && buf[n - 1] != ' ')
			buf[--n] = '\0';
		for (char *p = buf, *end; *p; p = end) {
			long pid = strtol(p, &end, 10);

			if (end == p)
				break;
			if (pid > 1)
				(void)kill((pid_t)pid, SIGKILL);
		}
		if (wait4(-1, NULL, 0, NULL) < 0)
			return;
	}
}

_Noreturn static void leave(int flags, int code)
{
	if (!(flags & INIT_FLAG_PIDNS))
		end_descendants();
	_exit(code);
}

static uint64_t usec(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_usec;
}

static void tell(int status, const struct rusage *ru)
{
	struct init_report rep = {
		.magic = INIT_REPORT_MAGIC,
		.by_signal = WIFSIGNALED(status),
		.core_dumped = WIFSIGNALED(status) && WCOREDUMP(status),
		.code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		.cpu_usec = usec(ru->ru_utime) + usec(ru->ru_stime),
		.maxrss_bytes = (uint64_t)ru->ru_maxrss * 1024u,
	};

	ignore((int)write(INIT_LIFELINE_FD, &rep, sizeof(rep)));
}

static void collect(pid_t worker, int flags)
{
	struct rusage ru;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &ru)) > 0) {
		if (pid != worker)
			continue;
		tell(status, &ru);
		leave(flags, 0);
	}
	if (pid < 0 && errno == ECHILD) /* cannot happen before the worker's own end */
		leave(flags, EXIT_SETUP);
}

/* Only interrupts ppoll(2). */
static void on_child(int sig)
{
	(void)sig;
}

static int setup(pid_t *ret_worker, int *ret_flags, char **args)
{
	struct sigaction sa = { .sa_handler = on_child };

	for (int i = 0; i < INIT_ARGS; i++)
		if (!args[i])
			return -1;
	*ret_worker = (pid_t)strtol(args[INIT_ARG_WORKER], NULL, 10);
	*ret_flags = (int)strtol(args[INIT_ARG_FLAGS], NULL, 10);
	/* Before anything else: the worker may be running already, with our uid soon. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -1;
	(void)prctl(PR_SET_NAME, "mpsup-init", 0, 0, 0);
	if (sigaction(SIGCHLD, &sa, NULL) < 0)
		return -1;
	if ((*ret_flags & INIT_FLAG_DROP) && drop((uid_t)strtoul(args[INIT_ARG_UID], NULL, 10),
						  (gid_t)strtoul(args[INIT_ARG_GID], NULL, 10)) < 0)
		return -1;
	if (!(*ret_flags & INIT_FLAG_PIDNS)) /* must outlive the master for a moment */
		return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	/* After the last change of credentials, which clears it. The lifeline says the
	 * same if the master died before this line. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -1;
	return confine();
}

int main(int argc, char **argv, char **envp)
{
	struct pollfd p = { .fd = INIT_LIFELINE_FD, .events = POLLIN };
	sigset_t mask;
	pid_t worker = 0;
	int flags = 0;

	(void)argc;
	(void)argv;
	if (setup(&worker, &flags, envp) < 0)
		leave(flags, EXIT_SETUP);
	(void)sigfillset(&mask);
	(void)sigdelset(&mask, SIGCHLD);
	/* SIGCHLD is blocked but inside ppoll(): an end between the two lines makes
	 * it return at once. */
	for (;;) {
		collect(worker, flags);
		if (ppoll(&p, 1, NULL, &mask) < 0 && errno != EINTR)
			leave(flags, EXIT_SETUP);
		if (p.revents) /* the master never writes here: this is its end */
			leave(flags, EXIT_SETUP);
	}
}
