/* SPDX-License-Identifier: MIT */
/* resolve.c - one pool's world: users, CPUs, protocol, limits. Read-only but for
 * the lock of a dynamic uid. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "config/config.h"
#include "config/logplace.h"
#include "config/resolve.h"
#include "config/trusted.h"
#include "config/uid.h"
#include "kernel/steer.h"
#include "policy/policy.h"

#define NOFILE_DEFAULT 65536

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

/* ---- who ---- */

static int find_group(const char *option, const char *text, gid_t *ret, struct err *e)
{
	struct group *g = getgrnam(text);
	uint64_t n;

	if (g) {
		*ret = g->gr_gid;
		return 0;
	}
	if (parse_u64(text, 0, UINT32_MAX - 1, &n) == 0) {
		*ret = (gid_t)n;
		return 0;
	}
	return err_set(e, -ENOENT, "%s: there is no group '%.64s' on this host", option, text);
}

static int from_passwd(struct pool_config *p, const struct passwd *pw, struct err *e)
{
	p->uid = pw->pw_uid;
	p->gid = pw->pw_gid;
	p->user_name = arena_strdup(&p->arena, pw->pw_name);
	p->home = arena_strdup(&p->arena, pw->pw_dir && *pw->pw_dir ? pw->pw_dir : "/");
	p->shell =
		arena_strdup(&p->arena, pw->pw_shell && *pw->pw_shell ? pw->pw_shell : "/bin/sh");
	return p->user_name && p->home && p->shell ? 0 : no_memory(e);
}

/* A uid that passwd does not know still needs a HOME: os.homedir() throws. */
static int from_number(struct pool_config *p, uid_t uid, gid_t gid, struct err *e)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw)
		return from_passwd(p, pw, e);
	p->uid = uid;
	p->gid = gid;
	p->user_name = arena_printf(&p->arena, "%u", uid);
	p->home = "/";
	p->shell = "/usr/sbin/nologin";
	return p->user_name ? 0 : no_memory(e);
}

static int named_user(struct pool_config *p, struct err *e)
{
	const struct passwd *pw = getpwnam(p->user);
	const struct group *g;
	uint64_t n;

	if (pw)
		return from_passwd(p, pw, e);
	if (parse_u64(p->user, 0, UINT32_MAX - 1, &n) == 0) {
		/* The number of some group, sudo's perhaps: never by accident. */
		g = p->group || getpwuid((uid_t)n) ? NULL : getgrgid((gid_t)n);
		if (g)
			return err_set(e, -EINVAL,
				       "--user %s: passwd does not know it, and group %s is '%s'; "
				       "name the --group too",
				       p->user, p->user, g->gr_name);
		return from_number(p, (uid_t)n, (gid_t)n, e);
	}
	return err_set(e, -ENOENT, "--user: there is no user '%.64s' on this host", p->user);
}

static int sudo_caller(uid_t *ret_uid, gid_t *ret_gid)
{
	const char *uid_text = getenv("SUDO_UID"), *gid_text = getenv("SUDO_GID");
	uint64_t uid, gid;

	if (!uid_text || parse_u64(uid_text, 1, UINT32_MAX - 1, &uid) < 0)
		return -ENOENT;
	if (!gid_text || parse_u64(gid_text, 1, UINT32_MAX - 1, &gid) < 0)
		gid = uid;
	*ret_uid = (uid_t)uid;
	*ret_gid = (gid_t)gid;
	return 0;
}

static int dynamic_user(struct config *c, struct pool_config *p, struct err *e)
{
	/* It may have it from the configuration before. */
	int r = p->uid_lock_fd >= 0 ? 0 :
				      uid_allocate(c->name, p->name, &p->uid, &p->uid_lock_fd, e);

	if (r < 0)
		return r;
	p->dynamic_uid = true;
	p->gid = (gid_t)p->uid;
	p->user_name = arena_printf(&p->arena, "mpsup-%s-%s", c->name, p->name);
	p->home = "/";
	p->shell = "/usr/sbin/nologin";
	return p->user_name ? 0 : no_memory(e);
}

static int resolve_groups(struct pool_config *p, struct err *e)
{
	unsigned n = 0;

	while (p->groups && p->groups[n])
		n++;
	p->gids = arena_alloc(&p->arena, (n + 1) * sizeof(*p->gids));
	if (!p->gids)
		return no_memory(e);
	for (unsigned i = 0; i < n; i++) {
		int r = find_group("--groups", p->groups[i], &p->gids[i], e);

		if (r < 0)
			return r;
	}
	p->ngids = n;
	return 0;
}

