/* SPDX-License-Identifier: MIT */
/* check.c - what this host gives, and whether a file is right on it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "app/check.h"
#include "app/client.h"
#include "app/host_facts.h"
#include "base/fd.h"
#include "base/log.h"
#include "ctl/ctl.h"
#include "kernel/listener.h"
#include "super/life.h"
#include "super/listeners.h"
#include "super/place_cgroup.h"
#include "super/pool.h"
#include "super/prepare.h"
#include "super/total.h"

enum { FILE_TEXT = 2 };

struct check {
	struct master master;
	struct host_facts host;
	struct complaints cs;
	struct config *config;
	bool runs;	/* an instance of the file does: it has the ports */
	json_t *worlds; /* of pools that could not start: {"pool", "error"} */
	bool as_json, with_file;
	bool strict; /* one pool that cannot start is as bad as all */
};

/* ---- the host ---- */

static void print_fact(const struct fact *f)
{
	static const char *const
		words[] = { [FACT_OK] = "ok", [FACT_NOTE] = "limited", [FACT_PROBLEM] = "missing" };

	(void)printf("%-8s %-19s %s\n", words[f->verdict], f->name, f->found);
	if (f->lost[0])
		(void)printf("%-28s lost: %s\n", "", f->lost);
	if (f->help[0])
		(void)printf("%-28s help: %s\n", "", f->help);
}

static void print_list(const char *title, uint32_t words)
{
	if (words == 0)
		return;
	(void)printf("%s:", title);
	for (int w = 0; w < CAGE_WORDS; w++)
		if (words & CAGE_BIT(w))
			(void)printf(" %s", cage_word_name[w]);
	(void)putchar('\n');
}

static void print_words(const struct host_facts *h)
{
	const uint32_t all = CAGE_BIT(CAGE_WORDS) - 1u;

	(void)puts("\nOf the cage");
	print_list("  had", h->had);
	print_list("  had only as root", h->only_root);
	print_list("  not here", all & ~h->had & ~h->only_root);
}

static json_t *words_json(uint32_t had)
{
	json_t *list = json_array();

	for (int w = 0; w < CAGE_WORDS; w++)
		if (had & CAGE_BIT(w))
			(void)json_array_append_new(list, json_string(cage_word_name[w]));
	return list;
}

static json_t *fact_json(const struct fact *f)
{
	static const char *const
		words[] = { [FACT_OK] = "ok", [FACT_NOTE] = "note", [FACT_PROBLEM] = "problem" };

	return json_pack("{s:s, s:b, s:s, s:s, s:s, s:s}", "name", f->name, "ok",
			 f->verdict == FACT_OK, "level", words[f->verdict], "found", f->found,
			 "lost", f->lost, "help", f->help);
}

static json_t *file_json(const struct check *c)
{
	json_t *errors = json_array();

	for (unsigned i = 0; i < c->cs.n; i++)
		(void)json_array_append_new(errors, json_string(c->cs.text[i]));
	return json_pack("{s:i, s:o, s:O}", "pools", c->config ? (int)c->config->npools : 0,
			 "errors", errors, "worlds", c->worlds);
}

/* What every pool of the file does without: its lack is nobody's problem. */
static uint32_t left_out(const struct check *c)
{
	uint32_t words = c->with_file ? ~0u : 0;

	for (unsigned i = 0; c->with_file && c->config && i < c->config->npools; i++)
		words &= c->config->pools[i]->cage_off;
	return words;
}

static void print_json(const struct check *c)
{
	json_t *o, *checks = json_array(), *words = json_object();
	struct utsname u;

	(void)uname(&u);
	for (unsigned i = 0; i < c->host.n; i++)
		(void)json_array_append_new(checks, fact_json(&c->host.facts[i]));
	for (int w = 0; w < CAGE_WORDS; w++)
		(void)json_object_set_new(words, cage_word_name[w],
					  json_boolean(c->host.had & CAGE_BIT(w)));
	o = json_pack("{s:i, s:s, s:s, s:s, s:o, s:o, s:o, s:i}", "schema", 1, "host", u.nodename,
		      "kernel", u.release, "version", MPSUP_VERSION, "checks", checks, "words",
		      words, "only_root", words_json(c->host.only_root), "problems",
		      (int)host_facts_problems(&c->host, left_out(c)));
	(void)json_object_set_new(o, "file", c->with_file ? file_json(c) : json_null());
	client_print_json(o);
	json_decref(o);
}

/* ---- a file ---- */

/* Its own running instance has its ports, and its dynamic uids. */
static bool runs_already(const char *name)
{
	struct instance_refs refs;
	bool runs = false;

	if (client_instances(&refs) != 0)
		return false;
	for (size_t i = 0; i < refs.n; i++)
		runs |= strcmp(refs.refs[i].name, name) == 0;
	instances_done(&refs);
	return runs;
}

/* Opened and closed again at once: nobody connects in between who would not be refused. */
static int try_listeners(struct pool *p, struct err *e)
{
	int r = listeners_open(p, e);

	listeners_close(p);
	return r;
}

static int try_world(struct check *c, struct pool_config *conf, bool runs, struct err *e)
{
	struct master *m = &c->master;
	struct generation *g = NULL;
	struct pool *p;
	int r;

	/* A uid of its own is nothing that a check may take: any number does. */
	conf->uid_lock_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	conf->uid = 65519;
	r = config_resolve_pool(m->config, conf, e);
	if (r == 0)
		r = generation_make(m, conf, 1, &g, e);
	generation_unref(g);
	p = r == 0 ? pool_new(m, conf) : NULL;
	if (p) {
		r = total_open(p, e);
		total_close(p);
		if (r == 0 && !runs)
			r = try_listeners(p, e);
		pool_free(p);
	}
	fd_close(&conf->uid_lock_fd);
	if (r < 0)
		pool_config_place(conf, e);
	return r;
}

