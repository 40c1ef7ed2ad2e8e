/* SPDX-License-Identifier: MIT */
/* take.c - one value of one option, into the configuration in the making. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "base/parse.h"
#include "cage/view.h"
#include "config/reading.h"

TAKE(name)
{
	size_t n = strlen(value);

	if (n < 1 || n > 32 || strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789._-") != n ||
	    strchr("._-", value[0]))
		return reading_not_right(k, value, -EINVAL, e);
	rd->c->name_given = true;
	return reading_text(rd, &rd->c->name, k, value, e);
}

/* "shop" is /etc/mpsup/shop.yaml, unless there is something of that name here. */
TAKE(config)
{
	const char *root = getenv("MPSUP_ROOT");
	char *named = NULL, *whole;

	if (!*value)
		return reading_not_right(k, value, -EINVAL, e);
	rd->c->file = value;
	if (strcmp(value, "-") == 0)
		return 0;
	if (!strpbrk(value, "/.") && access(value, F_OK) < 0)
		named = arena_printf(rd->arena, "%s/etc/mpsup/%s.yaml", root ? root : "", value);
	whole = realpath(named ? named : value, NULL);
	if (!whole)
		return reading_wrong(k, e, -EINVAL, "%s: %s", named ? named : value,
				     strerror(errno));
	rd->c->file = arena_strdup(rd->arena, whole);
	free(whole);
	return rd->c->file ? 0 : reading_no_memory(e);
}

TAKE(command)
{
	const char **words = (const char **)rd->p->command;

	(void)k;
	if (reading_append_text(rd, &words, value) < 0)
		return reading_no_memory(e);
	rd->p->command = (char **)(uintptr_t)words;
	return 0;
}

TAKE(port)
{
	return reading_add_port(rd, k, value, e);
}

TAKE(listen)
{
	return reading_add_listen(rd, k, value, e);
}

TAKE(backlog)
{
	uint64_t n;
	int r = reading_number(k, value, 1, 65535, &n, e);

	if (r == 0)
		rd->p->backlog = (int)n;
	return r;
}

TAKE(cwd)
{
	if (!*value)
		return reading_not_right(k, value, -EINVAL, e);
	rd->p->cwd = reading_path(rd, value);
	return rd->p->cwd ? 0 : reading_no_memory(e);
}

static bool good_env_name(const char *name, size_t n)
{
	if (n == 0 || (name[0] >= '0' && name[0] <= '9'))
		return false;
	for (size_t i = 0; i < n; i++)
		if (name[i] == '=' || (unsigned char)name[i] <= ' ')
			return false;
	return true;
}

TAKE(env)
{
	const char *eq = strchr(value, '=');
	char *name;

	if (!eq || !good_env_name(value, (size_t)(eq - value)))
		return reading_not_right(k, value, -EINVAL, e);
	name = arena_strndup(rd->arena, value, (size_t)(eq - value));
	if (!name || reading_append_env(rd, name, eq + 1) < 0)
		return reading_no_memory(e);
	return 0;
}

TAKE(env_file)
{
	const char *path = reading_path(rd, value);
	int r = 0;

	(void)k;
	if (!path)
		return reading_no_memory(e);
	if (!rd->again)
		r = reading_env_file(rd, path, e);
	/* A file of one pool among several: its world, and not the text of all. */
	if (r == 0 || r == -ENOMEM || !rd->at.file)
		return r;
	if (!rd->p->broken) {
		rd->p->broken = arena_strdup(rd->arena, e->msg);
		rd->p->broken_code = r;
	}
	return rd->p->broken ? 0 : reading_no_memory(e);
}

/* As systemd names them, and nothing that is a path. */
static bool good_credential_name(const char *name, size_t n)
{
	return n >= 1 && n <= 255 && name[0] != '.' &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
			    "._-") >= n;
}

TAKE(credential)
{
	struct pool_config *p = rd->p;
	const char *eq = strchr(value, '=');
	struct credential *more = arena_alloc(rd->arena, (p->ncredentials + 1) * sizeof(*more));
	unsigned i = 0;

	if (!eq || !eq[1] || !good_credential_name(value, (size_t)(eq - value)))
		return reading_not_right(k, value, -EINVAL, e);
	if (!more)
		return reading_no_memory(e);
	if (p->ncredentials)
		memcpy(more, p->credentials, p->ncredentials * sizeof(*more));
	/* A later one of the same name replaces it, as with env. */
	while (i < p->ncredentials && (strlen(more[i].name) != (size_t)(eq - value) ||
				       strncmp(more[i].name, value, (size_t)(eq - value)) != 0))
		i++;
	if (i == VIEW_CREDENTIALS_MAX)
		return reading_wrong(k, e, -EINVAL, "more than %u of them", VIEW_CREDENTIALS_MAX);
	more[i].name = arena_strndup(rd->arena, value, (size_t)(eq - value));
	more[i].path = reading_path(rd, eq + 1);
	if (!more[i].name || !more[i].path)
		return reading_no_memory(e);
	p->credentials = more;
	p->ncredentials += i == p->ncredentials;
	return 0;
}

