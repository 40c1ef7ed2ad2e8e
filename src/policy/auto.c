/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "policy/policy.h"

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool first_line_names_node(const char *path)
{
	char line[256] = "";
	FILE *f = fopen(path, "re");

	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	(void)fclose(f);
	return strncmp(line, "#!", 2) == 0 && strstr(line, "node");
}

const char *policy_auto(const char *exec_path, const char *const *argv)
{
	static const char *const node_like[] = { "node", "nodejs", "npm",     "npx", "yarn",
						 "pnpm", "tsx",	   "ts-node", "next" };

	if (!exec_path || !argv || !argv[0])
		return "generic";
	for (size_t i = 0; i < ARRAY_LEN(node_like); i++)
		if (strcmp(base_of(argv[0]), node_like[i]) == 0 ||
		    strcmp(base_of(exec_path), node_like[i]) == 0)
			return "node";
	return first_line_names_node(exec_path) ? "node" : "generic";
}
