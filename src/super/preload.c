/* SPDX-License-Identifier: MIT */
#include "super/preload.h"

#include <errno.h>
#include <string.h>

/* Its place in envp; that of the end, if it is not there. */
static size_t find(char *const *envp, const char *name)
{
	size_t i = 0, len = strlen(name);

	while (envp[i] && (strncmp(envp[i], name, len) != 0 || envp[i][len] != '='))
		i++;
	return i;
}

static const char *given(char *const *envp, const struct wire *wire)
{
	const char *pair = envp[find(envp, wire->preload_env)];

	return pair ? pair + strlen(wire->preload_env) + 1 : NULL;
}

static const char *const *arguments(const struct generation *g)
{
	return (const char *const *)g->cage.argv;
}

const char *preload_text(const struct generation *g)
{
	return g->cage.preloads ? g->wire->preload(arguments(g), NULL) : NULL;
}

int preload_name(struct generation *g, struct arena *a, char **envp)
{
	const struct wire *w = g->wire;
	struct cage *c = &g->cage;
	const char *options = w->preload ? given(envp, w) : NULL;
	size_t i;

	if (c->mold_fd < 0) /* it is not built yet, or there will be none */
		c->preloads = w->preload && cage_has(c, CAGE_VIEW) &&
			      w->preload(arguments(g), options);
	if (!c->preloads || !w->preload)
		return 0;
	i = find(envp, w->preload_env);
	if (!envp[i])
		envp[i + 1] = NULL;
	envp[i] = arena_printf(a, "%s=%s %s%s%s", w->preload_env, w->preload_option, VIEW_PRELOAD,
			       options && *options ? " " : "", options ? options : "");
	return envp[i] ? 0 : -ENOMEM;
}
