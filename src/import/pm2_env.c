/* SPDX-License-Identifier: MIT */
/* pm2_env.c - variables, and the port that they name. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "config/show.h"
#include "import/pm2_inner.h"

#define NAMES_SHOWN 5

/* A dump has the whole environment of the shell that PM2 was started from: these are the
 * session's, PM2's own, or what mpsup sets itself. (PM2 also has one of the app's name.) */
static const char *const of_session[] = {
	"PATH",
	"HOME",
	"USER",
	"LOGNAME",
	"SHELL",
	"PWD",
	"OLDPWD",
	"SHLVL",
	"_",
	"TERM",
	"LANG",
	"LC_*",
	"TZ",
	"MAIL",
	"HOSTNAME",
	"HOSTTYPE",
	"MOTD_*",
	"EDITOR",
	"VISUAL",
	"PAGER",
	"LESS*",
	"COLOR*",
	"COLUMNS",
	"LINES",
	"LS_COLORS",
	"SSH_*",
	"SUDO_*",
	"XDG_*",
	"DBUS_*",
	"DISPLAY",
	"WAYLAND_*",
	"GPG_*",
	"NVM_*",
	"npm_*",
	"INIT_CWD",
	"PM2_*",
	"pm_*",
	"PNPM_*",
	"VSCODE_*",
	"WINDOWID",
	"HIST*",
	"PS1",
	"INVOCATION_ID",
	"JOURNAL_STREAM",
	"NODE_CHANNEL_*",
	"NODE_UNIQUE_ID",
	"NODE_APP_INSTANCE",
	"LISTEN_*",
	"NOTIFY_SOCKET",
	"unique_id",
	"windowsHide",
};

static bool is_of_session(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(of_session); i++)
		if (fnmatch(of_session[i], name, 0) == 0)
			return true;
	return false;
}

static bool good_name(const char *name)
{
	return *name && !(*name >= '0' && *name <= '9') && !strpbrk(name, "= \t\r\n");
}

/* As process.env has it: text. NULL: nothing. malloc()ed. */
static char *value_text(const json_t *v)
{
	char buf[SCALAR_BYTES];
	const char *text = pm2_scalar(v, buf);

	if (text)
		return strdup(text);
	return json_is_null(v) ? NULL : json_dumps(v, JSON_COMPACT);
}

static bool has_controls(const char *name)
{
	for (const unsigned char *c = (const unsigned char *)name; *c; c++)
		if (*c < ' ' || *c == 0x7f)
			return true;
	return false;
}

static void put_variables(struct pm2_pool *p, json_t *env)
{
	FILE *to = p->part[PART_POOL];
	unsigned dropped = 0, secrets = 0, put = 0;
	const char *name, *first = "";
	json_t *v;

	json_object_foreach(env, name, v)
	{
		char *text = value_text(v), *pair = NULL;

		if (p->dumped && (is_of_session(name) || strcmp(name, p->theirs) == 0)) {
			dropped++;
		} else if (!text || !good_name(name) || has_controls(name)) {
			pm2_note(p, "env: %.60s is left out: %s", name,
				 text ? "that is no name of a variable" : "it has no value");
		} else {
			(void)fputs(put++ ? "      " : "    env:\n      ", to);
			config_put_text(to, name);
			(void)fputs(": ", to);
			config_put_text(to, text);
			(void)fputc('\n', to);
			if (asprintf(&pair, "%s=%s", name, text) >= 0 && config_is_secret(pair)) {
				first = secrets++ ? first : name;
				free(pair);
			} else {
				free(pair);
			}
		}
		free(text);
	}
	if (dropped)
		pm2_remark(p, "env",
			   "a dump has all of the shell that PM2 was started from; %u that are the "
			   "session's are left out. Take out what else the program does not need",
			   dropped);
	if (secrets == 1)
		pm2_note(p,
			 "env: %s looks like a secret: keep the file 0600, or move it to an "
			 "env_file",
			 first);
	else if (secrets)
		pm2_note(p,
			 "env: %s and %u more look like secrets: keep the file 0600, or move "
			 "them to an env_file",
			 first, secrets - 1);
}

/* "env_production, env_staging": what --env could have named. */
static void say_others(struct pm2_pool *p)
{
	char names[200] = "";
	const char *key;
	json_t *v;
	size_t used = 0;

	json_object_foreach((json_t *)(uintptr_t)p->conf, key, v)
	{
		if (strncmp(key, "env_", 4) != 0 || pm2_key_find(key) || !json_is_object(v) ||
		    (p->rq->env && strcmp(key + 4, p->rq->env) == 0))
			continue;
		if (used + strlen(key) + 3 < sizeof(names))
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
						 used ? ", " : "", key);
	}
	if (used)
		pm2_remark(p, names,
			   "not in this file; `import pm2 --env NAME` lays env_NAME over env");
}

