/* SPDX-License-Identifier: MIT */
/* test_file.c - files of pools: what is taken, and every mistake named at its place. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "config/keys.h"
#include "fds.h"

static char dir[64];
static struct config *conf;
static struct complaints cs;
static struct err e;
static int fds_before;

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	(void)snprintf(dir, sizeof(dir), "/tmp/mpsup-file.XXXXXX");
	conf = NULL;
	cs = (struct complaints){ 0 };
	(void)setenv("FILE_WORD", "hello", 1);
	(void)setenv("FILE_EMPTY", "", 1);
	(void)unsetenv("FILE_NONE");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	config_unref(conf);
	complaints_done(&cs);
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) == 0 && count_fds() == fds_before ? 0 : -1;
}

static const char *path_of(const char *name)
{
	static char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "we");

	assert_non_null(f);
	(void)fputs(text, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path_of(name), 0644), 0);
}

static int load(const char *name)
{
	config_unref(conf);
	conf = NULL;
	complaints_done(&cs);
	e = (struct err){ 0 };
	return config_from_file(path_of(name), NULL, false, &cs, &conf, &e);
}

static void good(const char *text)
{
	put("a.yaml", text);
	if (load("a.yaml") < 0)
		fail_msg("%s: %s", e.msg, cs.n ? cs.text[0] : "");
}

static bool said(const char *place, const char *words)
{
	for (unsigned i = 0; i < cs.n; i++) {
		const char *at = strstr(cs.text[i], place);

		if (at && strstr(at, words))
			return true;
	}
	return false;
}

/* place: "a.yaml:3:5: ", or "" */
static void bad(const char *text, const char *place, const char *words)
{
	put("a.yaml", text);
	if (load("a.yaml") == 0)
		fail_msg("taken: %s", text);
	assert_null(conf);
	if (*words && !said(place, words))
		fail_msg("no '%s%s' in: %s / %s (%s)", place, words, e.msg,
			 cs.n ? cs.text[0] : "nothing", text);
}

#define POOL "pools:\n- name: web\n  port: 3000\n"

static void a_file_is_taken(void **state)
{
	const struct pool_config *web, *api;

	(void)state;
	good("version: 1\n"
	     "name: shop\n"
	     "control: {group: root, view_group: daemon}\n"
	     "log: {file: /dev/null, format: json}\n"
	     "pools:\n"
	     "  - name: web\n"
	     "    port: 3000\n"
	     "    command: [node, \"server js\", --x=1]\n"
	     "    cwd: sub/folder\n"
	     "    workers: -1\n"
	     "    spares: 1\n"
	     "    limits: {memory: 256M, cpu_quota: 1.5, pids: 64, io: [\"/ rbps=1M\"],\n"
	     "             raw: {memory.low: 8M}}\n"
	     "    restart: {limit: 3/10s, backoff: 50ms..2s, fatal_exit: [1, 2]}\n"
	     "    env: {A: b, EMPTY: , N: 3, W: \"${FILE_WORD} $${x} $5 ${FILE_NONE:-none}\"}\n"
	     "    rw: [/srv/a, /srv/b]\n"
	     "    no_sandbox: [landlock, pin]\n"
	     "    no_pin: yes\n"
	     "  - name: api\n"
	     "    listen:\n"
	     "      - 127.0.0.1:3001\n"
	     "      - {address: \"unix:/x.sock\", mode: \"0600\", name: api}\n"
	     "    command: node 'a b.js' \"c d\" e\\ f\n"
	     "    env_inherit: [HOME, X]\n");
	assert_string_equal(conf->name, "shop");
	assert_string_equal(conf->control_group, "root");
	assert_string_equal(conf->view_group, "daemon");
	assert_int_equal(conf->log_format, LOG_F_JSON);
	assert_int_equal(conf->npools, 2);
	web = conf->pools[0];
	api = conf->pools[1];
	assert_string_equal(web->name, "web");
	assert_string_equal(web->command[1], "server js");
	assert_null(web->command[3]);
	assert_non_null(strstr(web->cwd, "/sub/folder"));
	assert_int_equal(web->cwd[0], '/');
	assert_int_equal(web->workers, -1);
	assert_int_equal(web->limits.memory, 256u << 20);
	assert_int_equal(web->limits.cpu_quota, 1500);
	assert_int_equal(web->limits.nraw, 1);
	assert_int_equal(web->limits.nio, 1);
	assert_int_equal(web->restart_limit.count, 3);
	assert_int_equal(web->backoff_max_ms, 2000);
	assert_int_equal(web->nfatal_exit, 2);
	assert_int_equal(web->nenv, 4);
	assert_string_equal(web->env[1].value, "");
	assert_string_equal(web->env[3].value, "hello ${x} $5 none");
	assert_string_equal(web->rw[1], "/srv/b");
	assert_false(web->pin);
	assert_int_equal(web->env_inherit, ENV_INHERIT_NONE);
	assert_int_equal(web->cage_off, CAGE_BIT(CAGE_LANDLOCK) | CAGE_BIT(CAGE_PIN));
	assert_int_equal(web->line, 6);
	assert_int_equal(api->nlistens, 2);
	assert_string_equal(api->listens[1].name, "api");
	assert_int_equal(api->listens[1].mode, 0600);
	assert_string_equal(api->command[1], "a b.js");
	assert_string_equal(api->command[2], "c d");
	assert_string_equal(api->command[3], "e f");
	assert_string_equal(api->env_names[1], "X");
}

