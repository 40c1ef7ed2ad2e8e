/* SPDX-License-Identifier: MIT */
/* test_config.c - a pool's world: environment files, the worker's environment,
 * users, folders, commands, CPUs. What needs root is skipped without it. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "config/config.h"
#include "config/environment.h"
#include "config/uid.h"
#include "fds.h"
#include "kernel/allowed.h"

#define ARGS_MAX 24
#define NUL_TEXT "A=1\nB=\0c\n"

static struct config *conf;
static struct pool_config *web;
static struct arena arena;
static struct err e;
static cpu_set_t cpus_before;
static char dir[64], old_path[4096];
static int fds_before;

static int setup(void **state)
{
	const char *path = getenv("PATH");

	(void)state;
	conf = NULL;
	e = (struct err){ 0 };
	fds_before = count_fds();
	(void)snprintf(old_path, sizeof(old_path), "%s", path ? path : "");
	(void)snprintf(dir, sizeof(dir), "/tmp/test_config.XXXXXX");
	if (!mkdtemp(dir) || chmod(dir, 0755) < 0)
		return -1;
	(void)unsetenv("SUDO_UID");
	(void)unsetenv("SUDO_GID");
	return sched_getaffinity(0, sizeof(cpus_before), &cpus_before);
}

static int remove_tree(const char *path)
{
	DIR *d = opendir(path);

	for (struct dirent *de; d && (de = readdir(d));) {
		char name[512];

		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		(void)snprintf(name, sizeof(name), "%s/%.250s", path, de->d_name);
		if (unlink(name) < 0)
			(void)remove_tree(name);
	}
	if (d)
		(void)closedir(d);
	return rmdir(path);
}

static int teardown(void **state)
{
	(void)state;
	config_unref(conf);
	arena_done(&arena);
	(void)setenv("PATH", old_path, 1);
	(void)unsetenv("SUDO_UID");
	(void)unsetenv("SUDO_GID");
	(void)sched_setaffinity(0, sizeof(cpus_before), &cpus_before);
	if (remove_tree(dir) < 0)
		return -1;
	return count_fds() == fds_before ? 0 : -1;
}

static void needs_root(void)
{
	if (geteuid() != 0)
		skip();
}

static const char *inside(const char *name)
{
	char *path = arena_printf(&arena, "%s/%s", dir, name);

	assert_non_null(path);
	return path;
}

static const char *make_file(const char *name, const char *text, size_t len, mode_t mode)
{
	const char *path = inside(name);
	AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	assert_int_equal(fchmod(fd, mode), 0);
	return path;
}

static const char *make_dir(const char *name, mode_t mode)
{
	const char *path = inside(name);

	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

/* The words up to a NULL, after those that every instance here gets. */
static int load(const char *first, ...)
{
	char *argv[ARGS_MAX] = { (char[]){ "--listen" }, (char[]){ "unix:/nowhere" } };
	char name[64], ask;
	int argc = 3;
	va_list ap;

	(void)snprintf(name, sizeof(name), "--name=unit-%d", getpid());
	argv[2] = name;
	va_start(ap, first);
	for (const char *w = first; w; w = va_arg(ap, const char *)) {
		assert_true(argc < ARGS_MAX);
		argv[argc++] = (char *)(uintptr_t)w;
	}
	va_end(ap);
	config_unref(conf);
	conf = NULL;
	int r = config_from_argv(argc, argv, NULL, &conf, &ask, &e);

	if (r < 0)
		return r;
	web = conf->pools[0];
	r = config_resolve(conf, &e);
	return r < 0 ? r : config_resolve_pool(conf, web, &e);
}

#define good(...)                                                                                  \
	do {                                                                                       \
		if (load(__VA_ARGS__, NULL) < 0)                                                   \
			fail_msg("%s", e.msg);                                                     \
	} while (0)

#define bad(code, has, ...)                                                                        \
	do {                                                                                       \
		int r_ = load(__VA_ARGS__, NULL);                                                  \
		if (r_ != (code) || !strstr(e.msg, has))                                           \
			fail_msg("%d, not %d with \"%s\": %s", r_, code, has, e.msg);              \
	} while (0)

