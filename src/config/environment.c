/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "config/environment.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "cage/view.h"

/* Names end at '='; a '*' at the end of a pattern matches the rest. */
static bool matches(const char *var, const char *const *patterns)
{
	size_t n = strcspn(var, "=");

	for (int i = 0; patterns[i]; i++) {
		size_t len = strlen(patterns[i]);

		if (patterns[i][len - 1] == '*' ? strncmp(var, patterns[i], len - 1) == 0 :
						  len == n && strncmp(var, patterns[i], n) == 0)
			return true;
	}
	return false;
}

static const char *const always[] = { "PATH", "LANG", "LC_*", "TZ", NULL };

/* What belongs to the caller's session or to another supervisor's protocol. */
static const char *const never[] = { "SUDO_*",
				     "LISTEN_*",
				     "NOTIFY_SOCKET",
				     "WATCHDOG_*",
				     "MAINPID",
				     "INVOCATION_ID",
				     "JOURNAL_STREAM",
				     "CREDENTIALS_DIRECTORY",
				     "NODE_CHANNEL_*",
				     "NODE_UNIQUE_ID",
				     "XDG_RUNTIME_DIR",
				     "DBUS_*",
				     "SSH_AUTH_SOCK",
				     "MPSUP_*",
				     "MAIL",
				     "OLDPWD",
				     "_",
				     NULL };

/* The worker's user's, below. */
static const char *const users[] = { "HOME", "USER", "LOGNAME", "SHELL", "PWD", NULL };

struct building {
	struct arena *a;
	char **envp;
	size_t n;
};

/* A later value of the same name replaces the earlier one. */
static int put(struct building *b, char *var)
{
	size_t len = strcspn(var ? var : "", "=") + 1;

	if (!var)
		return -ENOMEM;
	for (size_t i = 0; i < b->n; i++)
		if (strncmp(b->envp[i], var, len) == 0) {
			b->envp[i] = var;
			return 0;
		}
	b->envp[b->n++] = var;
	return 0;
}

static int put_pair(struct building *b, const char *name, const char *value)
{
	return put(b, arena_printf(b->a, "%s=%s", name, value));
}

static bool wanted(const struct pool_config *p, const char *var)
{
	if (!strchr(var, '=') || matches(var, never) || matches(var, users))
		return false;
	if (p->cage_off & CAGE_BIT(CAGE_ENV))
		return true;
	if (matches(var, always) || p->env_inherit == ENV_INHERIT_ALL)
		return true;
	return p->env_inherit == ENV_INHERIT_NAMES && p->env_names &&
	       matches(var, (const char *const *)p->env_names);
}

static int put_port(struct building *b, const struct pool_config *p)
{
	for (unsigned i = 0; i < p->nlistens; i++) {
		const struct sockaddr_storage *s = &p->listens[i].addr;
		uint16_t port;

		if (s->ss_family == AF_INET)
			port = ((const struct sockaddr_in *)(const void *)s)->sin_port;
		else if (s->ss_family == AF_INET6)
			port = ((const struct sockaddr_in6 *)(const void *)s)->sin6_port;
		else
			continue;
		return put(b, arena_printf(b->a, "PORT=%u", ntohs(port)));
	}
	return 0;
}

int config_environment(const struct pool_config *p, char **inherited, struct arena *a,
		       char ***ret_envp, struct err *e)
{
	struct building b = { .a = a };
	size_t n = 0;
	int r = 0;

	while (inherited[n])
		n++;
	b.envp = arena_alloc(a, (n + p->nenv + 11) * sizeof(*b.envp));
	if (!b.envp)
		return err_set(e, -ENOMEM, "out of memory");
	r = put_pair(&b, "PATH", ENVIRONMENT_PATH);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (wanted(p, inherited[i]))
			r = put(&b, arena_strdup(a, inherited[i]));
	if (r == 0)
		r = put_pair(&b, "HOME", p->home);
	if (r == 0)
		r = put_pair(&b, "USER", p->user_name);
	if (r == 0)
		r = put_pair(&b, "LOGNAME", p->user_name);
	if (r == 0)
		r = put_pair(&b, "SHELL", p->shell);
	if (r == 0 && p->ncredentials)
		r = put_pair(&b, "CREDENTIALS_DIRECTORY", VIEW_CREDENTIALS);
	if (r == 0)
		r = put_port(&b, p);
	for (unsigned i = 0; r == 0 && i < p->nenv; i++)
		r = put_pair(&b, p->env[i].name, p->env[i].value);
	if (r < 0)
		return err_set(e, -ENOMEM, "out of memory");
	*ret_envp = b.envp;
	return 0;
}
