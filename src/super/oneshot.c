/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/oneshot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "kernel/pidfd.h"
#include "super/child.h"
#include "super/companions.h"
#include "super/prepare.h"

/* Ours of each pair, in the order of poll(2). */
enum end { END_INIT, END_REPORT, END_LIFELINE, END_ANSWER, END_OUT, END_ERR, ENDS };

#define END_MS 1000

struct shot {
	struct oneshot *o;
	struct master master;
	struct generation *gen;
	struct pidfd init;
	int mine[ENDS], theirs[ENDS];
	unsigned failed_step; /* CHILD_STEPS: none */
	int failed_error;
	size_t answer_size;
};

static void shot_done(struct shot *s)
{
	for (int i = 0; i < ENDS; i++) {
		fd_close(&s->mine[i]);
		fd_close(&s->theirs[i]);
	}
	generation_unref(s->gen);
	fd_close(&s->master.null_fd);
	fd_close(&s->master.init_fd);
	config_unref(s->master.config);
}

/* ---- before the birth ---- */

static int make_cage(struct shot *s, struct err *e)
{
	struct master *m = &s->master;
	struct pool_config *conf;
	char ask = 0;
	int r = config_from_argv(s->o->argc, s->o->argv, NULL, &m->config, &ask, e);

	if (r < 0)
		return r;
	if (ask || m->config->npools != 1)
		return err_set(e, -EINVAL, "no command to run");
	conf = m->config->pools[0];
	m->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (m->null_fd < 0)
		return err_sys(e, -errno, "/dev/null");
	r = companion_open("mpsup-init", &m->init_fd, e);
	if (r == 0)
		r = config_resolve_pool(m->config, conf, e);
	if (r == 0)
		r = generation_make(m, conf, 1, &s->gen, e);
	if (r < 0)
		return r;
	s->gen->cage.data_bytes = s->o->data_bytes;
	s->gen->cage.cpu_s = s->o->timeout_ms / 1000 + 1;
	s->gen->cage.no_files = true;
	s->o->caged = cage_has(&s->gen->cage, CAGE_VIEW) && cage_has(&s->gen->cage, CAGE_NET);
	return 0;
}

static int make_pipe(struct shot *s, enum end end)
{
	const struct cage *c = &s->gen->cage;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	s->mine[end] = fds[0];
	s->theirs[end] = fds[1];
	if (cage_has(c, CAGE_UID) && fchown(fds[1], c->uid, c->gid) < 0)
		return -errno;
	return fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int make_pair(struct shot *s, enum end end)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	s->mine[end] = sv[0];
	s->theirs[end] = sv[1];
	return 0;
}

/* ---- the birth ---- */