/* ---- files of variables ---- */

static const char *value_of(const char *name)
{
	const char *value = NULL;

	for (unsigned i = 0; i < web->nenv; i++)
		if (strcmp(web->env[i].name, name) == 0)
			value = web->env[i].value;
	return value;
}

static void env_files_are_read(void **state)
{
	static const char text[] = "# a comment\n"
				   "\n"
				   "  \t\n"
				   "A=1\n"
				   "  export B=two words \n"
				   "C=\"quoted # no comment\"\n"
				   "D='it is \"so\"'\n"
				   "E=\n"
				   "F=a=b\r\n"
				   "A=2\n"
				   "G=last";
	const char *path = make_file("env", text, sizeof(text) - 1, 0644);

	(void)state;
	good("--env", "A=0", "--env-file", path, "--env", "E=later");
	assert_string_equal(value_of("A"), "2");
	assert_string_equal(value_of("B"), "two words");
	assert_string_equal(value_of("C"), "quoted # no comment");
	assert_string_equal(value_of("D"), "it is \"so\"");
	assert_string_equal(value_of("E"), "later");
	assert_string_equal(value_of("F"), "a=b");
	assert_string_equal(value_of("G"), "last");
}

static void env_files_are_refused_at_the_place(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *where;
	} cases[] = {
		{ "A=1\nnonsense\n", 0, "/env:2:1: not NAME=VALUE" },
		{ "A=1\n\n  =x\n", 0, "/env:3:3: not NAME=VALUE" },
		{ "A B=1\n", 0, "/env:1:1: not NAME=VALUE" },
		{ "1A=1\n", 0, "/env:1:1: not NAME=VALUE" },
		{ "  export 1A=1\n", 0, "/env:1:10: not NAME=VALUE" },
		{ "A=\"open\n", 0, "/env:1:3: a quote is not closed" },
		{ "A='\n", 0, "/env:1:3: a quote is not closed" },
		{ NUL_TEXT, sizeof(NUL_TEXT) - 1, "/env:2:3: a NUL byte" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len = cases[i].len ? cases[i].len : strlen(cases[i].text);
		const char *path = make_file("env", cases[i].text, len, 0644);

		bad(-EINVAL, cases[i].where, "--env-file", path);
	}
	bad(-ENOENT, "--env-file /no/such/file: ", "--env-file", "/no/such/file");
	bad(-EISDIR, "--env-file ", "--env-file", dir);
}

/* ---- what a worker finds ---- */

static char **envp;

static const char *found(const char *name)
{
	const char *value = NULL;
	size_t n = strlen(name);

	for (char **v = envp; *v; v++)
		if (strncmp(*v, name, n) == 0 && (*v)[n] == '=') {
			if (value)
				fail_msg("%s is there twice", name);
			value = *v + n + 1;
		}
	return value;
}

static void build(const struct pool_config *p, const char *const *inherited)
{
	int r = config_environment(p, (char **)(uintptr_t)inherited, &arena, &envp, &e);

	if (r < 0)
		fail_msg("%s", e.msg);
}

static const char *const outer[] = { "PATH=/bin",
				     "LANG=C",
				     "LC_ALL=C",
				     "TZ=UTC",
				     "HOME=/root",
				     "USER=root",
				     "LOGNAME=root",
				     "SHELL=/bin/zsh",
				     "PWD=/root",
				     "OLDPWD=/",
				     "SUDO_UID=1",
				     "SUDO_COMMAND=x",
				     "LISTEN_FDS=1",
				     "LISTEN_PID=1",
				     "NOTIFY_SOCKET=x",
				     "WATCHDOG_USEC=1",
				     "MAINPID=1",
				     "INVOCATION_ID=x",
				     "JOURNAL_STREAM=x",
				     "CREDENTIALS_DIRECTORY=x",
				     "NODE_UNIQUE_ID=1",
				     "NODE_CHANNEL_FD=3",
				     "XDG_RUNTIME_DIR=x",
				     "DBUS_SESSION_BUS_ADDRESS=x",
				     "SSH_AUTH_SOCK=x",
				     "MPSUP_ROOT=/x",
				     "PORT=1",
				     "SECRET=s",
				     "SECRETS=t",
				     "NODE_ENV=production",
				     "no-equals",
				     NULL };

