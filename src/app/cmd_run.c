/* SPDX-License-Identifier: MIT */
/* cmd_run.c - `mpsup run`: wire the rooms, run the loop, give everything back. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "app/cmd.h"
#include "app/help.h"
#include "app/paths.h"
#include "app/run.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/title.h"
#include "config/keys.h"
#include "kernel/footprint.h"
#include "super/births.h"
#include "super/life.h"
#include "super/pin.h"
#include "super/pool.h"
#include "super/prepare.h"

enum { EXIT_OK = 0, EXIT_OTHER = 1, EXIT_USAGE = 2 };

static void on_log(struct master *m, const struct logline *line)
{
	poollog_line(line);
	ctl_on_log(m, line);
}

static int on_pool(struct master *m, struct pool *p, struct err *e)
{
	struct run *run = container_of(m, struct run, master);

	kept_give(&run->state.kept, p);
	return shown_add_pool(&run->shown, p, e);
}

static void on_pool_gone(struct master *m, struct pool *p)
{
	struct run *run = container_of(m, struct run, master);

	ctl_pool_gone(&run->ctl, p);
	state_take(&run->state);
	poollog_drop(p);
}

static void on_reopen(struct master *m)
{
	shown_reopen(&container_of(m, struct run, master)->shown, m);
}

static void reload_all(void *ctx)
{
	struct run *run = ctx;

	log_info("HUP: reload");
	ctl_reload(&run->ctl);
}

static void scale_all(void *ctx, int by)
{
	struct run *run = ctx;

	ctl_scale(&run->ctl, by);
}

static void upgrade_all(void *ctx)
{
	struct run *run = ctx;
	struct err e = { 0 };

	log_info("USR2: upgrade");
	if (upgrade_begin(run, &e) < 0)
		log_error("upgrade: %s", e.msg);
}

static void on_socket(struct master *m, const struct seat *s, bool listens)
{
	upward_socket(&container_of(m, struct run, master)->upward, s, listens);
}

/* Sockets of a .socket unit that nobody wants would keep its clients waiting. */
static void settle_inherited(struct master *m)
{
	unsigned n = inherited_settle(&m->inherited);

	if (n > 0)
		log_warn("%u socket%s of the service manager fit%s no address of a pool with a "
			 "protocol that takes them (native, node, systemd)",
			 n, n == 1 ? "" : "s", n == 1 ? "s" : "");
}

static void reopen_logs(void *ctx)
{
	struct run *run = ctx;

	shown_reopen(&run->shown, &run->master);
}

/* Nobody got ready, and the master stays all the same (--on-failed hold, or a person
 * stopped what was starting): its starter has waited long enough. */
static bool is_start_lost(const struct master *m, int *ret_status)
{
	int status = EXIT_OTHER;
	bool stays = false;

	for (unsigned i = 0; i < m->npools; i++) {
		const struct pool *p = m->pools[i];

		if (p->phase != POOL_FAILED && p->phase != POOL_STOPPED)
			return false;
		stays |= p->phase == POOL_STOPPED || p->conf->on_failed == ON_FAILED_HOLD;
		if (p->phase == POOL_FAILED)
			status = p->exit_code ? p->exit_code : EXIT_ALL_FAILED;
	}
	*ret_status = status;
	return stays && !m->stopping;
}

static void tell_starter(struct run *run, const struct event *ev)
{
	int status = EXIT_OK;

	if (strcmp(ev->name, "master.ready") != 0) {
		if (!ev->pool || !is_start_lost(&run->master, &status))
			return;
		log_warn("no worker is ready; the master stays in the background, pid %d",
			 (int)getpid());
	}
	shown_leave_terminal(&run->shown);
	daemon_started(&run->daemon, status);
}

static void on_event(struct master *m, const struct event *ev)
{
	struct run *run = container_of(m, struct run, master);

	shown_event(ev);
	ctl_on_event(m, ev);
	state_changed(&run->state);
	upward_event(&run->upward, ev);
	if (run->daemon.tell_fd >= 0)
		tell_starter(run, ev);
	if (strcmp(ev->name, "master.ready") == 0)
		footprint_trim();
}

