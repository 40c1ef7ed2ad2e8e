/* SPDX-License-Identifier: MIT */
/* status.c - the contract's `status --json`: what is, read when it is asked. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/facts.h"
#include "ctl/rights.h"
#include "super/life.h"
#include "super/listeners.h"

static void set(json_t *o, const char *key, json_t *value)
{
	(void)json_object_set_new_nocheck(o, key, value); /* keys are ours */
}

static void set_count(json_t *o, const char *key, int64_t n)
{
	set(o, key, n < 0 ? json_null() : json_integer(n));
}

static json_t *cpus_text(const cpu_set_t *cpus, bool pinned)
{
	char buf[TEXT_CPUS_BYTES];

	text_cpus(cpus, buf);
	return pinned ? json_string(buf) : json_null();
}

static json_t *cgroup_path(const struct master *m, const struct life *l)
{
	char path[sizeof(m->cgroup.path) + LEAF_NAME_BYTES + 1];

	if (!m->has_cgroup || l->leaf_fd < 0)
		return json_null();
	(void)snprintf(path, sizeof(path), "%s/%s", m->cgroup.path,
		       l->leaf_name ? l->leaf_name : "");
	return json_string(path);
}

/* Unlimited is null. */
static json_t *limit_json(const struct limits *l, enum limit which, uint64_t n)
{
	return l->asked & LIMIT_BIT(which) ? json_integer((json_int_t)n) : json_null();
}

/* The one that is in charge; 0: its world was broken from the start. */
static unsigned pool_generation(const struct pool *p)
{
	return p->gen ? p->gen->number : p->generation;
}

/* What is known of a place that may have no life at the moment. */
static json_t *messages_json(const struct life *l)
{
	json_t *o = json_object();

	set(o, "sent", json_integer((json_int_t)l->bus.sent));
	set(o, "received", json_integer((json_int_t)l->bus.received));
	set(o, "undelivered", json_integer((json_int_t)l->bus.undelivered));
	set(o, "dropped", json_integer((json_int_t)l->bus.dropped));
	return o;
}

static json_t *dispatched_json(const struct life *l)
{
	json_t *o = json_object();

	set(o, "taken", json_integer((json_int_t)l->dispatch.taken));
	set(o, "refused", json_integer((json_int_t)l->dispatch.refused));
	set(o, "unasked", json_integer((json_int_t)l->dispatch.strange));
	set(o, "waiting", json_integer(l->dispatch.nqueued + (l->dispatch.sent ? 1 : 0)));
	return o;
}

static json_t *worker_json(const struct facts *f, const struct slot *s, struct life *l, bool spare)
{
	const struct master *m = s->pool->master;
	bool dispatches = config_dispatches(s->pool->conf);
	struct life_facts now = { -1, -1, -1, -1 };
	json_t *o = json_object();

	if (l)
		facts_of_life(f, l, &now);

	set(o, "slot", spare ? json_null() : json_integer(s->index));
	set(o, "role", json_string(spare ? "spare" : "worker"));
	set(o, "generation", json_integer(l ? l->generation : pool_generation(s->pool)));
	set(o, "state", json_string(l ? life_state_name(l->state) : slot_state_name(s)));
	set_count(o, "pid", l && l->pid ? l->pid : -1);
	set_count(o, "init_pid", l && l->init.pid ? l->init.pid : -1);
	set_count(o, "ns_pid", l && l->inner_pid ? l->inner_pid : -1);
	set(o, "cpus", l ? cpus_text(&l->cpus, s->pool->conf->pin) : json_null());
	set(o, "cgroup", l ? cgroup_path(m, l) : json_null());
	set_count(o, "uptime_ms", l ? (int64_t)(clock_boot_ms() - l->born_ms) : -1);
	set(o, "restarts", json_integer(s->total_restarts));
	set_count(o, "memory_bytes", now.memory_bytes);
	set(o, "memory_max_bytes",
	    limit_json(&s->pool->conf->limits, LIMIT_MEMORY, s->pool->conf->limits.memory));
	set_count(o, "pids", now.pids);
	set_count(o, "cpu_usec", now.cpu_usec);
	set_count(o, "connections", now.connections);
	set(o, "status_text", l && l->status_text ? json_safe(l->status_text) : json_null());
	set(o, "messages", l ? messages_json(l) : json_null());
	set(o, "dispatched", l && dispatches ? dispatched_json(l) : json_null());
	set(o, "last_exit", s->deaths[0] ? death_json(s->deaths[0]) : json_null());
	return o;
}