static const char *const forbidden[] = { "SUDO_UID",
					 "SUDO_COMMAND",
					 "LISTEN_FDS",
					 "LISTEN_PID",
					 "NOTIFY_SOCKET",
					 "WATCHDOG_USEC",
					 "MAINPID",
					 "INVOCATION_ID",
					 "JOURNAL_STREAM",
					 "CREDENTIALS_DIRECTORY",
					 "NODE_UNIQUE_ID",
					 "NODE_CHANNEL_FD",
					 "XDG_RUNTIME_DIR",
					 "DBUS_SESSION_BUS_ADDRESS",
					 "SSH_AUTH_SOCK",
					 "MPSUP_ROOT",
					 "PWD",
					 "OLDPWD" };

static void environment_by_the_rules(void **state)
{
	struct pool_config p = { .user_name = "www", .home = "/srv", .shell = "/bin/false" };

	(void)state;
	build(&p, outer);
	for (size_t i = 0; i < ARRAY_LEN(forbidden); i++)
		if (found(forbidden[i]))
			fail_msg("%s got through", forbidden[i]);
	assert_string_equal(found("PATH"), "/bin");
	assert_string_equal(found("LC_ALL"), "C");
	assert_string_equal(found("SECRET"), "s");
	assert_string_equal(found("NODE_ENV"), "production");
	assert_string_equal(found("HOME"), "/srv");
	assert_string_equal(found("USER"), "www");
	assert_string_equal(found("LOGNAME"), "www");
	assert_string_equal(found("SHELL"), "/bin/false");
	assert_string_equal(found("PORT"), "1");
	p.env_inherit = ENV_INHERIT_NONE;
	build(&p, outer);
	assert_null(found("SECRET"));
	assert_null(found("PORT"));
	assert_string_equal(found("PATH"), "/bin");
	assert_string_equal(found("LANG"), "C");
	assert_string_equal(found("LC_ALL"), "C");
	assert_string_equal(found("TZ"), "UTC");
}

static void environment_by_names(void **state)
{
	const char *names[] = { "SECRET", "NODE_*", "HOME", "SUDO_UID", NULL };
	struct pool_config p = { .user_name = "www",
				 .home = "/srv",
				 .shell = "/bin/false",
				 .env_inherit = ENV_INHERIT_NAMES,
				 .env_names = names };

	(void)state;
	build(&p, outer);
	assert_string_equal(found("SECRET"), "s");
	assert_string_equal(found("NODE_ENV"), "production");
	assert_null(found("SECRETS"));
	assert_null(found("NODE_CHANNEL_FD"));
	assert_null(found("SUDO_UID"));
	assert_string_equal(found("HOME"), "/srv");
	assert_string_equal(found("TZ"), "UTC");
}

static void a_worker_always_has_a_path(void **state)
{
	const char *const nothing[] = { NULL };
	struct pool_config p = { .user_name = "www", .home = "/", .shell = "/bin/false" };

	(void)state;
	build(&p, nothing);
	assert_string_equal(found("PATH"), ENVIRONMENT_PATH);
}

static void own_variables_win(void **state)
{
	(void)state;
	good("--port", "3999", "--listen", "127.0.0.1:4000");
	build(web, outer);
	assert_string_equal(found("PORT"), "3999");
	good("--port", "3999", "--env", "PORT=1", "--env", "PORT=2", "-e", "HOME=/x", "-e",
	     "PATH=/y", "-e", "EMPTY=");
	build(web, outer);
	assert_string_equal(found("PORT"), "2");
	assert_string_equal(found("HOME"), "/x");
	assert_string_equal(found("PATH"), "/y");
	assert_string_equal(found("EMPTY"), "");
}

/* ---- who ---- */