static void defaults_are_for_all_and_own_keys_win(void **state)
{
	(void)state;
	put("more.yaml", "defaults: {limits: {memory: 64M}}\n"
			 "pools: [{name: c, port: 3, env: {B: c}}]\n");
	good("defaults:\n"
	     "  env: {A: a, B: b}\n"
	     "  rw: [/a]\n"
	     "  spares: 2\n"
	     "  limits: {memory: 8M, pids: 9}\n"
	     "pools:\n"
	     "- {name: a, port: 1}\n"
	     "- {name: b, port: 2, rw: [/b], spares: 0, limits: {pids: 7}, env: {B: own}}\n"
	     "include: more.yaml\n");
	assert_int_equal(conf->npools, 3);
	assert_string_equal(conf->pools[0]->rw[0], "/a");
	assert_int_equal(conf->pools[0]->spares, 2);
	assert_int_equal(conf->pools[0]->limits.pids, 9);
	assert_string_equal(conf->pools[1]->rw[0], "/b");
	assert_null(conf->pools[1]->rw[1]);
	assert_int_equal(conf->pools[1]->spares, 0);
	assert_int_equal(conf->pools[1]->limits.pids, 7);
	assert_int_equal(conf->pools[1]->limits.memory, 8u << 20);
	assert_int_equal(conf->pools[1]->nenv, 3);
	assert_string_equal(conf->pools[1]->env[2].value, "own");
	assert_int_equal(conf->pools[2]->limits.memory, 64u << 20);
	assert_int_equal(conf->pools[2]->limits.pids, 9);
	assert_int_equal(conf->pools[2]->nenv, 3);
}

static void logs_of_pools(void **state)
{
	const struct pool_config *a, *b, *c;
	char path[128];

	(void)state;
	good("defaults: {log: {rotate: 1M, rate: 5/1s}}\n"
	     "log: {format: json}\n"
	     "pools:\n"
	     "- {name: a, port: 1, log: {file: .//sub/./a.log, keep: 0, format: text}}\n"
	     "- {name: b, port: 2, log: {file: none, rotate: none, rate: none}}\n"
	     "- {name: c, port: 3}\n");
	a = conf->pools[0];
	b = conf->pools[1];
	c = conf->pools[2];
	(void)snprintf(path, sizeof(path), "%s/sub/a.log", dir);
	assert_string_equal(a->log.file, path);
	assert_int_equal(a->log.rotate_bytes, 1 << 20);
	assert_int_equal(a->log.keep, 0);
	assert_true(a->log.format_given);
	assert_int_equal(a->log.format, LOG_F_TEXT);
	assert_int_equal(a->log.rate, 5);
	assert_int_equal(a->log.rate_ms, 1000);
	assert_null(b->log.file);
	assert_true(b->log.none);
	assert_int_equal(b->log.rotate_bytes, 0);
	assert_int_equal(b->log.rate, 0);
	assert_null(c->log.file);
	assert_false(c->log.none);
	assert_false(c->log.format_given);
	assert_int_equal(c->log.keep, 5);
}

