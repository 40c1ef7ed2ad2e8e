/* SPDX-License-Identifier: MIT */
/* cmd_run.c - `mpsup run`: wire the rooms, run the loop, give everything back. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "app/cmd.h"
#include "app/daemon.h"
#include "app/instance.h"
#include "app/pidfile.h"
#include "app/shown.h"
#include "app/signals.h"
#include "app/upward.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/title.h"
#include "config/keys.h"
#include "ctl/ctl.h"
#include "super/life.h"
#include "super/pin.h"
#include "super/pool.h"
#include "super/prepare.h"

enum { EXIT_OK = 0, EXIT_OTHER = 1, EXIT_USAGE = 2, EXIT_CANNOT = 69 };

struct run {
	struct master master;
	struct instance instance;
	struct ctl ctl;
	struct signals signals;
	struct shown shown;
	struct daemon daemon;
	struct pidfile pidfile;
	struct upward upward;
};

static void on_log(struct master *m, const struct logline *line)
{
	shown_line(&container_of(m, struct run, master)->shown, line);
	ctl_on_log(m, line);
}

static void reopen_logs(void *ctx)
{
	struct run *run = ctx;

	shown_reopen(&run->shown);
}

static void on_event(struct master *m, const struct event *ev)
{
	struct run *run = container_of(m, struct run, master);

	ctl_on_event(m, ev);
	upward_event(&run->upward, ev);
	if (run->daemon.tell_fd >= 0 && strcmp(ev->name, "master.ready") == 0) {
		shown_leave_terminal(&run->shown);
		daemon_ready(&run->daemon);
	}
}

/* ---- start ---- */

static int exit_status(int code)
{
	switch (code) {
	case -EOPNOTSUPP:
		return EXIT_CANNOT;
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
	case -EAGAIN:
	case -EIO:
		return EXIT_OTHER;
	default:
		return EXIT_USAGE; /* what was asked for is wrong, missing or taken */
	}
}

static int start_pools(struct run *run, struct err *e)
{
	struct master *m = &run->master;
	struct config *c = m->config;

	m->pools = calloc(c->npools, sizeof(*m->pools));
	if (!m->pools)
		return err_set(e, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < c->npools; i++) {
		struct pool *p = &m->pools[i];
		int r;

		p->config = c;
		p->conf = &c->pools[i];
		p->cage = CAGE_NONE;
		p->master = m;
		list_init(&p->spares);
		r = prepare_pool(m, p, e);
		if (r < 0)
			return r;
		m->npools++;
		r = pool_init(p, m);
		if (r < 0)
			return err_sys(e, r, "pool %s", p->conf->name);
		pool_deal_cpus(p);
	}
	return 0;
}

static void on_idle(struct master *m)
{
	m->loop.stop = true;
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
		r = shown_open_daemon(&run->shown, &m->loop, e);
		if (r < 0)
			return r;
	}
	/* First what a killed predecessor left goes: its workers' uid is free then. */
	r = prepare_master(m, e);
	if (r == 0) /* before CPUs are dealt; after it has its place in the tree */
		pins_open(m);
	for (unsigned i = 0; r == 0 && i < m->config->npools; i++)
		r = config_resolve_pool(m->config, &m->config->pools[i], e);
	if (r == 0)
		r = start_pools(run, e);
	if (r == 0)
		r = ctl_open(&run->ctl, m, run->instance.run_dir, e);
	if (r == 0 && m->config->pidfile)
		r = pidfile_write(&run->pidfile, m->config->pidfile, e);
	if (r < 0)
		return r;
	m->on_event = on_event;
	m->ctx = &run->ctl;
	r = signals_open(&run->signals, m);
	if (r < 0)
		return err_set(e, -EOPNOTSUPP, "this host gives no signalfd: %s", strerror(-r));
	upward_open(&run->upward, m);
	prepare_say(m);
	master_event(m, &ev);
	for (unsigned i = 0; i < m->npools; i++)
		pool_start(&m->pools[i]);
	return 0;
}

static void give_back(struct run *run)
{
	struct master *m = &run->master;

	if (run->ctl.master) {
		ctl_stopped(&run->ctl);
		ctl_close(&run->ctl);
	}
	upward_close(&run->upward);
	if (run->signals.fd >= 0)
		signals_close(&run->signals);
	pins_close(m);
	for (unsigned i = 0; i < m->npools; i++) {
		prepare_pool_done(&m->pools[i]);
		pool_done(&m->pools[i]);
	}
	free(m->pools);
	prepare_master_done(m);
	pidfile_remove(&run->pidfile);
	instance_release(&run->instance);
	shown_close(&run->shown);
	daemon_done(&run->daemon);
	loop_done(&m->loop);
	config_unref(m->config);
}

static int run_master(struct run *run)
{
	struct err e = { 0 };
	int r = start(run, &e);

	if (r < 0) {
		log_error("%s", e.msg);
		return exit_status(r);
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

/* -1: go on; else this is the exit status. */
static int read_options(struct run *run, int argc, char **argv)
{
	struct err e = { 0 };
	char ask = 0;
	int status = -1;
	int r = config_from_argv(argc, argv, &run->master.config, &ask, &e);

	if (ask == 'h')
		keys_print_help(stdout);
	else if (ask)
		(void)printf("mpsup %s\n", MPSUP_VERSION);
	if (ask)
		return EXIT_OK;
	/* Before there is a loop: two processes do not share one. */
	if (r == 0 && run->master.config->daemonize)
		r = daemon_split(&run->daemon, &status, &e);
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
		status = exit_status(r);
	}
	config_unref(run->master.config);
	daemon_done(&run->daemon);
	return status;
}

int cmd_run(int argc, char **argv)
{
	struct run *run = calloc(1, sizeof(*run));
	struct err e = { 0 };
	int status;

	if (!run)
		return EXIT_OTHER;
	signals_block();
	run->signals.fd = run->instance.lock_fd = -1;
	run->daemon = DAEMON_NONE;
	run->pidfile = PIDFILE_NONE;
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
		.started_ms = clock_boot_ms(),
	};
	run->signals.reopen = reopen_logs;
	run->signals.ctx = run;
	status = read_options(run, argc, argv);
	if (status >= 0) {
		free(run);
		return status;
	}
	if (shown_open(&run->shown, &run->master.loop, run->master.config, &e) < 0) {
		log_error("%s", e.msg);
		status = EXIT_USAGE;
	} else {
		status = run_master(run);
	}
	give_back(run);
	free(run);
	return status;
}