static void users_by_name_and_number(void **state)
{
	(void)state;
	needs_root();
	good("--user", "nobody");
	assert_int_equal(web->uid, 65534);
	assert_string_equal(web->user_name, "nobody");
	assert_false(web->dynamic_uid);
	assert_int_equal(web->uid_lock_fd, -1);
	good("--user", "65534", "--group", "0", "--groups", "root,65533");
	assert_string_equal(web->user_name, "nobody");
	assert_int_equal(web->gid, 0);
	assert_int_equal(web->ngids, 2);
	assert_int_equal(web->gids[1], 65533);
	good("--user", "64999");
	assert_int_equal(web->gid, 64999);
	assert_string_equal(web->home, "/");
	good("--user", "root");
	assert_int_equal(web->uid, 0);
	bad(-ENOENT, "--user: there is no user 'no-such'", "--user", "no-such");
	bad(-ENOENT, "'4294967295'", "--user", "4294967295");
	bad(-ENOENT, "--group: there is no group 'no-such'", "--group", "no-such");
	bad(-ENOENT, "--groups: there is no group 'no-such'", "--groups", "root,no-such");
	bad(-ENOENT, "--control-group: there is no group", "--control-group", "no-such");
	bad(-ENOENT, "--view-group: there is no group", "--view-group", "no-such");
	bad(-ENOENT, "--listen unix:/x,user=no-such: there is no user", "--listen",
	    "unix:/x,user=no-such");
	bad(-ENOENT, "--listen: there is no group", "--listen", "unix:/x,group=no-such");
}

/* A number that only groups know would give that group's rights by accident. */
static void a_number_is_not_a_groups(void **state)
{
	(void)state;
	needs_root();
	bad(-EINVAL, "group 27 is 'sudo'; name the --group", "--user", "27");
	good("--user", "27", "--group", "nogroup");
	assert_int_equal(web->uid, 27);
	assert_int_equal(web->gid, 65534);
}

static void the_caller_of_sudo(void **state)
{
	(void)state;
	needs_root();
	(void)setenv("SUDO_UID", "64998", 1);
	(void)setenv("SUDO_GID", "64997", 1);
	good("--workers", "1");
	assert_true(web->caller_uid);
	assert_int_equal(web->uid, 64998);
	assert_int_equal(web->gid, 64997);
	(void)setenv("SUDO_UID", "0", 1); /* root called it: no caller to be */
	good("--workers", "1");
	assert_false(web->caller_uid);
	assert_true(web->dynamic_uid);
	(void)setenv("SUDO_UID", "rubbish", 1);
	good("--workers", "1");
	assert_true(web->dynamic_uid);
	good("--no-sandbox", "uid");
	assert_int_equal(web->uid, 0);
}

static void read_text(const char *path, char *text, size_t size)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (n < 0)
		fail_msg("%s: %s", path, strerror(errno));
	text[n > 0 ? n : 0] = '\0';
}

static void dynamic_uids_are_locked_as_systemd_does(void **state)
{
	char lock[128], by_name[128], text[128], want[64];
	uid_t uid;

	(void)state;
	needs_root();
	good("--workers", "1");
	uid = web->uid;
	assert_true(web->dynamic_uid && uid >= UID_DYNAMIC_MIN && uid <= UID_DYNAMIC_MAX);
	assert_int_equal(web->gid, uid);
	(void)snprintf(want, sizeof(want), "mpsup-unit-%d-web", getpid());
	assert_string_equal(web->user_name, want);
	(void)snprintf(lock, sizeof(lock), "/run/systemd/dynamic-uid/%u", uid);
	(void)snprintf(by_name, sizeof(by_name), "/run/systemd/dynamic-uid/direct:%s", want);
	(void)snprintf(want, sizeof(want), "mpsup-unit-%d-web\n", getpid());
	read_text(lock, text, sizeof(text));
	assert_string_equal(text, want);
	(void)snprintf(want, sizeof(want), "%u", uid);
	assert_int_equal(readlink(by_name, text, sizeof(text)), (ssize_t)strlen(want));
	assert_memory_equal(text, want, strlen(want));
	{
		AUTO_FD int fd = open(lock, O_RDWR | O_CLOEXEC);

		assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
		assert_int_equal(errno, EWOULDBLOCK);
	}
	config_ref(conf);
	config_unref(conf);
	assert_int_equal(access(lock, F_OK), 0);
	config_unref(conf);
	conf = NULL;
	assert_int_equal(access(lock, F_OK), -1);
	assert_int_equal(readlink(by_name, text, sizeof(text)), -1);
	/* The name gives the same one again. */
	good("--workers", "1");
	assert_int_equal(web->uid, uid);
}

