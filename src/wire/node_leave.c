/* SPDX-License-Identifier: MIT */
/* node_leave.c - the script of node_leave.cjs, and which programs cannot have it. */
#include <string.h>

#include "wire/node.h"

/* Built from the top of the tree (Makefile). */
__asm__(".section .rodata\n"
	".global node_leave_text\n"
	"node_leave_text:\n"
	".incbin \"src/wire/node_leave.cjs\"\n"
	".byte 0\n"
	".previous\n");
extern const char node_leave_text[];

/* Under Node's own permissions, or a policy of what it may load, it would be refused, and
 * the program with it. */
static bool restricts(const char *option)
{
	return strstr(option, "--permission") || strstr(option, "--experimental-permission") ||
	       strstr(option, "--experimental-policy") || strstr(option, "--policy-integrity");
}

const char *node_leave(const char *const *argv, const char *options)
{
	for (unsigned i = 1; argv[0] && argv[i] && argv[i][0] == '-'; i++)
		if (restricts(argv[i]))
			return NULL;
	return options && restricts(options) ? NULL : node_leave_text;
}
