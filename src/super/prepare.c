/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "config/environment.h"
#include "config/trusted.h"
#include "kernel/seccomp.h"
#include "kernel/try.h"
#include "policy/policy.h"
#include "super/companions.h"
#include "super/filters.h"
#include "super/leaf.h"
#include "super/listeners.h"
#include "super/place_cgroup.h"
#include "super/preload.h"
#include "super/total.h"

/* Had only where asked for, or not built yet: never a reason to refuse. */
#define OPTIONAL_WORDS (CAGE_BIT(CAGE_USER) | CAGE_BIT(CAGE_LANDLOCK))
#define ALL_WORDS      (CAGE_BIT(CAGE_WORDS) - 1u)

static const struct {
	enum cage_word word;
	uint64_t flag;
} namespaces[] = {
	{ CAGE_PID, CLONE_NEWPID }, { CAGE_IPC, CLONE_NEWIPC },	      { CAGE_UTS, CLONE_NEWUTS },
	{ CAGE_NET, CLONE_NEWNET }, { CAGE_CGROUP, CLONE_NEWCGROUP },
};

/* ---- the master's own ---- */

static void raise_nofile(void)
{
	struct rlimit rl;

	/* Nine descriptors a worker; the hard limit is what the host allows us. */
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static bool any_wants(const struct master *m, enum cage_word w)
{
	for (unsigned i = 0; i < m->config->npools; i++)
		if (!(m->config->pools[i]->cage_off & CAGE_BIT(w)))
			return true;
	return false;
}

int prepare_master_again(struct master *m, struct err *e)
{
	int r;

	raise_nofile();
	m->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (m->null_fd < 0)
		return err_sys(e, -errno, "/dev/null");
	r = companion_open("mpsup-init", &m->init_fd, e);
	if (r == 0)
		r = companion_open("mpsup-worker", &m->worker_exe_fd, e);
	return r;
}

int prepare_master(struct master *m, struct err *e)
{
	int r = prepare_master_again(m, e);

	if (r == 0 && any_wants(m, CAGE_CGROUP))
		r = place_cgroup(m, e);
	return r;
}

void prepare_master_done(struct master *m)
{
	place_cgroup_done(m);
	fd_close(&m->null_fd);
	fd_close(&m->init_fd);
	fd_close(&m->worker_exe_fd);
}

/* ---- the cage ---- */

static uint64_t clone_flags(uint32_t words)
{
	uint64_t flags = 0;

	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++)
		if (words & CAGE_BIT(namespaces[i].word))
			flags |= namespaces[i].flag;
	return flags;
}

static int check_namespaces(struct master *m, uint32_t words, struct err *e)
{
	const uint64_t flags = clone_flags(words);
	int r = flags & ~m->clones_given ? try_in_child(flags, NULL, NULL) : 0;

	if (r == 0) {
		m->clones_given |= flags;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
		uint32_t one = words & CAGE_BIT(namespaces[i].word);

		if (one && try_in_child(clone_flags(one), NULL, NULL) < 0)
			return err_set(e, -EOPNOTSUPP,
				       "this host or these rights give no %s namespace (%s); "
				       "--no-sandbox %s would do without",
				       cage_word_name[namespaces[i].word], strerror(-r),
				       cage_word_name[namespaces[i].word]);
	}
	return err_set(e, -EOPNOTSUPP, "namespaces cannot be made: %s", strerror(-r));
}

/* Which words are applied. As root all that is not switched off; as an ordinary
 * user what needs root is left out with a line each, or refused if required. */
static int settle_words(struct master *m, const struct pool_config *conf, uint32_t *ret_words,
			struct err *e)
{
	uint32_t words = ALL_WORDS & ~conf->cage_off & ~OPTIONAL_WORDS;

	if (!conf->pin)
		words &= ~CAGE_BIT(CAGE_PIN);
	if (!conf->net_none)
		words &= ~CAGE_BIT(CAGE_NET);
	if (!m->has_cgroup)
		words &= ~CAGE_BIT(CAGE_CGROUP);
	if (!(words & CAGE_BIT(CAGE_MOUNT)))
		words &= ~CAGE_BIT(CAGE_VIEW);
	for (unsigned w = 0; w < CAGE_WORDS; w++) {
		if (m->root || !(words & CAGE_ROOT_WORDS & CAGE_BIT(w)))
			continue;
		if (conf->cage_required & CAGE_BIT(w))
			return err_set(e, -EOPNOTSUPP, "--require %s: it needs root",
				       cage_word_name[w]);
		words &= ~CAGE_BIT(w);
	}
	for (unsigned w = 0; w < CAGE_WORDS; w++) {
		if (!(conf->cage_required & ~words & ~CAGE_BIT(CAGE_NET) & CAGE_BIT(w)))
			continue;
		return err_set(
			e, -EOPNOTSUPP, "--require %s: it is not available%s", cage_word_name[w],
			conf->cage_off & CAGE_BIT(w) ? " with --no-sandbox for it" : " here");
	}
	*ret_words = words;
	return 0;
}