static void two_pools_have_no_file_together(void **state)
{
	(void)state;
	bad("pools:\n- {name: a, port: 1, log: {file: x.log}}\n"
	    "- {name: b, port: 2, log: {file: ./x.log}}\n",
	    "a.yaml:3:34: ", "log.file: pool b cannot have");
	assert_true(said("a.yaml:2", "has it"));
	bad("pools:\n- {name: a, port: 1, log: {file: x.log, keep: 2}}\n"
	    "- {name: b, port: 2, log: {file: x.log.2}}\n",
	    "a.yaml:3:34: ", "renames its own there");
	good("pools:\n- {name: a, port: 1, log: {file: x.log, keep: 2}}\n"
	     "- {name: b, port: 2, log: {file: x.log.3}}\n");
	/* The usual accident. */
	bad("defaults: {log: {file: /var/log/x.log}}\n"
	    "pools:\n- {name: a, port: 1}\n- {name: b, port: 2}\n",
	    "a.yaml:1:24: ", "pool b cannot have /var/log/x.log");
	bad("log: {file: /var/log/x.log}\n"
	    "pools:\n- {name: a, port: 1, log: {file: /var/log/x.log}}\n",
	    "a.yaml:3:34: ", "mpsup's own log");
	bad("pools:\n- {name: a, port: 1, log: {fiel: x.log}}\n",
	    "a.yaml:2:28: ", "did you mean 'log.file'?");
	bad("pools:\n- {name: a, port: 1, log: x.log}\n", "a.yaml:2:27: ", "log: ");
}

static void anchors_and_merge_keys(void **state)
{
	(void)state;
	good("defaults: &all {spares: 1, limits: &l {pids: 5}}\n"
	     "pools:\n"
	     "- &one {name: a, port: 1, workers: 3, limits: {<<: *l, memory: 2M}}\n"
	     "- {<<: *one, name: b, port: 2}\n"
	     "- {<<: [*one, {cwd: /x}], name: c, port: 3}\n");
	assert_int_equal(conf->npools, 3);
	assert_int_equal(conf->pools[1]->workers, 3);
	assert_int_equal(conf->pools[1]->limits.memory, 2u << 20);
	assert_int_equal(conf->pools[2]->limits.pids, 5);
	assert_string_equal(conf->pools[2]->cwd, "/x");
	assert_int_equal(conf->pools[2]->nlistens, 1);
}

static void includes_are_sorted_and_may_be_empty(void **state)
{
	char sub[128];

	(void)state;
	(void)snprintf(sub, sizeof(sub), "%s/d", dir);
	assert_int_equal(mkdir(sub, 0755), 0);
	good("include: [d, \"d/*.none\"]\n" POOL);
	assert_int_equal(conf->npools, 1);
	put("d/2.yaml", "pools: [{name: two, port: 2, cwd: here}]\n");
	put("d/1.yaml", "pools: [{name: one, port: 1}]\n");
	put("d/ignored.txt", "no");
	good("include: d\n" POOL);
	assert_int_equal(conf->npools, 3);
	assert_string_equal(conf->pools[1]->name, "one");
	assert_non_null(strstr(conf->pools[2]->cwd, "/d/here"));
}

