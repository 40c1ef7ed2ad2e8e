/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/initproto.h"
#include "base/log.h"
#include "config/config.h"
#include "kernel/pidfd.h"
#include "kernel/scm.h"

#define NO_WORD CAGE_WORDS /* a step that is never left out */
enum { EXIT_CHILD = 127 };
#define ABOVE 8 /* out of the way of the numbers that are given out */

struct child {
	const struct cage *cage;
	const struct cage_birth *birth;
	int report_fd;
	int proc_fd;  /* the host's /proc, for an init without a PID namespace; else -1 */
	pid_t parent; /* of the worker: the process that becomes init */
};

struct step {
	const char *name;
	unsigned word; /* applied only if the cage has this enum cage_word */
	int (*run)(struct child *ch);
};

static int do_session(struct child *ch)
{
	(void)ch;
	return setsid() < 0 ? -errno : 0;
}

/* Whom the pidfd names and who sends are the worker itself, so that its number is
 * the kernel's word, translated for the master (traps 16). */
static int do_born(struct child *ch)
{
	const struct child_report rep = { .kind = CHILD_BORN };
	int fd = pidfd_open(getpid(), 0);
	ssize_t n = fd < 0 ? -errno : scm_send(ch->report_fd, &rep, sizeof(rep), &fd, 1);

	fd_close(&fd);
	return n < 0 ? (int)n : 0;
}

static int do_private(struct child *ch)
{
	(void)ch;
	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
}

static int do_view(struct child *ch)
{
	/* Without a view the namespace is still private: see do_private(). */
	return ch->cage->mold_fd < 0 ? do_private(ch) : view_enter(ch->cage->mold_fd);
}

static int do_proc(struct child *ch)
{
	if (ch->cage->mold_fd >= 0)
		return view_mount_proc(&ch->cage->view);
	/* Without a view still only the own processes: the host's are not shown. */
	if (!cage_has(ch->cage, CAGE_PID))
		return 0;
	return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ? -errno :
											    0;
}

static int do_own(struct child *ch)
{
	return ch->cage->mold_fd < 0 ? 0 : view_mount_own(&ch->cage->view);
}

static int do_cgroup_view(struct child *ch)
{
	return ch->cage->mold_fd < 0 ? 0 : view_mount_cgroup(&ch->cage->view);
}

static int do_notify(struct child *ch)
{
	struct child_report rep = { .kind = CHILD_HEARS };
	AUTO_FD int fd = -1;
	ssize_t n;

	if (!ch->birth->notify_at)
		return 0;
	fd = cage_notify_socket(ch->cage, ch->birth->notify_at);
	rep.sealed = ch->birth->notify_at[0] == '/';
	n = fd < 0 ? fd : scm_send(ch->report_fd, &rep, sizeof(rep), &fd, 1);
	return n < 0 ? (int)n : 0;
}

static int do_einhorn(struct child *ch)
{
	const struct child_report rep = { .kind = CHILD_ACKS };
	AUTO_FD int fd = -1;
	ssize_t n;

	if (!ch->birth->einhorn_last)
		return 0;
	fd = cage_einhorn_socket();
	if (fd == -EROFS) { /* a person has put something else there (--ro /run) */
		*ch->birth->einhorn_last = NULL;
		return 0;
	}
	n = fd < 0 ? fd : scm_send(ch->report_fd, &rep, sizeof(rep), &fd, 1);
	return n < 0 ? (int)n : 0;
}

static int do_pin(struct child *ch)
{
	return cage_pin(&ch->birth->cpus);
}

static int do_limits(struct child *ch)
{
	return cage_limit(ch->cage);
}

static int do_bounding(struct child *ch)
{
	return cage_drop_bounding(ch->cage);
}

static int do_groups(struct child *ch)
{
	return cage_set_groups(ch->cage);
}

static int do_uid(struct child *ch)
{
	return cage_set_uid(ch->cage);
}

static int do_caps(struct child *ch)
{
	return cage_drop_caps(ch->cage);
}

static int do_cwd(struct child *ch)
{
	return chdir(ch->cage->cwd) < 0 ? -errno : 0;
}

/* Over the zeros that were left for it; shorter numbers end there. */
static void write_pid(char *at, pid_t pid)
{
	char digits[CAGE_PID_DIGITS + 1];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + pid % 10);
	while ((pid /= 10) > 0);
	while (n > 0)
		*at++ = digits[--n];
	*at = '\0';
}

static int do_fds(struct child *ch)
{
	for (unsigned i = 0; ch->birth->pid_at && i < CAGE_PID_PLACES; i++)
		if (ch->birth->pid_at[i])
			write_pid(ch->birth->pid_at[i],
				  i == CAGE_PARENT_PLACE ? getppid() : getpid());
	return cage_place_fds(ch->birth, &ch->report_fd);
}

