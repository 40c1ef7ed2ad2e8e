/* SPDX-License-Identifier: MIT */
/* test_options.c - the table of options: every one taken, every one refused with a
 * sentence that helps, the help and docs/options.md from the same table. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "config/config.h"
#include "config/keys.h"
#include "fds.h"

#define WORDS_MAX 128

static struct config *conf;
static struct pool_config *web;
static struct err e;
static char ask;
static char line[4096];
static int fds_before;

static int setup(void **state)
{
	(void)state;
	conf = NULL;
	e = (struct err){ 0 };
	fds_before = count_fds();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	config_unref(conf);
	return count_fds() == fds_before ? 0 : -1;
}

/* Words with blanks between, as from a shell; ~ stands for a blank in a word. */
static int parse(const char *words)
{
	char *argv[WORDS_MAX], *save = NULL;
	int argc = 0, r;

	assert_true(strlen(words) < sizeof(line));
	memcpy(line, words, strlen(words) + 1);
	for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		for (char *p = w; *p; p++)
			if (*p == '~')
				*p = ' ';
		assert_true(argc < WORDS_MAX);
		argv[argc++] = w;
	}
	config_unref(conf);
	conf = NULL;
	r = config_from_argv(argc, argv, NULL, &conf, &ask, &e);
	web = conf ? conf->pools[0] : NULL;
	return r;
}

static void take(const char *words)
{
	if (parse(words) < 0)
		fail_msg("%s: %s", words, e.msg);
}

/* Refused, with one line that has all of `has` (parts with | between). */
static void refuse(const char *words, const char *has)
{
	char parts[512], *save = NULL;

	if (parse(words) != -EINVAL)
		fail_msg("%s: not refused as wrong (%s)", words, conf ? "taken" : e.msg);
	assert_null(conf);
	assert_true(strlen(has) < sizeof(parts));
	memcpy(parts, has, strlen(has) + 1);
	for (char *p = strtok_r(parts, "|", &save); p; p = strtok_r(NULL, "|", &save))
		if (!strstr(e.msg, p))
			fail_msg("%s: no \"%s\" in \"%s\"", words, p, e.msg);
	if (strchr(e.msg, '\n'))
		fail_msg("%s: more than a line: %s", words, e.msg);
}

/* ---- the table itself ---- */

static void every_name_is_there_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *k = &keys[i];
		char name[64];

		if (k->option)
			assert_ptr_equal(keys_find(k->option, strlen(k->option), 0), k);
		(void)snprintf(name, sizeof(name), "%s%s", keys_folder(k->level), k->key);
		if (keys_is_pool(k))
			assert_ptr_equal(keys_find(name, strlen(name), 1), k);
		if (k->shape != SHAPE_ARGV_ONLY)
			assert_ptr_equal(keys_find_at(k->level, k->key), k);
		if (k->letter)
			assert_ptr_equal(keys_find_letter(k->letter), k);
		if (k->option)
			assert_false(keys_is_planned(k->option, strlen(k->option)));
		assert_non_null(k->take);
		assert_non_null(k->help);
		if (k->value && !k->form)
			fail_msg("--%s does not say what would be right", k->option);
	}
}

/* One good and one wrong value for each option that takes one. */
static const struct sample {
	const char *option, *good, *wrong;
} samples[] = {
	{ "name", "shop-1", "Shop!" },
	{ "port", "8080", "65536" },
	{ "listen", "127.0.0.1:80", "127.0.0.1" },
	{ "backlog", "511", "65536" },
	{ "protocol", "native", "nativ" },
	{ "balance", "sticky", "stick" },
	{ "unlisted", "pass", "default" },
	{ "ready", "250ms", "soon" },
	{ "compat", "einhorn,server-starter", "einhorns" },
	{ "workers", "4096", "4097" },
	{ "cpus", "0-1", "0," },
	{ "spares", "256", "257" },
	{ "parallel", "1024", "1025" },
	{ "cwd", "/", "" },
	{ "env", "A=b", "=b" },
	{ "env-file", "/dev/null", NULL },
	{ "env-inherit", "PATH,LC_*", "" },
	{ "user", "root", "" },
	{ "group", "root", "" },
	{ "groups", "a,b", "," },
	{ "policy", "node", "" },
	{ "view", "host", "guest" },
	{ "ro", "/opt", "opt" },
	{ "rw", "/opt", "opt" },
	{ "hide", "/opt", "opt" },
	{ "net", "none", "some" },
	{ "no-sandbox", "seccomp", "secomp" },
	{ "require", "all", "everything" },
	{ "memory", "64M", "512K" },
	{ "memory-high", "48M", "1" },
	{ "swap", "0", "x" },
	{ "cpu-quota", "150%", "0.009" },
	{ "cpu-weight", "10000", "0" },
	{ "pids", "64", "1" },
	{ "io", "8:0~rbps=1M", "8:0" },
	{ "raw", "memory.low=1M", "cgroup.kill=1" },
	{ "oom-score-adj", "-1000", "1001" },
	{ "tmp", "64M", "1K" },
	{ "nofile", "1048576", "63" },
	{ "restart-limit", "0/1s", "10/0" },
	{ "boot-limit", "1000", "0" },
	{ "backoff", "0..400d", "2s..1s" },
	{ "fatal-exit", "0,255", "256" },
	{ "on-failed", "hold", "wait" },
	{ "ready-timeout", "10ms", "9ms" },
	{ "max-age", "1s", "999ms" },
	{ "recycle-memory", "1M", "1023K" },
	{ "drain", "signal", "quick" },
	{ "drain-idle", "100ms", "99ms" },
	{ "surge", "all", "0" },
	{ "drain-timeout", "0", "401d" },
	{ "stop-timeout", "0", "-1s" },
	{ "stop-signal", "SIGQUIT", "QUITE" },
	{ "watchdog", "100ms", "99ms" },
	{ "daemonize", NULL, NULL },
	{ "pidfile", "/run/x.pid", "" },
	{ "log-file", "/dev/null", "" },
	{ "log-format", "json", "jsno" },
	{ "control-group", "root", "" },
	{ "view-group", "root", "" },
	{ "set", "spares=1", "spares" },
	{ "credential", "db=/etc/hostname", "../x=/etc/hostname" },
	{ "config", NULL, "/no/such.yaml" }, /* good ones: test_file.c */
};