static void say_doubt(const struct check *c, const struct pool_config *conf)
{
	char text[160];

	total_doubt(conf, text, sizeof(text));
	if (text[0] && !c->as_json)
		(void)fprintf(stderr, "mpsup: warning: pool %s: %s\n", conf->name, text);
}

static void try_worlds(struct check *c)
{
	for (unsigned i = 0; i < c->config->npools; i++) {
		struct pool_config *conf = c->config->pools[i];
		struct err e = { 0 };

		if (try_world(c, conf, c->runs, &e) >= 0) {
			say_doubt(c, conf);
			continue;
		}
		(void)json_array_append_new(c->worlds, json_pack("{s:s, s:o}", "pool", conf->name,
								 "error", json_safe(e.msg)));
	}
}

/* As a start would: one pool's world is its own affair while others can serve. */
static bool worlds_refuse(const struct check *c)
{
	size_t broken = json_array_size(c->worlds);

	return broken > 0 && (c->strict || c->config->strict || broken == c->config->npools);
}

static void say_worlds(const struct check *c)
{
	const char *weight = worlds_refuse(c) ? "" : "warning: ";
	json_t *world;
	size_t i;

	json_array_foreach(c->worlds, i, world)
	{
		(void)fprintf(stderr, "mpsup: %spool %s cannot start here: %s\n", weight,
			      json_string_value(json_object_get(world, "pool")),
			      json_string_value(json_object_get(world, "error")));
	}
}

static const char *shown_name(const char *file)
{
	return strcmp(file, "-") == 0 ? "standard input" : file;
}

/* The exit status. */
static int check_file(struct check *c, const char *file)
{
	struct err e = { 0 };
	char *whole = strcmp(file, "-") == 0 ? NULL : realpath(file, NULL);
	int r = config_from_file(whole ? whole : file, NULL, true, &c->cs, &c->config, &e);

	free(whole);
	for (unsigned i = 0; i < c->cs.n && !c->as_json; i++)
		(void)fprintf(stderr, "mpsup: %s\n", c->cs.text[i]);
	if (r < 0) {
		if (!c->as_json || c->cs.n == 0)
			(void)fprintf(stderr, "mpsup: %s\n", e.msg);
		return FILE_TEXT;
	}
	c->master.config = c->config;
	c->runs = runs_already(c->config->name);
	return CLIENT_OK;
}

/* ---- both ---- */

static void set_up(struct check *c)
{
	static struct config *none;
	struct err e = { 0 };

	log_setup(LOG_L_ERROR, LOG_F_TEXT);
	if (!c->master.config) {
		char *argv[] = { (char[]){ "--name" }, (char[]){ "host" }, (char[]){ "-p1" } };
		char ask;

		if (config_from_argv(3, argv, NULL, &none, &ask, &e) == 0)
			c->config = c->master.config = none;
	}
	if (c->master.config)
		c->master.config->name = arena_printf(&c->master.config->arena, "%.20s-check-%d",
						      c->master.config->name, (int)getpid());
	if (!c->master.config || prepare_master(&c->master, &e) < 0)
		c->master.has_cgroup = false;
	host_facts_gather(&c->host, &c->master, &e);
}

static void say_right(const struct check *c, const char *file)
{
	unsigned broken = (unsigned)json_array_size(c->worlds), n = c->config->npools;

	if (broken == 0)
		(void)printf("%s: %u pool%s, right\n", shown_name(file), n, n == 1 ? "" : "s");
	else
		(void)printf("%s: %u pools, right; %u of them cannot start here, the others can "
			     "(--strict refuses that)\n",
			     shown_name(file), n, broken);
}

static int verdict(const struct check *c, const char *file)
{
	bool refused = worlds_refuse(c);

	if (file && !c->as_json) {
		say_worlds(c);
		if (!refused)
			say_right(c, file);
	}
	return refused || host_facts_problems(&c->host, left_out(c)) > 0 ? CLIENT_NO : CLIENT_OK;
}

static void tear_down(struct check *c)
{
	prepare_master_done(&c->master);
	free(c->master.pools);
	json_decref(c->worlds);
	complaints_done(&c->cs);
	config_unref(c->config);
}

int check_run(const char *file, bool as_json, bool strict)
{
	struct check c = { .as_json = as_json,
			   .with_file = file != NULL,
			   .strict = strict,
			   .master = { .world = &world_real,
				       .root = geteuid() == 0,
				       .null_fd = -1,
				       .init_fd = -1,
				       .worker_exe_fd = -1,
				       .memory_fd = -1,
				       .memory_src = SOURCE_NONE,
				       .cgroup = CGROUP_ROOT_NONE } };
	int status;

	c.worlds = json_array();
	if (!c.worlds || loop_init(&c.master.loop) < 0) {
		(void)fprintf(stderr, "mpsup check: out of memory\n");
		return CLIENT_NO;
	}
	status = file ? check_file(&c, file) : CLIENT_OK;
	if (status == CLIENT_OK) {
		set_up(&c);
		if (file)
			try_worlds(&c);
		status = verdict(&c, file);
	}
	if (as_json)
		print_json(&c);
	/* Beside a file only what would be in its way. */
	for (unsigned i = 0; !as_json && i < c.host.n; i++)
		if (!file || host_facts_is_problem(&c.host.facts[i], left_out(&c)))
			print_fact(&c.host.facts[i]);
	if (!as_json && !file)
		print_words(&c.host);
	tear_down(&c);
	loop_done(&c.master.loop);
	return status;
}