static void two_never_share_a_dynamic_uid(void **state)
{
	int a_fd = -1, b_fd = -1;
	uid_t a = 0, b = 0;
	char name[64];

	(void)state;
	needs_root();
	(void)snprintf(name, sizeof(name), "unit-%d", getpid());
	assert_int_equal(uid_allocate(name, "two", &a, &a_fd, &e), 0);
	assert_int_equal(uid_allocate(name, "two", &b, &b_fd, &e), 0);
	assert_int_not_equal(a, b);
	uid_release(&b_fd, b);
	uid_release(&a_fd, a);
	assert_int_equal(a_fd, -1);
	uid_release(&a_fd, a);
}

static void become_ordinary(void)
{
	if (geteuid() == 0) {
		assert_int_equal(setegid(64990), 0);
		assert_int_equal(seteuid(64990), 0);
	}
}

static void become_root(void)
{
	ignore(seteuid(0));
	ignore(setegid(0));
}

static void ordinary_users_have_only_themselves(void **state)
{
	(void)state;
	become_ordinary();
	uid_t own = geteuid();
	int plain = load("--workers", "1", NULL), other = load("--user", "root", NULL);
	bool said = strstr(e.msg, "--user root: only root") != NULL;
	int groups = load("--groups", "root", NULL);
	int mine = load("--user", arena_printf(&arena, "%u", own), NULL);
	uid_t got = mine == 0 ? web->uid : 0;

	become_root();
	assert_int_equal(plain, 0);
	assert_int_equal(other, -EOPNOTSUPP);
	assert_true(said);
	assert_int_equal(groups, -EOPNOTSUPP);
	assert_int_equal(mine, 0);
	assert_int_equal(got, own);
}

/* ---- where and what ---- */

static void folders(void **state)
{
	const char *file = make_file("file", "x", 1, 0644);

	(void)state;
	make_dir("real", 0755);
	assert_int_equal(symlink("real", inside("link")), 0);
	good("--cwd", inside("link"));
	assert_string_equal(web->cwd, inside("real"));
	bad(-ENOENT, "--cwd /no/such: ", "--cwd", "/no/such");
	bad(-ENOTDIR, "it is not a folder", "--cwd", file);
}

static void a_folder_in_the_way_is_named(void **state)
{
	const char *closed = make_dir("closed", 0700), *app = make_dir("closed/app", 0755);
	char has[256];

	(void)state;
	needs_root();
	(void)snprintf(has, sizeof(has), "may not enter %s (mode 700, owner 0)", closed);
	make_file("closed/app/program", "#!/bin/sh\n", 10, 0755);
	bad(-EACCES, has, "--view", "host", "--ro", dir, "--cwd", app);
	bad(-EACCES, has, "--no-sandbox", "view", "--cwd", app);
	bad(-EACCES, has, "--ro", dir, "--cwd", app);
	bad(-EACCES, has, "--cwd", dir, "--protocol", "native", "--", "closed/app/program");
	/* Here the view leads past it: only app itself is shown. */
	good("--cwd", app);
	good("--protocol", "native", "--cwd", app, "--", "./program");
	bad(-EACCES, "may not enter it", "--cwd", closed);
	good("--user", "root", "--cwd", closed);
	/* uid 0 without capabilities is not above modes. */
	assert_int_equal(chown(closed, 64996, 64996), 0);
	bad(-EACCES, "may not enter it", "--user", "root", "--cwd", closed);
	good("--user", "root", "--no-sandbox", "caps", "--cwd", closed);
}