static void use_filter(struct generation *g)
{
	struct cage *c = &g->cage;

	c->filter = g->filter->insns;
	c->filter_len = g->filter->len;
	c->filter_flags = g->filter->flags;
	c->filter_asks = g->filter->asks;
}

static int prepare_filter(struct master *m, struct generation *g, struct cage *c, struct err *e)
{
	const char *name = g->conf->policy;
	int r;

	if (!name)
		name = policy_auto(g->conf->exec_path, (const char *const *)g->conf->command);
	g->policy_name = name;
	r = filter_get(m, name, config_arms_bind(g->conf), &g->filter, e);
	if (r < 0)
		return r;
	use_filter(g);
	/* Signals take the call away, and Go sends itself signals all the time. */
	if (c->filter_flags == SECCOMP_FILTER_FLAG_NEW_LISTENER && g->conf->spares > 0 &&
	    g->conf->protocol != PROTO_NODE_CLUSTER)
		return err_set(e, -EOPNOTSUPP,
			       "--spares: a spare waits inside bind(), and that needs Linux 5.19");
	return 0;
}

/* ---- secrets ---- */

static void forget_secrets(struct view_credential *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (list[i].data)
			explicit_bzero(list[i].data, list[i].len);
		free(list[i].data);
	}
	free(list);
}

