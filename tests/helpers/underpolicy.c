/* SPDX-License-Identifier: MIT */
/* underpolicy.c - run a command under a policy and nothing else of the cage.
 *
 *     underpolicy [-d DIR] [-t] POLICY|FILE|auto CMD [ARG...]
 *
 * -d: folder of policies, default policy/ of the working directory.
 * -t: test only: say how long the program is, execute nothing.
 * Sets no_new_privs, loads the filter, executes the command. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "kernel/seccomp.h"
#include "policy/policy.h"

static int compile(const char *name, const char *dir, struct bpf *ret)
{
	const char *const dirs[] = { dir, NULL };
	struct policy *p;
	struct err e;
	int r = policy_load(name, dirs, &p, &e);

	if (r == 0) {
		r = policy_compile(p, ret, &e);
		policy_free(p);
	}
	if (r < 0)
		fprintf(stderr, "underpolicy: %s\n", e.msg);
	return r;
}

static int run(const struct bpf *b, char **cmd)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		perror("underpolicy: no_new_privs");
		return 125;
	}
	r = seccomp_load_filter(b->insns, b->len, 0);
	if (r < 0) {
		fprintf(stderr, "underpolicy: load the filter: %s\n", strerror(-r));
		return 125;
	}
	execvp(cmd[0], cmd);
	perror(cmd[0]);
	return 127;
}

int main(int argc, char **argv)
{
	const char *dir = "policy", *name;
	struct bpf b = { 0 };
	int opt, test = 0, status = 0;

	while ((opt = getopt(argc, argv, "+d:t")) != -1) {
		if (opt == 'd')
			dir = optarg;
		else if (opt == 't')
			test = 1;
		else
			return 2;
	}
	if (argc - optind < (test ? 1 : 2)) {
		fprintf(stderr, "usage: underpolicy [-d DIR] [-t] POLICY|FILE|auto CMD [ARG...]\n");
		return 2;
	}
	name = argv[optind];
	if (strcmp(name, "auto") == 0)
		name = policy_auto(argv[optind + 1], (const char *const *)argv + optind + 1);
	if (compile(name, dir, &b) < 0)
		return 2;
	if (test)
		printf("%s: %u instructions\n", name, b.len);
	else
		status = run(&b, argv + optind + 1);
	bpf_done(&b);
	return status;
}