/* An ordinary user can give workers nothing but what is their own. */
static int own_user(struct pool_config *p, struct err *e)
{
	gid_t gid = getegid();
	int r = p->user ? named_user(p, e) : 0;

	if (r == 0 && p->user && p->uid != geteuid())
		return err_set(e, -EOPNOTSUPP, "--user %.64s: only root gives workers another user",
			       p->user);
	if (r == 0 && p->group)
		r = find_group("--group", p->group, &gid, e);
	if (r == 0 && (gid != getegid() || p->groups))
		return err_set(e, -EOPNOTSUPP, "--%s: only root gives workers other groups",
			       p->groups ? "groups" : "group");
	if (r == 0)
		r = from_number(p, geteuid(), gid, e);
	if (r == 0)
		p->gid = gid;
	return r;
}

static int resolve_user(struct config *c, struct pool_config *p, struct err *e)
{
	uid_t caller;
	gid_t caller_gid;
	int r;

	if (geteuid() != 0)
		return own_user(p, e);
	if (p->user) {
		r = named_user(p, e);
	} else if (p->cage_off & CAGE_BIT(CAGE_UID)) {
		r = from_number(p, 0, 0, e);
	} else if (!p->file && sudo_caller(&caller, &caller_gid) == 0) {
		p->caller_uid = true;
		r = from_number(p, caller, caller_gid, e);
	} else {
		r = dynamic_user(c, p, e);
	}
	if (r == 0 && p->group)
		r = find_group("--group", p->group, &p->gid, e);
	return r == 0 ? resolve_groups(p, e) : r;
}

/* ---- how many ---- */

