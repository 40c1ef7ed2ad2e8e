/* SPDX-License-Identifier: MIT */
/* config.c - from options to one immutable configuration. */
#define _GNU_SOURCE
#include "config/config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "config/reading.h"
#include "config/uid.h"

/* clang-format off */
const char *const cage_word_name[CAGE_WORDS] = {
	[CAGE_PID] = "pid",	      [CAGE_MOUNT] = "mount",	  [CAGE_IPC] = "ipc",
	[CAGE_UTS] = "uts",	      [CAGE_CGROUP] = "cgroup",	  [CAGE_NET] = "net",
	[CAGE_USER] = "user",	      [CAGE_UID] = "uid",	  [CAGE_GROUPS] = "groups",
	[CAGE_CAPS] = "caps",	      [CAGE_NNP] = "nnp",	  [CAGE_SECCOMP] = "seccomp",
	[CAGE_VIEW] = "view",	      [CAGE_LANDLOCK] = "landlock", [CAGE_PIN] = "pin",
	[CAGE_FDS] = "fds",	      [CAGE_RLIMITS] = "rlimits", [CAGE_ENV] = "env",
};
/* clang-format on */

int cage_word_find(const char *word, size_t len)
{
	for (int i = 0; i < CAGE_WORDS; i++)
		if (strlen(cage_word_name[i]) == len && strncmp(cage_word_name[i], word, len) == 0)
			return i;
	return -1;
}

static const char *const no_paths[] = { NULL };

static struct config *config_new(void)
{
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->refs = 1;
	c->log_level = LOG_L_INFO;
	c->control_gid = c->view_gid = (gid_t)-1;
	c->npools = 1;
	c->pools = arena_alloc(&c->arena, sizeof(*c->pools));
	if (!c->pools) {
		free(c);
		return NULL;
	}
	c->pools[0] = (struct pool_config){
		.name = "web",
		.uid_lock_fd = -1,
		.backlog = 4096,
		.pin = true,
		.ro = (const char **)(uintptr_t)no_paths,
		.rw = (const char **)(uintptr_t)no_paths,
		.hide = (const char **)(uintptr_t)no_paths,
		.tmp_bytes = 256u << 20,
		.limits = { .pids = LIMIT_PIDS_DEFAULT },
		.restart_limit = { 10, 60000 },
		.boot_limit = 5,
		.backoff_min_ms = 100,
		.backoff_max_ms = 10000,
		.ready_timeout_ms = 30000,
		.drain_timeout_ms = 60000,
		.stop_timeout_ms = 10000,
		.stop_signal = SIGTERM,
	};
	return c;
}

struct config *config_ref(struct config *c)
{
	c->refs++;
	return c;
}

void config_unref(struct config *c)
{
	if (!c || --c->refs > 0)
		return;
	for (unsigned i = 0; i < c->npools; i++)
		uid_release(&c->pools[i].uid_lock_fd, c->pools[i].uid);
	arena_done(&c->arena);
	free(c);
}

/* "--port --demo": a value was forgotten; a value that looks so is written with =. */
static bool is_option(const char *word)
{
	size_t len = strcspn(word, "=");

	return strncmp(word, "--", 2) == 0 &&
	       (len == 2 || keys_find(word + 2, len - 2, 0) || keys_is_planned(word + 2, len - 2));
}

static int unknown_option(const char *name, size_t len, struct err *e)
{
	char text[64];
	const char *near;

	(void)snprintf(text, sizeof(text), "%.*s", (int)(len > 63 ? 63 : len), name);
	if (keys_is_planned(name, len))
		return err_set(e, -EINVAL, "--%s is not built yet in mpsup %s", text,
			       MPSUP_VERSION);
	near = keys_nearest(text, 0);
	return err_set(e, -EINVAL, "unknown option '--%s'%s%s%s", text,
		       near ? "; did you mean '--" : "; see mpsup --help", near ? near : "",
		       near ? "'?" : "");
}

static int take(struct reading *rd, const struct key *k, const char *attached, int *i, int argc,
		char **argv, struct err *e)
{
	const char *value = attached;

	if (!k->value) {
		if (attached)
			return reading_wrong(k, e, -EINVAL, "it takes no value");
		return k->take(rd, k, NULL, e);
	}
	if (!value && (*i + 1 >= argc || is_option(argv[*i + 1])))
		return reading_wrong(k, e, -EINVAL, "its %s is missing", k->value);
	if (!value)
		value = argv[++*i];
	return k->take(rd, k, value, e);
}

