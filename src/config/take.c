/* SPDX-License-Identifier: MIT */
/* take.c - one value of one option, into the configuration in the making. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/parse.h"
#include "config/reading.h"

int reading_wrong(const struct key *k, struct err *e, int code, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(e, code, "--%s: %s", k->option, text);
}

/* The common error: what was found, what would be right. */
int reading_not_right(const struct key *k, const char *value, int why, struct err *e)
{
	if (why == -ENOMEM)
		return err_set(e, -ENOMEM, "out of memory");
	return reading_wrong(k, e, -EINVAL, "'%.100s' is %s; right is: %s", value,
			     why == -ERANGE ? "out of range" : "not understood", k->form);
}

int reading_no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

/* One word of a NULL-terminated list; -EINVAL with the nearest. */
int reading_one_of(const struct key *k, const char *value, const char *const *words, int *ret,
		   struct err *e)
{
	const char *near;

	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], value) == 0) {
			*ret = i;
			return 0;
		}
	near = nearest_word(value, words);
	return reading_wrong(k, e, -EINVAL, "'%.100s' is not known; right is: %s%s%s%s", value,
			     k->form, near ? " (did you mean '" : "", near ? near : "",
			     near ? "'?)" : "");
}

int reading_append_text(struct reading *rd, const char ***list, const char *text)
{
	size_t n = 0;
	const char **more;

	while (*list && (*list)[n])
		n++;
	more = arena_alloc(&rd->c->arena, (n + 2) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	if (n)
		memcpy(more, *list, n * sizeof(*more));
	more[n] = arena_strdup(&rd->c->arena, text);
	*list = more;
	return more[n] ? 0 : -ENOMEM;
}

int reading_append_env(struct reading *rd, const char *name, const char *value)
{
	struct pool_config *p = rd->p;
	struct env_var *more = arena_alloc(&rd->c->arena, (p->nenv + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	if (p->nenv)
		memcpy(more, p->env, p->nenv * sizeof(*more));
	more[p->nenv] = (struct env_var){ .name = arena_strdup(&rd->c->arena, name),
					  .value = arena_strdup(&rd->c->arena, value) };
	if (!more[p->nenv].name || !more[p->nenv].value)
		return -ENOMEM;
	p->env = more;
	p->nenv++;
	return 0;
}

int reading_text(struct reading *rd, const char **to, const struct key *k, const char *value,
		 struct err *e)
{
	if (!*value)
		return reading_not_right(k, value, -EINVAL, e);
	*to = arena_strdup(&rd->c->arena, value);
	return *to ? 0 : reading_no_memory(e);
}

static int number_into(const struct key *k, const char *value, uint64_t min, uint64_t max,
		       uint64_t *ret, struct err *e)
{
	int r = parse_u64(value, min, max, ret);

	return r < 0 ? reading_not_right(k, value, r, e) : 0;
}

static int duration_into(const struct key *k, const char *value, uint64_t min_ms, uint64_t *ret,
			 struct err *e)
{
	uint64_t ms = 0;
	int r = parse_duration(value, &ms);

	if (r == 0 && ms < min_ms)
		r = -ERANGE;
	if (r < 0)
		return reading_not_right(k, value, r, e);
	*ret = ms;
	return 0;
}

TAKE(name)
{
	size_t n = strlen(value);

	if (n < 1 || n > 32 || strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789._-") != n ||
	    strchr("._-", value[0]))
		return reading_not_right(k, value, -EINVAL, e);
	rd->c->name_given = true;
	return reading_text(rd, &rd->c->name, k, value, e);
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
	int r = number_into(k, value, 1, 65535, &n, e);

	if (r == 0)
		rd->p->backlog = (int)n;
	return r;
}

TAKE(cwd)
{
	return reading_text(rd, &rd->p->cwd, k, value, e);
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
	name = arena_strndup(&rd->c->arena, value, (size_t)(eq - value));
	if (!name || reading_append_env(rd, name, eq + 1) < 0)
		return reading_no_memory(e);
	return 0;
}

TAKE(env_file)
{
	(void)k;
	return reading_env_file(rd, value, e);
}

/* Words with commas into a NULL-terminated list. */
static int words_into(struct reading *rd, const char ***list, const struct key *k,
		      const char *value, struct err *e)
{
	char *copy = arena_strdup(&rd->c->arena, value), *save = NULL;

	*list = NULL;
	if (!copy)
		return reading_no_memory(e);
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save))
		if (reading_append_text(rd, list, w) < 0)
			return reading_no_memory(e);
	return *list ? 0 : reading_not_right(k, value, -EINVAL, e);
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
	return words_into(rd, &rd->p->env_names, k, value, e);
}

TAKE(cpus)
{
	int r;

	(void)rd;
	if (strcmp(value, "all") == 0) {
		rd->p->cpus_kind = CPUS_ALL;
		return 0;
	}
	if (strcmp(value, "physical") == 0 || strncmp(value, "numa:", 5) == 0 ||
	    strncmp(value, "llc:", 4) == 0)
		return reading_wrong(k, e, -EINVAL,
				     "'%.32s' is not built yet in mpsup %s; right "
				     "is: %s",
				     value, MPSUP_VERSION, k->form);
	rd->p->cpus_kind = CPUS_LIST;
	r = parse_cpus(value, &rd->p->cpus);
	if (r < 0) {
		static const char *const words[] = { "all", NULL };
		const char *near = nearest_word(value, words);

		return reading_wrong(k, e, -EINVAL, "'%.100s' is no CPU list; right is: %s%s",
				     value, k->form, near ? " (did you mean 'all'?)" : "");
	}
	return 0;
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
	int r = number_into(k, value, 1, 1024, &n, e);

	if (r == 0)
		rd->p->parallel = (unsigned)n;
	return r;
}

TAKE(spares)
{
	uint64_t n;
	int r = number_into(k, value, 0, 256, &n, e);

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
	return words_into(rd, &rd->p->groups, k, value, e);
}

static const char *const protocols[] = { [PROTO_AUTO] = "auto",
					 [PROTO_NATIVE] = "native",
					 [PROTO_NODE_CLUSTER] = "node-cluster",
					 [PROTO_NODE_IPC] = "node-ipc",
					 [PROTO_SYSTEMD] = "systemd",
					 [PROTO_BIND] = "bind",
					 NULL };

const char *protocol_name(enum protocol p)
{
	return protocols[p];
}

TAKE(protocol)
{
	int i = 0, r = reading_one_of(k, value, protocols, &i, e);

	if (r < 0)
		return r;
	if (i == PROTO_SYSTEMD || i == PROTO_BIND)
		return reading_wrong(k, e, -EINVAL,
				     "'%s' is not built yet in mpsup %s; right is: %s", value,
				     MPSUP_VERSION, k->form);
	rd->p->protocol = (enum protocol)i;
	return 0;
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
	return number_into(k, value, 64, 1048576, &rd->p->nofile, e);
}

TAKE(restart_limit)
{
	int r = parse_rate(value, &rd->p->restart_limit.count, &rd->p->restart_limit.window_ms);

	return r < 0 ? reading_not_right(k, value, r, e) : 0;
}

TAKE(boot_limit)
{
	uint64_t n;
	int r = number_into(k, value, 1, 1000, &n, e);

	if (r == 0)
		rd->p->boot_limit = (unsigned)n;
	return r;
}

TAKE(backoff)
{
	int r = parse_range(value, &rd->p->backoff_min_ms, &rd->p->backoff_max_ms);

	return r < 0 ? reading_not_right(k, value, r, e) : 0;
}

TAKE(on_failed)
{
	static const char *const words[] = { "exit", "hold", NULL };
	int i = 0, r = reading_one_of(k, value, words, &i, e);

	if (r == 0)
		rd->p->on_failed = i ? ON_FAILED_HOLD : ON_FAILED_EXIT;
	return r;
}

TAKE(fatal_exit)
{
	const char **words;
	uint8_t *codes;
	int r = words_into(rd, &words, k, value, e);
	unsigned n = 0;

	if (r < 0)
		return r;
	while (words[n])
		n++;
	codes = arena_alloc(&rd->c->arena, n);
	if (!codes)
		return reading_no_memory(e);
	for (unsigned i = 0; i < n; i++) {
		uint64_t code;

		r = number_into(k, words[i], 0, 255, &code, e);
		if (r < 0)
			return r;
		codes[i] = (uint8_t)code;
	}
	rd->p->fatal_exit = codes;
	rd->p->nfatal_exit = n;
	return 0;
}

TAKE(ready_timeout)
{
	(void)rd;
	return duration_into(k, value, 10, &rd->p->ready_timeout_ms, e);
}

TAKE(drain_timeout)
{
	return duration_into(k, value, 0, &rd->p->drain_timeout_ms, e);
}

TAKE(stop_timeout)
{
	return duration_into(k, value, 0, &rd->p->stop_timeout_ms, e);
}

TAKE(stop_signal)
{
	int r = parse_signal(value, &rd->p->stop_signal);

	return r < 0 ? reading_not_right(k, value, r, e) : 0;
}

TAKE(watchdog)
{
	if (strcmp(value, "off") == 0) {
		rd->p->watchdog_ms = 0;
		return 0;
	}
	return duration_into(k, value, 100, &rd->p->watchdog_ms, e);
}

TAKE(log_format)
{
	static const char *const words[] = { "text", "json", NULL };
	int i = 0, r = reading_one_of(k, value, words, &i, e);

	if (r == 0)
		rd->c->log_format = i ? LOG_F_JSON : LOG_F_TEXT;
	return r;
}

TAKE(log_file)
{
	return reading_text(rd, &rd->c->log_file, k, value, e);
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

TAKE(control_group)
{
	return reading_text(rd, &rd->c->control_group, k, value, e);
}

TAKE(view_group)
{
	return reading_text(rd, &rd->c->view_group, k, value, e);
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
	/* With one pool a start is strict anyway. */
	(void)rd, (void)k;
	(void)value;
	(void)e;
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

TAKE(set)
{
	const char *eq = strchr(value, '=');
	const struct key *other = eq ? keys_find(value, (size_t)(eq - value), 1) : NULL;

	if (!eq || eq == value)
		return reading_not_right(k, value, -EINVAL, e);
	if (!other || !other->value)
		return reading_wrong(k, e, -EINVAL, "there is no key '%.*s' that takes a value",
				     (int)(eq - value > 40 ? 40 : eq - value), value);
	return other->take(rd, other, eq + 1, e);
}
