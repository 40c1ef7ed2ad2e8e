/* SPDX-License-Identifier: MIT */
/* mpsup-init - PID 1 of one worker's namespaces.
 *
 * It collects everybody, tells the master the worker's exact wait status and
 * leaves; when PID 1 of a namespace leaves, the kernel ends all that is in it.
 * The same when the lifeline ends: nobody outlives the master. It holds no
 * other descriptor and no privilege: nothing in it is worth stealing.
 *
 * The worker is already there (a child of this process, cloned before the
 * exec). All signals are blocked, but SIGCHLD while it waits. No C
 * library: see sys.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/base.h"
#include "base/initproto.h"
#include "init/sys.h"

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
static long confine(void)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(write),
		ALLOW(ppoll),
		ALLOW(wait4),
		ALLOW(exit_group),
		ALLOW(rt_sigreturn),
		ALLOW(restart_syscall),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog prog = { .len = ARRAY_LEN(code), .filter = code };

	long r = sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0);

	return r < 0 ? r : sys_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (uintptr_t)&prog);
}

static long drop(unsigned long uid, unsigned long gid)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	long r = 0;

	for (unsigned long cap = 0; sys_prctl(PR_CAPBSET_READ, cap, 0) >= 0 && r == 0; cap++)
		r = sys_prctl(PR_CAPBSET_DROP, cap, 0);
	if (r == 0)
		r = sys_call(SYS_setgroups, 0, 0, 0, 0, 0);
	if (r == 0)
		r = sys_call(SYS_setresgid, (long)gid, (long)gid, (long)gid, 0, 0);
	if (r == 0)
		r = sys_call(SYS_setresuid, (long)uid, (long)uid, (long)uid, 0, 0);
	return r < 0 ? r : sys_call(SYS_capset, (long)&head, (long)none, 0, 0, 0);
}

/* Digits up to the first that is none; 0 without any. */
static unsigned long number(const char *p, const char **ret_end)
{
	unsigned long n = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (unsigned long)(*p - '0');
	if (ret_end)
		*ret_end = p;
	return n;
}

/* Without a PID namespace our end does not end the others: end them one by one.
 * They are ours by PR_SET_CHILD_SUBREAPER; killing one may hand us its children. */
static void end_descendants(void)
{
	char buf[4096];
	long n;

	for (;;) {
		int fd =
			(int)sys_openat(INIT_PROC_FD, "thread-self/children", O_RDONLY | O_CLOEXEC);

		n = fd < 0 ? -1 : sys_read(fd, buf, sizeof(buf) - 1);
		if (fd >= 0)
			(void)sys_close(fd);
		if (n <= 0)
			return;
		buf[n] = '\0';
		/* A full buffer may end inside a number: the rest comes the next time. */
		while (n == (long)sizeof(buf) - 1 && n > 0 && buf[n - 1] != ' ')
			buf[--n] = '\0';
		for (const char *p = buf, *end; *p; p = *end ? end + 1 : end) {
			unsigned long pid = number(p, &end);

			if (pid > 1)
				(void)sys_kill((pid_t)pid, SIGKILL);
		}
		if (sys_wait4(-1, NULL, 0, NULL) < 0)
			return;
	}
}

_Noreturn static void leave(int flags, int code)
{
	if (!(flags & INIT_FLAG_PIDNS))
		end_descendants();
	sys_exit(code);
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

	ignore((int)sys_write(INIT_LIFELINE_FD, &rep, sizeof(rep)));
}

static void collect(pid_t worker, int flags)
{
	struct rusage ru;
	int status;
	long pid;

	while ((pid = sys_wait4(-1, &status, WNOHANG, &ru)) > 0) {
		if (pid != worker)
			continue;
		tell(status, &ru);
		leave(flags, 0);
	}
	if (pid == -ECHILD) /* cannot happen before the worker's own end */
		leave(flags, EXIT_SETUP);
}

static long setup(pid_t *ret_worker, int *ret_flags, char *const *args)
{
	long r;

	for (int i = 0; i < INIT_ARGS; i++)
		if (!args[i])
			return -EINVAL;
	*ret_worker = (pid_t)number(args[INIT_ARG_WORKER], NULL);
	*ret_flags = (int)number(args[INIT_ARG_FLAGS], NULL);
	/* Before anything else: the worker may be running already, with our uid soon. */
	r = sys_prctl(PR_SET_DUMPABLE, 0, 0);
	(void)sys_prctl(PR_SET_NAME, (uintptr_t) "mpsup-init", 0);
	if (r == 0 && (*ret_flags & INIT_FLAG_DROP))
		r = drop(number(args[INIT_ARG_UID], NULL), number(args[INIT_ARG_GID], NULL));
	if (r < 0)
		return r;
	if (!(*ret_flags & INIT_FLAG_PIDNS)) /* must outlive the master for a moment */
		return sys_prctl(PR_SET_CHILD_SUBREAPER, 1, 0);
	/* After the last change of credentials, which clears it. The lifeline says the
	 * same if the master died before this line. */
	r = sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0);
	return r < 0 ? r : confine();
}

/* Only interrupts sys_poll(). */
static void on_child(int sig)
{
	(void)sig;
}

_Noreturn static void supervise(char *const *args)
{
	struct pollfd p = { .fd = INIT_LIFELINE_FD, .events = POLLIN };
	pid_t worker = 0;
	int flags = 0;
	long r;

	if (sys_block_signals(SYS_ALL_SIGNALS) < 0 || sys_handle(SIGCHLD, on_child) < 0 ||
	    setup(&worker, &flags, args) < 0)
		leave(flags, EXIT_SETUP);
	for (;;) {
		/* An end between the two lines makes the second return at once. */
		collect(worker, flags);
		r = sys_poll(&p, 1, SYS_ALL_SIGNALS & ~SYS_SIGNAL(SIGCHLD));
		if (r < 0 && r != -EINTR)
			leave(flags, EXIT_SETUP);
		if (r > 0) /* the master never writes here: this is its end */
			leave(flags, EXIT_SETUP);
	}
}

/* The stack as the kernel leaves it: argc, argv, NULL, envp, NULL (abi). */
_Noreturn __attribute__((used)) void start(long *stack);
void start(long *stack)
{
	supervise((char *const *)(stack + 1 + stack[0] + 1));
}

SYS_RESTORER;
SYS_START;
