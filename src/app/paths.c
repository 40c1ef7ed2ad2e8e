/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/paths.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int paths_absolute(char *ret, const char *path)
{
	char here[PATH_MAX] = "";

	if (*path != '/' && !getcwd(here, sizeof(here)))
		return -errno;
	return snprintf(ret, PATH_MAX, "%s%s%s", here, *path == '/' ? "" : "/", path) < PATH_MAX ?
		       0 :
		       -ENAMETOOLONG;
}

int paths_settle(struct err *e)
{
	const char *root = getenv("MPSUP_ROOT");
	char path[PATH_MAX];
	int r = root && *root ? paths_absolute(path, root) : 0;

	if (r == 0 && root && *root && setenv("MPSUP_ROOT", path, 1) < 0)
		r = -errno;
	return r < 0 ? err_sys(e, r, "MPSUP_ROOT %s", root) : 0;
}

void paths_run_dir(char *buf, size_t size)
{
	const char *root = getenv("MPSUP_ROOT");
	const char *xdg = getenv("XDG_RUNTIME_DIR");

	if (root && *root)
		(void)snprintf(buf, size, "%s/run/mpsup", root);
	else if (geteuid() == 0)
		(void)snprintf(buf, size, "/run/mpsup");
	else if (xdg && *xdg)
		(void)snprintf(buf, size, "%s/mpsup", xdg);
	else
		(void)snprintf(buf, size, "/tmp/mpsup-%u", geteuid());
}

/* Of root below what the system has for it, of others below their own. */
static void state_dir(char *buf, size_t size, const char *system, const char *last,
		      const char *name)
{
	const char *root = getenv("MPSUP_ROOT");
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (root && *root)
		(void)snprintf(buf, size, "%s%s/%s", root, system, name);
	else if (geteuid() == 0)
		(void)snprintf(buf, size, "%s/%s", system, name);
	else if (xdg && *xdg)
		(void)snprintf(buf, size, "%s/mpsup/%s", xdg, name);
	else if (home && *home)
		(void)snprintf(buf, size, "%s/.local/state/mpsup/%s", home, name);
	else
		(void)snprintf(buf, size, "/tmp/mpsup-%u/%s/%s", geteuid(), last, name);
}

void paths_log_dir(char *buf, size_t size, const char *name)
{
	state_dir(buf, size, "/var/log/mpsup", "log", name);
}

void paths_state_dir(char *buf, size_t size, const char *name)
{
	state_dir(buf, size, "/var/lib/mpsup", "state", name);
}

int paths_make(char *path, mode_t mode, struct err *e)
{
	for (char *p = path + 1;; p++) {
		char c = *p;
		int r;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		r = mkdir(path, c ? 0755 : mode) < 0 && errno != EEXIST ? -errno : 0;
		if (r < 0)
			return err_sys(e, r, "%s", path);
		if (!c)
			return 0;
		*p = c;
	}
}
