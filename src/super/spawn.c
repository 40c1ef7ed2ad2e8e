/* SPDX-License-Identifier: MIT */
/* spawn.c - the parent half of a birth: everything the child needs is made
 * here, then one clone3, then the child's ends are closed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/scm.h"
#include "super/birth_env.h"
#include "super/child.h"
#include "super/leaf.h"
#include "super/life.h"
#include "super/life_sockets.h"
#include "super/listeners.h"
#include "super/live.h"
#include "super/pipes.h"

#define INNER_PID_FIRST 100
#define INNER_PID_SPAN	29000 /* below the smallest pid_max, 32768 */

/* The child's ends; all closed in the parent when the block is left. */
struct ends {
	int out, err, report, lifeline, channel;
};

static void ends_done(struct ends *x)
{
	fd_close(&x->out);
	fd_close(&x->err);
	fd_close(&x->report);
	fd_close(&x->lifeline);
	fd_close(&x->channel);
}

static int make_pair(int type, int *ret_mine, int *ret_theirs)
{
	int sv[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	*ret_mine = sv[0];
	*ret_theirs = sv[1];
	return 0;
}

static int make_pipe(const struct cage *c, int *ret_mine, int *ret_theirs, struct err *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, -errno, "make its output pipe");
	*ret_mine = fds[0];
	*ret_theirs = fds[1];
	/* Else opening /dev/stdout is EACCES for the worker (traps 18). */
	if (cage_has(c, CAGE_UID) && fchown(fds[1], c->uid, c->gid) < 0)
		return err_set(e, errno == EPERM ? -EOPNOTSUPP : -errno,
			       "give its output pipe to uid %u: %s (that needs CAP_CHOWN)", c->uid,
			       err_name(errno));
	return fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? err_sys(e, -errno, "its output pipe") : 0;
}

static int make_leaf(struct life *l, struct err *e)
{
	int r;

	if (asprintf(&l->leaf_name, "%s%s%s.%llu", l->pool->total.name,
		     l->pool->total.name[0] ? "/" : "", l->pool->conf->name,
		     (unsigned long long)l->number) < 0) {
		l->leaf_name = NULL;
		return err_set(e, -ENOMEM, "out of memory");
	}
	if (!l->master->has_cgroup)
		return 0;
	r = cgroup_leaf_make(&l->master->cgroup, l->leaf_name, &l->leaf_fd);
	if (r < 0)
		return err_sys(e, r, "make the cgroup leaf %s", l->leaf_name);
	r = leaf_limits_write(l, e);
	if (r < 0)
		return r;
	r = cgroup_events_open(l->leaf_fd, &l->events_fd);
	if (r < 0)
		return err_sys(e, r, "watch the cgroup leaf %s", l->leaf_name);
	return 0;
}