static const struct sample *sample_of(const struct key *k)
{
	for (size_t i = 0; i < ARRAY_LEN(samples); i++)
		if (strcmp(samples[i].option, k->option) == 0)
			return &samples[i];
	fail_msg("--%s has no sample in this test", k->option);
	return NULL;
}

static void every_value_is_taken_in_both_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *k = &keys[i];
		const char *good = k->option && k->value ? sample_of(k)->good : NULL;
		char words[256];

		if (!good)
			continue;
		(void)snprintf(words, sizeof(words), "--listen unix:/x --%s %s", k->option, good);
		take(words);
		(void)snprintf(words, sizeof(words), "--listen unix:/x --%s=%s", k->option, good);
		take(words);
		if (!k->letter)
			continue;
		(void)snprintf(words, sizeof(words), "--listen unix:/x -%c %s", k->letter, good);
		take(words);
		(void)snprintf(words, sizeof(words), "--listen unix:/x -%c%s", k->letter, good);
		take(words);
	}
}

static void every_wrong_value_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *k = &keys[i];
		const char *wrong = k->option && k->value ? sample_of(k)->wrong : NULL;
		char words[256], has[256];

		if (!wrong)
			continue;
		(void)snprintf(words, sizeof(words), "--listen unix:/x --%s=%s", k->option, wrong);
		(void)snprintf(has, sizeof(has), "--%s: |%s", k->option, wrong);
		refuse(words, has);
	}
}

static bool has_word(const char *text, const char *word)
{
	const size_t len = strlen(word);

	for (const char *p = strstr(text, word); p; p = strstr(p + 1, word))
		if ((p == text || p[-1] == ' ') && (!p[len] || strchr(" ,", p[len])))
			return true;
	return false;
}

/* Completion and schema offer them, the sentence "right is" names them. */
static void every_word_is_taken(void **state)
{
	char words[256];

	(void)state;
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *k = &keys[i];
		char name[64];

		for (const char *const *w = k->words; w && *w; w++) {
			(void)snprintf(name, sizeof(name), k->option ? "--%s%s " : "--set %s%s=",
				       k->option ? k->option : keys_folder(k->level),
				       k->option ? "" : k->key);
			(void)snprintf(words, sizeof(words),
				       "--listen unix:/x --net none %s%s -- /bin/true", name, *w);
			take(words);
			if (k->words != cage_word_name && !has_word(k->form, *w))
				fail_msg("%s: '%s' does not name %s", name, k->form, *w);
		}
	}
}

static void every_missing_value_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *k = &keys[i];
		char words[256], has[256];

		if (!k->option)
			continue;
		if (k->value) {
			(void)snprintf(has, sizeof(has), "--%s: its ", k->option);
			(void)snprintf(words, sizeof(words), "--%s", k->option);
			refuse(words, has);
			(void)snprintf(words, sizeof(words), "--%s -- node", k->option);
			refuse(words, has);
			(void)snprintf(words, sizeof(words), "--%s --demo", k->option);
			refuse(words, has);
		} else {
			(void)snprintf(words, sizeof(words), "--%s=1", k->option);
			(void)snprintf(has, sizeof(has), "--%s: it takes no value", k->option);
			refuse(words, has);
		}
	}
}

/* ---- what they do ---- */

static void defaults_are_the_contracts(void **state)
{
	(void)state;
	take("--port 3000");
	assert_int_equal(ask, 0);
	assert_string_equal(conf->name, "mpsup");
	assert_false(conf->name_given);
	assert_int_equal(conf->npools, 1);
	assert_int_equal(conf->log_level, LOG_L_INFO);
	assert_string_equal(web->name, "web");
	assert_null(web->command);
	assert_string_equal(web->cwd, "/");
	assert_int_equal(web->workers, WORKERS_PER_CPU);
	assert_int_equal(web->cpus_kind, CPUS_ALL);
	assert_true(web->pin);
	assert_int_equal(web->spares, 0);
	assert_int_equal(web->backlog, 4096);
	assert_int_equal(web->env_inherit, ENV_INHERIT_ALL);
	assert_int_equal(web->view, VIEW_KIND_APP);
	assert_int_equal(web->cage_off, 0);
	assert_int_equal(web->tmp_bytes, 256u << 20);
	assert_int_equal(web->restart_limit.count, 10);
	assert_int_equal(web->restart_limit.window_ms, 60000);
	assert_int_equal(web->boot_limit, 5);
	assert_int_equal(web->backoff_min_ms, 100);
	assert_int_equal(web->backoff_max_ms, 10000);
	assert_int_equal(web->on_failed, ON_FAILED_EXIT);
	assert_int_equal(web->ready_timeout_ms, 30000);
	assert_int_equal(web->drain_timeout_ms, 60000);
	assert_int_equal(web->stop_timeout_ms, 10000);
	assert_int_equal(web->stop_signal, SIGTERM);
	assert_int_equal(web->watchdog_ms, 0);
	assert_int_equal(web->uid_lock_fd, -1);
	take("--port 3000 -- node app.js");
	assert_string_equal(web->cwd, ".");
}

