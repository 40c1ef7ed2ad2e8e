/* SPDX-License-Identifier: MIT */
/* test_policy.c - policies as text, and filters on the real kernel.
 *
 * Run from the top of the source tree: the shipped policies are read from
 * policy/. A filter cannot be taken off, so each is loaded in a child. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <asm/ioctls.h>
#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/policy.h"

static const char *const shipped[] = { "policy", NULL };

static struct {
	char dir[64];
	struct policy *policy;
	struct bpf bpf, second;
	int fds_before;
} fx;

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static void drop_dir(void)
{
	DIR *d = opendir(fx.dir);
	struct dirent *f;

	while (d && (f = readdir(d)))
		(void)unlinkat(dirfd(d), f->d_name, 0);
	if (d)
		closedir(d);
	(void)rmdir(fx.dir);
}

static int setup(void **state)
{
	(void)state;
	fx.fds_before = count_fds();
	fx.policy = NULL;
	fx.bpf = fx.second = (struct bpf){ 0 };
	(void)snprintf(fx.dir, sizeof(fx.dir), "/tmp/mpsup-test-policy.XXXXXX");
	return mkdtemp(fx.dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	policy_free(fx.policy);
	bpf_done(&fx.bpf);
	bpf_done(&fx.second);
	drop_dir();
	return count_fds() == fx.fds_before ? 0 : -1;
}

static char *write_file(const char *name, const char *text)
{
	static char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", fx.dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	(void)fputs(text, f);
	(void)fclose(f);
	return path;
}

/* What every policy must allow. */
#define LAST "execve, execveat, write, exit_group"

static int load_text(const char *text, struct err *e)
{
	const char *const dirs[] = { fx.dir, "policy", NULL };

	return policy_load(write_file("own.yaml", text), dirs, &fx.policy, e);
}

static void is_refused(const char *text, const char *place, const char *words)
{
	struct err e = { 0 };
	char want[160];

	assert_int_equal(load_text(text, &e), -EINVAL);
	(void)snprintf(want, sizeof(want), "%s/own.yaml:%s: ", fx.dir, place);
	if (strncmp(e.msg, want, strlen(want)) != 0 || !strstr(e.msg, words))
		fail_msg("'%s' should begin with '%s' and hold '%s'", e.msg, want, words);
}

/* ---- text ---- */

static void errors_name_place_and_nearest_word(void **state)
{
	(void)state;
	is_refused("name: x\nalow: [read]\n", "2:1", "did you mean 'allow'?");
	is_refused("name: x\nallow: [" LAST ",\n  raed]\n", "3:3", "did you mean 'read'?");
	is_refused("name: x\nallow: [" LAST ", \"@fles_read\"]\n", "2:46",
		   "did you mean '@files_read'?");
	is_refused("name: x\nquiet:\n  - {mount: ENOSIS}\n", "3:13", "did you mean 'ENOSYS'?");
	is_refused("name: x\ndeny: {mount: 1}\n", "2:15", "name of an error");
	is_refused("name: x\nrules: {socket: {allow: {arg0: AF_INET4}}}\n", "2:32",
		   "did you mean 'AF_INET'?");
	is_refused("name: x\nrules: {socket: {alow: {arg0: 1}}}\n", "2:18",
		   "did you mean 'allow'?");
	is_refused("name: x\nrules: {socket: {allow: {arg6: 1}}}\n", "2:26", "arg0 to arg5");
	is_refused("name: x\nrules: {socket: {allow: {arg0: -1}}}\n", "2:32", "0xffffffff");
	is_refused("name: x\nrules: {socket: {allow: {arg0: 0x100000000}}}\n", "2:32", "number");
	is_refused("name: x\nrules: {socket: {allow: {arg0: []}}}\n", "2:32", "without a value");
	is_refused("name: x\nrules: {socket: {allow: {}}}\n", "2:25", "empty condition");
	is_refused("name: x\nrules: {socket: {errno: EPERM}}\n", "2:17", "allow");
	is_refused("name: x\nrules: {\"@io\": {allow: {arg0: 1}}}\n", "2:9", "one call");
}

