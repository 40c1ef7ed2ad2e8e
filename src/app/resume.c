/* SPDX-License-Identifier: MIT */
/* resume.c - the second half of an upgrade, in the program that follows: what the image of
 * the master has is what this master knows, and it goes on. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "app/carried.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/title.h"
#include "ctl/carried.h"
#include "kernel/footprint.h"
#include "super/dispatch.h"
#include "super/leaf.h"
#include "super/pin.h"
#include "super/pool.h"

enum { EXIT_OK = 0, EXIT_OTHER = 1, EXIT_USAGE = 2 };

static int open_image(struct carried *c, int argc, char **argv, struct err *e)
{
	char *rest = NULL;
	long fd = argc == 1 ? strtol(argv[0], &rest, 10) : -1;
	int r;

	if (fd < 3 || fd > 1 << 20 || *rest)
		return err_set(e, -EINVAL, "this is for mpsup itself: see `mpsup upgrade --help`");
	r = image_read(&c->im, (int)fd, e);
	if (r == 0)
		(void)close((int)fd);
	return r;
}

static int show_again(struct run *run, const struct run_before *before, struct err *e)
{
	struct master *m = &run->master;
	int r = shown_go_on(&run->shown, &m->loop, m->config, before->log_path, before->log_fd, e);

	if (r == 0 && !before->terminal)
		shown_leave_terminal(&run->shown);
	for (unsigned i = 0; r == 0 && i < m->npools; i++)
		r = shown_add_pool(&run->shown, m->pools[i], e);
	return r;
}

/* What the image was taken for. */
static void go_on(struct run *run, const char *from)
{
	uint64_t ms = clock_boot_ms() - run->upgrade.asked_ms;
	struct master *m = &run->master;
	char text[160];
	struct event ev = { .name = "master.upgrade", .slot = -1, .text = text };

	(void)snprintf(text, sizeof(text), "%.60s -> " MPSUP_VERSION, from);
	log_info("upgraded: %s, in %llu ms", text, (unsigned long long)ms);
	master_event(m, &ev);
	ctl_upgraded(&run->ctl, from, MPSUP_VERSION, ms);
	for (unsigned i = 0; i < m->npools; i++) {
		dispatch_update(m->pools[i]);
		if (m->pools[i]->gen) {
			pool_update(m->pools[i]);
			pool_kick(m->pools[i]);
		}
	}
	state_changed(&run->state);
	pins_check(m); /* CPUs may have changed while nobody looked */
}

static int resume(struct run *run, struct carried *c, struct err *e)
{
	struct master *m = &run->master;
	struct run_before before;
	int r = run_get(run, c, &before, e);

	if (r < 0)
		return r;
	master_get(c, m);
	r = image_result(&c->im, e);
	if (r < 0)
		return r;
	/* Executed by descriptor, it is called like that one's number (before Linux 6.14). */
	(void)prctl(PR_SET_NAME, "mpsup");
	title_set("mpsup: master %s", m->config->name);
	r = show_again(run, &before, e);
	if (r < 0)
		return r;
	leaf_watch_all(m);
	pins_again(m);
	state_get(&c->im, &run->state, m);
	r = image_result(&c->im, e);
	if (r < 0)
		return r;
	r = ctl_get(&c->im, json_object_get(c->im.root, "ctl"), &run->ctl, m, e);
	if (r < 0)
		return r;
	state_go_on(&run->state, &run->ctl);
	run_follow_events(run);
	r = run_listen(run, e);
	if (r == 0)
		go_on(run, before.from);
	return r;
}

int cmd_resume(int argc, char **argv)
{
	struct run *run = run_new();
	struct carried c = { 0 };
	struct err e = { 0 };
	int r = run ? open_image(&c, argc, argv, &e) : err_set(&e, -ENOMEM, "out of memory");

	if (r == 0)
		r = loop_init(&run->master.loop);
	if (r < 0) {
		(void)fprintf(stderr, "mpsup: %s\n", e.msg);
		free(run);
		return EXIT_USAGE;
	}
	r = resume(run, &c, &e);
	if (r < 0) /* what was opened since may not have a place for it */
		(void)fprintf(stderr, "mpsup: upgrade: %s\n", e.msg);
	carried_done(&c);
	footprint_trim(); /* below what stays: a thousand workers are some megabytes of JSON */
	if (r < 0)
		_exit(EXIT_OTHER); /* the workers see the end of their lifelines */
	return run_serve(run, 0, &e);
}

/* Nothing is given back: the process is over, and the descriptors were never there. */
int cmd_upgrade_check(int argc, char **argv)
{
	struct run *run = run_new();
	struct carried c = { 0 };
	struct err e = { 0 };
	struct run_before before;
	int r = run ? open_image(&c, argc, argv, &e) : err_set(&e, -ENOMEM, "out of memory");

	if (r == 0) {
		c.im.check = true;
		r = loop_init(&run->master.loop);
	}
	if (r == 0)
		r = run_get(run, &c, &before, &e);
	if (r == 0) {
		master_get(&c, &run->master);
		if (run->master.config)
			state_get(&c.im, &run->state, &run->master);
		r = image_result(&c.im, &e);
	}
	if (r == 0)
		r = ctl_get(&c.im, json_object_get(c.im.root, "ctl"), &run->ctl, &run->master, &e);
	(void)printf("%s\n", r < 0 ? e.msg : UPGRADE_CAN MPSUP_VERSION);
	(void)fflush(stdout);
	_exit(r < 0 ? EXIT_OTHER : EXIT_OK);
}