static void values_arrive(void **state)
{
	(void)state;
	take("-p 3000 -w -1 --no-pin --spares 2 --parallel 3 --cpus 0,2-3 --backoff 1s..2m "
	     "--restart-limit 3/1h --boot-limit 2 --fatal-exit 2,78 --on-failed hold "
	     "--ready-timeout 5 --stop-timeout 0 --drain-timeout 1m --stop-signal INT --watchdog 2s "
	     "--tmp 1G --nofile 1024 --backlog 9 --view host --net none --ro /a --ro /b --rw /c "
	     "--hide /d --log-format json --log-file /l --control-group ops --view-group see "
	     "-n shop -u www -g web --groups a,b --policy static --demo -v "
	     "--no-sandbox pin,env --no-sandbox uid --require caps,nnp");
	assert_int_equal(web->workers, -1);
	assert_false(web->pin);
	assert_int_equal(web->spares, 2);
	assert_int_equal(web->parallel, 3);
	assert_int_equal(web->cpus_kind, CPUS_LIST);
	assert_int_equal(CPU_COUNT(&web->cpus_listed), 3);
	assert_int_equal(web->backoff_min_ms, 1000);
	assert_int_equal(web->backoff_max_ms, 120000);
	assert_int_equal(web->restart_limit.count, 3);
	assert_int_equal(web->restart_limit.window_ms, 3600000);
	assert_int_equal(web->boot_limit, 2);
	assert_int_equal(web->nfatal_exit, 2);
	assert_int_equal(web->fatal_exit[1], 78);
	assert_int_equal(web->on_failed, ON_FAILED_HOLD);
	assert_int_equal(web->ready_timeout_ms, 5000);
	assert_int_equal(web->stop_timeout_ms, 0);
	assert_int_equal(web->drain_timeout_ms, 60000);
	assert_int_equal(web->stop_signal, SIGINT);
	assert_int_equal(web->watchdog_ms, 2000);
	assert_int_equal(web->tmp_bytes, 1u << 30);
	assert_int_equal(web->nofile, 1024);
	assert_int_equal(web->backlog, 9);
	assert_int_equal(web->view, VIEW_KIND_HOST);
	assert_true(web->net_none);
	assert_string_equal(web->ro[1], "/b");
	assert_null(web->ro[2]);
	assert_string_equal(web->rw[0], "/c");
	assert_string_equal(web->hide[0], "/d");
	assert_int_equal(conf->log_format, LOG_F_JSON);
	assert_int_equal(conf->log_level, LOG_L_DEBUG);
	assert_string_equal(conf->log_file, "/l");
	assert_string_equal(conf->control_group, "ops");
	assert_string_equal(conf->view_group, "see");
	assert_string_equal(conf->name, "shop");
	assert_true(conf->name_given);
	assert_string_equal(web->user, "www");
	assert_string_equal(web->group, "web");
	assert_string_equal(web->groups[1], "b");
	assert_string_equal(web->policy, "static");
	assert_true(web->demo);
	assert_int_equal(web->cage_off,
			 CAGE_BIT(CAGE_PIN) | CAGE_BIT(CAGE_ENV) | CAGE_BIT(CAGE_UID));
	assert_int_equal(web->cage_required, CAGE_BIT(CAGE_CAPS) | CAGE_BIT(CAGE_NNP));
}

static void limits_arrive(void **state)
{
	const struct limits *l;

	(void)state;
	take("-p1");
	assert_int_equal(web->limits.asked, 0);
	assert_int_equal(web->limits.pids, LIMIT_PIDS_DEFAULT);
	take("-p1 --memory 64M --memory-high 48M --swap 0 --cpu-quota 1.5 --cpu-weight 50 --pids 64 "
	     "--oom-score-adj -5 --io /var~rbps=10M~wiops=200 --io 8:16~~wbps=max "
	     "--raw memory.low=32M --raw memory.oom.group=0 --raw cpu.max.burst=64M");
	l = &web->limits;
	assert_int_equal(l->asked, LIMIT_BIT(LIMIT_OOM_SCORE_ADJ + 1) - 1);
	assert_int_equal(l->memory, 64 << 20);
	assert_int_equal(l->memory_high, 48 << 20);
	assert_int_equal(l->swap, 0);
	assert_int_equal(l->cpu_quota, 1500);
	assert_int_equal(l->cpu_weight, 50);
	assert_int_equal(l->pids, 64);
	assert_int_equal(l->oom_score_adj, -5);
	assert_int_equal(l->nio, 2);
	assert_string_equal(l->io[0].device, "/var");
	assert_int_equal(l->io[0].rate[IO_RBPS], 10 << 20);
	assert_int_equal(l->io[0].rate[IO_WBPS], 0);
	assert_int_equal(l->io[0].rate[IO_WIOPS], 200);
	assert_string_equal(l->io[1].device, "8:16");
	assert_true(l->io[1].rate[IO_WBPS] == UINT64_MAX);
	assert_int_equal(l->nraw, 3);
	assert_string_equal(l->raw[0].file, "memory.low");
	assert_string_equal(l->raw[0].value, "33554432");
	assert_string_equal(l->raw[1].value, "0");
	assert_string_equal(l->raw[2].value, "64M");
	assert_true(limits_need(l, "cpu"));
	assert_true(limits_need(l, "io"));
	assert_false(limits_need(l, "cpuset"));
	take("-p1 --set limits.cpu_quota=25% --set memory=1G --memory max --pids max");
	assert_int_equal(web->limits.cpu_quota, 250);
	assert_int_equal(web->limits.asked, LIMIT_BIT(LIMIT_CPU_QUOTA));
	assert_int_equal(web->limits.pids, 0);
}