static void what_is_wrong_is_named_at_its_place(void **state)
{
	(void)state;
	bad("version: 2\n" POOL, "a.yaml:1:10: ", "reads version 1");
	bad("nmae: x\n" POOL, "a.yaml:1:1: ", "did you mean 'name'?");
	bad("pools: {}\n", "a.yaml:1:8: ", "right is a list");
	bad("pools: []\n", "", "there is no pool");
	bad("name: x\n", "", "there is no pool");
	bad("pools:\n- port: 1\n", "a.yaml:2:3: ", "name is missing");
	bad("pools:\n- name: A\n  port: 1\n", "a.yaml:2:9: ", "'A' is not understood");
	bad(POOL "- name: web\n  port: 2\n", "a.yaml:4:9: ", "is there already, at ");
	bad(POOL "- name: b\n  listen: 127.0.0.1:3000\n", "a.yaml:5:11: ", "cannot have");
	bad(POOL "  port: 4\n", "a.yaml:4:3: ", "was there before");
	bad(POOL "  wrokers: 2\n", "a.yaml:4:3: ", "did you mean 'workers'?");
	bad(POOL "  memory: 2G\n", "a.yaml:4:3: ", "belongs there: limits.memory");
	bad(POOL "  limits: {limit: 1/1s}\n", "a.yaml:4:12: ", "restart.limit");
	bad(POOL "  limits: 5\n", "a.yaml:4:11: ", "right is: keys and their values");
	bad(POOL "  limits: {memory: }\n", "a.yaml:4:", "no value is given");
	bad(POOL "  limits: {memory: 2Q}\n", "a.yaml:4:20: ", "limits.memory: '2Q'");
	bad(POOL "  workers: [1, 2]\n", "a.yaml:4:12: ", "a list is found");
	bad(POOL "  no_pin: 1\n", "a.yaml:4:11: ", "right is: true or false");
	bad(POOL "  command: []\n", "a.yaml:4:12: ", "the list is empty");
	bad(POOL "  command: sh -c 'x\n", "a.yaml:4:12: ", "a quote is not closed");
	bad(POOL "  command: a | b\n", "a.yaml:4:12: ", "no shell reads it");
	bad(POOL "  env: [A]\n", "a.yaml:4:9: ", "env: 'A' is not understood");
	bad(POOL "  env: {1A: b}\n", "a.yaml:4:9: ", "NAME=VALUE");
	bad(POOL "  env: {A: [b]}\n", "a.yaml:4:12: ", "env.A: a list");
	bad(POOL "  cwd: ${FILE_NONE}\n", "a.yaml:4:8: ", "FILE_NONE is not set");
	bad(POOL "  cwd: ${FILE_NONE\n", "a.yaml:4:8: ", "is no variable");
	bad(POOL "include: [\"\"]\n", "a.yaml:4:11: ", "it is empty");
	bad(POOL "  cwd: ${FILE_NONE:-${FILE_WORD}}\n", "a.yaml:4:8: ", "is no variable");
	bad(POOL "  cwd: ${1}\n", "a.yaml:4:8: ", "is no variable");
	bad(POOL "  cwd: ${FILE_EMPTY}\n", "a.yaml:4:8: ", "cwd: ''");
	bad(POOL "  agents: [x]\n", "a.yaml:4:3: ", "not built yet");
	bad(POOL "  help: true\n", "a.yaml:4:3: ", "has no key 'help'");
	bad(POOL "  name: x\n", "a.yaml:4:3: ", "was there before");
	bad(POOL "  limits: {memory: 1M, memory_high: 2M}\n",
	    "a.yaml:2:3: ", "limits.memory_high 2M is above limits.memory 1M");
	bad(POOL "include: no.yaml\n", "a.yaml:4:10: ", "No such file");
	bad(POOL "include: a.yaml\n", "a.yaml:4:10: ", "includes itself");
	bad(POOL "defaults: 3\n", "a.yaml:4:11: ", "text is found");
	bad("defaults: {name: x}\n" POOL, "a.yaml:1:12: ", "a name of its own");
	bad("control: {gruop: x}\n" POOL, "a.yaml:1:11: ", "control.group");
	bad("workers: 3\n" POOL, "a.yaml:1:1: ", "one of a pool");
	bad("? [a]\n: b\n" POOL, "a.yaml:1:3: ", "a key must be a word");
	bad("- a\n", "", "");
	bad("", "", "");
	bad("a: [\n", "", "");
	bad("a: b\n---\nc: d\n", "", "");
}

static void all_is_told_at_once(void **state)
{
	(void)state;
	bad("version: 3\n" POOL "  workers: 0\n  spares: x\n- name: b\n  port: 0\n",
	    "a.yaml:5:12: ", "workers");
	assert_int_equal(cs.n, 4);
	assert_true(said("a.yaml:1:10: ", "version"));
	assert_true(said("a.yaml:6:11: ", "spares"));
	assert_true(said("a.yaml:8:9: ", "port"));
	assert_non_null(strstr(e.msg, "4 errors in "));
}