static int resolve_workers(struct pool_config *p, struct err *e)
{
	int n = p->workers;

	if (n <= 0)
		n += (int)p->ncpus;
	if (n < 1)
		return err_set(e, -EINVAL, "--workers %d leaves none: there are %u CPUs",
			       p->workers, p->ncpus);
	if (config_has_groups(p) && n > STEER_SEATS_MAX)
		return err_set(
			e, -EINVAL,
			"--workers %d: with a socket for each slot at most %d get connections; "
			"--balance shared has one for all",
			n, STEER_SEATS_MAX);
	p->workers = n;
	if (p->parallel == 0)
		p->parallel = p->ncpus > 2 ? p->ncpus : 2;
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* What would eat Node's channel: the tools around it, or an option of its own that
 * starts a process between (traps 45). NULL: nothing. */
static const char *eats_channel(const struct pool_config *p)
{
	static const char *const tools[] = { "npm", "npx",  "yarn",    "pnpm",
					     "tsx", "next", "ts-node", "corepack" };
	static const char *const between[] = {
		"--watch", "--test", "-e", "--eval", "-p", "--print"
	};

	for (size_t i = 0; i < ARRAY_LEN(tools); i++)
		if (strcmp(base_name(p->command[0]), tools[i]) == 0)
			return tools[i];
	for (int k = 1; p->command[k] && p->command[k][0] == '-'; k++)
		for (size_t i = 0; i < ARRAY_LEN(between); i++)
			if (strcmp(p->command[k], between[i]) == 0)
				return between[i];
	return NULL;
}

static bool is_node_program(const struct pool_config *p)
{
	return strcmp(policy_auto(p->exec_path, (const char *const *)p->command), "node") == 0 &&
	       !eats_channel(p);
}

/* Programs that cannot stop accepting by themselves get a socket each (traps 5). */
static int resolve_balance(struct pool_config *p, struct err *e)
{
	bool asked_to_leave = p->protocol == PROTO_NATIVE || p->protocol == PROTO_NODE_CLUSTER ||
			      p->protocol == PROTO_NODE_IPC;

	if (p->balance == BALANCE_AUTO)
		p->balance = asked_to_leave ? BALANCE_SHARED : BALANCE_REUSEPORT;
	if (p->balance == BALANCE_ROUNDROBIN && !config_dispatches(p))
		return err_set(e, -EINVAL,
			       "--balance roundrobin: the master deals connections to workers of "
			       "the protocols native and node-cluster alone; %s can have "
			       "shared, reuseport or sticky",
			       protocol_name(p->protocol));
	return 0;
}

/* Who can say that it lives, or be asked. */
static int check_watchdog(const struct pool_config *p, struct err *e)
{
	if (p->watchdog_ms == 0 || (p->protocol != PROTO_BIND && p->protocol != PROTO_AUTO))
		return 0;
	return err_set(e, -EINVAL,
		       "--watchdog needs a protocol in which a worker says that it lives (native, "
		       "systemd) or its event loop is asked (node-cluster, node-ipc); this "
		       "pool has %s",
		       protocol_name(p->protocol));
}

/* A rule that could never come true, or is not looked at. */
static int check_ready(const struct pool_config *p, struct err *e)
{
	bool says_itself = p->protocol == PROTO_NATIVE || p->protocol == PROTO_NODE_CLUSTER ||
			   p->protocol == PROTO_NODE_IPC;

	if (p->ready != READY_AUTO && says_itself)
		return err_set(e, -EINVAL,
			       "--ready: a worker of the protocol %s says itself when it is ready",
			       protocol_name(p->protocol));
	if (p->ready == READY_LISTEN && !config_arms_bind(p))
		return err_set(e, -EINVAL,
			       "--ready listen: nobody sees the listen() of this pool's programs; "
			       "that needs --protocol bind or auto, with the seccomp filter");
	if (p->ready == READY_NOTIFY && p->protocol == PROTO_BIND)
		return err_set(
			e, -EINVAL,
			"--ready notify: --protocol bind gives no NOTIFY_SOCKET; systemd and "
			"auto do");
	return 0;
}

/* Nobody could do what was asked for. */
static int check_drain(const struct pool_config *p, struct err *e)
{
	bool has_word = p->protocol == PROTO_NATIVE || p->protocol == PROTO_NODE_CLUSTER ||
			p->protocol == PROTO_NODE_IPC;

	if (p->drain == DRAIN_PROTOCOL && !has_word)
		return err_set(e, -EINVAL,
			       "--drain protocol: the protocol %s has no word for it; observe has "
			       "the connections watched",
			       protocol_name(p->protocol));
	if (p->drain == DRAIN_OBSERVE && !config_has_groups(p))
		return err_set(e, -EINVAL,
			       "--drain observe: one worker cannot be taken off a socket that all "
			       "share; --balance reuseport gives each its own");
	return 0;
}

/* These masters tell a program of the sockets that it has from its start on. */
static int check_compat(const struct pool_config *p, struct err *e)
{
	if (p->compat && p->protocol != PROTO_SYSTEMD && p->protocol != PROTO_AUTO)
		return err_set(
			e, -EINVAL,
			"--compat goes with --protocol systemd or auto: %s has no descriptors "
			"at its start",
			protocol_name(p->protocol));
	if (p->compat && p->spares > 0)
		return err_set(e, -EINVAL,
			       "--compat: with --spares no program has descriptors at its start");
	return 0;
}

/* What auto means: native without a command, Node's own protocol for Node; for all
 * others systemd is offered and bind armed. */
static int resolve_protocol(struct pool_config *p, struct err *e)
{
	if (p->protocol == PROTO_AUTO && !p->command)
		p->protocol = PROTO_NATIVE;
	if (p->protocol == PROTO_AUTO && is_node_program(p))
		p->protocol = PROTO_NODE_CLUSTER;
	if (p->nlistens == 0 && (!config_arms_bind(p) || p->unlisted > UNLISTED_OPEN))
		return err_set(e, -EINVAL, "--port is missing: where should the workers listen?");
	if (p->unlisted == UNLISTED_DEFAULT)
		p->unlisted = p->nlistens ? UNLISTED_REFUSE : UNLISTED_OPEN;
	if (p->protocol == PROTO_NODE_CLUSTER || p->protocol == PROTO_NODE_IPC)
		p->eats_channel = eats_channel(p);
	if (check_watchdog(p, e) < 0 || check_ready(p, e) < 0 || check_compat(p, e) < 0)
		return e->code;
	if (resolve_balance(p, e) < 0)
		return e->code;
	return check_drain(p, e);
}

/* start_server(1) opens a port without a host for IPv4 alone, and its programs read an
 * IPv4 peer from whatever accept(2) gives them: Starlet answers nobody on [::]. */
static int narrow_to_v4(struct listen_spec *s, struct arena *a, struct err *e)
{
	uint16_t port = ((const struct sockaddr_in6 *)(const void *)&s->addr)->sin6_port;
	const struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = port };

	memset(&s->addr, 0, sizeof(s->addr));
	memcpy(&s->addr, &any, sizeof(any));
	s->addr_len = sizeof(any);
	s->dual_stack = false;
	s->shown = arena_printf(a, "0.0.0.0:%u", ntohs(port));
	return s->shown ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int resolve_listens(struct pool_config *p, struct arena *a, struct err *e)
{
	for (unsigned i = 0; i < p->nlistens; i++) {
		struct listen_spec *s = &p->listens[i];
		const struct passwd *pw = s->user ? getpwnam(s->user) : NULL;
		uint64_t n;
		int r = 0;

		if (pw)
			s->uid = pw->pw_uid;
		else if (s->user && parse_u64(s->user, 0, UINT32_MAX - 1, &n) == 0)
			s->uid = (uid_t)n;
		else if (s->user)
			return err_set(e, -ENOENT, "--listen %s: there is no user '%.64s'", s->text,
				       s->user);
		if (s->group)
			r = find_group("--listen", s->group, &s->gid, e);
		if (r == 0 && s->dual_stack && (p->compat & COMPAT_SERVER_STARTER))
			r = narrow_to_v4(s, a, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int config_resolve(struct config *c, struct err *e)
{
	int r = 0;

	if (c->control_group)
		r = find_group("--control-group", c->control_group, &c->control_gid, e);
	if (r == 0 && c->view_group)
		r = find_group("--view-group", c->view_group, &c->view_gid, e);
	return r;
}

/* The default never fails for a host that is set lower: raising a hard limit
 * needs CAP_SYS_RESOURCE, which not every root has. */
static int resolve_nofile(struct pool_config *p, struct err *e)
{
	struct rlimit rl;
	bool asked = p->nofile != 0;

	if (!asked)
		p->nofile = NOFILE_DEFAULT;
	if (getrlimit(RLIMIT_NOFILE, &rl) < 0 || p->nofile <= rl.rlim_max)
		return 0;
	if (prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE, 0, 0, 0) == 1 && geteuid() == 0)
		return 0;
	if (asked)
		return err_set(e, -EOPNOTSUPP,
			       "--nofile %llu: the hard limit here is %llu and these "
			       "rights do not raise it",
			       (unsigned long long)p->nofile, (unsigned long long)rl.rlim_max);
	p->nofile = rl.rlim_max;
	return 0;
}

static int resolve_control(struct pool_config *p, struct err *e)
{
	int r = 0;

	p->control_gid = p->view_gid = (gid_t)-1;
	if (p->control_group)
		r = find_group("control.group", p->control_group, &p->control_gid, e);
	if (r == 0 && p->view_group)
		r = find_group("control.view_group", p->view_group, &p->view_gid, e);
	return r;
}

/* The kernel tells of memory.high, and so nobody has to look. */
static int resolve_recycle(struct pool_config *p, struct err *e)
{
	struct limits *l = &p->limits;

	if (p->recycle_memory == 0)
		return 0;
	if ((l->asked & LIMIT_BIT(LIMIT_MEMORY)) && p->recycle_memory >= l->memory)
		return err_set(e, -EINVAL,
			       "--recycle-memory is not below --memory: the worker would be ended "
			       "before it is replaced");
	if (!(l->asked & LIMIT_BIT(LIMIT_MEMORY_HIGH)) || l->memory_high > p->recycle_memory) {
		l->asked |= LIMIT_BIT(LIMIT_MEMORY_HIGH);
		l->memory_high = p->recycle_memory;
	}
	return 0;
}

/* It is opened again by its path: nobody but root could have changed it meanwhile. */
static int check_policy(const struct pool_config *p, struct err *e)
{
	AUTO_FD int fd = -1;

	if (!p->file || !p->policy || !policy_is_file(p->policy))
		return 0;
	fd = trusted_open(p->policy, true, e);
	return fd < 0 ? err_wrap(e, "--policy") : 0;
}

int config_resolve_pool(struct config *c, struct pool_config *p, struct err *e)
{
	int r = p->broken ? err_set(e, p->broken_code, "%s", p->broken) : resolve_cwd(p, e);

	if (r == 0)
		r = resolve_control(p, e);
	if (r == 0)
		r = resolve_user(c, p, e);
	if (r == 0)
		r = resolve_command(p, e);
	if (r == 0)
		r = check_policy(p, e);
	if (r == 0)
		r = resolve_reach(p, e);
	if (r == 0)
		r = resolve_protocol(p, e);
	if (r == 0)
		r = resolve_cpus(p, e);
	if (r == 0)
		r = resolve_workers(p, e);
	if (r == 0)
		r = resolve_listens(p, &p->arena, e);
	if (r == 0)
		r = resolve_io(p, e);
	if (r == 0)
		r = resolve_recycle(p, e);
	if (r == 0 && p->log.file)
		r = logplace_check(p, p->log.file, e);
	return r == 0 ? resolve_nofile(p, e) : r;
}