static void later_wins(void **state)
{
	(void)state;
	take("--port 1 -w 2 -w max --cpus 0 --cpus all --groups a --groups none --watchdog 1s "
	     "--watchdog off --fatal-exit 3 --fatal-exit none --control-group a "
	     "--control-group none --env-inherit none --env-inherit all");
	assert_int_equal(web->workers, WORKERS_PER_CPU);
	assert_int_equal(web->cpus_kind, CPUS_ALL);
	assert_null(web->groups);
	assert_int_equal(web->watchdog_ms, 0);
	assert_int_equal(web->nfatal_exit, 0);
	assert_null(conf->control_group);
	assert_int_equal(web->env_inherit, ENV_INHERIT_ALL);
}

static void short_options_cluster(void **state)
{
	(void)state;
	take("-vp3000 -w-1");
	assert_int_equal(conf->log_level, LOG_L_DEBUG);
	assert_string_equal(web->listens[0].text, "3000");
	assert_int_equal(web->workers, -1);
	take("-qp 3000");
	assert_int_equal(conf->log_level, LOG_L_WARN);
	refuse("-xp3000", "-x");
	refuse("-", "'-' is no option");
}

static void a_command_comes_after_two_dashes(void **state)
{
	(void)state;
	take("--port 3000 -- node --help -- -p");
	assert_string_equal(web->command[0], "node");
	assert_string_equal(web->command[1], "--help");
	assert_string_equal(web->command[2], "--");
	assert_string_equal(web->command[3], "-p");
	assert_null(web->command[4]);
	assert_int_equal(ask, 0);
	refuse("--port 3000 node app.js", "'node' is no option|comes after --|-- node");
	refuse("--port 3000 --", "command after -- is missing");
}

static void empty_command_is_refused(void **state)
{
	char *argv[] = { (char[]){ "-p1" }, (char[]){ "--" }, (char[]){ "" } };

	(void)state;
	assert_int_equal(config_from_argv(3, argv, NULL, &conf, &ask, &e), -EINVAL);
	assert_string_equal(e.msg, "the command after -- is empty");
}

static void help_and_version_are_asked_for(void **state)
{
	(void)state;
	take("--help --no-such-thing");
	assert_null(conf);
	assert_int_equal(ask, 'h');
	take("-h");
	assert_int_equal(ask, 'h');
	take("--quiet --version");
	assert_null(conf);
	assert_int_equal(ask, 'v');
}

static const struct {
	const char *words, *name;
} named[] = {
	{ "-p1 -- node /srv/Shop/App.js", "app" },
	{ "-p1 -- ./my-server --x", "my-server" },
	{ "-p1 -- /usr/bin/python3.11", "python3" },
	{ "-p1 -- python3 -u web.py", "web" },
	{ "-p1 -- node ---.js", "node" },
	{ "-p1 -- gunicorn -b 0.0.0.0:80 wsgi:app", "gunicorn" },
	{ "-p1 -- ./---", "mpsup" },
	{ "-p1 -- a-name-that-is-much-longer-than-it-may-be", "a-name-that-is-much-longer-t" },
	{ "-p1 -n x -- node app.js", "x" },
};

static void names_come_from_the_command(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(named); i++) {
		take(named[i].words);
		if (strcmp(conf->name, named[i].name) != 0)
			fail_msg("%s: '%s'", named[i].words, conf->name);
	}
}

/* ---- sockets ---- */

static void sockets(void **state)
{
	const struct sockaddr_in6 *a6;
	const struct sockaddr_in *a4;
	const struct sockaddr_un *un;

	(void)state;
	take("--port 3000 --listen 127.0.0.1:3001,name=admin --listen [::1]:3002 "
	     "--listen unix:/run/x.sock,mode=0660,user=www,group=ops,name=local --listen *:3003");
	assert_int_equal(web->nlistens, 5);
	a6 = (const void *)&web->listens[0].addr;
	assert_int_equal(a6->sin6_family, AF_INET6);
	assert_int_equal(ntohs(a6->sin6_port), 3000);
	assert_true(web->listens[0].dual_stack);
	assert_string_equal(web->listens[0].shown, "[::]:3000");
	assert_string_equal(web->listens[0].name, "http");
	a4 = (const void *)&web->listens[1].addr;
	assert_int_equal(a4->sin_family, AF_INET);
	assert_int_equal(ntohl(a4->sin_addr.s_addr), INADDR_LOOPBACK);
	assert_int_equal(ntohs(a4->sin_port), 3001);
	assert_string_equal(web->listens[1].name, "admin");
	assert_string_equal(web->listens[2].shown, "[::1]:3002");
	assert_string_equal(web->listens[2].name, "http3");
	assert_false(web->listens[2].dual_stack);
	un = (const void *)&web->listens[3].addr;
	assert_string_equal(un->sun_path, "/run/x.sock");
	assert_true(web->listens[3].has_mode);
	assert_int_equal(web->listens[3].mode, 0660);
	assert_string_equal(web->listens[3].user, "www");
	assert_string_equal(web->listens[3].group, "ops");
	assert_string_equal(web->listens[3].shown, "unix:/run/x.sock");
	assert_string_equal(web->listens[4].shown, "0.0.0.0:3003");
	/* IPv6 alone beside IPv4 alone. */
	take("--listen [::]:80 --listen 0.0.0.0:80");
	take("--listen 127.0.0.1:80 --listen 127.0.0.2:80 --listen [::1]:80 -p 81");
}

