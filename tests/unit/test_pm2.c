/* SPDX-License-Identifier: MIT */
/* test_pm2.c - process files of PM2: what becomes of each key, that nothing is dropped in
 * silence, and that whatever comes out is a file that mpsup reads. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/config.h"
#include "fds.h"
#include "import/pm2_inner.h"

static char dir[64], path[96];
static char *out, *notes;
static struct err e;
static int fds_before;

static void forget(void)
{
	free(out);
	free(notes);
	out = notes = NULL;
	e = (struct err){ 0 };
}

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	out = notes = NULL;
	(void)snprintf(dir, sizeof(dir), "/tmp/mpsup-pm2.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/pools.yaml", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	forget();
	(void)unlink(path);
	return rmdir(dir) == 0 && count_fds() == fds_before ? 0 : -1;
}

static int write_root(json_t *root, const char *env)
{
	const struct pm2_request rq = { .path = "eco.json",
					.real = "/srv/shop/eco.json",
					.dir = "/srv/shop",
					.env = env };
	size_t out_len, notes_len;
	FILE *o, *n;
	int r;

	forget();
	o = open_memstream(&out, &out_len);
	n = open_memstream(&notes, &notes_len);
	r = pm2_write(root, &rq, o, n, &e);
	assert_int_equal(fclose(o), 0);
	assert_int_equal(fclose(n), 0);
	return r;
}

static int import_env(const char *text, const char *env)
{
	json_t *root = NULL;
	int r = pm2_parse_json(text, strlen(text), "eco.json", &root, &e);

	if (r == 0)
		r = write_root(root, env);
	json_decref(root);
	return r;
}

/* Does mpsup read what was made? */
static void assert_readable(const char *from)
{
	struct complaints cs = { 0 };
	struct config *conf = NULL;
	struct err re = { 0 };
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	(void)fputs(out, f);
	assert_int_equal(fclose(f), 0);
	if (config_from_file(path, NULL, true, &cs, &conf, &re) < 0)
		fail_msg("from %s:\n%s\n%s: %s", from, out, re.msg, cs.n ? cs.text[0] : "");
	complaints_done(&cs);
	config_unref(conf);
}

static void import(const char *text)
{
	if (import_env(text, NULL) < 0)
		fail_msg("%s: %s", text, e.msg);
	assert_readable(text);
}

static void assert_has(const char *what)
{
	if (!strstr(out, what))
		fail_msg("no '%s' in:\n%s", what, out);
}

static void assert_has_not(const char *what)
{
	if (strstr(out, what))
		fail_msg("'%s' in:\n%s", what, out);
}

static void assert_noted(const char *what)
{
	if (!strstr(notes, what))
		fail_msg("no '%s' in the notes:\n%s", what, notes);
}

/* ---- what becomes of it ---- */

static void a_cluster_app(void **state)
{
	(void)state;
	import("{\"apps\": [{\"name\": \"web\", \"script\": \"./server.js\", \"instances\": \"max\","
	       " \"exec_mode\": \"cluster\", \"max_memory_restart\": \"300M\","
	       " \"node_args\": \"--a --b\", \"args\": [\"-c\", \"two words\", 3],"
	       " \"env\": {\"PORT\": 3000, \"DEBUG\": true}, \"kill_timeout\": 1600,"
	       " \"listen_timeout\": 8000, \"wait_ready\": true}]}");
	assert_has("  - name: web\n    cwd: /srv/shop\n");
	assert_has("command: [node, \"--a\", \"--b\", \"./server.js\", \"-c\", \"two words\", 3]");
	assert_has("    workers: max\n    port: 3000\n");
	assert_has("      PORT: 3000\n      DEBUG: \"true\"\n");
	assert_has("    limits:\n      memory: 300M\n");
	assert_has("      stop_signal: INT\n      stop_timeout: 1600ms\n      ready_timeout: 8s\n");
	assert_has("# wait_ready: ");
	assert_has_not("protocol:");
	assert_string_equal(notes, "");
}