/* ---- start ---- */

/* Each has its place before any is opened: CPUs are dealt over all of them. */
static int make_pools(struct run *run, struct err *e)
{
	struct master *m = &run->master;

	for (unsigned i = 0; i < m->config->npools; i++) {
		struct pool *p = pool_new(m, m->config->pools[i]);
		int r = p ? on_pool(m, p, e) : -ENOMEM;

		if (!p)
			return err_set(e, r, "out of memory");
		if (r < 0)
			return r;
	}
	return 0;
}

/* What is wrong with one pool's world is the end of that pool, when there are others. */
static int open_pools(struct run *run, struct err *e)
{
	struct master *m = &run->master;
	bool alone = m->npools == 1 || m->config->strict;

	m->batch = true;
	for (unsigned i = 0; i < m->npools; i++) {
		int r = pool_open(m->pools[i], e);

		if (r < 0 && alone)
			return r;
		if (r < 0)
			pool_break(m->pools[i], e);
	}
	m->batch = false;
	return 0;
}

static void on_idle(struct master *m)
{
	m->loop.stop = true;
}

void run_follow_events(struct run *run)
{
	run->master.on_event = on_event;
	run->master.ctx = &run->ctl;
	upgrade_init(run);
}

int run_listen(struct run *run, struct err *e)
{
	int r = signals_open(&run->signals, &run->master);

	if (r < 0)
		return err_set(e, -EOPNOTSUPP, "this host gives no signalfd: %s", strerror(-r));
	upward_open(&run->upward, &run->master);
	return 0;
}

static int start(struct run *run, struct err *e)
{
	struct master *m = &run->master;
	struct event ev = { .name = "master.start", .slot = -1 };
	int r;

	r = instance_claim(&run->instance, m->config, e);
	if (r < 0)
		return r;
	title_set("mpsup: master %s", m->config->name);
	if (m->config->daemonize) {
		r = shown_open_daemon(&run->shown, e);
		if (r < 0)
			return r;
	}
	if (inherited_open(&m->inherited) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	/* First what a killed predecessor left goes: its workers' uid is free then. */
	r = prepare_master(m, e);
	if (r == 0) /* before CPUs are dealt; after it has its place in the tree */
		pins_open(m);
	if (r == 0)
		r = config_resolve(m->config, e);
	births_open(m);
	if (r == 0) {
		state_open(&run->state, m);
		r = make_pools(run, e);
	}
	if (r == 0)
		r = ctl_open(&run->ctl, m, run->instance.run_dir, e);
	if (r == 0) {
		state_follow(&run->state, &run->ctl);
		run_follow_events(run);
		r = open_pools(run, e);
		settle_inherited(m);
	}
	if (r == 0 && m->config->pidfile)
		r = pidfile_write(&run->pidfile, m->config->pidfile, e);
	if (r < 0)
		return r;
	r = run_listen(run, e);
	if (r < 0)
		return r;
	prepare_say_limits(m); /* a start that is refused has one line */
	master_event(m, &ev);
	for (unsigned i = 0; i < m->npools; i++)
		pool_start(m->pools[i]);
	master_check_ready(m);
	master_check_idle(m); /* none could be opened */
	return 0;
}

static void give_back(struct run *run)
{
	struct master *m = &run->master;

	upgrade_done(run);
	state_close(&run->state); /* before anybody hears of the stop */
	if (run->ctl.master) {
		ctl_stopped(&run->ctl);
		ctl_close(&run->ctl);
	}
	upward_close(&run->upward);
	if (run->signals.fd >= 0)
		signals_close(&run->signals);
	pins_close(m);
	births_close(m);
	while (m->npools > 0) {
		poollog_drop(m->pools[0]);
		pool_free(m->pools[0]);
	}
	free(m->pools);
	inherited_close(&m->inherited);
	prepare_master_done(m);
	pidfile_remove(&run->pidfile);
	instance_release(&run->instance);
	shown_close(&run->shown);
	daemon_done(&run->daemon);
	loop_done(&m->loop);
	config_unref(m->config);
}

static int loop_to_the_end(struct run *run, int r, struct err *e)
{
	if (r < 0) {
		log_error("%s", e->msg);
		return exit_status_of(r);
	}
	r = loop_run(&run->master.loop);
	if (r < 0) {
		log_error("the event loop failed: %s", strerror(-r));
		return EXIT_OTHER;
	}
	if (run->master.exit_code == 0)
		log_info("stopped");
	return run->master.exit_code;
}

int run_serve(struct run *run, int r, struct err *e)
{
	int status = loop_to_the_end(run, r, e);

	give_back(run);
	free(run);
	return status;
}

/* -1: go on; else this is the exit status. */
static int read_options(struct run *run, int argc, char **argv)
{
	struct err e = { 0 };
	char ask = 0;
	int status = -1;
	struct complaints cs = { 0 };
	int r = config_from_argv(argc, argv, &cs, &run->master.config, &ask, &e);

	for (unsigned i = 0; i < cs.n; i++)
		(void)fprintf(stderr, "mpsup: %s\n", cs.text[i]);
	if (cs.dropped)
		(void)fprintf(stderr, "mpsup: and %u more\n", cs.dropped);
	complaints_done(&cs);

	if (ask == 'h')
		keys_print_help(stdout);
	else if (ask)
		help_version(stdout);
	if (ask)
		return EXIT_OK;
	/* Before there is a loop: two processes do not share one. */
	if (r == 0 && run->master.config->daemonize) {
		r = paths_settle(&e);
		if (r == 0)
			r = daemon_split(&run->daemon, &status, &e);
	}
	if (r == 0) {
		r = loop_init(&run->master.loop);
		if (r < 0)
			r = err_set(&e, -EOPNOTSUPP,
				    "this host gives no event loop (epoll, timerfd): %s",
				    strerror(-r));
	}
	if (r == 0)
		return -1;
	if (r < 0) {
		(void)fprintf(stderr, "mpsup: %s\n", e.msg);
		status = exit_status_of(r);
	}
	config_unref(run->master.config);
	daemon_done(&run->daemon);
	return status;
}

/* Started with one of them closed, what is opened first would have its number, and get what
 * is said there: the log, say, in somebody's socket. */
static void hold_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_NOCTTY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
}

