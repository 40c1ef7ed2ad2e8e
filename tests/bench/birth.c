/* SPDX-License-Identifier: MIT */
/* birth.c - how long a whole caged birth takes: from the decision to the wait
 * status of a static `true`, with the rooms of the master and nothing around
 * them. Prints one number a line, in milliseconds.
 *
 *     birth ROUNDS PORT /path/to/static/true */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "super/life.h"
#include "super/pool.h"
#include "super/prepare.h"

static struct master m;
static struct pool *p;

static void give_up(const char *what, const struct err *e)
{
	(void)fprintf(stderr, "birth: %s: %s\n", what, e->msg);
	exit(1);
}

static void set_up(const char *port, const char *command)
{
	const char *const argv[] = { "--port",	   port,     "--workers", "1",
				     "--protocol", "native", "--name",	  "bench-birth",
				     "--policy",   "static", "--",	  command };
	struct err e = { 0 };
	char ask;

	m = (struct master){ .world = &world_real,
			     .root = geteuid() == 0,
			     .null_fd = -1,
			     .init_fd = -1,
			     .worker_exe_fd = -1,
			     .memory_fd = -1,
			     .cgroup = CGROUP_ROOT_NONE };
	if (loop_init(&m.loop) < 0 ||
	    config_from_argv(ARRAY_LEN(argv), (char **)(uintptr_t)argv, NULL, &m.config, &ask, &e) <
		    0 ||
	    prepare_master(&m, &e) < 0)
		give_up("prepare", &e);
	p = pool_new(&m, m.config->pools[0]);
	if (!p || pool_open(p, &e) < 0)
		give_up("pool", &e);
	/* A death asks for nobody else, and the last one closes nothing. */
	p->draining = true;
	p->phase = POOL_STOPPED;
}

static double one_birth(void)
{
	struct slot *s = p->slots[0];
	uint64_t deaths = p->usage.deaths, start = clock_ns(CLOCK_MONOTONIC), end;

	slot_birth(s);
	while (p->usage.deaths == deaths)
		ignore(loop_once(&m.loop, -1));
	end = clock_ns(CLOCK_MONOTONIC);
	if (!s->deaths[0] || s->deaths[0]->code != 0) {
		(void)fprintf(stderr, "birth: the worker did not exit with 0\n");
		exit(1);
	}
	while (m.lives > 0) /* not part of the time: until the leaf is gone */
		ignore(loop_once(&m.loop, -1));
	return (double)(end - start) / 1e6;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	log_setup(LOG_L_ERROR, LOG_F_TEXT);
	set_up(argv[2], argv[3]);
	for (int i = 0; i < 5; i++)
		(void)one_birth(); /* warm */
	for (int i = (int)strtol(argv[1], NULL, 10); i > 0; i--)
		(void)printf("%.3f\n", one_birth());
	pool_free(p);
	free(m.pools);
	prepare_master_done(&m);
	loop_done(&m.loop);
	config_unref(m.config);
	return 0;
}
