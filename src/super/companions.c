/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/companions.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Folder of the running binary, "" if it cannot be told. */
static const char *own_folder(void)
{
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	return path;
}

int companion_open(const char *name, int *ret_fd, struct err *e)
{
	const char *dirs[] = { own_folder(), MPSUP_LIBEXECDIR };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		int fd;

		if (snprintf(path, sizeof(path), "%s/%s", dirs[i], name) >= (int)sizeof(path))
			continue;
		fd = open(path, O_PATH | O_CLOEXEC);
		if (fd >= 0) {
			*ret_fd = fd;
			return 0;
		}
	}
	return err_set(e, -ENOENT, "%s is neither in %s nor in %s: build or install mpsup whole",
		       name, dirs[0], dirs[1]);
}

const char *const *companion_policy_dirs(void)
{
	static char etc[PATH_MAX], tree[PATH_MAX + 16];
	static const char *dirs[4];
	const char *root = getenv("MPSUP_ROOT");
	size_t n = 0;

	(void)snprintf(etc, sizeof(etc), "%s/etc/mpsup/policy", root ? root : "");
	(void)snprintf(tree, sizeof(tree), "%s/../policy", own_folder());
	dirs[n++] = etc;
	if (access(tree, R_OK) == 0)
		dirs[n++] = tree;
	dirs[n++] = MPSUP_DATADIR "/policy";
	dirs[n] = NULL;
	return dirs;
}
