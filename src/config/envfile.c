/* SPDX-License-Identifier: MIT */
/* envfile.c - files of NAME=VALUE lines, as systemd's and docker's env files:
 * comments with #, "export " before a name, one pair of quotes around a value. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "config/reading.h"
#include "config/trusted.h"

static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t");
	n = strlen(s);
	while (n > 0 && strchr(" \t\r\n", s[n - 1]))
		s[--n] = '\0';
	return s;
}

static int take_line(struct reading *rd, const char *path, unsigned no, char *line, struct err *e)
{
	char *s = trim(line), *eq, *value;
	size_t n;

	if (!*s || *s == '#')
		return 0;
	if (strncmp(s, "export ", 7) == 0)
		s = trim(s + 7);
	eq = strchr(s, '=');
	n = eq ? (size_t)(eq - s) : 0;
	if (n == 0 || strcspn(s, " \t") < n || (*s >= '0' && *s <= '9'))
		return err_set(e, -EINVAL, "--env-file %s:%u:%zu: not NAME=VALUE", path, no,
			       (size_t)(s - line) + 1);
	*eq = '\0';
	value = eq + 1;
	n = strlen(value);
	if (n >= 1 && (value[0] == '"' || value[0] == '\'')) {
		if (n < 2 || value[n - 1] != value[0])
			return err_set(e, -EINVAL, "%s:%u:%zu: a quote is not closed", path, no,
				       (size_t)(value - line) + 1);
		value[n - 1] = '\0';
		value++;
	}
	return reading_append_env(rd, s, value) < 0 ? err_set(e, -ENOMEM, "out of memory") : 0;
}

int reading_env_file(struct reading *rd, const char *path, struct err *e)
{
	/* What a file of pools names is read again with each apply: then it is root's. */
	AUTO_FD int fd = rd->at.file ? trusted_open(path, true, e) :
				       open(path, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	unsigned no = 0;
	int r = 0;

	if (fd < 0 && rd->at.file)
		return err_wrap(e, "--env-file");
	if (!f)
		return err_sys(e, -errno, "--env-file %s", path);
	(void)fd_take(&fd);
	while (r == 0 && (n = getline(&line, &cap, f)) >= 0) {
		no++;
		/* What follows would be lost in silence. */
		if (strlen(line) < (size_t)n)
			r = err_set(e, -EINVAL, "%s:%u:%zu: a NUL byte; this is no text file", path,
				    no, strlen(line) + 1);
		else
			r = take_line(rd, path, no, line, e);
	}
	if (r == 0 && ferror(f)) /* a folder opens, and cannot be read */
		r = err_sys(e, errno == EISDIR ? -EISDIR : -EINVAL, "--env-file %s", path);
	free(line);
	(void)fclose(f);
	return r;
}