static void forms_of_the_file(void **state)
{
	(void)state;
	import("[{\"script\": \"a.js\"}, {\"cmd\": \"b.py\"}]");
	assert_has("command: [node, a.js]");
	assert_has("command: [python3, b.py]");
	import("{\"script\": \"/opt/x/run.sh\", \"cwd\": \"/opt/x\"}");
	assert_has("cwd: /opt/x\n    command: [bash, run.sh]");
	import("{\"apps\": {\"script\": \"a.rb\", \"cwd\": \"./sub/\"}}");
	assert_has("cwd: /srv/shop/sub\n    command: [ruby, a.rb]");
	import("{\"pm2\": [{\"script\": \"npm\", \"args\": \"run 'two words' x=\\\"a b\\\"\"}]}");
	assert_has("command: [npm, run, \"two words\", \"x=\\\"a b\\\"\"]");
	import("{\"apps\": [{\"script\": \"node x.js | cat\"}]}");
	assert_has("command: [bash, \"-c\", \"node x.js | cat\"]");
	import("{\"apps\": [{\"script\": \"a.js\", \"interpreter\": \"none\"}]}");
	assert_has("command: [a.js]");
	assert_int_equal(import_env("{\"apps\": []}", NULL), -EINVAL);
	assert_int_equal(import_env("{}", NULL), -EINVAL);
	assert_int_equal(import_env("7", NULL), -EINVAL);
	assert_int_equal(import_env("{\"apps\": [7]}", NULL), -EINVAL);
	assert_int_equal(import_env("{\"apps\": [{\"name\": \"x\"}]}", NULL), -EINVAL);
	assert_non_null(strstr(e.msg, "'x' has no script"));
	assert_int_equal(import_env("{\"apps\": [", NULL), -EINVAL);
	assert_non_null(strstr(e.msg, "eco.json:1:"));
}

/* PM2 takes a program as started that is alive. */
static void a_program_without_a_port(void **state)
{
	(void)state;
	import("{\"script\": \"queue.js\"}");
	assert_has("    protocol: bind\n    restart:\n      ready: 1s\n");
	assert_has("# port: no PORT is named");
	import("{\"script\": \"queue.py\"}");
	assert_has("      ready: 1s\n");
	assert_has_not("protocol:");
	import("{\"script\": \"queue.js\", \"instances\": 2}"); /* a cluster, by PM2's rule */
	assert_has_not("ready: 1s");
	import("{\"script\": \"x.js\", \"exec_mode\": \"fork\", \"instances\": 2, \"env\": "
	       "{\"PORT\": \"8080\", \"HOST\": \"127.0.0.1\"}, \"increment_var\": \"PORT\"}");
	assert_has("    workers: 2\n    listen: 127.0.0.1:8080\n");
	assert_has("# increment_var: ");
	assert_has_not("ready: 1s");
	import("{\"script\": \"x.js\", \"port\": 99999}");
	assert_noted("PORT is no number");
}

static void restarts(void **state)
{
	(void)state;
	import("{\"script\": \"a.js\", \"max_restarts\": 10, \"min_uptime\": \"5s\"}");
	assert_has("limit: 10/150s\n      boot_limit: 10\n"); /* 10 * (5 s + 10 s) */
	import("{\"script\": \"a.js\", \"max_restarts\": 3, \"restart_delay\": 500}");
	assert_has("backoff: 500ms..500ms\n      limit: 3/5s\n"); /* 3 * 1.5 s, rounded up */
	import("{\"script\": \"a.js\", \"exp_backoff_restart_delay\": 100}");
	assert_has("backoff: 100ms..15s\n");
	assert_has_not("limit:");
	import("{\"script\": \"a.js\", \"max_restarts\": 1000000, \"min_uptime\": \"9000h\"}");
	assert_has("limit: 1000000/34560000s\n      boot_limit: 1000\n");
	import("{\"script\": \"a.js\", \"autorestart\": false, \"stop_exit_codes\": [0, \"3\", 999]}");
	assert_has("limit: 0/400d\n      boot_limit: 1\n      on_failed: hold\n");
	assert_has("fatal_exit: [0, 3]\n");
	assert_noted("stop_exit_codes");
	import("{\"script\": \"a.js\", \"stop_exit_codes\": 0}");
	assert_has("fatal_exit: [0]\n");
}