static int read_secret(const struct generation *g, const struct credential *c,
		       struct view_credential *to, struct err *e)
{
	/* Of a file of pools, root's; of a command line, whatever the caller names. */
	AUTO_FD int fd = g->conf->file ? trusted_open(c->path, true, e) :
					 open(c->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = 0;

	to->name = c->name;
	if (fd < 0)
		return err_wrap(g->conf->file ? e : (err_sys(e, -errno, "%s", c->path), e),
				"--credential %s", c->name);
	to->data = malloc(VIEW_CREDENTIAL_BYTES + 1);
	if (!to->data)
		return err_set(e, -ENOMEM, "out of memory");
	while (to->len <= VIEW_CREDENTIAL_BYTES &&
	       (n = read(fd, (char *)to->data + to->len, VIEW_CREDENTIAL_BYTES + 1 - to->len)) > 0)
		to->len += (size_t)n;
	if (n < 0)
		return err_sys(e, -errno, "--credential %s: %s", c->name, c->path);
	if (to->len > VIEW_CREDENTIAL_BYTES)
		return err_set(e, -EFBIG, "--credential %s: %s is longer than 1 MiB", c->name,
			       c->path);
	return 0;
}

static int read_secrets(const struct generation *g, struct view_credential **ret, struct err *e)
{
	unsigned n = g->conf->ncredentials;
	struct view_credential *list = calloc(n + 1, sizeof(*list));
	int r = list ? 0 : err_set(e, -ENOMEM, "out of memory");

	for (unsigned i = 0; r == 0 && i < n; i++)
		r = read_secret(g, &g->conf->credentials[i], &list[i], e);
	if (r < 0 && list)
		forget_secrets(list, n);
	else
		*ret = list;
	return r;
}

static int prepare_view(struct generation *g, struct cage *c, struct err *e)
{
	const struct view_request req = {
		.app = g->conf->view == VIEW_KIND_APP,
		.cwd = g->conf->cwd,
		.argv = g->conf->command,
		.exec_path = g->conf->exec_path,
		.ro = g->conf->ro,
		.rw = g->conf->rw,
		.hide = g->conf->hide,
	};
	struct view_credential *secrets = NULL;
	int r = view_plan(&req, &g->conf->arena, &c->view, e);

	if (r < 0)
		return r;
	c->view.tmp_bytes = g->conf->tmp_bytes;
	c->view.own_cgroup = cage_has(c, CAGE_CGROUP);
	c->view.own_pid = cage_has(c, CAGE_PID);
	c->view.uid = c->uid;
	c->view.gid = c->gid;
	r = read_secrets(g, &secrets, e);
	if (r < 0)
		return r;
	c->view.preload = preload_text(g);
	c->view.credentials = secrets;
	c->view.ncredentials = g->conf->ncredentials;
	r = view_build_mold(&c->view, &c->mold_fd, e);
	c->view.credentials = NULL;
	c->view.preload = NULL;
	forget_secrets(secrets, g->conf->ncredentials);
	/* What a person wrote wrong is theirs (2); what the kernel refuses is the host's. */
	if (r == -EOPNOTSUPP)
		return err_set(e, -EOPNOTSUPP, "%s; --no-sandbox view would do without", e->msg);
	return r;
}

static int prepare_command(struct master *m, struct generation *g, struct cage *c, struct err *e)
{
	struct arena *a = &g->conf->arena;
	char **envp;
	int r = config_environment(g->conf, environ, a, &envp, e);

	if (r < 0)
		return r;
	c->envp = envp;
	c->cwd = g->conf->cwd;
	c->nofile = g->conf->nofile;
	if (g->conf->command) {
		c->argv = g->conf->command;
		c->exec_path = g->conf->exec_path;
		if (preload_name(g, a, envp) < 0)
			return err_set(e, -ENOMEM, "out of memory");
		return 0;
	}
	/* By descriptor: a clone under a 0700 folder works for a foreign uid (traps 19). */
	char **argv = arena_alloc(a, 3 * sizeof(*argv));

	if (!argv)
		return err_set(e, -ENOMEM, "out of memory");
	argv[0] = arena_strdup(a, "mpsup-worker");
	argv[1] = g->conf->demo ? arena_strdup(a, "--demo") : NULL;
	c->argv = argv;
	c->exec_fd = m->worker_exe_fd;
	return 0;
}

/* What programs of socket activation are told beside the number of their sockets. */
static int prepare_names(struct generation *g, struct err *e)
{
	struct arena *a = &g->conf->arena;
	char *names = arena_strdup(a, "LISTEN_FDNAMES="), *ports = NULL;

	if (g->conf->compat & COMPAT_SERVER_STARTER)
		ports = arena_strdup(a, "SERVER_STARTER_PORT=");
	for (unsigned i = 0; i < g->conf->nlistens && names; i++) {
		const struct listen_spec *s = &g->conf->listens[i];
		/* --port, which has no host, is only its number there. */
		const char *shown = strchr(s->text, ':') ? s->shown : strrchr(s->shown, ':') + 1;

		if (strncmp(shown, "unix:", 5) == 0)
			shown += 5;
		names = arena_printf(a, "%s%s%s", names, i ? ":" : "", s->name);
		if (ports)
			ports = arena_printf(a, "%s%s%s=%u", ports, i ? ";" : "", shown,
					     CAGE_LISTEN_FD + i);
	}
	g->listen_names = names;
	g->starter_ports = ports;
	return names ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/* What follows from the configuration alone. */
static int prepare_plain(struct master *m, struct generation *g, struct err *e)
{
	struct cage *c = &g->cage;
	int r;

	c->clone_flags = clone_flags(c->words);
	c->uid = g->conf->uid;
	c->gid = g->conf->gid;
	c->gids = g->conf->gids;
	c->ngids = g->conf->ngids;
	c->no_caps = cap_init();
	if (!c->no_caps)
		return err_set(e, -ENOMEM, "out of memory");
	r = leaf_oom_score(g, c, e);
	if (r == 0)
		r = prepare_names(g, e);
	if (r == 0)
		r = prepare_command(m, g, c, e);
	return r;
}

static int prepare_cage(struct master *m, struct generation *g, struct err *e)
{
	struct cage *c = &g->cage;
	int r;

	*c = CAGE_NONE;
	r = settle_words(m, g->conf, &c->words, e);
	if (r == 0 && m->root)
		r = check_namespaces(m, c->words, e);
	if (r == 0)
		r = prepare_plain(m, g, e);
	if (r == 0 && cage_has(c, CAGE_SECCOMP))
		r = prepare_filter(m, g, c, e);
	if (r == 0 && cage_has(c, CAGE_VIEW))
		r = prepare_view(g, c, e);
	else if (r == 0 && g->conf->ncredentials)
		r = err_set(e, -EOPNOTSUPP,
			    "--credential: they are kept in the view, which these workers do not "
			    "have (%s)",
			    m->root ? "--no-sandbox view or mount" : "only root gives one");
	return r;
}

/* ---- generations ---- */

static struct generation *generation_new(struct pool_config *conf, unsigned number)
{
	struct generation *g = calloc(1, sizeof(*g));

	if (g)
		*g = (struct generation){ .refs = 1,
					  .number = number,
					  .conf = pool_config_ref(conf),
					  .cage = CAGE_NONE,
					  .wire = wire_find(conf->protocol) };
	return g;
}

int generation_make(struct master *m, struct pool_config *conf, unsigned number,
		    struct generation **ret, struct err *e)
{
	struct generation *g = generation_new(conf, number);
	int r;

	if (!g)
		return err_set(e, -ENOMEM, "out of memory");
	if (!m->batch)
		filters_read_again(m);
	r = leaf_limits_prepare(m, g, e);
	if (r == 0)
		r = prepare_cage(m, g, e);
	if (r < 0) {
		generation_unref(g);
		return r;
	}
	*ret = g;
	return 0;
}

int generation_again(struct master *m, struct pool_config *conf, unsigned number,
		     const struct generation_carried *was, struct generation **ret, struct err *e)
{
	struct generation *g = generation_new(conf, number);
	int r;

	if (!g)
		return err_set(e, -ENOMEM, "out of memory");
	g->filter = was->filter;
	g->policy_name = was->policy_name;
	g->cage.mold_fd = was->mold_fd;
	g->cage.view = was->view;
	g->cage.words = was->words;
	g->cage.preloads = was->preloads;
	if (g->filter)
		use_filter(g);
	r = g->wire ? 0 : err_set(e, -EINVAL, "a protocol that is not known");
	if (was->plan_conf)
		conf = g->plan_conf = pool_config_ref(was->plan_conf);
	if (r == 0 && m->has_cgroup)
		r = leaf_plan_make(&conf->limits, m->cgroup.controllers, &conf->arena,
				   &g->leaf_plan, e);
	if (r == 0)
		r = prepare_plain(m, g, e);
	if (r < 0) {
		generation_unref(g);
		return r;
	}
	*ret = g;
	return 0;
}

struct generation *generation_ref(struct generation *g)
{
	g->refs++;
	return g;
}

void generation_unref(struct generation *g)
{
	if (!g || --g->refs > 0)
		return;
	listeners_unmap(g);
	cage_done(&g->cage);
	filter_unref(g->filter);
	pool_config_unref(g->conf);
	pool_config_unref(g->plan_conf);
	pool_config_unref(g->left_conf);
	pool_config_unref(g->file_conf);
	free(g);
}

int prepare_pool(struct master *m, struct pool *p, struct err *e)
{
	int r;

	p->master = m;
	/* Listeners first: a second start on a port is refused before it costs anything. */
	r = listeners_open(p, e);
	if (r == 0)
		r = total_open(p, e);
	if (r == 0)
		r = generation_make(m, p->conf, p->generation + 1, &p->gen, e);
	if (r == 0 && listeners_map(p, p->gen) < 0)
		r = err_set(e, -ENOMEM, "out of memory");
	if (r < 0)
		prepare_pool_done(p);
	else
		p->generation = p->gen->number;
	return r;
}

static void say_without(const struct master *m, const struct pool *p)
{
	for (unsigned w = 0; w < CAGE_WORDS; w++)
		if (!m->root && (CAGE_ROOT_WORDS & CAGE_BIT(w)) && !cage_has(&p->gen->cage, w) &&
		    !(p->conf->cage_off & CAGE_BIT(w)) && (w != CAGE_NET || p->conf->net_none))
			log_warn("not root: the workers of %s run without %s", p->conf->name,
				 cage_word_name[w]);
}

void prepare_say_limits(const struct master *m)
{
	if (m->has_cgroup && m->no_limits[0])
		log_warn("%s: workers get leaves, %s", m->no_limits,
			 cgroup_has_controllers(&m->cgroup) ? "but not all limits can be set" :
							      "resource limits cannot be set");
}

void prepare_say(const struct pool *p)
{
	const struct pool_config *c = p->conf;

	char doubt[160];

	total_doubt(c, doubt, sizeof(doubt));
	if (doubt[0])
		log_warn("pool %s: %s", c->name, doubt);
	say_without(p->master, p);
	log_info("pool %s: %u worker%s on %u CPU%s (%s)%s%s, as %s", c->name, p->nslots,
		 p->nslots == 1 ? "" : "s", c->ncpus, c->ncpus == 1 ? "" : "s", c->cpus_reason,
		 p->gen->policy_name ? ", policy " : "",
		 p->gen->policy_name ? p->gen->policy_name : "", c->user_name);
	if (c->eats_channel)
		log_warn("pool %s: %s takes Node's channel for itself, so that the program "
			 "behind it never hears of mpsup: leave --protocol to auto",
			 c->name, c->eats_channel);
}

void prepare_pool_done(struct pool *p)
{
	listeners_close(p);
	total_close(p);
	generation_unref(p->gen);
	p->gen = NULL;
}
