/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/hierarchy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	while (*list) {
		size_t len = strcspn(list, ",\n");

		if (len == n && strncmp(list, word, n) == 0)
			return true;
		list += len + (list[len] != '\0');
	}
	return false;
}

static FILE *open_in(const char *proc, const char *file)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", proc, file) >= (int)sizeof(path))
		return NULL;
	return fopen(path, "re");
}

/* One line of mountinfo: is it this hierarchy's, from which folder of it, where? */
static bool is_mount(const char *line, bool v2, const char *controller, char *ret_root,
		     char *ret_point)
{
	const char *type = strstr(line, " - cgroup");
	const char *opts = type ? strrchr(type, ' ') : NULL;

	if (!opts || (strncmp(type, " - cgroup2 ", 11) == 0) != v2)
		return false;
	if (!v2 && !has_word(opts + 1, controller))
		return false;
	return sscanf(line, "%*d %*d %*s %4095s %4095s", ret_root, ret_point) == 2;
}

static bool find_mount(const char *proc, bool v2, const char *controller, char *ret_root,
		       char *ret_point)
{
	FILE *f = open_in(proc, "mountinfo");
	char *line = NULL;
	size_t cap = 0;
	bool found = false;

	/* The first one is the one that was there first: later ones are somebody's view. */
	while (f && !found && getline(&line, &cap, f) > 0)
		found = is_mount(line, v2, controller, ret_root, ret_point);
	free(line);
	if (f)
		(void)fclose(f);
	return found;
}

/* "0::/x" for v2, "4:cpu,cpuacct:/x" for v1. */
static bool find_own(const char *proc, bool v2, const char *controller, char *ret, size_t size)
{
	FILE *f = open_in(proc, "cgroup");
	char *line = NULL;
	size_t cap = 0;
	bool found = false;

	while (f && !found && getline(&line, &cap, f) > 0) {
		char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;

		if (!path)
			continue;
		path[strcspn(path, "\n")] = '\0';
		*path = '\0';
		if (v2 ? names[1] == '\0' : has_word(names + 1, controller))
			found = snprintf(ret, size, "%s", path + 1) < (int)size;
	}
	free(line);
	if (f)
		(void)fclose(f);
	return found;
}

/* Docker with cgroup v1 shows /docker/ID as the own path, and mounts that folder:
 * what the mount leaves out goes. Outside of what is mounted, its top is the nearest
 * that we see. */
static void below_mount(char *own, const char *root)
{
	size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (strncmp(own, root, n) != 0 || (own[n] != '/' && own[n] != '\0') ||
	    strncmp(own, "/..", 3) == 0 || own[n] == '\0') {
		(void)memcpy(own, "/", 2);
		return;
	}
	(void)memmove(own, own + n, strlen(own + n) + 1);
}

bool hierarchy_find(const char *proc, bool v2, const char *controller, struct hierarchy *ret)
{
	char root[PATH_MAX];

	if (!find_mount(proc, v2, controller, root, ret->mount) ||
	    !find_own(proc, v2, controller, ret->own, sizeof(ret->own)))
		return false;
	below_mount(ret->own, root);
	return true;
}

bool hierarchy_start(char *path, size_t size, const char *mount, const char *own)
{
	return snprintf(path, size, "%s%s", mount, strcmp(own, "/") ? own : "") < (int)size;
}

bool hierarchy_up(char *path, const char *mount)
{
	char *slash = strrchr(path, '/');

	if (strlen(path) <= strlen(mount) || !slash)
		return false;
	*slash = '\0';
	return true;
}