static int do_nnp(struct child *ch)
{
	(void)ch;
	return cage_no_new_privs();
}

/* Also the two that the C library keeps for itself and would not touch. */
static void default_signal(int sig)
{
	const unsigned long none[4] = { 0 }; /* the kernel's struct: SIG_DFL, nothing else */

	(void)syscall(SYS_rt_sigaction, sig, none, NULL, (size_t)NSIG / 8);
}

static int do_signals(struct child *ch)
{
	sigset_t none;

	/* No PID namespace: init is an ordinary parent whose end must be ours. */
	if (!cage_has(ch->cage, CAGE_PID)) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
			return -errno;
		if (getppid() != ch->parent) /* it ended before the line above */
			return -ECHILD;
	}
	/* What a shell or nohup made us ignore (`mpsup ... &` ignores INT) a program that is
	 * executed would ignore too, and then not end by its stop signal. */
	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGPIPE) /* systemd's choice for all its services stays */
			default_signal(sig);
	(void)sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

static int do_filter(struct child *ch)
{
	const struct child_report rep = { .kind = CHILD_ASKS };
	int fd = cage_filter(ch->cage);
	ssize_t n;

	if (fd < 0 || !ch->cage->filter_asks)
		return fd < 0 ? fd : 0;
	/* It goes with the exec; until the master has taken it over, calls wait in it. */
	n = scm_send(ch->report_fd, &rep, sizeof(rep), &fd, 1);
	return n < 0 ? (int)n : 0;
}

static int do_exec(struct child *ch)
{
	const struct cage *c = ch->cage;

	if (c->exec_path)
		(void)execve(c->exec_path, c->argv, ch->birth->envp);
	else
		(void)execveat(c->exec_fd, "", c->argv, ch->birth->envp, AT_EMPTY_PATH);
	return -errno;
}

static int do_clone_worker(struct child *ch);

static int do_init_fds(struct child *ch)
{
	const struct cage_birth *b = ch->birth;
	int life = fcntl(b->lifeline_fd, F_DUPFD_CLOEXEC, ABOVE);
	int report = fcntl(b->report_fd, F_DUPFD_CLOEXEC, ABOVE);
	int null_fd = fcntl(b->null_fd, F_DUPFD_CLOEXEC, ABOVE);
	int proc = ch->proc_fd < 0 ? -1 : fcntl(ch->proc_fd, F_DUPFD_CLOEXEC, ABOVE);

	if (life < 0 || report < 0 || null_fd < 0)
		return -errno;
	for (int fd = 0; fd < 3; fd++)
		if (dup2(null_fd, fd) < 0)
			return -errno;
	if (dup2(life, INIT_LIFELINE_FD) < 0)
		return -errno;
	if (proc >= 0 && dup2(proc, INIT_PROC_FD) < 0)
		return -errno;
	ch->report_fd = report;
	return syscall(SYS_close_range, proc >= 0 ? INIT_PROC_FD + 1U : INIT_LIFELINE_FD + 1U, ~0U,
		       CLOSE_RANGE_CLOEXEC) < 0 ?
		       -errno :
		       0;
}

static int do_exec_init(struct child *ch)
{
	const struct cage_birth *b = ch->birth;

	(void)execveat(b->init_fd, "", b->init_argv, b->init_args, AT_EMPTY_PATH);
	return -errno;
}