static void environments(void **state)
{
	static const char *const text =
		"{\"apps\": [{\"script\": \"a.js\", \"env\": {\"A\": \"1\", \"B\": \"2\", \"O\": "
		"{\"x\": 1}, \"N\": null}, \"env_production\": {\"B\": \"3\", \"API_KEY\": \"k\"},"
		" \"env_file\": \".env\"}, {\"script\": \"b.js\"}]}";

	(void)state;
	assert_int_equal(import_env(text, "production"), 0);
	assert_has("      A: 1\n      B: 3\n      O: \"{\\\"x\\\":1}\"\n      API_KEY: k\n");
	assert_has("    env_file: /srv/shop/.env\n");
	assert_has("# --env: it has no env_production");
	assert_noted("API_KEY looks like a secret");
	assert_noted("N is left out");
	assert_int_equal(import_env(text, NULL), 0);
	assert_has("      B: 2\n");
	assert_has("# env_production: not in this file");
	assert_int_equal(import_env(text, "prod"), -EINVAL);
	assert_non_null(strstr(e.msg, "there is: production"));
	assert_int_equal(import_env("{\"script\": \"a.js\"}", "x"), -EINVAL);
}

static void names_are_made_to_fit(void **state)
{
	(void)state;
	import("[{\"name\": \"My App\", \"script\": \"a\"}, {\"name\": \"my.app\", \"script\": \"b\"},"
	       " {\"name\": \"MY APP\", \"script\": \"c\"}, {\"name\": \"\\u00e4\\u00f6\","
	       " \"script\": \"d\"}, {\"name\": \"..\", \"script\": \"e\"}, {\"name\":"
	       " \"abcdefghijklmnopqrstuvwxyz-0123456789\", \"script\": \"f\"}, {\"name\":"
	       " \"abcdefghijklmnopqrstuvwxyz-0123456xyz\", \"script\": \"f\"}]");
	assert_has("name: my-app\n");
	assert_has("name: my.app\n");
	assert_has("name: my-app-2\n");
	assert_has("name: app\n");
	assert_has("name: app-2\n");
	assert_has("name: abcdefghijklmnopqrstuvwxyz-01234\n");
	assert_has("name: abcdefghijklmnopqrstuvwxyz--2\n");
	assert_has("# name: 'My App' at PM2's");
	assert_noted("pool my-app-2: it is 'MY APP' at PM2's");
}

/* The processes of one app are one pool, and the shell's variables stay at home. */
static void a_dump(void **state)
{
	(void)state;
	import("[{\"name\": \"web\", \"pm_exec_path\": \"/srv/w/a.js\", \"pm_cwd\": \"/srv/w\","
	       " \"exec_interpreter\": \"/usr/bin/node\", \"exec_mode\": \"cluster_mode\","
	       " \"instances\": 1, \"pm_id\": 0, \"status\": \"online\", \"merge_logs\": true,"
	       " \"axm_new\": {}, \"env\": {\"SSH_CLIENT\": \"x\", \"PATH\": \"/bin\","
	       " \"MINE\": \"1\", \"web\": \"{}\"}, \"_pm2_version\": \"7\", \"MINE\": \"1\", \"strange\": 1},"
	       " {\"name\": \"web\", \"pm_exec_path\": \"/srv/w/a.js\"},"
	       " {\"name\": \"web\", \"pm_exec_path\": \"/srv/w/other.js\"}]");
	assert_has(
		"name: web\n    cwd: /srv/w\n    command: [/usr/bin/node, a.js]\n    workers: 2\n"
		"    env:\n      MINE: 1\n");
	assert_has("3 that are the session's");
	assert_has("name: web-2\n");
	assert_has_not("SSH_CLIENT");
	assert_has_not("_pm2_version");
	assert_has_not("merge_logs");
	assert_noted("'strange' is none of PM2's keys");
	assert_null(strstr(notes, "MINE"));
	assert_null(strstr(notes, "axm_new"));
}

/* ---- nothing is dropped in silence ---- */

