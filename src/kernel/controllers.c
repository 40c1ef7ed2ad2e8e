/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/controllers.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cgroup.h"

static FILE *open_below(const char *dir, const char *file)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/%s", dir, file) < (int)sizeof(path) ?
		       fopen(path, "re") :
		       NULL;
}

/* ---- mode ---- */

/* A v1 hierarchy without a controller, such as systemd's own, binds none. */
static bool binds_controllers(const char *options)
{
	static const char *const names[] = { "memory", "cpu", "pids", "blkio", "cpuset" };
	char copy[256], *save = NULL;

	(void)snprintf(copy, sizeof(copy), "%s", options);
	for (char *w = strtok_r(copy, ",\n", &save); w; w = strtok_r(NULL, ",\n", &save))
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			if (strcmp(w, names[i]) == 0)
				return true;
	return false;
}

enum cgroup_mode controllers_mode(const char *proc)
{
	FILE *f = open_below(proc, "self/mountinfo");
	bool v2 = false, v1 = false;
	char *line = NULL;
	size_t cap = 0;

	while (f && getline(&line, &cap, f) > 0) {
		const char *type = strstr(line, " - cgroup");

		if (type && strncmp(type, " - cgroup2 ", 11) == 0)
			v2 = true;
		else if (type && strncmp(type, " - cgroup ", 10) == 0)
			v1 |= binds_controllers(strrchr(type, ' ') + 1);
	}
	free(line);
	if (f)
		(void)fclose(f);
	if (v2)
		return v1 ? CGROUPS_HYBRID : CGROUPS_UNIFIED;
	return v1 ? CGROUPS_LEGACY : CGROUPS_NONE;
}

/* ---- why ---- */

/* Does MOUNT/path have it? */
static bool has(const char *mount, const char *path, const char *name)
{
	char dir[PATH_MAX], list[256] = "";
	FILE *f = NULL;

	if (snprintf(dir, sizeof(dir), "%s%s", mount, path) < (int)sizeof(dir))
		f = open_below(dir, "cgroup.controllers");
	if (!f)
		return false;
	if (!fgets(list, sizeof(list), f))
		list[0] = '\0';
	(void)fclose(f);
	list[strcspn(list, "\n")] = '\0';
	return cgroup_list_has(list, name);
}

/* What the kernel says of it where the top of the tree lacks it. "name hierarchy number
 * enabled"; v1 calls io blkio. */
static enum controller_why kernel_says(const char *proc, const char *name)
{
	const char *v1_name = strcmp(name, "io") == 0 ? "blkio" : name;
	FILE *f = open_below(proc, "cgroups");
	enum controller_why why = CONTROLLER_NONE;
	char line[256], got[64];
	unsigned hierarchy, enabled;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %u %*u %u", got, &hierarchy, &enabled) != 3 ||
		    strcmp(got, v1_name) != 0)
			continue;
		why = !enabled ? CONTROLLER_OFF : hierarchy ? CONTROLLER_V1 : CONTROLLER_OUTSIDE;
	}
	if (!f) /* a container may hide it */
		return CONTROLLER_OUTSIDE;
	(void)fclose(f);
	return why;
}

enum controller_why controllers_why(const char *proc, const char *mount, const char *own,
				    const char *name, char *at, size_t size)
{
	char path[PATH_MAX], *slash;

	at[0] = '\0';
	if (!has(mount, "", name))
		return kernel_says(proc, name);
	if (snprintf(path, sizeof(path), "%s", strcmp(own, "/") ? own : "") >= (int)sizeof(path))
		return CONTROLLER_THERE;
	if (has(mount, path, name))
		return CONTROLLER_THERE;
	/* From below to the first that has it: that one does not give it on. */
	while (!has(mount, path, name) && (slash = strrchr(path, '/')))
		*slash = '\0';
	(void)snprintf(at, size, "%s", path[0] ? path : "/");
	return CONTROLLER_ABOVE;
}