static void add_certificates(json_t *o, const struct slot *s)
{
	json_t *a = json_array();

	for (unsigned i = 0; i < DEATHS_KEPT && s->deaths[i]; i++)
		(void)json_array_append_new(a, death_json(s->deaths[i]));
	set(o, "certificates", a);
}

static json_t *workers_json(const struct facts *f, struct pool *p, int only)
{
	json_t *a = json_array();

	for (unsigned i = 0; i < p->nslots; i++) {
		const struct slot *s = p->slots[i];
		json_t *w;

		if (only >= 0 && (unsigned)only != i)
			continue;
		w = worker_json(f, s, s->current, false);
		if (only >= 0)
			add_certificates(w, s);
		(void)json_array_append_new(a, w);
		list_each(it, &s->beside)
			(void)json_array_append_new(
				a, worker_json(f, s, container_of(it, struct life, node), false));
	}
	if (only >= 0) {
		facts_look(p);
		return a;
	}
	list_each(it, &p->spares)
		(void)json_array_append_new(a,
					    worker_json(f, &p->spare_slot,
							container_of(it, struct life, node), true));
	return a;
}

/* What this host does not count is null, unless a sum of earlier days is there. */
static bool is_counted(const struct master *m, const char *counter)
{
	if (strncmp(counter, "io_", 3) == 0)
		return m->stat_files & STAT_IO;
	if (strcmp(counter, "throttled_usec") == 0)
		return cgroup_list_has(m->cgroup.controllers, "cpu");
	return strcmp(counter, "memory_peak_bytes") != 0; /* never 0 where it is known */
}

static json_t *usage_json(const struct pool *p)
{
	char since[TEXT_TIME_BYTES];
	json_t *o = json_object();
	struct usage u;

	facts_usage(p, &u);
	text_time(u.since_ms, since);
	set(o, "since", json_string(since));
	for (size_t i = 0; i < usage_nfields; i++) {
		const char *name = usage_fields[i].name;
		uint64_t n = *usage_at(&u, &usage_fields[i]);

		set_count(o, name, n || is_counted(p->master, name) ? (int64_t)n : -1);
	}
	return o;
}

static json_t *io_json(const struct limits *l)
{
	json_t *a = json_array();

	for (unsigned i = 0; i < l->nio; i++) {
		json_t *o = json_object();

		set(o, "device", json_safe(l->io[i].device));
		for (int k = 0; k < IO_RATES; k++)
			if (l->io[i].rate[k] && l->io[i].rate[k] != UINT64_MAX)
				set_count(o, io_rate_name[k], (int64_t)l->io[i].rate[k]);
		(void)json_array_append_new(a, o);
	}
	return a;
}

static json_t *limits_json(const struct pool *p, const struct limits *l)
{
	bool pids = l->pids && cgroup_list_has(p->master->cgroup.controllers, "pids");
	json_t *o = json_object(), *raw = json_object();

	set(o, "memory", limit_json(l, LIMIT_MEMORY, l->memory));
	set(o, "memory_high", limit_json(l, LIMIT_MEMORY_HIGH, l->memory_high));
	set(o, "swap", limit_json(l, LIMIT_SWAP, l->swap));
	set(o, "cpu_quota",
	    l->asked & LIMIT_BIT(LIMIT_CPU_QUOTA) ? json_real((double)l->cpu_quota / 1000) :
						    json_null());
	set(o, "cpu_weight", limit_json(l, LIMIT_CPU_WEIGHT, l->cpu_weight));
	set_count(o, "pids", pids ? (int64_t)l->pids : -1);
	set(o, "io", io_json(l));
	for (unsigned i = 0; i < l->nraw; i++)
		set(raw, l->raw[i].file, json_safe(l->raw[i].value));
	set(o, "raw", raw);
	return o;
}