/* What PM2 7 documents, with every other name that it takes for it. */
static const char *const documented[] = {
	"script",
	"exec",
	"cmd",
	"command",
	"name",
	"name_prefix",
	"filter_env",
	"namespace",
	"install_url",
	"cwd",
	"args",
	"exec_interpreter",
	"interpreter",
	"node_args",
	"interpreterArgs",
	"interpreter_args",
	"out_file",
	"out",
	"output",
	"out_log",
	"error_file",
	"error",
	"err",
	"err_file",
	"err_log",
	"log_file",
	"log",
	"disable_logs",
	"log_type",
	"log_date_format",
	"time",
	"env",
	"max_memory_restart",
	"pid_file",
	"pid",
	"restart_delay",
	"exp_backoff_restart_delay",
	"source_map_support",
	"disable_source_map_support",
	"wait_ready",
	"instances",
	"kill_timeout",
	"shutdown_with_message",
	"listen_timeout",
	"cron_restart",
	"cron",
	"merge_logs",
	"combine_logs",
	"vizion",
	"autostart",
	"autorestart",
	"stop_exit_codes",
	"watch_delay",
	"watch",
	"ignore_watch",
	"watch_options",
	"min_uptime",
	"max_restarts",
	"execute_command",
	"exec_mode",
	"force",
	"append_env_to_name",
	"post_update",
	"trace",
	"disable_trace",
	"v8",
	"event_loop_inspector",
	"deep_monitoring",
	"increment_var",
	"instance_var",
	"pmx",
	"automation",
	"treekill",
	"port",
	"username",
	"uid",
	"user",
	"gid",
	"windowsHide",
	"kill_retry_time",
	"write",
	"io",
};

static void every_key_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(documented); i++)
		if (!pm2_key_find(documented[i]))
			fail_msg("PM2 documents %s", documented[i]);
}

/* Whatever has advice is named above the pool, by whichever of its names it is given. */
static void every_wish_is_answered(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(documented); i++) {
		const struct pm2_key *k = pm2_key_find(documented[i]);
		bool off = k->does == PM2_OPT_OUT;
		char text[200], want[80];

		if (!k->advice)
			continue;
		(void)snprintf(text, sizeof(text), "{\"script\": \"a.js\", \"%s\": %s}",
			       documented[i], off ? "false" : "\"x\"");
		import(text);
		(void)snprintf(want, sizeof(want), "  # %s: ", k->name);
		assert_has(want);
		(void)snprintf(text, sizeof(text), "{\"script\": \"a.js\", \"%s\": %s}",
			       documented[i], off ? "true" : "false");
		import(text);
		assert_has_not(want);
	}
	import("{\"script\": \"a.js\", \"watch\": true, \"ignore_watch\": [\"x\"], \"cron_restart\":"
	       " \"0 3 * * *\", \"deploy\": {}}");
	assert_has("  # watch, ignore_watch: ");
	assert_has("  # cron_restart: ");
	assert_has("0 3 * * * mpsup restart");
	assert_has("# deploy: ");
	import("{\"script\": \"a.js\", \"instnaces\": 3, \"whatever\": 1}");
	assert_has("# instnaces: none of PM2's keys");
	assert_noted(
		"'instnaces' is none of PM2's keys and is left out; did you mean 'instances'?");
	assert_noted("'whatever'");
	import("{\"apps\": [{\"script\": \"a.js\"}], \"aps\": 1}");
	assert_noted("'aps' beside apps");
}

/* ---- hostile ---- */

/* Any value of any key makes a file that mpsup reads, or an error. */
static void any_value_of_any_key(void **state)
{
	static const char *const values[] = {
		"null",
		"true",
		"false",
		"0",
		"1",
		"-1",
		"7.5",
		"-1e300",
		"1e300",
		"9223372036854775807",
		"-9223372036854775808",
		"\"\"",
		"\"x\"",
		"\"-\"",
		"\"0\"",
		"\"-1\"",
		"\"3\"",
		"\"300M\"",
		"\"9999999999999999999G\"",
		"\"9999999999999h\"",
		"\"${HOME} $${ $\"",
		"\"a\\nb: c\\n- name: evil\"",
		"\"\\u2028- name: evil\"",
		"\"\\u0085\\ufeff\\uffff\\u009b\"",
		"\"#x\"",
		"\"'\\\"'\"",
		"\"~/a\"",
		"\"/\"",
		"\"..\"",
		"\"a b\"",
		"[]",
		"[1, null, \"x\\ny\", -5, 256]",
		"[[]]",
		"{}",
		"{\"a\": {\"b\": []}, \"\": 1, \"=\": 1, \"1A\": 1, \"PORT\": \"\\n\"}",
		"{\"PORT\": 80, \"HOST\": \"1.2.3.4\\n\", \"A\\nB\": 1, \"\\u2028\": 2, \"y\": \"no\"}",
	};
	char *text = NULL;

	(void)state;
	for (size_t k = 0; k < pm2_keys_count; k++)
		for (size_t v = 0; v < ARRAY_LEN(values); v++) {
			int r;

			assert_true(asprintf(&text, "[{\"script\": \"a.js\", \"%s\": %s}]",
					     pm2_keys[k].name, values[v]) > 0);
			if (strcmp(pm2_keys[k].name, "script") == 0)
				(void)snprintf(text, strlen(text), "[{\"script\": %.60s}]",
					       values[v]);
			r = import_env(text, NULL);
			/* An env_file that is not there is refused by its reader, rightly. */
			if (r == 0 && strcmp(pm2_keys[k].name, "env_file") != 0)
				assert_readable(text);
			else if (r < 0)
				assert_int_equal(r, -EINVAL);
			assert_null(out ? strstr(out, "\n- name: evil") : NULL);
			free(text);
		}
}