static int take_long(struct reading *rd, int *i, int argc, char **argv, struct err *e)
{
	const char *name = argv[*i] + 2, *eq = strchr(name, '=');
	size_t len = eq ? (size_t)(eq - name) : strlen(name);
	const struct key *k = keys_find(name, len, 0);

	return k ? take(rd, k, eq ? eq + 1 : NULL, i, argc, argv, e) : unknown_option(name, len, e);
}

static int take_short(struct reading *rd, int *i, int argc, char **argv, struct err *e)
{
	for (const char *p = argv[*i] + 1; *p; p++) {
		const struct key *k = keys_find_letter(*p);
		int r;

		if (!k)
			return err_set(e, -EINVAL, "unknown option '-%.8s'; see mpsup --help", p);
		if (k->value) /* the rest of the word, or the next one */
			return take(rd, k, p[1] ? p + 1 : NULL, i, argc, argv, e);
		r = k->take(rd, k, NULL, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_command(struct reading *rd, int argc, char **argv, struct err *e)
{
	char **copy;

	if (argc == 0)
		return err_set(e, -EINVAL, "the command after -- is missing");
	copy = arena_alloc(&rd->c->arena, ((size_t)argc + 1) * sizeof(*copy));
	if (!copy)
		return err_set(e, -ENOMEM, "out of memory");
	for (int i = 0; i < argc; i++) {
		copy[i] = arena_strdup(&rd->c->arena, argv[i]);
		if (!copy[i])
			return err_set(e, -ENOMEM, "out of memory");
	}
	if (!*copy[0])
		return err_set(e, -EINVAL, "the command after -- is empty");
	rd->p->command = copy;
	return 0;
}

static int take_all(struct reading *rd, int argc, char **argv, struct err *e)
{
	for (int i = 0; i < argc; i++) {
		int r;

		if (strcmp(argv[i], "--") == 0)
			return take_command(rd, argc - i - 1, argv + i + 1, e);
		if (strncmp(argv[i], "--", 2) == 0)
			r = take_long(rd, &i, argc, argv, e);
		else if (argv[i][0] == '-' && argv[i][1])
			r = take_short(rd, &i, argc, argv, e);
		else
			r = err_set(e, -EINVAL,
				    "'%.60s' is no option; a command comes after --: "
				    "mpsup ... -- %.60s",
				    argv[i], argv[i]);
		if (r < 0 || rd->help || rd->version)
			return r;
	}
	return 0;
}

/* One path can be shown in one way only. */
static int check_paths(const char *a_name, const char **a, const char *b_name, const char **b,
		       struct err *e)
{
	for (unsigned i = 0; a[i]; i++)
		for (unsigned j = 0; b[j]; j++)
			if (strcmp(a[i], b[j]) == 0)
				return err_set(e, -EINVAL,
					       "--%s and --%s contradict each other for %.200s",
					       a_name, b_name, a[i]);
	return 0;
}

static int check_view(const struct pool_config *p, struct err *e)
{
	int r = check_paths("ro", p->ro, "rw", p->rw, e);

	if (r == 0)
		r = check_paths("ro", p->ro, "hide", p->hide, e);
	return r == 0 ? check_paths("rw", p->rw, "hide", p->hide, e) : r;
}

static int check_limits(const struct pool_config *p, struct err *e)
{
	const struct limits *l = &p->limits;
	const uint32_t both = LIMIT_BIT(LIMIT_MEMORY) | LIMIT_BIT(LIMIT_MEMORY_HIGH);
	const uint32_t of_leaf = ~LIMIT_BIT(LIMIT_OOM_SCORE_ADJ);
	char high[TEXT_SIZE_BYTES], max[TEXT_SIZE_BYTES];

	if ((l->asked & both) == both && l->memory_high > l->memory) {
		text_size(l->memory_high, high);
		text_size(l->memory, max);
		return err_set(e, -EINVAL,
			       "--memory-high %s is above --memory %s and would never be met", high,
			       max);
	}
	if ((p->cage_off & CAGE_BIT(CAGE_CGROUP)) && ((l->asked & of_leaf) || l->nio || l->nraw))
		return err_set(
			e, -EINVAL,
			"--no-sandbox cgroup leaves out what the limits would be written to");
	if ((p->cage_off & CAGE_BIT(CAGE_RLIMITS)) && (l->asked & ~of_leaf))
		return err_set(e, -EINVAL, "--no-sandbox rlimits leaves out --oom-score-adj");
	return 0;
}

bool config_dispatches(const struct pool_config *p)
{
	bool can = p->protocol == PROTO_NATIVE || p->protocol == PROTO_NODE_CLUSTER;

	return can && (p->balance == BALANCE_ROUNDROBIN || p->balance == BALANCE_STICKY);
}

bool config_has_groups(const struct pool_config *p)
{
	return p->balance == BALANCE_REUSEPORT ||
	       (p->balance == BALANCE_STICKY && !config_dispatches(p));
}

bool config_arms_bind(const struct pool_config *p)
{
	return p->command &&
	       (p->protocol == PROTO_BIND || p->protocol == PROTO_AUTO ||
		p->protocol == PROTO_NODE_CLUSTER) &&
	       !(p->cage_off & CAGE_BIT(CAGE_SECCOMP));
}

static int check_serving(const struct pool_config *p, struct err *e)
{
	if (p->nlistens == 0 && (!config_arms_bind(p) || p->unlisted > UNLISTED_OPEN))
		return err_set(e, -EINVAL, "--port is missing: where should the workers listen?");
	if (!p->command && (p->protocol == PROTO_SYSTEMD || p->protocol == PROTO_BIND))
		return err_set(e, -EINVAL, "--protocol %s: a program is missing after --",
			       protocol_name(p->protocol));
	if (p->protocol == PROTO_BIND && !config_arms_bind(p))
		return err_set(e, -EINVAL,
			       "--protocol bind needs the seccomp filter: it cannot go with "
			       "--no-sandbox seccomp");
	if (p->protocol == PROTO_SYSTEMD && p->spares > 0)
		return err_set(e, -EINVAL,
			       "--spares: a program under --protocol systemd has its sockets when "
			       "it starts and cannot be parked; --protocol bind or auto can");
	return 0;
}

/* What contradicts what, whatever the order on the line. */
static int check(const struct reading *rd, struct err *e)
{
	const struct pool_config *p = rd->p;

	if (rd->quiet && rd->verbose)
		return err_set(e, -EINVAL, "--quiet and --verbose contradict each other");
	if (p->demo && p->command)
		return err_set(e, -EINVAL, "--demo is for the built-in worker, not for a command");
	if ((p->protocol == PROTO_NODE_IPC || p->protocol == PROTO_NODE_CLUSTER) && !p->command)
		return err_set(e, -EINVAL, "--protocol %s: a Node program is missing after --",
			       protocol_name(p->protocol));
	if (check_serving(p, e) < 0)
		return e->code;
	if (p->cage_off & p->cage_required)
		return err_set(e, -EINVAL,
			       "--require and --no-sandbox name the same part of the cage");
	if ((p->cage_required & CAGE_BIT(CAGE_NET)) && !p->net_none)
		return err_set(e, -EINVAL, "--require net needs --net none");
	if (check_limits(p, e) < 0)
		return e->code;
	return check_view(p, e);
}

/* It has an ending; an address or a number has none. */
static bool is_script(const char *word)
{
	const char *dot = strrchr(word, '.');

	return word[0] != '-' && dot && ((dot[1] | 32) >= 'a' && (dot[1] | 32) <= 'z');
}

/* "server" of /srv/app/server.js, "mpsup" for the built-in worker. */
static const char *default_name(struct reading *rd)
{
	char **argv = rd->p->command;
	const char *word = "mpsup", *base;
	char *name;
	size_t n = 0;

	if (argv) {
		word = argv[0];
		for (int i = 1; argv[i]; i++)
			if (is_script(argv[i])) {
				word = argv[i]; /* the script, not its interpreter */
				break;
			}
	}
	base = strrchr(word, '/') ? strrchr(word, '/') + 1 : word;
	name = arena_strndup(&rd->c->arena, base, 28);
	for (char *p = name; p && *p; p++) {
		char c = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;

		if (c == '.' && strcspn(p + 1, ".") == strlen(p + 1))
			break; /* the ending */
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    (n > 0 && (c == '_' || c == '-' || c == '.')))
			name[n++] = c;
	}
	if (name)
		name[n] = '\0';
	return name && *name ? name : "mpsup";
}

int config_from_argv(int argc, char **argv, struct config **ret_config, char *ret_ask,
		     struct err *e)
{
	struct reading rd = { .c = config_new() };
	int r;

	*ret_ask = 0;
	*ret_config = NULL;
	if (!rd.c)
		return err_set(e, -ENOMEM, "out of memory");
	rd.p = &rd.c->pools[0];
	r = take_all(&rd, argc, argv, e);
	if (r == 0 && (rd.help || rd.version)) {
		*ret_ask = rd.help ? 'h' : 'v';
		config_unref(rd.c);
		return 0;
	}
	if (r == 0)
		r = check(&rd, e);
	/* The built-in worker needs no folder: root's 0700 home is not in its way. */
	if (r == 0 && !rd.p->cwd)
		rd.p->cwd = rd.p->command ? "." : "/";
	if (r == 0 && !rd.c->name)
		rd.c->name = default_name(&rd);
	if (r < 0) {
		config_unref(rd.c);
		return r;
	}
	*ret_config = rd.c;
	return 0;
}
