/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/readiness.h"

#include "kernel/waiting.h"
#include "super/life.h"
#include "super/life_sockets.h"

#define FIRST_LOOK_MS 50   /* after exec; then twice as long each time */
#define LAST_LOOK_MS  1000 /* and no longer than this */
#define ALIVE_MS      1000
#define PIDS_MAX      64
#define LOOKS_MAX     4096 /* entries of /proc each time: some 5 ms */

static bool is_native_tongue(const struct life *l)
{
	enum protocol p = l->pool->conf->protocol;

	return p == PROTO_NATIVE || p == PROTO_NODE_CLUSTER || p == PROTO_NODE_IPC;
}

bool readiness_takes_word(const struct life *l)
{
	enum ready_rule rule = l->pool->conf->ready;

	return is_native_tongue(l) || rule == READY_AUTO || rule == READY_NOTIFY;
}

bool readiness_takes_listen(const struct life *l)
{
	enum ready_rule rule = l->pool->conf->ready;

	return rule == READY_AUTO || rule == READY_LISTEN;
}

static uint64_t now(const struct life *l)
{
	return l->master->world->now_ms();
}

/* Some thread in its leaf waits on one of the sockets that it was given. */
static bool waits_on_sockets(const struct life *l)
{
	const int *fds = life_sockets_fds(l);
	bool filtered = cage_has(&l->gen->cage, CAGE_SECCOMP);
	unsigned budget = LOOKS_MAX;
	pid_t pids[PIDS_MAX];
	size_t n = 0;

	if (l->leaf_fd < 0 || cgroup_pids(l->leaf_fd, pids, PIDS_MAX, &n) < 0) {
		pids[0] = l->pid;
		n = 1;
	}
	for (size_t i = 0; i < n && i < PIDS_MAX; i++)
		if (waiting_on(pids[i], fds, life_sockets_configured(l), filtered, &budget))
			return true;
	return false;
}

/* Sampled while it lasts: there is no event for this (traps 37). */
static void on_look(struct timer *t)
{
	struct life *l = container_of(t, struct life, readiness.look);
	uint64_t age = now(l) - l->readiness.exec_ms;

	if ((l->state != LIFE_STARTING && l->state != LIFE_JOINING) || !l->slot)
		return;
	if (l->pool->conf->ready != READY_AUTO || waits_on_sockets(l) ||
	    (l->pool->conf->protocol == PROTO_SYSTEMD && age >= ALIVE_MS)) {
		life_ready(l);
		return;
	}
	l->readiness.step_ms *= 2;
	if (l->readiness.step_ms > LAST_LOOK_MS)
		l->readiness.step_ms = LAST_LOOK_MS;
	if (age < ALIVE_MS && age + l->readiness.step_ms > ALIVE_MS)
		l->readiness.step_ms = ALIVE_MS - age;
	timer_set(&l->master->loop, t, now(l) + l->readiness.step_ms);
}

void readiness_init(struct life *l)
{
	timer_init(&l->readiness.look, on_look);
}

void readiness_exec_seen(struct life *l)
{
	const struct pool_config *c = l->pool->conf;

	l->readiness.exec_ms = now(l);
	if (is_native_tongue(l) || !l->slot)
		return;
	if (c->ready == READY_EXEC) {
		life_ready(l);
	} else if (c->ready == READY_AFTER) {
		uint64_t at = l->born_ms + c->ready_after_ms;

		timer_set(&l->master->loop, &l->readiness.look, at > now(l) ? at : now(l));
	} else if (c->ready == READY_AUTO && l->has_sockets) {
		l->readiness.step_ms = FIRST_LOOK_MS;
		timer_set(&l->master->loop, &l->readiness.look, now(l) + FIRST_LOOK_MS);
	}
}

/* A parked spare has long been executed, and has come as far as its bind(2). */
void readiness_promoted(struct life *l)
{
	enum ready_rule rule = l->pool->conf->ready;

	if (!is_native_tongue(l) && (rule == READY_EXEC || rule == READY_AFTER))
		timer_set(&l->master->loop, &l->readiness.look, now(l));
}

void readiness_done(struct life *l)
{
	timer_clear(&l->master->loop, &l->readiness.look);
}