static void included_files_hold_pools_alone(void **state)
{
	(void)state;
	put("b.yaml", "name: x\npools: [{name: b, port: 2, spares: -1}]\n");
	bad(POOL "include: b.yaml\n", "b.yaml:1:1: ", "of the whole instance");
	assert_true(said("b.yaml:2:36: ", "spares"));
}

static void too_much_is_refused(void **state)
{
	static char text[5u << 20];
	size_t n = 0;

	(void)state;
	memset(text, ' ', sizeof(text) - 1);
	put("a.yaml", text);
	assert_int_equal(load("a.yaml"), -EFBIG);
	/* A billion laughs. */
	n = (size_t)snprintf(text, sizeof(text), "x0: &x0 {a: b, c: d}\n");
	for (int i = 1; i < 30; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "x%d: &x%d {<<: [*x%d, *x%d]}\n",
				      i, i, i - 1, i - 1);
	(void)snprintf(text + n, sizeof(text) - n, "<<: *x29\n" POOL);
	bad(text, "", "");
	n = (size_t)snprintf(text, sizeof(text), "pools:\n");
	for (int i = 0; i < 5000; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "- {name: p%d, port: %d}\n", i,
				      i + 1);
	bad(text, "", "more than 4096 pools");
}

/* n times a head with its number and a tail, with commas */
static void many(char *to, const char *before, const char *head, const char *tail, unsigned n,
		 const char *after)
{
	to += sprintf(to, "%s", before);
	for (unsigned i = 0; i < n; i++)
		to += sprintf(to, "%s%u%s,", head, i, tail);
	(void)strcpy(to, after);
}

/* What takes the square of its number in time, libyaml's or ours, has a bound. */
static void what_would_take_minutes_is_refused(void **state)
{
	char *text = malloc(200000);

	(void)state;
	assert_non_null(text);
	many(text, POOL "  env: {", "V", ": x", 4096, "}\n");
	good(text);
	assert_int_equal(conf->pools[0]->nenv, 4096);
	many(text, POOL "  env: {", "V", ": x", 4097, "}\n");
	bad(text, "a.yaml:4:8: ", "more than 4096");
	many(text, POOL "  command: [", "a", "", 4096, "]\n");
	good(text);
	assert_string_equal(conf->pools[0]->command[4095], "a4095");
	assert_null(conf->pools[0]->command[4096]);
	many(text, POOL "  command: [", "a", "", 4097, "]\n");
	bad(text, "a.yaml:4:12: ", "more than 4096");
	many(text, POOL "  command: a", " ", "", 4097, "\n");
	bad(text, "a.yaml:4:12: ", "more than 4096");
	many(text, POOL "  hide: [", "/a", "", 4097, "]\n");
	bad(text, "a.yaml:4:9: ", "more than 4096");
	many(text, POOL "  hide: [", "&a", " /a", 1001, "]\n");
	put("a.yaml", text);
	assert_int_equal(load("a.yaml"), -EINVAL);
	assert_non_null(strstr(e.msg, "more than 1000 anchors"));
	(void)memset(text, '[', 150000);
	text[150000] = '\0';
	put("a.yaml", text);
	assert_int_equal(load("a.yaml"), -EINVAL);
	assert_non_null(strstr(e.msg, "a.yaml:1:65: more than 64 lists"));
	free(text);
}