static int yaml(const char *text, json_t **ret)
{
	int fd = memfd_create("pm2", MFD_CLOEXEC), r;

	e = (struct err){ 0 };
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	r = pm2_parse_yaml(fd, "eco.yaml", ret, &e);
	(void)close(fd);
	return r;
}

static void yaml_has_types(void **state)
{
	json_t *root = NULL;

	(void)state;
	assert_int_equal(
		yaml("base: &b {script: a.js, watch: true, env: {X: 007, Y: 1.5, Z: '2'}}\n"
		     "apps:\n  - <<: *b\n    name: one\n    watch: false\n    instances: 2\n",
		     &root),
		0);
	assert_int_equal(write_root(root, NULL), 0);
	json_decref(root);
	assert_has("      X: 007\n      \"Y\": 1.5\n      Z: 2\n");
	assert_has("    workers: 2\n");
	assert_has_not("# watch");
	assert_readable("yaml");
}

static void hostile_yaml(void **state)
{
	json_t *root = NULL;

	(void)state;
	assert_int_equal(yaml("a: &a [*a]\n", &root), -EINVAL);
	assert_int_equal(yaml("apps: [\n", &root), -EINVAL);
	assert_non_null(strstr(e.msg, "eco.yaml:"));
	assert_int_equal(yaml("apps: {[a]: 1}\n", &root), -EINVAL);
	assert_int_equal(yaml("a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
			      "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
			      "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
			      "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
			      "f: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
			      &root),
			 -EINVAL);
	assert_non_null(strstr(e.msg, "aliases"));
	assert_int_equal(yaml("a: \"x\\0y\"\n", &root), -EINVAL);
	assert_int_equal(yaml("", &root), -EINVAL);
}

static void forms_by_name(void **state)
{
	enum pm2_form form;

	(void)state;
	assert_int_equal(pm2_form_of("/x/ecosystem.config.js", &form, &e), 0);
	assert_int_equal(form, PM2_JS);
	assert_int_equal(pm2_form_of("e.config.mjs", &form, &e), 0);
	assert_int_equal(form, PM2_JS);
	assert_int_equal(pm2_form_of("process.yml", &form, &e), 0);
	assert_int_equal(form, PM2_YAML);
	assert_int_equal(pm2_form_of("/root/.pm2/dump.pm2", &form, &e), 0);
	assert_int_equal(form, PM2_JSON);
	assert_int_equal(pm2_form_of("ecosystem", &form, &e), -EINVAL);
	assert_int_equal(pm2_form_of(".js", &form, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_cluster_app, setup, teardown),
		cmocka_unit_test_setup_teardown(forms_of_the_file, setup, teardown),
		cmocka_unit_test_setup_teardown(a_program_without_a_port, setup, teardown),
		cmocka_unit_test_setup_teardown(restarts, setup, teardown),
		cmocka_unit_test_setup_teardown(environments, setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_made_to_fit, setup, teardown),
		cmocka_unit_test_setup_teardown(a_dump, setup, teardown),
		cmocka_unit_test_setup_teardown(every_key_is_known, setup, teardown),
		cmocka_unit_test_setup_teardown(every_wish_is_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(any_value_of_any_key, setup, teardown),
		cmocka_unit_test_setup_teardown(yaml_has_types, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile_yaml, setup, teardown),
		cmocka_unit_test_setup_teardown(forms_by_name, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
