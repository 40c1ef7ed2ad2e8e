/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/initproto.h"
#include "kernel/pidfd.h"
#include "kernel/try.h"
#include "super/child.h"

#define LEAF	 "trial.birth" /* births of pools have a number there */
#define TRIAL_MS 10000
#define EMPTY_MS 1000

struct trial {
	struct master *master;
	const struct cage *cage;
	struct pidfd init;
	int leaf_fd, out, report, lifeline;
	int their_out, their_report, their_lifeline;
	struct child_report failed; /* error 0: no step did */
	bool born;		    /* the worker itself said so */
};

static void close_theirs(struct trial *t)
{
	fd_close(&t->their_out);
	fd_close(&t->their_report);
	fd_close(&t->their_lifeline);
}

static void wait_empty(int leaf_fd)
{
	uint64_t end = clock_boot_ms() + EMPTY_MS;

	/* A leaf empties when its last process is collected, by us or by its init. */
	while (cgroup_populated(leaf_fd) == 1 && clock_boot_ms() < end)
		(void)poll(NULL, 0, 5);
}

static void trial_done(struct trial *t)
{
	struct pidfd_exit ex;

	close_theirs(t);
	fd_close(&t->lifeline); /* without a PID namespace the worker ends by this */
	if (t->init.fd >= 0) {
		if (t->leaf_fd < 0 || cgroup_kill(t->leaf_fd) < 0)
			ignore(pidfd_signal(&t->init, SIGKILL));
		while (pidfd_reap(&t->init, &ex) == 0)
			(void)pidfd_wait(&t->init);
	}
	if (t->leaf_fd >= 0) {
		wait_empty(t->leaf_fd);
		ignore(cgroup_leaf_remove(&t->master->cgroup, LEAF));
	}
	fd_close(&t->leaf_fd);
	fd_close(&t->out);
	fd_close(&t->report);
}

static int make_pair(int *ret_mine, int *ret_theirs)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	*ret_mine = sv[0];
	*ret_theirs = sv[1];
	return 0;
}

static int make_ends(struct trial *t, struct err *e)
{
	const struct cage *c = t->cage;
	int fds[2], r = 0;

	if (t->master->has_cgroup)
		r = cgroup_leaf_make(&t->master->cgroup, LEAF, &t->leaf_fd);
	if (r < 0)
		return err_sys(e, r, "make a cgroup leaf");
	r = make_pair(&t->report, &t->their_report);
	if (r == 0)
		r = make_pair(&t->lifeline, &t->their_lifeline);
	if (r == 0 && pipe2(fds, O_CLOEXEC) < 0)
		r = -errno;
	if (r < 0)
		return err_sys(e, r, "make its channels");
	t->out = fds[0];
	t->their_out = fds[1];
	if (cage_has(c, CAGE_UID) && fchown(fds[1], c->uid, c->gid) < 0)
		return err_sys(e, -errno, "give its output to uid %u", c->uid);
	return 0;
}

static int clone_it(struct trial *t)
{
	const struct cage *c = t->cage;
	char title[] = "mpsup: init trial", uid[16], gid[16], flags[16];
	char *init_argv[] = { title, NULL };
	char *init_args[INIT_ARGS + 1] = { [INIT_ARG_WORKER] = flags,
					   [INIT_ARG_UID] = uid,
					   [INIT_ARG_GID] = gid,
					   [INIT_ARG_FLAGS] = flags };
	struct cage_birth b = {
		.inner_pid = cage_has(c, CAGE_PID) ? 100 : 0,
		.null_fd = t->master->null_fd,
		.out_fd = t->their_out,
		.err_fd = t->their_out,
		.channel_fd = -1,
		.report_fd = t->their_report,
		.lifeline_fd = t->their_lifeline,
		.init_fd = t->master->init_fd,
		.envp = c->envp,
		.init_argv = init_argv,
		.init_args = init_args,
	};
	sigset_t all, before;
	int r = sched_getaffinity(0, sizeof(b.cpus), &b.cpus) < 0 ? -errno : 0;

	if (r < 0)
		return r;
	(void)snprintf(uid, sizeof(uid), "%u", c->uid);
	(void)snprintf(gid, sizeof(gid), "%u", c->gid);
	(void)snprintf(flags, sizeof(flags), "%d",
		       (cage_has(c, CAGE_PID) ? INIT_FLAG_PIDNS : 0) |
			       (cage_has(c, CAGE_UID) ? INIT_FLAG_DROP : 0));
	(void)sigfillset(&all); /* the child's steps unblock them */
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	r = pidfd_clone(c->clone_flags, t->leaf_fd, &t->init);
	if (r == 0)
		child_main(c, &b);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return r < 0 ? r : 0;
}

/* A descriptor that comes with a report is dropped by the kernel: nobody has asked for it.
 * The end of the channel is all that is waited for: both have executed then, or ended. */
static int hear(struct trial *t)
{
	uint64_t end = clock_boot_ms() + TRIAL_MS;

	for (;;) {
		struct pollfd p = { .fd = t->report, .events = POLLIN };
		struct child_report rep;
		uint64_t now = clock_boot_ms();
		ssize_t n;

		if (now >= end || poll(&p, 1, (int)(end - now)) == 0)
			return -ETIMEDOUT;
		n = recv(t->report, &rep, sizeof(rep), MSG_DONTWAIT);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n != sizeof(rep))
			continue;
		t->born |= rep.kind == CHILD_BORN;
		if (rep.kind == CHILD_FAILED && t->failed.error == 0)
			t->failed = rep;
	}
}

static unsigned word_of(unsigned step)
{
	const char *name = child_step_word(step);

	for (unsigned w = 0; name && w < CAGE_WORDS; w++)
		if (strcmp(cage_word_name[w], name) == 0)
			return w;
	return CAGE_WORDS;
}

int trial_birth(struct master *m, const struct generation *g, unsigned *ret_word, struct err *e)
{
	CLEANUP(trial_done)
	struct trial t = { .master = m,
			   .cage = &g->cage,
			   .init = PIDFD_NONE,
			   .leaf_fd = -1,
			   .out = -1,
			   .report = -1,
			   .lifeline = -1,
			   .their_out = -1,
			   .their_report = -1,
			   .their_lifeline = -1 };
	int r;

	*ret_word = CAGE_WORDS;
	r = make_ends(&t, e);
	if (r < 0)
		return r;
	r = clone_it(&t);
	close_theirs(&t);
	if (r < 0)
		return err_sys(e, r, "clone a process into its namespaces and its leaf");
	r = hear(&t);
	if (r < 0)
		return err_sys(e, r, "hear of its birth");
	if (t.failed.error) {
		*ret_word = word_of(t.failed.step);
		return err_sys(e, -t.failed.error, "%s", child_step_name(t.failed.step));
	}
	return t.born ? 0 : err_set(e, -EIO, "it ended before it was born");
}

int trial_leaf(const struct master *m, int *ret_kill, bool *ret_peak)
{
	AUTO_FD int fd = -1;
	int r = cgroup_leaf_make(&m->cgroup, LEAF, &fd);

	if (r < 0)
		return r;
	*ret_kill = try_cgroup_kill(fd);
	*ret_peak = faccessat(fd, "memory.peak", F_OK, 0) == 0;
	wait_empty(fd);
	ignore(cgroup_leaf_remove(&m->cgroup, LEAF));
	return 0;
}