static void who_could_change_it_decides(void **state)
{
	char folder[128];

	(void)state;
	if (geteuid() != 0)
		skip();
	put("a.yaml", POOL);
	assert_int_equal(chmod(path_of("a.yaml"), 0666), 0);
	assert_int_equal(load("a.yaml"), -EACCES);
	assert_non_null(strstr(e.msg, "chmod go-w"));
	assert_int_equal(chmod(path_of("a.yaml"), 0644), 0);
	assert_int_equal(chown(path_of("a.yaml"), 4711, 4711), 0);
	assert_int_equal(load("a.yaml"), -EACCES);
	assert_non_null(strstr(e.msg, "uid 4711"));
	assert_int_equal(setenv("SUDO_UID", "4711", 1), 0);
	assert_int_equal(load("a.yaml"), -EACCES); /* not by hand */
	assert_int_equal(config_from_file(path_of("a.yaml"), NULL, true, &cs, &conf, &e), 0);
	assert_int_equal(unsetenv("SUDO_UID"), 0);
	assert_int_equal(chown(path_of("a.yaml"), 0, 0), 0);
	assert_int_equal(load("a.yaml"), 0);
	(void)snprintf(folder, sizeof(folder), "%s", dir);
	assert_int_equal(chmod(folder, 0777), 0);
	assert_int_equal(load("a.yaml"), -EACCES);
	assert_non_null(strstr(e.msg, "above it"));
	assert_int_equal(chmod(folder, 01777), 0);
	assert_int_equal(load("a.yaml"), 0);
	assert_int_equal(chmod(folder, 0755), 0);
	/* One that is included is root's, by hand too. */
	put("b.yaml", "pools: [{name: b, port: 1}]\n");
	assert_int_equal(chown(path_of("b.yaml"), 4711, 4711), 0);
	assert_int_equal(setenv("SUDO_UID", "4711", 1), 0);
	bad("include: b.yaml\n" POOL, "a.yaml:1:10: ", "uid 4711");
	assert_int_equal(unsetenv("SUDO_UID"), 0);
}

/* `set` and `apply` make configurations of what was given. */
static void given_again_it_is_the_same(void **state)
{
	const struct key *workers = keys_find_at(LEVEL_POOL, "workers");
	struct given change = { .key = workers, .value = "5" };
	struct pool_config *p = NULL, *q = NULL;

	(void)state;
	good(POOL "  cwd: x\n  workers: 2\n  env: {A: b}\n  rw: [/a, /b]\n  no_pin: true\n"
		  "  command: [a, b]\n");
	assert_int_equal(pool_config_changed(conf->pools[0], &change, 1, &p, &e), 0);
	assert_int_equal(p->workers, 5);
	assert_string_equal(p->cwd, conf->pools[0]->cwd);
	assert_string_equal(p->rw[1], "/b");
	assert_string_equal(p->command[1], "b");
	assert_false(p->pin);
	assert_int_equal(p->given.n, conf->pools[0]->given.n);
	change.value = NULL;
	config_unref(conf); /* nothing of it is borrowed */
	conf = NULL;
	assert_int_equal(pool_config_changed(p, &change, 1, &q, &e), 0);
	assert_int_equal(q->workers, WORKERS_PER_CPU);
	assert_non_null(strstr(q->given.list[0].file, "a.yaml"));
	pool_config_unref(p);
	change.value = "none";
	assert_int_equal(pool_config_changed(q, &change, 1, &p, &e), -EINVAL);
	pool_config_unref(q);
}

static void a_sentence_gets_its_place(void **state)
{
	(void)state;
	good(POOL "  user: nobody-here\n");
	(void)err_set(&e, -ENOENT, "--user: there is no user; --no-sandbox uid would do without");
	pool_config_place(conf->pools[0], &e);
	assert_non_null(strstr(e.msg, "a.yaml:4:9: user: there is no user; no_sandbox uid"));
	(void)err_set(&e, -ENOENT, "nothing in particular");
	pool_config_place(conf->pools[0], &e);
	assert_non_null(strstr(e.msg, "a.yaml:2:3: nothing"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_file_is_taken),
		T(defaults_are_for_all_and_own_keys_win),
		T(logs_of_pools),
		T(two_pools_have_no_file_together),
		T(anchors_and_merge_keys),
		T(includes_are_sorted_and_may_be_empty),
		T(what_is_wrong_is_named_at_its_place),
		T(all_is_told_at_once),
		T(included_files_hold_pools_alone),
		T(too_much_is_refused),
		T(what_would_take_minutes_is_refused),
		T(who_could_change_it_decides),
		T(given_again_it_is_the_same),
		T(a_sentence_gets_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