/* The host's /tmp is not the worker's, whatever the view. */
static void a_private_folder_is_no_place(void **state)
{
	const char *program = make_file("program", "#!/bin/sh\n", 10, 0755);

	(void)state;
	needs_root();
	bad(-ENOENT, "the workers have a /tmp of their own; --ro or --rw", "--view", "host",
	    "--cwd", dir);
	bad(-ENOENT, "the workers have a /tmp of their own", "--view", "host", "--protocol",
	    "native", "--cwd", "/", "--", program);
	good("--view", "host", "--cwd", dir, "--ro", dir, "--protocol", "native", "--", program);
	good("--view", "host", "--cwd", "/tmp");
	good("--cwd", "/tmp");
}

static void commands_are_found(void **state)
{
	const char *bin = make_dir("bin", 0755);

	(void)state;
	make_file("bin/tool", "#!/bin/sh\n", 10, 0755);
	make_file("bin/dull", "#!/bin/sh\n", 10, 0644);
	make_dir("later", 0755);
	make_file("later/dull", "#!/bin/sh\n", 10, 0755);
	(void)setenv("PATH", bin, 1);
	good("--protocol", "native", "--cwd", dir, "--", "tool", "x");
	assert_string_equal(web->exec_path, inside("bin/tool"));
	assert_string_equal(web->command[0], "tool");
	bad(-ENOENT, "'absent' is not found in PATH", "--cwd", dir, "--protocol", "native", "--",
	    "absent");
	bad(-EACCES, "bin/dull: it is not executable (mode 644)", "--cwd", dir, "--protocol",
	    "native", "--", "dull");
	/* The worker's PATH counts, relative to the worker's folder. */
	(void)setenv("PATH", "/nowhere", 1);
	good("--protocol", "native", "--cwd", dir, "--env", "PATH=bin:later", "--", "dull");
	assert_string_equal(web->exec_path, inside("later/dull"));
	good("--protocol", "native", "--cwd", bin, "--env", "PATH=:/x", "--", "tool");
	assert_string_equal(web->exec_path, inside("bin/tool"));
	good("--protocol", "native", "--cwd", dir, "--", "bin/tool");
	assert_string_equal(web->exec_path, inside("bin/tool"));
}

static void wrong_commands_are_named(void **state)
{
	const char *path;

	(void)state;
	bad(-ENOENT, "command /no/such: ", "--protocol", "native", "--", "/no/such");
	bad(-EISDIR, "command /etc: it is a folder", "--protocol", "native", "--", "/etc");
	bad(-EACCES, "/etc/passwd: it is not executable", "--protocol", "native", "--",
	    "/etc/passwd");
	path = make_file("lost", "#! /no/such/shell -x\n", 21, 0755);
	bad(-ENOENT, "its first line names /no/such/shell", "--protocol", "native", "--cwd", dir,
	    "--", path);
	path = make_file("windows", "#!/bin/sh\r\n", 11, 0755);
	bad(-ENOENT, "CR LF", "--protocol", "native", "--cwd", dir, "--", path);
	path = make_file("empty", "", 0, 0755);
	good("--protocol", "native", "--cwd", dir, "--", path);
}

static void files_of_others_are_named(void **state)
{
	const char *path = make_file("mine", "#!/bin/sh\n", 10, 0700);

	(void)state;
	needs_root();
	bad(-EACCES, "may not execute it (mode 700, owner 0)", "--cwd", dir, "--protocol", "native",
	    "--", path);
	good("--user", "root", "--cwd", dir, "--protocol", "native", "--", path);
}

static void auto_picks_the_protocol(void **state)
{
	(void)state;
	good("--cwd", dir);
	assert_int_equal(web->protocol, PROTO_NATIVE);
	make_file("node", "#!/bin/sh\n", 10, 0755);
	make_file("npm", "#!/usr/bin/env node\n", 20, 0755);
	make_file("script", "#!/usr/bin/env node\n", 20, 0755);
	(void)setenv("PATH", dir, 1);
	good("--cwd", dir, "--", "node", "app.js", "-e");
	assert_int_equal(web->protocol, PROTO_NODE_CLUSTER);
	good("--cwd", dir, "--", "./script");
	assert_int_equal(web->protocol, PROTO_NODE_CLUSTER);
	assert_int_equal(web->balance, BALANCE_SHARED);
	/* AUTO that stays: systemd is offered and bind armed. */
	good("--cwd", dir, "--", "npm", "start");
	assert_int_equal(web->protocol, PROTO_AUTO);
	assert_int_equal(web->balance, BALANCE_REUSEPORT);
	good("--cwd", dir, "--", "node", "--watch", "app.js");
	assert_int_equal(web->protocol, PROTO_AUTO);
	good("--cwd", dir, "--", "node", "-e", "1");
	assert_int_equal(web->protocol, PROTO_AUTO);
	good("--cwd", dir, "--", "/bin/true");
	assert_int_equal(web->protocol, PROTO_AUTO);
}

