/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

void paths_log_dir(char *buf, size_t size, const char *name)
{
	const char *root = getenv("MPSUP_ROOT");
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (root && *root)
		(void)snprintf(buf, size, "%s/var/log/mpsup/%s", root, name);
	else if (geteuid() == 0)
		(void)snprintf(buf, size, "/var/log/mpsup/%s", name);
	else if (xdg && *xdg)
		(void)snprintf(buf, size, "%s/mpsup/%s", xdg, name);
	else if (home && *home)
		(void)snprintf(buf, size, "%s/.local/state/mpsup/%s", home, name);
	else
		(void)snprintf(buf, size, "/tmp/mpsup-%u/log/%s", geteuid(), name);
}