static const char *const bad_sockets[][2] = {
	{ "--port 0", "--port: |another one at each start|1 to 65535" },
	{ "--port -1", "--port: '-1' is no port" },
	{ "--port 3000x", "3000x" },
	{ "--port=", "--port: " },
	{ "--port 127.0.0.1:80", "--listen 127.0.0.1:80" },
	{ "--listen 3000", "--port 3000" },
	{ "--listen 127.0.0.1:0", "another one at each start" },
	{ "--listen 127.0.0.1:65536", "65536" },
	{ "--listen localhost:80", "'localhost' is no address|not looked up" },
	{ "--listen 300.1.1.1:80", "300.1.1.1" },
	{ "--listen ::1:80", "IPv6 goes in brackets" },
	{ "--listen [::g]:80", "'::g' is no IPv6 address" },
	{ "--listen []:80", "no IPv6 address" },
	{ "--listen :80", "no address" },
	{ "--listen ,", "nothing is there" },
	{ "--listen unix:", "not an absolute path" },
	{ "--listen unix:run/x", "not an absolute path" },
	{ "--listen unix:/x,mode=888", "mode=888" },
	{ "--listen unix:/x,mode=", "mode=" },
	{ "--listen unix:/x,mode=1777", "mode=1777" },
	{ "--listen unix:/x,mode=40000000660", "a mode is like 0660" },
	{ "--listen unix:/x,user=", "user=" },
	{ "--listen unix:/x,moed=0660", "moed=0660|mode=" },
	{ "--listen 127.0.0.1:80,mode=0660", "mode=0660|name=" },
	{ "--listen 127.0.0.1:80,name=a:b", "name=a:b" },
	{ "--port 80 --port 80", "[::]:80 is there twice" },
	{ "--listen [::1]:80 --listen [0:0:0::1]:80", "[::1]:80 is there twice" },
	{ "--listen unix:/x --listen unix:/x,name=b", "twice" },
	{ "--port 80 --listen 127.0.0.1:80", "127.0.0.1:80 is part of [::]:80" },
	{ "--listen 127.0.0.1:80 --port 80", "127.0.0.1:80 is part of [::]:80" },
	{ "--listen 0.0.0.0:80 --listen 127.0.0.1:80", "part of 0.0.0.0:80" },
	{ "--listen [::]:80 --listen [::1]:80", "part of [::]:80" },
};

static void bad_sockets_are_named(void **state)
{
	char words[512] = "--listen unix:/";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad_sockets); i++)
		refuse(bad_sockets[i][0], bad_sockets[i][1]);
	memset(words + strlen(words), 'x', 200);
	refuse(words, "longer than 107 bytes");
	words[0] = '\0';
	for (int i = 1; i <= 31; i++)
		(void)snprintf(words + strlen(words), sizeof(words) - strlen(words), "-p%d ", i);
	take(words);
	(void)snprintf(words + strlen(words), sizeof(words) - strlen(words), "-p32 -p33");
	refuse(words, "more than 32 sockets");
}

/* ---- what cannot be ---- */

