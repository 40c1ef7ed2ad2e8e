/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/hierarchy.h"

#include <errno.h>
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

	if (snprintf(path, sizeof(path), "%s/%s", proc, file) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	return fopen(path, "re");
}

/* mountinfo writes blank, tab, newline and backslash as \040 (proc(5)). */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		unsigned byte;

		if (*s == '\\' && sscanf(s + 1, "%3o", &byte) == 1) {
			*to++ = (char)byte;
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

int hierarchy_parse_mount(const char *line, bool v2, const char *controller, char *ret_root,
			  char *ret_point)
{
	/* Optional fields stand before the dash; after it come the type and, at the end,
	 * the options, where v1 names its controllers. */
	const char *type = strstr(line, " - cgroup");
	const char *opts = type ? strrchr(type, ' ') : NULL;

	if (!opts || (strncmp(type, " - cgroup2 ", 11) == 0) != v2 ||
	    (!v2 && !has_word(opts + 1, controller)))
		return -ENOENT;
	if (sscanf(line, "%*d %*d %*s %4095s %4095s", ret_root, ret_point) != 2)
		return -EPROTO;
	unescape(ret_root);
	unescape(ret_point);
	return 0;
}

int hierarchy_mount(const char *proc, bool v2, const char *controller, char *ret_root,
		    char *ret_point)
{
	FILE *f = open_in(proc, "mountinfo");
	char *line = NULL;
	size_t cap = 0;
	int r = f ? -ENOENT : -errno;

	/* The first one is the one that was there first: later ones are somebody's view. */
	while (f && r < 0 && getline(&line, &cap, f) > 0)
		r = hierarchy_parse_mount(line, v2, controller, ret_root, ret_point);
	free(line);
	if (f)
		(void)fclose(f);
	return r;
}

int hierarchy_own(const char *proc, bool v2, const char *controller, char *ret, size_t size)
{
	FILE *f = open_in(proc, "cgroup");
	char *line = NULL;
	size_t cap = 0;
	int r = f ? -ENOENT : -errno;

	/* "0::/x" for v2, "4:cpu,cpuacct:/x" for v1. */
	while (f && r < 0 && getline(&line, &cap, f) > 0) {
		char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;

		if (!path)
			continue;
		path[strcspn(path, "\n")] = '\0';
		*path = '\0';
		if ((v2 ? names[1] == '\0' : has_word(names + 1, controller)) &&
		    snprintf(ret, size, "%s", path + 1) < (int)size)
			r = 0;
	}
	free(line);
	if (f)
		(void)fclose(f);
	return r;
}

int hierarchy_above(const char *root, const char *own, size_t *ret_len)
{
	size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (strncmp(own, root, n) != 0 || (own[n] != '/' && own[n] != '\0') ||
	    strncmp(own, "/..", 3) == 0)
		return -ENOENT;
	*ret_len = n;
	return 0;
}

bool hierarchy_find(const char *proc, bool v2, const char *controller, struct hierarchy *ret)
{
	char root[PATH_MAX];
	size_t above;

	if (hierarchy_mount(proc, v2, controller, root, ret->mount) < 0 ||
	    hierarchy_own(proc, v2, controller, ret->own, sizeof(ret->own)) < 0)
		return false;
	/* Outside of what is mounted, its top is the nearest that we see. */
	if (hierarchy_above(root, ret->own, &above) < 0 || !ret->own[above])
		(void)memcpy(ret->own, "/", 2);
	else
		(void)memmove(ret->own, ret->own + above, strlen(ret->own + above) + 1);
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