static void shapes_that_are_wrong_are_refused(void **state)
{
	(void)state;
	is_refused("- a\n- b\n", "1:1", "found a list");
	is_refused("", "1:1", "nothing");
	is_refused("name: x\nallow: [@io]\n", "2:9", "in quotes");
	is_refused("name: x\nallow: [[read]]\n", "2:9", "found a list");
	is_refused("name: x\nallow: [\"\"]\n", "2:9", "found nothing");
	is_refused("name: [x]\n", "1:7", "expected text");
	is_refused("allow: [read]\n", "1:1", "'name' is missing");
	is_refused("name: x\nname: y\n", "2:1", "was there before");
	is_refused("name: x\nallow: [read\n", "3:1", "");
	is_refused("name: x\n---\nname: y\n", "3:1", "second document");
	is_refused("name: x\ndeny: [mount]\n", "2:7", "found a list");
}

static void a_call_stands_once_in_a_file(void **state)
{
	(void)state;
	is_refused("name: x\nallow: [" LAST ", read,\n  read]\n", "3:3", "stands in line 2");
	is_refused("name: x\nallow: [mount]\ndeny: {mount: ENOSYS}\n", "3:8", "stands in line 2");
	is_refused("name: x\nallow: [\"@io\", \"@io\"]\n", "2:16", "stands in line 2");
}

static void what_the_last_steps_need_must_be_allowed(void **state)
{
	(void)state;
	is_refused("name: x\nallow: [execve, write, exit_group]\n", "1:1", "'execveat'");
	is_refused("name: x\ninclude: [generic]\ndeny: {write: EPERM}\n", "1:1", "'write'");
	is_refused("name: x\nallow: [clone3]\n", "2:9", "clone3 cannot be allowed");
	is_refused("name: x\nallow: [\"@clone3\"]\n", "2:9", "clone3 cannot be allowed");
}

static void includes_go_one_level(void **state)
{
	struct err e;

	(void)state;
	(void)write_file("mid.yaml", "name: mid\ninclude: [generic]\n");
	assert_int_equal(load_text("name: x\ninclude: [mid]\n", &e), -EINVAL);
	assert_non_null(strstr(e.msg, "mid.yaml:2:11: an included policy cannot include"));
	is_refused("name: x\ninclude: [genric]\n", "2:11", "did you mean 'generic'?");
	is_refused("name: x\ninclude: [./generic]\n", "2:11", "no policy");
	assert_int_equal(load_text("name: x\ninclude: generic\n", &e), 0);
}

static void optional_names_may_be_unknown(void **state)
{
	struct err e;

	(void)state;
	is_refused("name: x\nallow: [" LAST ", frobnicate2]\n", "2:46", "unknown system call");
	assert_int_equal(load_text("name: x\noptional: [frobnicate2]\n"
				   "allow: [" LAST ", frobnicate2]\n",
				   &e),
			 0);
}

static void policies_that_are_not_there(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(policy_load("generik", shipped, &fx.policy, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "did you mean 'generic'?"));
	assert_int_equal(policy_load("groups", shipped, &fx.policy, &e), -ENOENT);
	assert_int_equal(policy_load("/nonexistent/x.yaml", shipped, &fx.policy, &e), -ENOENT);
	assert_int_equal(policy_load("/dev/null", shipped, &fx.policy, &e), -EINVAL);
	assert_null(fx.policy);
}

/* ---- the data ---- */

static int group_lines(const char *text, const char *name)
{
	size_t len = strlen(name);
	int n = 0;

	for (const char *at = strstr(text, name); at; at = strstr(at + 1, name))
		n += strchr("[ ", at[-1]) && strchr(",]", at[len]);
	return n;
}

/* A call in no group would be EPERM for programs that expect ENOSYS or more. */
static void every_known_call_is_in_one_group(void **state)
{
	static char text[32768];
	FILE *f = fopen("policy/groups.yaml", "re");
	const char *groups;
	size_t n;

	(void)state;
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	text[n] = '\0';
	for (char *c = strchr(text, '#'); c; c = strchr(c, '#')) /* without the comments */
		memset(c, ' ', strcspn(c, "\n"));
	groups = strstr(text, "\ngroups:");
	assert_non_null(groups);
	for (int nr = 0; nr <= 450; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);

		if (name && group_lines(groups, name) != 1)
			fail_msg("%s stands %d times", name, group_lines(groups, name));
		free(name);
	}
}