TAKE(env_inherit)
{
	if (strcmp(value, "all") == 0) {
		rd->p->env_inherit = ENV_INHERIT_ALL;
		return 0;
	}
	if (strcmp(value, "none") == 0) {
		rd->p->env_inherit = ENV_INHERIT_NONE;
		return 0;
	}
	rd->p->env_inherit = ENV_INHERIT_NAMES;
	return reading_words(rd, &rd->p->env_names, k, value, e);
}

/* "numa:0": 1 when value begins with that word, its number then in the pool. */
static int take_cpus_of(struct reading *rd, const struct key *k, const char *value,
			const char *word, enum cpus_kind kind, struct err *e)
{
	size_t n = strlen(word);
	uint64_t number;
	int r;

	if (strncmp(value, word, n) != 0 || (value[n] != ':' && value[n] != '\0'))
		return 0;
	r = value[n] ? parse_u64(value + n + 1, 0, CPU_SETSIZE - 1, &number) : -EINVAL;
	if (r < 0)
		return reading_wrong(k, e, -EINVAL, "'%.100s' needs one number, as in %s:0", value,
				     word);
	rd->p->cpus_kind = kind;
	rd->p->cpus_number = (unsigned)number;
	return 1;
}

TAKE(cpus)
{
	static const char *const words[] = { "all", "physical", "numa:0", "llc:0", NULL };
	const char *near;
	int r = take_cpus_of(rd, k, value, "numa", CPUS_NUMA, e);

	if (r == 0)
		r = take_cpus_of(rd, k, value, "llc", CPUS_LLC, e);
	if (r != 0)
		return r < 0 ? r : 0;
	if (strcmp(value, "all") == 0 || strcmp(value, "physical") == 0) {
		rd->p->cpus_kind = value[0] == 'a' ? CPUS_ALL : CPUS_PHYSICAL;
		return 0;
	}
	r = parse_cpus(value, &rd->p->cpus_listed);
	if (r == 0) {
		rd->p->cpus_kind = CPUS_LIST;
		return 0;
	}
	if (r == -ERANGE)
		return reading_wrong(k, e, -EINVAL,
				     "'%.100s' names a CPU above %d, the highest there can be",
				     value, CPU_SETSIZE - 1);
	if (strncmp(value, "all,", 4) == 0 || strncmp(value, "physical,", 9) == 0)
		return reading_wrong(k, e, -EINVAL, "'%.100s' names several; right is one of: %s",
				     value, k->form);
	near = nearest_word(value, words);
	return reading_wrong(k, e, -EINVAL, "'%.100s' is no CPU list; right is: %s%s%s%s", value,
			     k->form, near ? " (did you mean '" : "", near ? near : "",
			     near ? "'?)" : "");
}

TAKE(workers)
{
	uint64_t n;
	int r;

	if (strcmp(value, "max") == 0) {
		rd->p->workers = WORKERS_PER_CPU;
		return 0;
	}
	r = parse_u64(value[0] == '-' ? value + 1 : value, 1, 4096, &n);
	if (r < 0)
		return reading_not_right(k, value, r, e);
	rd->p->workers = value[0] == '-' ? -(int)n : (int)n;
	return 0;
}

TAKE(no_pin)
{
	(void)k;
	(void)value;
	(void)e;
	rd->p->pin = false;
	return 0;
}

TAKE(parallel)
{
	uint64_t n;
	int r = reading_number(k, value, 1, 1024, &n, e);

	if (r == 0)
		rd->p->parallel = (unsigned)n;
	return r;
}

TAKE(parallel_all)
{
	uint64_t n;
	int r = reading_number(k, value, 1, 4096, &n, e);

	if (r == 0)
		rd->c->parallel = (unsigned)n;
	return r;
}

TAKE(spares)
{
	uint64_t n;
	int r = reading_number(k, value, 0, 256, &n, e);

	if (r == 0)
		rd->p->spares = (unsigned)n;
	return r;
}

TAKE(user)
{
	return reading_text(rd, &rd->p->user, k, value, e);
}

TAKE(group)
{
	return reading_text(rd, &rd->p->group, k, value, e);
}

TAKE(groups)
{
	if (strcmp(value, "none") == 0) {
		rd->p->groups = NULL;
		return 0;
	}
	return reading_words(rd, &rd->p->groups, k, value, e);
}