struct run *run_new(void)
{
	struct run *run = calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	hold_stdio();
	signals_block();
	/* What is large and short goes back to the system: an answer to `status`, say. */
	(void)mallopt(M_MMAP_THRESHOLD, 65536);
	(void)mallopt(M_TRIM_THRESHOLD, 131072);
	run->signals.fd = run->instance.lock_fd = -1;
	run->daemon = DAEMON_NONE;
	run->pidfile = PIDFILE_NONE;
	run->upgrade = (struct upgrade){ .exe_fd = -1, .said_fd = -1, .child = PIDFD_NONE };
	run->master = (struct master){
		.world = &world_real,
		.root = geteuid() == 0,
		.null_fd = -1,
		.init_fd = -1,
		.worker_exe_fd = -1,
		.memory_fd = -1,
		.memory_src = SOURCE_NONE,
		.cgroup = CGROUP_ROOT_NONE,
		.on_log = on_log,
		.on_idle = on_idle,
		.on_pool = on_pool,
		.on_pool_gone = on_pool_gone,
		.on_reopen = on_reopen,
		.on_socket = on_socket,
		.started_ms = clock_boot_ms(),
	};
	run->signals.reopen = reopen_logs;
	run->signals.reload = reload_all;
	run->signals.scale = scale_all;
	run->signals.upgrade = upgrade_all;
	run->signals.ctx = run;
	return run;
}

int cmd_run(int argc, char **argv)
{
	struct run *run = run_new();
	struct err e = { 0 };
	int status, r;

	if (!run)
		return EXIT_OTHER;
	status = read_options(run, argc, argv);
	if (status >= 0) {
		free(run);
		return status;
	}
	r = shown_open(&run->shown, &run->master.loop, run->master.config, &e);
	if (r < 0)
		r = err_set(&e, -EINVAL, "%s", e.msg);
	else
		r = start(run, &e);
	return run_serve(run, r, &e);
}