static void who_can_be_watched(void **state)
{
	static const char *const asked[] = { "auto", "node-cluster", "node-ipc", "native",
					     "systemd" };

	(void)state;
	make_file("node", "#!/bin/sh\n", 10, 0755);
	(void)setenv("PATH", dir, 1);
	for (size_t i = 0; i < ARRAY_LEN(asked); i++)
		good("--watchdog", "1s", "--cwd", dir, "--protocol", asked[i], "--", "node",
		     "x.js");
	good("--watchdog", "1s", "--cwd", dir);
	bad(-EINVAL, "this pool has auto", "--watchdog", "1s", "--cwd", dir, "--", "node", "-e",
	    "1");
	bad(-EINVAL, "this pool has bind", "--watchdog", "1s", "--cwd", dir, "--protocol", "bind",
	    "--", "node", "x.js");
}

static void who_eats_the_channel(void **state)
{
	(void)state;
	make_file("node", "#!/bin/sh\n", 10, 0755);
	make_file("npm", "#!/usr/bin/env node\n", 20, 0755);
	(void)setenv("PATH", dir, 1);
	good("--cwd", dir, "--", "npm", "start");
	assert_null(web->eats_channel); /* auto: bind serves it */
	good("--cwd", dir, "--protocol", "node-cluster", "--", "npm", "start");
	assert_string_equal(web->eats_channel, "npm");
	good("--cwd", dir, "--protocol", "node-ipc", "--", "node", "--watch", "x.js");
	assert_string_equal(web->eats_channel, "--watch");
	good("--cwd", dir, "--protocol", "node-cluster", "--", "node", "x.js", "--watch");
	assert_null(web->eats_channel);
}

/* ---- how many ---- */

static void workers_and_cpus(void **state)
{
	char one[32], all_but[32];
	cpu_set_t first;
	size_t cpu = 0;

	(void)state;
	good("--cwd", dir);
	assert_int_equal(web->ncpus, CPU_COUNT(&web->cpus));
	assert_int_equal(web->workers, web->ncpus);
	assert_true(web->parallel >= 2);
	assert_non_null(web->cpus_reason);
	while (!CPU_ISSET(cpu, &cpus_before))
		cpu++;
	(void)snprintf(one, sizeof(one), "%zu", cpu);
	good("--cwd", dir, "--cpus", one);
	assert_int_equal(web->ncpus, 1);
	assert_int_equal(web->workers, 1);
	good("--cwd", dir, "--cpus", one, "--workers", "7");
	assert_int_equal(web->workers, 7);
	bad(-EINVAL, "--workers -1 leaves none: there are 1 CPUs", "--cwd", dir, "--cpus", one,
	    "--workers", "-1");
	good("--cwd", dir, "--workers", "1301");
	good("--cwd", dir, "--workers", "1300", "--balance", "reuseport");
	bad(-EINVAL, "--workers 1301: with a socket for each slot at most 1300", "--cwd", dir,
	    "--workers", "1301", "--balance", "reuseport");
	(void)snprintf(all_but, sizeof(all_but), "-%u", web->ncpus + 4000);
	bad(-EINVAL, "leaves none", "--cwd", dir, "--workers", all_but);
	bad(-EINVAL, "CPU 1023 is not there for us; usable are: ", "--cwd", dir, "--cpus", "1023");
	CPU_ZERO(&first);
	CPU_SET(cpu, &first);
	assert_int_equal(sched_setaffinity(0, sizeof(first), &first), 0);
	good("--cwd", dir);
	assert_int_equal(web->ncpus, 1);
	if (CPU_COUNT(&cpus_before) > 1)
		assert_string_equal(web->cpus_reason, "the CPU affinity that it was started with");
}