TAKE(tmp)
{
	uint64_t n = 0;
	int r = parse_size(value, &n);

	if (r == 0 && (n < 4096 || n == PARSE_MAX))
		r = -ERANGE;
	if (r < 0)
		return reading_not_right(k, value, r, e);
	rd->p->tmp_bytes = n;
	return 0;
}

TAKE(nofile)
{
	return reading_number(k, value, 64, 1048576, &rd->p->nofile, e);
}

TAKE(daemonize)
{
	(void)k;
	(void)value;
	(void)e;
	rd->c->daemonize = true;
	return 0;
}

/* As all paths of a file it is relative to the file's folder. */
static int take_file(struct reading *rd, const char **to, const struct key *k, const char *value,
		     struct err *e)
{
	int r = reading_text(rd, to, k, value, e);

	if (r == 0)
		*to = reading_path(rd, value);
	return r == 0 && !*to ? reading_no_memory(e) : r;
}

TAKE(pidfile)
{
	return take_file(rd, &rd->c->pidfile, k, value, e);
}

const char *const words_log_format[] = { "text", "json", NULL };

TAKE(log_format)
{
	int i = 0, r = reading_one_of(k, value, &i, e);

	if (r == 0)
		rd->c->log_format = i ? LOG_F_JSON : LOG_F_TEXT;
	return r;
}

TAKE(log_file)
{
	return take_file(rd, &rd->c->log_file, k, value, e);
}

TAKE(quiet)
{
	(void)k;
	(void)value;
	(void)e;
	rd->quiet = true;
	rd->c->log_level = LOG_L_WARN;
	return 0;
}

TAKE(verbose)
{
	(void)k;
	(void)value;
	(void)e;
	rd->verbose = true;
	rd->c->log_level = LOG_L_DEBUG;
	return 0;
}

static int group_into(struct reading *rd, const char **to, const struct key *k, const char *value,
		      struct err *e)
{
	if (strcmp(value, "none") == 0) {
		*to = NULL;
		return 0;
	}
	return reading_text(rd, to, k, value, e);
}

TAKE(control_group)
{
	return group_into(rd, &rd->c->control_group, k, value, e);
}

TAKE(view_group)
{
	return group_into(rd, &rd->c->view_group, k, value, e);
}

TAKE(pool_control_group)
{
	return group_into(rd, &rd->p->control_group, k, value, e);
}

TAKE(pool_view_group)
{
	return group_into(rd, &rd->p->view_group, k, value, e);
}

TAKE(demo)
{
	(void)k;
	(void)value;
	(void)e;
	rd->p->demo = true;
	return 0;
}

TAKE(strict)
{
	(void)k;
	(void)value;
	(void)e;
	rd->c->strict = true; /* with one pool a start is strict anyway */
	return 0;
}

TAKE(help)
{
	(void)k;
	(void)value;
	(void)e;
	rd->help = true;
	return 0;
}

TAKE(version)
{
	(void)k;
	(void)value;
	(void)e;
	rd->version = true;
	return 0;
}

static int unknown_key(const struct key *k, const char *name, size_t len, struct err *e)
{
	const struct key *instance;
	char text[64], dashed[64];
	const char *near;

	(void)snprintf(text, sizeof(text), "%.*s", (int)(len > 63 ? 63 : len), name);
	memcpy(dashed, text, sizeof(dashed));
	for (char *p = dashed; *p; p++)
		if (*p == '_')
			*p = '-';
	if (keys_is_planned(dashed, strlen(dashed)))
		return reading_wrong(k, e, -EINVAL, "%s is not built yet in mpsup %s", text,
				     MPSUP_VERSION);
	instance = keys_find_any(false, text);
	if (instance)
		return reading_wrong(k, e, -EINVAL, "%s is no key of a pool; right is: --%s", text,
				     instance->option);
	near = keys_nearest(text, 1);
	return reading_wrong(k, e, -EINVAL, "there is no key '%s'%s%s%s", text,
			     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int set_flag(struct reading *rd, const struct key *k, const char *value, struct err *e)
{
	if (strcmp(value, "true") == 0 || strcmp(value, "yes") == 0)
		return reading_take(rd, k, NULL, e);
	if (strcmp(value, "false") == 0 || strcmp(value, "no") == 0)
		return 0;
	return reading_wrong(k, e, -EINVAL, "'%.100s' is not understood; right is: true or false",
			     value);
}

TAKE(set)
{
	const char *eq = strchr(value, '=');
	const struct key *other = eq ? keys_find(value, (size_t)(eq - value), 1) : NULL;

	if (!eq || eq == value)
		return reading_not_right(k, value, -EINVAL, e);
	if (!other)
		return unknown_key(k, value, (size_t)(eq - value), e);
	return other->value ? reading_take(rd, other, eq + 1, e) : set_flag(rd, other, eq + 1, e);
}
