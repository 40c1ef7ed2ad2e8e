/* SPDX-License-Identifier: MIT */
/* auto.c - which policy a command gets when nobody names one. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "policy/policy.h"

#define LINE_BYTES 256 /* the kernel reads no more of a first line: BINPRM_BUF_SIZE */

/* len: up to the end of the word. */
static bool is_node(const char *path, size_t len)
{
	static const char *const known[] = { "node", "nodejs", "npm",  "npx",	  "yarn",
					     "pnpm", "tsx",    "next", "ts-node", "corepack" };
	const char *slash = memrchr(path, '/', len);
	const char *name = slash ? slash + 1 : path;

	len -= (size_t)(name - path);
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strlen(known[i]) == len && memcmp(known[i], name, len) == 0)
			return true;
	return false;
}

/* "#!/usr/bin/node", "#!/usr/bin/env node", "#!/usr/bin/env -S node --flag" */
static bool line_names_node(const char *line)
{
	static const char blank[] = " \t\r\n";

	if (strncmp(line, "#!", 2) != 0)
		return false;
	line += 2;
	while (*line && *line != '\n') {
		size_t len = strcspn(line, blank);

		if (is_node(line, len))
			return true;
		line += len;
		if (*line && *line != '\n')
			line++;
	}
	return false;
}

/* O_NONBLOCK: it may be a fifo, and nothing here waits. */
static bool script_names_node(const char *path)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char line[LINE_BYTES + 1];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	n = read(fd, line, LINE_BYTES);
	if (n <= 0)
		return false;
	line[n] = '\0';
	return line_names_node(line);
}

const char *policy_auto(const char *exec_path, const char *const argv[])
{
	if (!argv || !argv[0])
		return "generic";
	if (is_node(argv[0], strlen(argv[0])))
		return "node";
	if (exec_path && (is_node(exec_path, strlen(exec_path)) || script_names_node(exec_path)))
		return "node";
	return "generic";
}