static const char *const wrong[][2] = {
	{ "", "--port is missing" },
	{ "--protocol native -- x", "--port is missing" },
	{ "--protocol node-ipc -- node x", "--port is missing" },
	/* unknown, near or not built yet */
	{ "--worker 3", "unknown option '--worker'; did you mean '--workers'?" },
	{ "--wrokers=3", "did you mean '--workers'?" },
	{ "--carrier-pigeon", "unknown option '--carrier-pigeon'; see mpsup --help" },
	{ "--metrics 1", "--metrics is not built yet in mpsup " },
	{ "-x 1", "unknown option '-x'" },
	{ "--port --memory 3", "--port: its N is missing" },
	/* not of the form */
	{ "-p1 -w 0", "'0' is out of range|1 to 4096, max, or -N" },
	{ "-p1 -w --1", "'--1'" },
	{ "-p1 -w -0", "'-0'" },
	{ "-p1 -w 99999999999999999999", "out of range" },
	{ "-p1 --cpus al", "'al' is no CPU list|all, physical, numa:N|did you mean 'all'?" },
	{ "-p1 --cpus green", "'green' is no CPU list" },
	{ "-p1 --cpus physcal", "'physcal' is no CPU list|did you mean 'physical'?" },
	{ "-p1 --cpus physical,numa:0", "'physical,numa:0' names several|one of: all, physical" },
	{ "-p1 --cpus numa:0,1", "'numa:0,1' needs one number, as in numa:0" },
	{ "-p1 --cpus numa", "'numa' needs one number" },
	{ "-p1 --cpus llc:", "'llc:' needs one number, as in llc:0" },
	{ "-p1 --cpus llc:-1", "'llc:-1' needs one number" },
	{ "-p1 --cpus numa:1024", "'numa:1024' needs one number" },
	{ "-p1 --cpus 9999", "'9999' names a CPU above 1023" },
	{ "-p1 --cpus 3-1", "'3-1' is no CPU list" },
	{ "-p1 --backoff 10s..1s", "MIN not above MAX" },
	{ "-p1 --backoff soon", "soon|100ms..10s" },
	{ "-p1 --restart-limit ten", "'ten'|10/60s" },
	{ "-p1 --fatal-exit 1,x", "'x'" },
	{ "-p1 --fatal-exit -1", "'-1'" },
	{ "-p1 --stop-signal SIGTREM", "'SIGTREM' is no signal|did you mean 'TERM'?" },
	{ "-p1 --stop-signal 65", "'65' is no signal" },
	{ "-p1 --ready-timeout 0", "10ms" },
	{ "-p1 --ready-timeout 5~parsecs", "5 parsecs" },
	{ "-p1 --watchdog 50ms", "100ms" },
	{ "-p1 --tmp max", "'max' is out of range" },
	{ "-p1 --memory 1023K", "'1023K' is out of range|at least 1M" },
	{ "-p1 --memory 64MM", "'64MM' is not understood" },
	{ "-p1 --cpu-quota 1.5.1", "'1.5.1' is not understood|150%" },
	{ "-p1 --cpu-quota 0", "'0' is out of range" },
	{ "-p1 --cpu-quota 4097", "out of range" },
	{ "-p1 --cpu-weight max", "'max' is not understood|1 to 10000" },
	{ "-p1 --pids -1", "'-1'|2 to 4194304, or max" },
	{ "-p1 --io sda~rbps=1", "'sda rbps=1'|DEV and rates" },
	{ "-p1 --io 8:~rbps=1", "not understood" },
	{ "-p1 --io 8:0x~rbps=1", "not understood" },
	{ "-p1 --io /var", "'/var' names no rate" },
	{ "-p1 --io /var~rbps=0", "out of range" },
	{ "-p1 --io /var~rbp=1", "not understood" },
	{ "-p1 --io /var~wiops=1K", "not understood" },
	{ "-p1 --raw memory.low", "FILE=VALUE" },
	{ "-p1 --raw memory.low=", "FILE=VALUE" },
	{ "-p1 --raw ../memory.low=1", "not understood" },
	{ "-p1 --raw web.2/memory.low=1", "not understood" },
	{ "-p1 --raw .x=1", "not understood" },
	{ "-p1 --raw cgroup.procs=1", "files named cgroup.* are mpsup's own" },
	{ "-p1 --raw memory.max=1G", "has an option: --memory" },
	{ "-p1 --oom-score-adj 1.5", "-1000 to 1000" },
	{ "-p1 --view ap", "'ap' is not known|app or host|did you mean 'app'?" },
	{ "-p1 --protocol node-ipcc", "did you mean 'node-ipc'?" },
	{ "-p1 --protocol bind --no-sandbox seccomp -- x", "needs the seccomp filter" },
	{ "-p1 --protocol systemd --spares 1 -- x", "cannot be parked" },
	{ "--protocol node-ipc -- x", "--port is missing" },
	{ "--unlisted pass -- x", "--port is missing" },
	{ "-p1 --no-sandbox secomp", "did you mean 'seccomp'?|landlock" },
	{ "-p1 --no-sandbox all", "'all' is no word of the cage" },
	{ "-p1 --no-sandbox pid,", "no word of the cage" },
	{ "-p1 --require alll", "'alll'" },
	{ "-p1 --name Not~A~Name", "'Not A Name'" },
	{ "-p1 --name ../up", "../up" },
	{ "-p1 --name .x", "'.x'" },
	{ "-p1 --name a-name-that-is-longer-than-32-bytes", "at most 32" },
	{ "-p1 --name=", "--name" },
	{ "-p1 --env NOEQUALS", "'NOEQUALS'|NAME=VALUE" },
	{ "-p1 --env 1A=b", "1A=b" },
	{ "-p1 --env A~B=c", "A B=c" },
	{ "-p1 --ro ./here", "an absolute path" },
	/* contradictions */
	{ "-p1 --quiet --verbose", "--quiet and --verbose contradict" },
	{ "-p1 -vq", "--quiet and --verbose contradict" },
	{ "-p1 --demo -- x", "--demo is for the built-in worker" },
	{ "-p1 --protocol node-ipc", "a Node program is missing" },
	{ "-p1 --protocol node-cluster", "a Node program is missing" },
	{ "-p1 --no-sandbox uid --require all", "--require and --no-sandbox" },
	{ "-p1 --require net", "--net none" },
	{ "-p1 --no-sandbox rlimits --oom-score-adj 5", "rlimits leaves out --oom-score-adj" },
	{ "-p1 --memory 64M --memory-high 65M", "--memory-high 65M is above --memory 64M" },
	{ "-p1 --no-sandbox cgroup --pids 9", "--no-sandbox cgroup leaves out" },
	{ "-p1 --raw cpu.idle=1 --no-sandbox cgroup", "--no-sandbox cgroup leaves out" },
	{ "-p1 --ro /a --rw /a", "--ro and --rw contradict each other for /a" },
	{ "-p1 --hide /a --rw /a", "--rw and --hide contradict" },
	{ "-p1 --hide /a --ro /a", "--ro and --hide contradict" },
	/* --set */
	{ "-p1 --set spraes=1", "no key 'spraes'; did you mean 'spares'?" },
	{ "-p1 --set total=1G", "there is no key 'total'" },
	{ "-p1 --set total.memory=1X", "total.memory: '1X'" },
	{ "-p1 --set keep_cap=x", "keep_cap is not built yet" },
	{ "-p1 --set name=x", "name is no key of a pool; right is: --name" },
	{ "-p1 --set set=set=x=1", "there is no key 'set'" },
	{ "-p1 --set =1", "KEY=VALUE" },
	{ "-p1 --set no_pin=maybe", "'maybe'|true or false" },
	{ "-p1 --set restart.spares=1", "no key 'restart.spares'" },
	{ "-p1 --set limits.tmp=x", "--tmp: 'x'" },
	{ "-p1 --set log.file=web.log", "log.file: 'web.log'|an absolute path" },
	{ "-p1 --set log.file=/var/log/", "log.file: '/var/log/'" },
	{ "-p1 --set log.rotate=4095", "log.rotate: '4095' is out of range|4K" },
	{ "-p1 --set log.keep=1001", "log.keep: '1001'|0 to 1000" },
	{ "-p1 --set log.format=yaml", "log.format: 'yaml' is not known|text or json" },
	{ "-p1 --set log.rate=0/1s", "log.rate: '0/1s' is out of range" },
	{ "-p1 --set log.rate=5/99ms", "log.rate: '5/99ms' is out of range" },
	{ "-p1 --set log.rate=5", "log.rate: '5'|N/DURATION" },
	{ "-p1 --set log.quiet=true", "log.quiet" },
};