static int clone_it(struct shot *s)
{
	const struct cage *c = &s->gen->cage;
	char title[] = "mpsup: init import", uid[16], gid[16], flags[16];
	char *init_argv[] = { title, NULL };
	char *init_args[INIT_ARGS + 1] = { [INIT_ARG_WORKER] = flags,
					   [INIT_ARG_UID] = uid,
					   [INIT_ARG_GID] = gid,
					   [INIT_ARG_FLAGS] = flags };
	struct cage_birth b = {
		.null_fd = s->master.null_fd,
		.out_fd = s->theirs[END_OUT],
		.err_fd = s->theirs[END_ERR],
		.channel_fd = s->theirs[END_ANSWER],
		.report_fd = s->theirs[END_REPORT],
		.lifeline_fd = s->theirs[END_LIFELINE],
		.init_fd = s->master.init_fd,
		.envp = c->envp,
		.init_argv = init_argv,
		.init_args = init_args,
	};
	sigset_t all, before;
	int r;

	(void)snprintf(uid, sizeof(uid), "%u", c->uid);
	(void)snprintf(gid, sizeof(gid), "%u", c->gid);
	(void)snprintf(flags, sizeof(flags), "%d",
		       (cage_has(c, CAGE_PID) ? INIT_FLAG_PIDNS : 0) |
			       (cage_has(c, CAGE_UID) ? INIT_FLAG_DROP : 0));
	/* The child's steps unblock them where that is right. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	r = pidfd_clone(c->clone_flags, -1, &s->init);
	if (r == 0)
		child_main(c, &b);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return r < 0 ? r : 0;
}

static int give_birth(struct shot *s, struct err *e)
{
	int r = make_pair(s, END_REPORT);

	if (r == 0)
		r = make_pair(s, END_LIFELINE);
	for (enum end i = END_ANSWER; i < ENDS && r == 0; i++)
		r = make_pipe(s, i);
	if (r < 0)
		return err_sys(e, r, "make its channels");
	r = clone_it(s);
	for (int i = 0; i < ENDS; i++)
		fd_close(&s->theirs[i]);
	if (r < 0)
		return err_sys(e, r, "clone a process into its namespaces");
	s->mine[END_INIT] = s->init.fd;
	return 0;
}

/* ---- its life ---- */

/* What comes with it, a pidfd for one, nobody needs: the kernel closes it. */
static void on_report(struct shot *s)
{
	struct child_report rep;
	ssize_t n = recv(s->mine[END_REPORT], &rep, sizeof(rep), MSG_DONTWAIT);

	if (n == 0)
		fd_close(&s->mine[END_REPORT]);
	if (n == sizeof(rep) && rep.kind == CHILD_FAILED && s->failed_error == 0) {
		s->failed_step = rep.step;
		s->failed_error = rep.error;
	}
}

static void on_lifeline(struct shot *s)
{
	struct init_report rep;
	ssize_t n = recv(s->mine[END_LIFELINE], &rep, sizeof(rep), MSG_DONTWAIT);

	if (n == 0) /* init is gone, or going */
		fd_close(&s->mine[END_LIFELINE]);
	if (n != sizeof(rep) || rep.magic != INIT_REPORT_MAGIC)
		return;
	s->o->known = true;
	s->o->code = rep.by_signal ? -1 : rep.code;
	s->o->sig = rep.by_signal ? rep.code : 0;
}

/* One byte more than is wanted, to know that there is more. */
static void on_answer(struct shot *s)
{
	struct oneshot *o = s->o;
	ssize_t n;

	if (o->answer_len == s->answer_size) {
		size_t size = s->answer_size ? 2 * s->answer_size : 65536;
		char *more;

		if (size > o->answer_max + 1)
			size = o->answer_max + 1;
		more = size > s->answer_size ? realloc(o->answer, size) : NULL;
		if (!more) {
			o->too_long = true;
			fd_close(&s->mine[END_ANSWER]);
			return;
		}
		o->answer = more;
		s->answer_size = size;
	}
	n = read(s->mine[END_ANSWER], o->answer + o->answer_len, s->answer_size - o->answer_len);
	if (n > 0)
		o->answer_len += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		fd_close(&s->mine[END_ANSWER]);
	if (o->answer_len > o->answer_max) {
		o->too_long = true;
		fd_close(&s->mine[END_ANSWER]);
	}
}

/* The beginning is kept; a program that writes on is read on, and not held up. */
static void on_said(struct shot *s, enum end end)
{
	struct oneshot *o = s->o;
	char buf[4096];
	ssize_t n = read(s->mine[end], buf, sizeof(buf));
	size_t room = sizeof(o->said) - 1 - o->said_len;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		fd_close(&s->mine[end]);
	if (n <= 0)
		return;
	if ((size_t)n < room)
		room = (size_t)n;
	memcpy(o->said + o->said_len, buf, room);
	o->said_len += room;
}

static void take(struct shot *s, enum end end)
{
	switch (end) {
	case END_REPORT:
		on_report(s);
		break;
	case END_LIFELINE:
		on_lifeline(s);
		break;
	case END_ANSWER:
		on_answer(s);
		break;
	case END_OUT:
	case END_ERR:
		on_said(s, end);
		break;
	case END_INIT:
	case ENDS:
		break;
	}
}

/* false: nothing happened before the deadline. */
static bool look(struct shot *s, int timeout_ms)
{
	struct pollfd p[ENDS];
	bool any = false;

	errno = 0;
	for (int i = 0; i < ENDS; i++)
		p[i] = (struct pollfd){ .fd = s->mine[i], .events = POLLIN };
	if (poll(p, ENDS, timeout_ms) <= 0)
		return errno == EINTR;
	for (enum end i = END_REPORT; i < ENDS; i++) {
		if (!p[i].revents)
			continue;
		take(s, i);
		any = true;
	}
	return any || p[END_INIT].revents;
}

/* With a PID namespace all ends with init. Without one init ends the others when its
 * lifeline ends; should it not, the worker still ends with it (PR_SET_PDEATHSIG). */
static void end_it(struct shot *s)
{
	struct pollfd p = { .fd = s->init.fd, .events = POLLIN };

	fd_close(&s->mine[END_LIFELINE]);
	if (!cage_has(&s->gen->cage, CAGE_PID))
		(void)poll(&p, 1, END_MS);
	ignore(pidfd_signal(&s->init, SIGKILL));
	(void)pidfd_wait(&s->init);
}

static void live(struct shot *s)
{
	const uint64_t deadline = clock_boot_ms() + s->o->timeout_ms;
	struct pidfd_exit ex;

	while (pidfd_reap(&s->init, &ex) == 0) {
		uint64_t now = clock_boot_ms();

		if (now < deadline && !s->o->too_long) {
			(void)look(s, (int)(deadline - now));
			continue;
		}
		s->o->too_late = !s->o->too_long;
		end_it(s);
	}
	s->mine[END_INIT] = -1; /* closed by pidfd_reap() */
	/* What it wrote before it ended is still there. */
	while (look(s, 0))
		;
}

static int step_failed(struct shot *s, struct err *e)
{
	const char *word = child_step_word(s->failed_step);

	if (s->failed_error == 0)
		return 0;
	return err_set(e, word ? -EOPNOTSUPP : -s->failed_error, "%s: %s",
		       child_step_name(s->failed_step), strerror(s->failed_error));
}

int oneshot_run(struct oneshot *o, struct err *e)
{
	CLEANUP(shot_done)
	struct shot s = {
		.o = o,
		.master = { .world = NULL,
			    .root = geteuid() == 0,
			    .null_fd = -1,
			    .init_fd = -1,
			    .worker_exe_fd = -1 },
		.init = PIDFD_NONE,
		.mine = { -1, -1, -1, -1, -1, -1 },
		.theirs = { -1, -1, -1, -1, -1, -1 },
	};
	int r = make_cage(&s, e);

	if (r == 0)
		r = give_birth(&s, e);
	if (r < 0)
		return r;
	live(&s);
	return step_failed(&s, e);
}

void oneshot_done(struct oneshot *o)
{
	free(o->answer);
	o->answer = NULL;
}
