/* SPDX-License-Identifier: MIT */
/* fds.h - what a test must give back: descriptors and children. */
#ifndef MPSUP_TESTS_UNIT_FDS_H
#define MPSUP_TESTS_UNIT_FDS_H

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/wait.h>

static inline int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static inline bool have_children(void)
{
	return waitid(P_ALL, 0, &(siginfo_t){ 0 }, WEXITED | WNOHANG | WNOWAIT) == 0;
}

#endif