static void wrong_is_refused_with_a_sentence(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		refuse(wrong[i][0], wrong[i][1]);
}

static void what_looks_contradictory_and_is_not(void **state)
{
	(void)state;
	take("-p1 --no-pin --cpus 0-1");
	take("-p1 --net none --require net");
	take("-p1 --watchdog 1s");
	take("-p1 --watchdog 1s --protocol native -- x");
	take("-p1 --demo --protocol native");
	take("-p1 -q -q --strict");
	take("-p1 --require all --net none");
	take("-p1 --memory 64M --memory-high 64M");
	take("-p1 --memory 64M --memory-high 65M --memory max");
	take("-p1 --no-sandbox cgroup --pids 9 --pids max --oom-score-adj 5");
	take("-- node app.js"); /* config_resolve_pool() knows whether it needs a socket */
}

static void cpus_by_what_they_are(void **state)
{
	(void)state;
	take("-p1 --cpus physical");
	assert_int_equal(web->cpus_kind, CPUS_PHYSICAL);
	take("-p1 --cpus numa:1");
	assert_int_equal(web->cpus_kind, CPUS_NUMA);
	assert_int_equal(web->cpus_number, 1);
	take("-p1 --cpus numa:1 --cpus llc:12");
	assert_int_equal(web->cpus_kind, CPUS_LLC);
	assert_int_equal(web->cpus_number, 12);
}

static void set_gives_any_key_of_a_pool(void **state)
{
	(void)state;
	take("--set port=3000 --set limit=3/5s --set limits.tmp=1M --set no_pin=true "
	     "--set demo=no --set restart.stop_signal=HUP");
	assert_string_equal(web->listens[0].text, "3000");
	assert_int_equal(web->restart_limit.count, 3);
	assert_int_equal(web->tmp_bytes, 1 << 20);
	assert_false(web->pin);
	assert_false(web->demo);
	assert_int_equal(web->stop_signal, SIGHUP);
}

static void long_rubbish_is_cut(void **state)
{
	static char big[100000], option[100000];
	char *argv[] = { option, NULL };
	static const char *const before[] = { "--",
					      "-e",
					      "--listen=",
					      "--listen=unix:/",
					      "--port=",
					      "--port=1:",
					      "--set=",
					      "--set=a=",
					      "--cpus=",
					      "--no-sandbox=",
					      "--name=",
					      "--backoff=",
					      "--stop-signal=",
					      "--protocol=",
					      "--listen=1.1.1.1:1," };

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	for (size_t i = 0; i < ARRAY_LEN(before); i++) {
		(void)snprintf(option, sizeof(option), "%s%.*s", before[i], 90000, big);
		assert_int_equal(config_from_argv(1, argv, NULL, &conf, &ask, &e), -EINVAL);
		assert_true(strlen(e.msg) > 10 && strlen(e.msg) < sizeof(e.msg));
	}
	/* --set within --set does not go deep. */
	option[0] = '\0';
	memcpy(option, "--set=", 7);
	for (size_t n = 6; n + 5 < sizeof(option); n += 4)
		memcpy(option + n, "set=", 5);
	assert_int_equal(config_from_argv(1, argv, NULL, &conf, &ask, &e), -EINVAL);
}

/* ---- what is made from the table ---- */

static void help_shows_every_option(void **state)
{
	char *text = NULL, *save = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	assert_non_null(f);
	keys_print_help(f);
	assert_int_equal(fclose(f), 0);
	for (size_t i = 0; i < keys_count; i++) {
		char option[64];

		if (!keys[i].option)
			continue;
		(void)snprintf(option, sizeof(option), "--%s", keys[i].option);
		if (!strstr(text, option))
			fail_msg("--help does not show %s", option);
	}
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (strlen(l) > 80 || l[strlen(l) - 1] == ' ')
			fail_msg("--help: '%s'", l);
	free(text);
}

