/* SPDX-License-Identifier: MIT */
/* cmd_run.c - `mpsup run`: wire the rooms, run the loop, give everything back. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "app/cmd.h"
#include "app/instance.h"
#include "app/signals.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"
#include "base/title.h"
#include "config/keys.h"
#include "ctl/ctl.h"
#include "kernel/sink.h"
#include "super/life.h"
#include "super/pool.h"
#include "super/prepare.h"

#define LOG_BYTES 4096 /* the longest line of base/log */

enum { EXIT_OK = 0, EXIT_OTHER = 1, EXIT_USAGE = 2, EXIT_CANNOT = 69 };

struct run {
	struct master master;
	struct instance instance;
	struct ctl ctl;
	struct signals signals;
	struct sink out, err; /* the terminal's: the workers' lines, and ours without a file */
	struct sink file;     /* --log-file */
	int log_fd;	      /* --log-file, -1: stderr */
	bool out_tty, err_tty;
};

/* ---- what is shown ---- */

static void write_log(void *ctx, const char *line, size_t len)
{
	struct run *run = ctx;

	char text[TEXT_TIME_BYTES + LOG_BYTES], when[TEXT_TIME_BYTES];
	int n;

	if (run->log_fd < 0) {
		sink_write(&run->err, line, len);
		return;
	}
	/* JSON lines carry their time; a terminal's reader has a clock. */
	if (run->master.config->log_format == LOG_F_JSON) {
		sink_write(&run->file, line, len);
		return;
	}
	text_time(clock_real_ms(), when);
	n = snprintf(text, sizeof(text), "%s %.*s", when, (int)len, line);
	sink_write(&run->file, text, (size_t)n);
}

static void show_line(struct run *run, const struct logline *line)
{
	char name[LIFE_NAME_BYTES], text[LOG_LINE_MAX * 4 + 128];
	struct sink *to = line->is_err ? &run->err : &run->out;
	bool tty = line->is_err ? run->err_tty : run->out_tty;
	size_t n = (size_t)snprintf(text, 128, "%s | ", slot_name(line->slot, name));

	if (tty) {
		n += text_safe(line->text, line->len, text + n, sizeof(text) - n - 1);
	} else {
		memcpy(text + n, line->text, line->len);
		n += line->len;
	}
	text[n++] = '\n';
	sink_write(to, text, n);
}

static void show_line_json(struct run *run, const struct logline *line)
{
	char name[LIFE_NAME_BYTES], when[TEXT_TIME_BYTES];
	char safe[LOG_LINE_MAX * 2], quoted[LOG_LINE_MAX * 4], text[LOG_LINE_MAX * 4 + 256];
	int n;

	text_time(line->time_ms, when);
	(void)text_safe(line->text, line->len, safe, sizeof(safe));
	(void)text_json(safe, quoted, sizeof(quoted));
	n = snprintf(text, sizeof(text),
		     "{\"time\":\"%s\",\"worker\":\"%s\",\"stream\":\"%s\",\"line\":\"%s\"}\n",
		     when, slot_name(line->slot, name), line->is_err ? "err" : "out", quoted);
	sink_write(line->is_err ? &run->err : &run->out, text, (size_t)n);
}

static void on_log(struct master *m, const struct logline *line)
{
	struct run *run = container_of(m, struct run, master);

	if (m->config->log_format == LOG_F_JSON)
		show_line_json(run, line);
	else
		show_line(run, line);
	ctl_on_log(m, line);
}

static int open_log(struct run *run, const char *path, struct err *e)
{
	int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640);

	if (fd < 0)
		return err_sys(e, -errno, "--log-file %s", path);
	if (run->log_fd >= 0)
		fd_close(&run->log_fd);
	run->log_fd = fd;
	run->file.fd = fd;
	return 0;
}

static void reopen_logs(void *ctx)
{
	struct run *run = ctx;
	const char *path = run->master.config->log_file;
	struct err e;

	if (path && open_log(run, path, &e) < 0)
		log_error("%s; the old file is kept", e.msg);
	else if (path)
		log_info("log reopened");
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
	/* First what a killed predecessor left goes: its workers' uid is free then. */
	r = prepare_master(m, e);
	for (unsigned i = 0; r == 0 && i < m->config->npools; i++)
		r = config_resolve_pool(m->config, &m->config->pools[i], e);
	if (r == 0)
		r = start_pools(run, e);
	if (r == 0)
		r = ctl_open(&run->ctl, m, run->instance.run_dir, e);
	if (r < 0)
		return r;
	m->on_event = ctl_on_event;
	m->ctx = &run->ctl;
	r = signals_open(&run->signals, m);
	if (r < 0)
		return err_set(e, -EOPNOTSUPP, "this host gives no signalfd: %s", strerror(-r));
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
	if (run->signals.fd >= 0)
		signals_close(&run->signals);
	for (unsigned i = 0; i < m->npools; i++) {
		prepare_pool_done(&m->pools[i]);
		pool_done(&m->pools[i]);
	}
	free(m->pools);
	prepare_master_done(m);
	instance_release(&run->instance);
	log_to(NULL, NULL);
	sink_done(&run->out);
	sink_done(&run->err);
	sink_done(&run->file);
	fd_close(&run->log_fd);
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

int cmd_run(int argc, char **argv)
{
	struct run *run = calloc(1, sizeof(*run));
	struct err e = { 0 };
	char ask = 0;
	int status, r;

	if (!run)
		return EXIT_OTHER;
	signals_block();
	run->log_fd = run->signals.fd = run->instance.lock_fd = -1;
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
	r = config_from_argv(argc, argv, &run->master.config, &ask, &e);
	if (ask) {
		if (ask == 'h')
			keys_print_help(stdout);
		else
			(void)printf("mpsup %s\n", MPSUP_VERSION);
		free(run);
		return EXIT_OK;
	}
	if (r == 0) {
		r = loop_init(&run->master.loop);
		if (r < 0)
			r = err_set(&e, -EOPNOTSUPP,
				    "this host gives no event loop (epoll, timerfd): %s",
				    strerror(-r));
	}
	if (r < 0) {
		(void)fprintf(stderr, "mpsup: %s\n", e.msg);
		config_unref(run->master.config);
		free(run);
		return exit_status(r);
	}
	run->out_tty = isatty(STDOUT_FILENO);
	run->err_tty = isatty(STDERR_FILENO);
	sink_init(&run->out, &run->master.loop, STDOUT_FILENO);
	sink_init(&run->err, &run->master.loop, STDERR_FILENO);
	sink_init(&run->file, &run->master.loop, -1);
	log_setup(run->master.config->log_level, run->master.config->log_format);
	log_to(write_log, run);
	if (run->master.config->log_file && open_log(run, run->master.config->log_file, &e) < 0) {
		log_error("%s", e.msg);
		status = EXIT_USAGE;
	} else {
		status = run_master(run);
	}
	give_back(run);
	free(run);
	return status;
}