static json_t *each_json(const struct pool *p)
{
	json_t *o = limits_json(p, &p->conf->limits);

	set_count(o, "tmp", (int64_t)p->conf->tmp_bytes);
	set_count(o, "nofile", (int64_t)p->conf->nofile);
	return o;
}

/* What a stopped pool would listen on is its configuration's. */
static json_t *listens_json(const struct pool *p)
{
	json_t *list = json_array();

	for (unsigned i = 0; !p->listeners && i < p->conf->nlistens; i++)
		(void)json_array_append_new(list, json_string(p->conf->listens[i].shown));
	for (unsigned i = 0; p->gen && p->gen->on && i < p->gen->conf->nlistens; i++)
		(void)json_array_append_new(list, json_string(p->gen->on[i]->spec.shown));
	each_listener(l, p)
	{
		if (listener_is_programs(l))
			(void)json_array_append_new(list, json_string(l->spec.shown));
	}
	return list;
}

static json_t *dispatch_json(const struct pool *p)
{
	json_t *o = json_object();

	set(o, "waiting", json_integer(p->dispatch.nheld));
	set(o, "redispatched", json_integer((json_int_t)p->dispatch.redispatched));
	set(o, "closed", json_integer((json_int_t)p->dispatch.closed));
	return o;
}

static json_t *pool_json(const struct facts *f, unsigned index, const struct master *m, int slot)
{
	struct pool *p = m->pools[index];
	json_t *o = json_object();
	json_t *workers = workers_json(f, p, slot); /* looks at the living: before their sums */

	set(o, "name", json_string(p->conf->name));
	set(o, "state", json_string(pool_state_name(p->phase)));
	set(o, "reason", p->reason[0] ? json_safe(p->reason) : json_null());
	set(o, "listen", listens_json(p));
	set(o, "protocol",
	    json_string(p->gen ? p->gen->wire->name : protocol_name(p->conf->protocol)));
	set(o, "policy",
	    p->gen && p->gen->policy_name ? json_string(p->gen->policy_name) : json_null());
	set(o, "generation", json_integer(pool_generation(p)));
	set_count(o, "accept_queue", facts_accept_queue(f, index));
	set(o, "dispatch", config_dispatches(p->conf) ? dispatch_json(p) : json_null());
	set(o, "usage", usage_json(p));
	set(o, "limits", each_json(p));
	set(o, "total", limits_json(p, &p->conf->total));
	set(o, "workers", workers);
	set(o, "schedules", json_array());
	set(o, "agents", json_array());
	return o;
}

static json_t *master_json(const struct master *m)
{
	json_t *o = json_object();

	set(o, "pid", json_integer(getpid()));
	set(o, "uptime_ms", json_integer((json_int_t)(clock_boot_ms() - m->started_ms)));
	set(o, "cgroup", m->has_cgroup ? json_string(m->cgroup.path) : json_null());
	return o;
}

/* Text of o, which is given back, without its last `cut` bytes. */
static void append(struct ctl_client *cl, json_t *o, size_t cut)
{
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	if (text)
		client_append(cl, text, strlen(text) - cut);
	else
		client_free(cl); /* better none than a part of an answer */
	free(text);
}

/* Pool by pool: a tree of all of them would be the largest that the master ever needs. */
void status_send(struct ctl_client *cl, const struct pool *only, int slot)
{
	const struct master *m = cl->ctl->master;
	json_t *o = json_object();
	const char *between = "";
	struct facts f;

	facts_gather(&f, m);
	set(o, "schema", json_integer(1));
	set(o, "name", json_string(m->config->name));
	set(o, "version", json_string(MPSUP_VERSION));
	set(o, "master", master_json(m));
	client_append(cl, "{\"ok\":true,\"status\":", 20);
	append(cl, o, 1);
	client_append(cl, ",\"pools\":[", 10);
	for (unsigned i = 0; i < m->npools && cl->fd >= 0; i++) {
		if ((only && only != m->pools[i]) || !(client_rights(cl, m->pools[i]) & RIGHT_VIEW))
			continue;
		client_append(cl, between, strlen(between));
		append(cl, pool_json(&f, i, m, slot), 0);
		between = ",";
	}
	facts_done(&f);
	client_send_text(cl, "", "]}}", 3, "\n");
}