#define DOC "docs/options.md"

/* A cell of a table: | would end it. */
static void print_cell(FILE *f, const char *text, bool code)
{
	(void)fputs(code ? "| `" : "| ", f);
	for (; text && *text; text++)
		(void)fprintf(f, "%s%c", *text == '|' ? "\\" : "", *text);
	(void)fputs(code ? "` " : " ", f);
}

static void print_row(FILE *f, const struct key *k)
{
	static const char *const changes[] = { [CHANGE_LIVE] = "live",
					       [CHANGE_RELOAD] = "reload",
					       [CHANGE_RESTART] = "restart" };
	char option[96], key[64];

	(void)snprintf(option, sizeof(option), "%s%s%s%s", k->option ? "--" : "",
		       k->option ? k->option : "-", k->value && k->option ? " " : "",
		       k->value && k->option ? k->value : "");
	print_cell(f, option, true);
	(void)snprintf(key, sizeof(key), k->letter ? "`-%c`" : "", k->letter);
	print_cell(f, key, false);
	(void)snprintf(key, sizeof(key), "%s%s", keys_folder(k->level), k->key);
	print_cell(f, *k->key ? key : "-", true);
	print_cell(f, k->help, false);
	print_cell(f, k->form, false);
	print_cell(f, k->standard, false);
	print_cell(f, changes[k->change], false);
	(void)fputs("|\n", f);
}

static void print_doc(FILE *f)
{
	static const char *const titles[] = {
		[LEVEL_INSTANCE] = "The instance",
		[LEVEL_POOL] = "What runs, where, as whom, in which "
			       "cage",
		[LEVEL_LIMITS] = "Limits of each worker",
		[LEVEL_TOTAL] = "Limits of all workers of a pool together",
		[LEVEL_RESTART] = "Life and restarts",
		[LEVEL_LOG] = "Log",
		[LEVEL_POOL_LOG] = "Log of the workers of one pool",
		[LEVEL_CONTROL] = "Who may look and change",
		[LEVEL_POOL_CONTROL] = "Who may look at one pool and change it"
	};

	(void)fputs(
		"# Options and keys\n\n"
		"This page is made from the table in `src/config/keys.c`, which `mpsup run` "
		"reads too; `tests/unit/test_options.c`\ncompares the two, and writes the page "
		"anew with `MPSUP_WRITE_DOCS=1 build/unit/test_options`.\n\n"
		"*Key* is the name for `--set KEY=VALUE`. *Change* says what a change needs in "
		"an instance that runs: nothing (live), new\nworkers (reload), or a new start "
		"(restart).\n\n"
		"DURATION: `100ms 10s 5m 2h 1d`, bare is seconds, at most 400 days. SIZE: `512K "
		"256M 2G` (1024), bare is bytes.\nLISTs of CPUs are written as for taskset: "
		"`0,2-3`, `0-6:2` ([more on CPUs](placement.md)).\nA value is given as `--option VALUE` or `--option=VALUE`; "
		"what follows `--` is the command.\n",
		f);
	for (size_t level = 0; level < ARRAY_LEN(titles); level++) {
		(void)fprintf(
			f,
			"\n## %s\n\n"
			"| option | short | key | what it does | right is | default | change |\n"
			"| --- | --- | --- | --- | --- | --- | --- |\n",
			titles[level]);
		for (size_t i = 0; i < keys_count; i++)
			if (keys[i].level == level)
				print_row(f, &keys[i]);
	}
}

static char *read_doc(void)
{
	char *text = calloc(1, 65536);
	FILE *f = fopen(DOC, "re");

	if (f && text && fread(text, 1, 65535, f) == 0)
		text[0] = '\0';
	if (f)
		(void)fclose(f);
	return text;
}

static void page_agrees_with_the_table(void **state)
{
	char *text = NULL, *page;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	bool same;

	(void)state;
	assert_non_null(f);
	print_doc(f);
	assert_int_equal(fclose(f), 0);
	if (getenv("MPSUP_WRITE_DOCS")) {
		f = fopen(DOC, "we");
		assert_non_null(f);
		assert_int_equal(fwrite(text, 1, size, f), size);
		assert_int_equal(fclose(f), 0);
	}
	page = read_doc();
	same = page && strcmp(page, text) == 0;
	free(page);
	free(text);
	if (!same)
		fail_msg(DOC " is not what the table says; in the top folder, "
			     "MPSUP_WRITE_DOCS=1 build/unit/test_options writes it");
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_name_is_there_once),
		T(every_value_is_taken_in_both_forms),
		T(every_wrong_value_is_named),
		T(every_word_is_taken),
		T(every_missing_value_is_named),
		T(defaults_are_the_contracts),
		T(values_arrive),
		T(limits_arrive),
		T(later_wins),
		T(short_options_cluster),
		T(a_command_comes_after_two_dashes),
		T(empty_command_is_refused),
		T(help_and_version_are_asked_for),
		T(names_come_from_the_command),
		T(sockets),
		T(bad_sockets_are_named),
		T(wrong_is_refused_with_a_sentence),
		T(what_looks_contradictory_and_is_not),
		T(cpus_by_what_they_are),
		T(set_gives_any_key_of_a_pool),
		T(long_rubbish_is_cut),
		T(help_shows_every_option),
		T(page_agrees_with_the_table),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