static int make_channels(struct life *l, struct ends *x, struct err *e)
{
	const int on = 1;
	int channel = -1;
	int r = make_pipe(&l->gen->cage, &l->out.fd, &x->out, e);

	if (r == 0)
		r = make_pipe(&l->gen->cage, &l->err.fd, &x->err, e);
	if (r < 0)
		return r;
	r = make_pair(SOCK_SEQPACKET, &l->report_fd, &x->report);
	if (r == 0)
		r = make_pair(SOCK_SEQPACKET, &l->lifeline_fd, &x->lifeline);
	if (r == 0 && l->gen->wire->sock_type)
		r = make_pair(l->gen->wire->sock_type, &channel, &x->channel);
	/* Before the clone: the kernel translates the worker's number for us (traps 16). */
	if (r == 0 && setsockopt(l->report_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		r = -errno;
	if (r == 0 && channel >= 0) {
		r = channel_open(&l->channel, &l->master->loop, l->gen->wire, &live_wire_up,
				 channel);
	} else {
		fd_close(&channel);
	}
	return r < 0 ? err_sys(e, r, "make its channels") : 0;
}

int live_watch(struct life *l)
{
	struct loop *loop = &l->master->loop;
	int r = source_add(loop, &l->init_src, l->init.fd, EPOLLIN, live_on_init);

	/* These are only there at its birth, and where it has come through an upgrade. */
	if (r == 0 && l->report_fd >= 0)
		r = source_add(loop, &l->report_src, l->report_fd, EPOLLIN, live_on_report);
	if (r == 0 && l->worker_fd >= 0)
		r = source_add(loop, &l->worker_src, l->worker_fd, EPOLLIN, live_on_worker);
	if (r == 0 && l->lifeline_fd >= 0)
		r = source_add(loop, &l->lifeline_src, l->lifeline_fd, EPOLLIN, live_on_lifeline);
	if (r == 0 && l->events_fd >= 0)
		r = source_add(loop, &l->events_src, l->events_fd, EPOLLPRI, live_on_leaf);
	if (r == 0)
		r = pipes_watch(l);
	return r;
}

/* Numbers that no living sibling has: programs name files after their pid. */
static pid_t inner_pid(const struct life *l)
{
	if (!cage_has(&l->gen->cage, CAGE_PID))
		return 0;
	return (pid_t)(INNER_PID_FIRST + l->number % INNER_PID_SPAN);
}

/* A program of socket activation finds its sockets at its birth. */
static unsigned sockets_at_birth(const struct life *l)
{
	unsigned n = life_sockets_configured(l);
	const int *fds;

	if (!listeners_are_offered(l->pool) || !l->slot)
		return 0;
	fds = life_sockets_fds(l);
	for (unsigned i = 0; i < n; i++)
		if (fds[i] < 0)
			return 0;
	return n;
}

static int clone_it(struct life *l, const struct ends *x, const struct birth_env *be,
		    unsigned nlisten, struct err *e)
{
	const struct cage *c = &l->gen->cage;
	char title[96], name[LIFE_NAME_BYTES], uid[16], gid[16], flags[16];
	char *init_argv[] = { title, NULL };
	char *init_args[INIT_ARGS + 1] = { [INIT_ARG_WORKER] = flags,
					   [INIT_ARG_UID] = uid,
					   [INIT_ARG_GID] = gid,
					   [INIT_ARG_FLAGS] = flags };
	struct cage_birth b = {
		.cpus = l->cpus,
		.inner_pid = l->inner_pid = inner_pid(l),
		.null_fd = l->master->null_fd,
		.out_fd = x->out,
		.err_fd = x->err,
		.channel_fd = x->channel,
		.report_fd = x->report,
		.lifeline_fd = x->lifeline,
		.listen_fds = nlisten ? life_sockets_fds(l) : NULL,
		.nlisten = nlisten,
		.pid_at = be->pid_at,
		.notify_at = be->notify_at,
		.einhorn_last = be->einhorn_last,
		.init_fd = l->master->init_fd,
		.envp = be->envp,
		.init_argv = init_argv,
		.init_args = init_args,
	};
	int r;

	(void)snprintf(title, sizeof(title), "mpsup: init %s", life_name(l, name));
	(void)snprintf(uid, sizeof(uid), "%u", c->uid);
	(void)snprintf(gid, sizeof(gid), "%u", c->gid);
	(void)snprintf(flags, sizeof(flags), "%d",
		       (cage_has(c, CAGE_PID) ? INIT_FLAG_PIDNS : 0) |
			       (cage_has(c, CAGE_UID) ? INIT_FLAG_DROP : 0));
	r = pidfd_clone(c->clone_flags, l->leaf_fd, &l->init);
	if (r == 0)
		child_main(c, &b);
	return r < 0 ? err_sys(e, r, "clone a process into its namespaces") : 0;
}

int live_birth(struct life *l, struct err *e)
{
	CLEANUP(ends_done) struct ends x = { -1, -1, -1, -1, -1 };
	struct birth_env be;
	struct pidfd_exit ex;
	unsigned nlisten;
	int r;

	live_init_timers(l);
	/* What is not there cannot be waited for; set as soon as it is. */
	l->init_gone = l->leaf_gone = true;
	r = life_sockets_take(l) < 0 ? err_set(e, -ENOMEM, "out of memory") : 0;
	if (r == 0 && l->slot)
		r = listeners_occupy(l, e);
	if (r == 0)
		r = make_leaf(l, e);
	l->leaf_gone = l->leaf_fd < 0;
	if (r == 0)
		r = make_channels(l, &x, e);
	if (r < 0)
		goto fail;
	nlisten = sockets_at_birth(l);
	l->has_sockets = nlisten > 0;
	if (l->has_sockets)
		listeners_lend(l);
	r = birth_env_make(l, nlisten, &be);
	if (r < 0) {
		r = err_sys(e, r, "make its environment");
		goto fail;
	}
	r = clone_it(l, &x, &be, nlisten, e);
	free(be.envp);
	if (r < 0)
		goto fail;
	r = live_watch(l);
	if (r == 0) {
		l->init_gone = false;
		return 0;
	}
	/* The loop has no room for it: it goes before anybody heard of it. */
	ignore(pidfd_signal(&l->init, SIGKILL));
	while (pidfd_reap(&l->init, &ex) == 0)
		;
	r = err_sys(e, r, "watch it");
fail:
	pipes_close(l, &l->out);
	pipes_close(l, &l->err);
	source_remove(&l->master->loop, &l->lifeline_src);
	source_remove(&l->master->loop, &l->init_src);
	fd_close(&l->lifeline_fd);
	return r;
}