static void quotas_up_the_tree(void **state)
{
	(void)state;
	make_dir("a", 0755);
	make_dir("a/b", 0755);
	assert_int_equal(allowed_quota_up(dir, "/a/b", true), 0);
	make_file("a/b/cpu.max", "max 100000\n", 11, 0644);
	assert_int_equal(allowed_quota_up(dir, "/a/b", true), 0);
	make_file("a/cpu.max", "150000 100000\n", 14, 0644);
	assert_int_equal(allowed_quota_up(dir, "/a/b", true), 1500);
	make_file("a/b/cpu.max", "50000 100000\n", 13, 0644);
	assert_int_equal(allowed_quota_up(dir, "/a/b", true), 500);
	assert_int_equal(allowed_quota_up(dir, "/a", true), 1500);
	assert_int_equal(allowed_quota_up(dir, "/", true), 0);
	make_file("a/b/cpu.cfs_quota_us", "-1\n", 3, 0644);
	make_file("a/cpu.cfs_quota_us", "200000\n", 7, 0644);
	make_file("a/cpu.cfs_period_us", "100000\n", 7, 0644);
	assert_int_equal(allowed_quota_up(dir, "/a/b", false), 2000);
	make_file("cpu.cfs_quota_us", "30000\n", 6, 0644);
	make_file("cpu.cfs_period_us", "100000\n", 7, 0644);
	assert_int_equal(allowed_quota_up(dir, "/a/b", false), 300);
	assert_int_equal(allowed_quota_up(dir, "/gone/away", false), 300);
}

static void cpusets_up_the_tree(void **state)
{
	cpu_set_t set;

	(void)state;
	make_dir("a", 0755);
	make_dir("a/b", 0755);
	assert_false(allowed_cpuset_up(dir, "/a/b", true, &set));
	make_file("cpuset.cpus.effective", "0-3\n", 4, 0644);
	assert_true(allowed_cpuset_up(dir, "/a/b", true, &set));
	assert_int_equal(CPU_COUNT(&set), 4);
	make_file("a/cpuset.cpus.effective", "1,3\n", 4, 0644);
	assert_true(allowed_cpuset_up(dir, "/a/b", true, &set));
	assert_int_equal(CPU_COUNT(&set), 2);
	make_file("a/b/cpuset.cpus.effective", "\n", 1, 0644);
	assert_true(allowed_cpuset_up(dir, "/a/b", true, &set));
	assert_int_equal(CPU_COUNT(&set), 2);
	make_file("a/b/cpuset.effective_cpus", "2\n", 2, 0644);
	assert_true(allowed_cpuset_up(dir, "/a/b", false, &set));
	assert_int_equal(CPU_COUNT(&set), 1);
}

static void open_files(void **state)
{
	(void)state;
	good("--cwd", dir);
	assert_true(web->nofile > 0 && web->nofile <= 65536);
	good("--cwd", dir, "--nofile", "64");
	assert_int_equal(web->nofile, 64);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(env_files_are_read),
		T(env_files_are_refused_at_the_place),
		T(environment_by_the_rules),
		T(environment_by_names),
		T(a_worker_always_has_a_path),
		T(own_variables_win),
		T(users_by_name_and_number),
		T(a_number_is_not_a_groups),
		T(the_caller_of_sudo),
		T(dynamic_uids_are_locked_as_systemd_does),
		T(two_never_share_a_dynamic_uid),
		T(ordinary_users_have_only_themselves),
		T(folders),
		T(a_folder_in_the_way_is_named),
		T(a_private_folder_is_no_place),
		T(commands_are_found),
		T(wrong_commands_are_named),
		T(files_of_others_are_named),
		T(auto_picks_the_protocol),
		T(who_can_be_watched),
		T(who_eats_the_channel),
		T(workers_and_cpus),
		T(quotas_up_the_tree),
		T(cpusets_up_the_tree),
		T(open_files),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