/* Each step with the reason for its place. */
/* clang-format off */
static const struct step steps[CHILD_STEPS] = {
	/* PID 1. A session of its own first: else kill(0) reaches the master, and
	 * Ctrl-C the worker (traps 10). */
	[STEP_SESSION] = { "new session", NO_WORD, do_session },
	/* Mounts while we still may, and before the worker exists: it is born inside. */
	[STEP_VIEW] = { "enter the view", CAGE_MOUNT, do_view },
	[STEP_PROC] = { "mount its own /proc", CAGE_MOUNT, do_proc },
	[STEP_OWN] = { "mount its own /tmp and /run", CAGE_MOUNT, do_own },
	[STEP_CGROUP_VIEW] = { "mount its own cgroup view", CAGE_MOUNT, do_cgroup_view },
	/* Its path is in the own /run. Before the worker, which may send at once. */
	[STEP_NOTIFY] = { "make its notify socket", NO_WORD, do_notify },
	[STEP_EINHORN] = { "make its einhorn socket", NO_WORD, do_einhorn },
	/* The worker continues with the second table while we become init. */
	[STEP_CLONE_WORKER] = { "clone the worker", NO_WORD, do_clone_worker },
	[STEP_INIT_FDS] = { "place init's descriptors", NO_WORD, do_init_fds },
	[STEP_EXEC_INIT] = { "execute mpsup-init", NO_WORD, do_exec_init },

	/* The worker. */
	/* First: the master hands over the socket while we walk on, and it waits for us. */
	[STEP_BORN] = { "tell of its birth", NO_WORD, do_born },
	[STEP_WORKER_SESSION] = { "new session of the worker", NO_WORD, do_session },
	/* Before exec: later it would move one thread of many (traps 20). */
	[STEP_PIN] = { "pin to its CPUs", CAGE_PIN, do_pin },
	[STEP_LIMITS] = { "set resource limits", CAGE_RLIMITS, do_limits },
	/* Needs CAP_SETPCAP, which the next ones take away. */
	[STEP_BOUNDING] = { "empty the bounding set", CAGE_CAPS, do_bounding },
	/* Groups before uid: afterwards it is not permitted. */
	[STEP_GROUPS] = { "set groups", CAGE_GROUPS, do_groups },
	[STEP_UID] = { "change user", CAGE_UID, do_uid },
	/* After the uid: also when it stays 0, which keeps them otherwise. */
	[STEP_CAPS] = { "drop capabilities", CAGE_CAPS, do_caps },
	/* As the worker's user: what it may not enter is refused here, with a name. */
	[STEP_CWD] = { "enter the working directory", NO_WORD, do_cwd },
	[STEP_FDS] = { "place descriptors", NO_WORD, do_fds },
	[STEP_NNP] = { "set no_new_privs", CAGE_NNP, do_nnp },
	[STEP_SIGNALS] = { "unblock signals", NO_WORD, do_signals },
	/* Last but the exec: the filter must not catch our own steps. */
	[STEP_FILTER] = { "load the seccomp filter", CAGE_SECCOMP, do_filter },
	[STEP_EXEC] = { "execute the command", NO_WORD, do_exec },
};
/* clang-format on */

const char *child_step_name(unsigned step)
{
	return step < CHILD_STEPS ? steps[step].name : "unknown step";
}

const char *child_step_called(const char *name)
{
	for (unsigned i = 0; i < CHILD_STEPS; i++)
		if (strcmp(steps[i].name, name) == 0)
			return steps[i].name;
	return NULL;
}

const char *child_step_word(unsigned step)
{
	if (step >= CHILD_STEPS || steps[step].word == NO_WORD)
		return NULL;
	return cage_word_name[steps[step].word];
}

/* write(2), not send(2): after the filter only that is sure to be allowed. */
_Noreturn static void fail(const struct child *ch, unsigned step, int error)
{
	struct child_report rep = { .kind = CHILD_FAILED, .step = step, .error = -error };

	ignore((int)write(ch->report_fd, &rep, sizeof(rep)));
	_exit(EXIT_CHILD);
}

static void walk(struct child *ch, unsigned from, unsigned to)
{
	for (unsigned i = from; i <= to; i++) {
		int r;

		if (steps[i].word != NO_WORD && !cage_has(ch->cage, steps[i].word))
			continue;
		r = steps[i].run(ch);
		if (r < 0)
			fail(ch, i, r);
	}
}

static char *write_number(char *end, unsigned long n)
{
	*--end = '\0';
	do
		*--end = (char)('0' + n % 10);
	while (n /= 10);
	return end;
}

static int worker_main(void *arg)
{
	walk(arg, STEP_BORN, STEP_EXEC);
	return EXIT_CHILD;
}

static int do_clone_worker(struct child *ch)
{
	static char worker_stack[65536] __attribute__((aligned(16)));
	struct child worker_ch;
	static char pid_text[24]; /* our own copy of the master's memory */
	struct pidfd worker = PIDFD_NONE;
	int r;

	ch->parent = getpid();
	/* We sleep until it has exec'ed: the worker is what clients wait for, and init's
	 * exec on the same CPU would be in its way (0.7 ms seen). It has its own copy
	 * of *ch, since the memory is shared until then. */
	worker_ch = *ch;
	r = pidfd_spawn(ch->birth->inner_pid, worker_stack, sizeof(worker_stack), worker_main,
			&worker_ch, &worker);

	if (r < 0)
		return r;
	ch->birth->init_args[INIT_ARG_WORKER] =
		write_number(pid_text + sizeof(pid_text), (unsigned long)worker.pid);
	return 0; /* worker.fd goes with the exec */
}

_Noreturn void child_main(const struct cage *c, const struct cage_birth *b)
{
	struct child ch = { .cage = c, .birth = b, .report_fd = b->report_fd, .proc_fd = -1 };

	log_forbid();
	/* Before the view covers it. */
	if (!cage_has(c, CAGE_PID))
		ch.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	walk(&ch, STEP_SESSION, STEP_EXEC_INIT);
	_exit(EXIT_CHILD);
}