static int merge(struct pm2_pool *p, json_t *env, const char *key, struct err *e)
{
	const json_t *from = pm2_get(p->conf, key);

	if (!from)
		return 0;
	if (!json_is_object(from)) {
		pm2_note(p, "%s: not a mapping of names to values; it is left out", key);
		return 0;
	}
	return json_object_update(env, (json_t *)(uintptr_t)from) < 0 ?
		       err_set(e, -ENOMEM, "out of memory") :
		       0;
}

/* ---- where it listens ---- */

/* An address that the program is told to listen on is not "all addresses". */
static const char *host_of(const json_t *env)
{
	static const char *const names[] = { "HOST", "HOSTNAME" };
	unsigned char addr[16];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *host = json_string_value(json_object_get(env, names[i]));

		if (!host)
			continue;
		if (strcmp(host, "localhost") == 0)
			return "127.0.0.1";
		if (inet_pton(AF_INET, host, addr) == 1 && strcmp(host, "0.0.0.0") != 0)
			return host;
	}
	return NULL;
}

static void put_port(struct pm2_pool *p, json_t *env, unsigned *ret_port)
{
	const json_t *given = pm2_get(p->conf, "port");
	const char *increment = json_string_value(pm2_get(p->conf, "increment_var"));
	const char *host = host_of(env);
	const json_t *v;
	int64_t n;

	if (given && pm2_is_on(given))
		ignore(json_object_set(env, "PORT", (json_t *)(uintptr_t)given));
	v = json_object_get(env, "PORT");
	if (!v)
		return;
	if (!pm2_number(v, &n) || n < 1 || n > 65535) {
		pm2_note(p, "PORT is no number from 1 to 65535: write port: or listen: yourself");
		return;
	}
	*ret_port = (unsigned)n;
	if (host)
		pm2_put(p, PART_POOL, "listen", "%s:%u", host, *ret_port);
	else
		pm2_put(p, PART_POOL, "port", "%u", *ret_port);
	pm2_remark(p, host ? "listen" : "port",
		   "from PORT; a program that listens elsewhere too needs unlisted: open");
	if (increment && strcmp(increment, "PORT") == 0)
		pm2_remark(p, "increment_var",
			   "all workers share the one port: a proxy in front needs only that");
}

static void put_numbers(struct pm2_pool *p)
{
	const char *increment = json_string_value(pm2_get(p->conf, "increment_var"));
	const char *instance = json_string_value(pm2_get(p->conf, "instance_var"));

	if (increment && *increment && strcmp(increment, "PORT") != 0)
		pm2_remark(p, "increment_var",
			   "%s is the same for each worker here: MPSUP_WORKER is 0, 1, ...",
			   increment);
	if (instance && *instance && strcmp(instance, "NODE_APP_INSTANCE") != 0)
		pm2_remark(p, "instance_var",
			   "the number is in MPSUP_WORKER and NODE_APP_INSTANCE, not in %s",
			   instance);
}

/* Relative to the program's folder, for PM2 has no other. */
static void put_file(struct pm2_pool *p)
{
	const char *file = json_string_value(pm2_get(p->conf, "env_file"));
	const char *cwd = json_string_value(pm2_get(p->conf, "cwd"));
	char *dir = pm2_absolute(p->rq->dir, cwd ? cwd : ".");
	char *path = dir && file && *file ? pm2_absolute(dir, file) : NULL;

	if (path)
		pm2_put_text(p, PART_POOL, "env_file", path);
	free(path);
	free(dir);
}

int pm2_put_env(struct pm2_pool *p, unsigned *ret_port, struct err *e)
{
	json_t *env = json_object();
	char key[128];
	int r = env ? merge(p, env, "env", e) : err_set(e, -ENOMEM, "out of memory");

	if (r == 0 && p->rq->env) {
		(void)snprintf(key, sizeof(key), "env_%s", p->rq->env);
		r = merge(p, env, key, e);
		if (!json_object_get(p->conf, key))
			pm2_remark(p, "--env", "it has no %s", key);
	}
	if (r == 0) {
		say_others(p);
		put_port(p, env, ret_port);
		put_numbers(p);
		put_variables(p, env);
		put_file(p);
	}
	json_decref(env);
	return r;
}