static void compiling_is_deterministic(void **state)
{
	static const char *const names[] = { "generic", "node", "static", "import" };
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_int_equal(policy_load(names[i], shipped, &fx.policy, &e), 0);
		assert_int_equal(policy_compile(fx.policy, &fx.bpf, &e), 0);
		policy_free(fx.policy);
		fx.policy = NULL;
		assert_int_equal(policy_load(names[i], shipped, &fx.policy, &e), 0);
		assert_int_equal(policy_compile(fx.policy, &fx.second, &e), 0);
		policy_free(fx.policy);
		fx.policy = NULL;
		assert_int_equal(fx.bpf.len, fx.second.len);
		assert_memory_equal(fx.bpf.insns, fx.second.insns,
				    fx.bpf.len * sizeof(*fx.bpf.insns));
		bpf_done(&fx.bpf);
		bpf_done(&fx.second);
	}
}

/* ---- on the kernel ---- */

static void compile_shipped(const char *name)
{
	struct err e;

	assert_int_equal(policy_load(name, shipped, &fx.policy, &e), 0);
	assert_int_equal(policy_compile(fx.policy, &fx.bpf, &e), 0);
}

static void compile_text(const char *text)
{
	struct err e = { 0 };

	if (load_text(text, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(policy_compile(fx.policy, &fx.bpf, &e), 0);
}

#define LOADED_BADLY 250

/* Not _exit(): the address sanitizer makes calls of its own before it. */
static void leave(int status)
{
	(void)syscall(SYS_exit_group, status);
}

/* One system call in a child under the filter: its errno, or 0. */
static int call(long nr, long a, long b, long c, long d)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		long r;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    seccomp_load_filter(fx.bpf.insns, fx.bpf.len, 0) != 0)
			leave(LOADED_BADLY);
		r = syscall(nr, a, b, c, d, 0, 0);
		if (r == 0 && nr == SYS_clone) /* the new child */
			leave(0);
		leave(r < 0 ? errno : 0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void every_policy_refuses(const char *name)
{
	struct rlimit64 {
		uint64_t soft, hard;
	} old;

	compile_shipped(name);
	assert_int_equal(call(SYS_clone3, 0, 0, 0, 0), ENOSYS);
	assert_int_equal(call(SYS_io_uring_setup, 0, 0, 0, 0), ENOSYS);
	assert_int_equal(call(999, 0, 0, 0, 0), ENOSYS);
	assert_int_equal(call(-1, 0, 0, 0, 0), ENOSYS);
	assert_int_equal(call(SYS_unshare, CLONE_NEWUSER, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_setns, -1, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_mount, 0, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_ptrace, 0, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_process_vm_readv, 0, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_pidfd_getfd, -1, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_bpf, 0, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_keyctl, 0, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_userfaultfd, 0, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_perf_event_open, 0, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_open_by_handle_at, -1, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_finit_module, -1, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_sched_setaffinity, 0, 0, 0, 0), EPERM);

	assert_int_equal(call(SYS_socket, AF_INET, SOCK_STREAM, 0, 0), 0);
	assert_int_equal(call(SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0), 0);
	assert_int_equal(call(SYS_socket, AF_PACKET, SOCK_DGRAM, 0, 0), EPERM);
	assert_int_equal(call(SYS_socket, AF_ALG, SOCK_SEQPACKET, 0, 0), EPERM);
	assert_int_equal(call(SYS_ioctl, -1, TIOCSTI, 0, 0), EPERM);
	assert_int_equal(call(SYS_ioctl, -1, TIOCLINUX, 0, 0), EPERM);
	/* The kernel takes 32 bits of it (CVE-2019-10063). */
	assert_int_equal(call(SYS_ioctl, -1, 0x700000000 | TIOCSTI, 0, 0), EPERM);
	assert_int_equal(call(SYS_ioctl, -1, TIOCGWINSZ, 0, 0), EBADF);
	assert_int_equal(call(SYS_setsockopt, -1, SOL_SOCKET, SO_LOCK_FILTER, 0), EPERM);
	assert_int_equal(call(SYS_setsockopt, -1, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, 0), EPERM);
	assert_int_equal(call(SYS_setsockopt, -1, SOL_SOCKET, SO_REUSEADDR, 0), EBADF);
	/* IPV6_V6ONLY has the number of SO_ATTACH_FILTER. */
	assert_int_equal(call(SYS_setsockopt, -1, 41, SO_ATTACH_FILTER, 0), EBADF);
	assert_int_equal(call(SYS_prctl, PR_SET_MM, 0, 0, 0), EINVAL);
	assert_int_equal(call(SYS_prctl, PR_SET_NAME, (long)"x", 0, 0), 0);
	assert_int_equal(call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&old), 0);
	assert_int_equal(call(SYS_prlimit64, getpid(), RLIMIT_NOFILE, 0, (long)&old), EPERM);
	assert_int_equal(call(SYS_execve, 0, 0, 0, 0), EFAULT);
	assert_int_equal(call(SYS_execveat, -1, 0, 0, 0), EFAULT);
}

static void generic_on_the_kernel(void **state)
{
	static const unsigned long ns[] = { CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS,
					    CLONE_NEWIPC, CLONE_NEWUSER,   CLONE_NEWPID,
					    CLONE_NEWNET };

	(void)state;
	every_policy_refuses("generic");
	for (size_t i = 0; i < ARRAY_LEN(ns); i++)
		assert_int_equal(call(SYS_clone, (long)(ns[i] | SIGCHLD), 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_clone, SIGCHLD, 0, 0, 0), 0);
	assert_int_equal(call(SYS_personality, ADDR_NO_RANDOMIZE, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_personality, 0xffffffff, 0, 0, 0), 0);
	assert_int_equal(call(SYS_socket, AF_NETLINK, SOCK_RAW, 0, 0), 0);
	assert_int_equal(call(SYS_socket, AF_NETLINK, SOCK_RAW, 9, 0), EPERM);
	assert_int_equal(call(SYS_kill, 0, 0, 0, 0), 0);
	assert_int_equal(call(SYS_pkey_alloc, 0, 99, 0, 0), ENOSYS);
}

static void node_on_the_kernel(void **state)
{
	(void)state;
	every_policy_refuses("node");
	/* 99 is no valid right: the kernel was asked. */
	assert_int_not_equal(call(SYS_pkey_alloc, 0, 99, 0, 0), EPERM);
	assert_int_equal(call(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_socket, AF_NETLINK, SOCK_RAW, 0, 0), 0);
}

static void static_on_the_kernel(void **state)
{
	(void)state;
	every_policy_refuses("static");
	assert_int_equal(call(SYS_clone, SIGCHLD, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_socket, AF_NETLINK, SOCK_RAW, 0, 0), EPERM);
	assert_int_equal(call(SYS_unlinkat, -1, 0, 0, 0), EPERM);
}

/* x32 and i386 reach the same kernel by other numbers. */
static void foreign_calls(void **state)
{
	(void)state;
	compile_shipped("generic");
	assert_int_equal(call(0x40000000 | SYS_getpid, 0, 0, 0, 0), ENOSYS);
#if defined(__x86_64__)
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		unsigned r = 20; /* getpid of i386 */

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    seccomp_load_filter(fx.bpf.insns, fx.bpf.len, 0) != 0)
			leave(LOADED_BADLY);
		__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
		leave(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	/* A kernel without 32-bit programs has no such gate: SIGSEGV. */
	if (WTERMSIG(status) != SIGSEGV)
		assert_int_equal(WTERMSIG(status), SIGSYS);
#endif
}

static void rules_mean_what_they_say(void **state)
{
	(void)state;
	compile_text(
		"name: x\n"
		"allow: [" LAST "]\n"
		"deny: {getppid: ESRCH}\n"
		"quiet: [getuid, {getgid: ENOSYS}]\n"
		"rules:\n"
		"  lseek: {errno: EROFS, allow: [{arg0: [3, 0x7fffffff], arg2: 1}, {arg1: 7}]}\n"
		"  dup: {refuse: [{arg0: {any_bit: [2, 8]}}, {arg0: 5, arg1: [1, 2]}]}\n");
	assert_int_equal(call(SYS_getppid, 0, 0, 0, 0), ESRCH);
	assert_int_equal(call(SYS_getuid, 0, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_getgid, 0, 0, 0, 0), ENOSYS);
	assert_int_equal(call(SYS_getpid, 0, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_lseek, 0x7fffffff, 0, 1, 0), EBADF);
	assert_int_equal(call(SYS_lseek, 0x7fffffff, 7, 9, 0), EBADF);
	assert_int_equal(call(SYS_lseek, 0x7fffffff, 0, 2, 0), EROFS);
	assert_int_equal(call(SYS_lseek, 4, 0, 1, 0), EROFS);
	assert_int_equal(call(SYS_dup, 0x1000, 0, 0, 0), EBADF);
	assert_int_equal(call(SYS_dup, 0x1002, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_dup, 0x1008, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_dup, 5, 2, 0, 0), EPERM);
	assert_int_not_equal(call(SYS_dup, 5, 3, 0, 0), EPERM);
}

static void a_group_does_not_take_a_rule_away(void **state)
{
	(void)state;
	compile_text("name: x\ninclude: [generic]\n"
		     "allow: [\"@process\", \"@network_open\", sched_setaffinity]\n"
		     "deny: {getppid: ENOSYS}\n"
		     "rules: {socketpair: {errno: EAFNOSUPPORT, allow: {arg0: AF_INET}}}\n");
	assert_int_equal(call(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0), EPERM);
	assert_int_equal(call(SYS_socket, AF_PACKET, SOCK_DGRAM, 0, 0), EPERM);
	/* By name the file beats what it includes. */
	assert_int_equal(call(SYS_sched_setaffinity, 0, 0, 0, 0), EINVAL);
	assert_int_equal(call(SYS_getppid, 0, 0, 0, 0), ENOSYS);
	assert_int_equal(call(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 0), EAFNOSUPPORT);
}

/* ---- which policy ---- */

static const char *pick(const char *first_line, const char *argv0)
{
	const char *const argv[] = { argv0, NULL };

	return policy_auto(write_file("prog", first_line), argv);
}

static void the_command_picks_the_policy(void **state)
{
	static const char *const node[] = { "node", "server.js", NULL };

	(void)state;
	assert_string_equal(policy_auto(NULL, NULL), "generic");
	assert_string_equal(policy_auto("/usr/bin/node", node), "node");
	assert_string_equal(policy_auto(NULL, node), "node");
	assert_string_equal(pick("#!/usr/bin/env node\n", "x"), "node");
	assert_string_equal(pick("#! /opt/node/bin/node --flag\n", "x"), "node");
	assert_string_equal(pick("#!/usr/bin/env -S node --x\n", "x"), "node");
	assert_string_equal(pick("#!/bin/sh", "/usr/local/bin/npm"), "node");
	assert_string_equal(pick("#!/usr/bin/python3\n# node\n", "x"), "generic");
	assert_string_equal(pick("#!/srv/node/bin/python3\n", "x"), "generic");
	assert_string_equal(pick("node\n", "nodemon-like"), "generic");
	assert_string_equal(pick("", "x"), "generic");
	assert_string_equal(policy_auto(fx.dir, (const char *const[]){ "x", NULL }), "generic");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(errors_name_place_and_nearest_word),
		T(shapes_that_are_wrong_are_refused),
		T(a_call_stands_once_in_a_file),
		T(what_the_last_steps_need_must_be_allowed),
		T(includes_go_one_level),
		T(optional_names_may_be_unknown),
		T(policies_that_are_not_there),
		T(every_known_call_is_in_one_group),
		T(compiling_is_deterministic),
		T(generic_on_the_kernel),
		T(node_on_the_kernel),
		T(static_on_the_kernel),
		T(foreign_calls),
		T(rules_mean_what_they_say),
		T(a_group_does_not_take_a_rule_away),
		T(the_command_picks_the_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
