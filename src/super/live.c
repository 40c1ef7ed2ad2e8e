/* SPDX-License-Identifier: MIT */
/* live.c - the world as it is, after the birth: what the kernel and the wire say
 * about one process, and what is done to it. The other half of spawn.c. */
#define _GNU_SOURCE
#include "super/live.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/listener.h"
#include "kernel/scm.h"
#include "super/acks.h"
#include "super/binds.h"
#include "super/child.h"
#include "super/leaf.h"
#include "super/life.h"
#include "super/life_sockets.h"
#include "super/listeners.h"
#include "super/observe.h"
#include "super/pin.h"
#include "super/pipes.h"
#include "super/pool.h"
#include "super/prepare.h"
#include "super/readiness.h"

#define FACTS_MS 1000 /* the certificate waits for init's word no longer */
#define PIPES_MS 100  /* a pipe that somebody outside holds is closed after this */

static uint64_t real_now(void)
{
	return clock_boot_ms();
}

/* ---- facts from the birth ---- */

static void take_report(struct life *l, const struct child_report *rep, struct scm_message *m)
{
	if (rep->kind == CHILD_FAILED) {
		l->failed_step = rep->step;
		l->failed_error = rep->error > 0 ? rep->error : EIO;
		if (rep->step == STEP_PIN) /* the next try gets what is there now */
			pins_check(l->master);
		return;
	}
	if (rep->kind == CHILD_HEARS && m->nfds == 1 && l->channel.fd < 0) {
		m->nfds = 0;
		l->notify_is_sealed = rep->sealed;
		if (channel_open(&l->channel, &l->master->loop, l->gen->wire, &live_wire_up,
				 m->fds[0]) < 0)
			life_kill(l, REASON_START);
		return;
	}
	if (rep->kind == CHILD_ACKS && m->nfds == 1 && l->acks.listen_fd < 0) {
		m->nfds = 0;
		if (acks_open(l, m->fds[0]) < 0)
			life_kill(l, REASON_START);
		return;
	}
	if (rep->kind == CHILD_ASKS && m->nfds == 1 && l->binder.fd < 0) {
		m->nfds = 0;
		if (binds_open(l, m->fds[0]) < 0)
			life_kill(l, REASON_START); /* nobody would answer it */
		return;
	}
	if (rep->kind != CHILD_BORN || m->nfds != 1 || l->worker_fd >= 0)
		return;
	l->worker_fd = m->fds[0];
	m->nfds = 0;
	if (source_add(&l->master->loop, &l->worker_src, l->worker_fd, EPOLLIN, live_on_worker) < 0)
		fd_close(&l->worker_fd); /* init's report tells its end as well */
	life_born(l, m->pid);
}

/* Returns false at the end of the channel or when nothing is left. */
static bool read_report(struct life *l)
{
	struct child_report rep = { 0 };
	struct scm_message m = { .buf = (char *)&rep, .size = sizeof(rep), .max_fds = 1 };
	int r = l->report_fd < 0 ? -EAGAIN : scm_recv(l->report_fd, &m);

	if (r == 1) {
		if (m.len == sizeof(rep))
			take_report(l, &rep, &m);
		scm_close_fds(&m);
		return true;
	}
	if (r == -EAGAIN)
		return false;
	source_remove(&l->master->loop, &l->report_src);
	fd_close(&l->report_fd);
	/* End of file is death or exec: exec only if nobody failed and it lives. */
	if (r == 0 && !l->failed_error && l->worker_fd >= 0 && !l->worker_gone && !l->have_exit) {
		if (l->pin_late)
			ignore(pin_life(l, true, NULL));
		life_exec_seen(l);
	}
	return false;
}

void live_catch_up(struct life *l)
{
	while (read_report(l))
		;
}

void live_on_report(struct source *s, uint32_t events)
{
	(void)events;
	ignore(read_report(container_of(s, struct life, report_src)));
}

/* ---- facts of the end ---- */

static void end_known(struct life *l)
{
	/* The last words of the birth may wait in another source of this batch. */
	live_catch_up(l);
	/* So may its answer for a connection, which else goes to another as well. */
	if (l->dispatch.sent)
		channel_finish(&l->channel);
	life_certify(l);
}

static void on_facts_late(struct timer *t)
{
	struct life *l = container_of(t, struct life, facts);

	if (!l->certified) {
		end_known(l);
		return;
	}
	/* Somebody outside the leaf holds the pipe: it is not waited for. */
	pipes_close(l, &l->out);
	pipes_close(l, &l->err);
	life_check_gone(l);
}

void live_on_worker(struct source *s, uint32_t events)
{
	struct life *l = container_of(s, struct life, worker_src);

	(void)events;
	source_remove(&l->master->loop, s);
	l->worker_gone = true;
	if (l->have_exit || l->init_gone || l->lifeline_fd < 0) {
		end_known(l);
		return;
	}
	life_lost(l);
	if (!l->certified)
		timer_set(&l->master->loop, &l->facts, real_now() + FACTS_MS);
}

void live_on_lifeline(struct source *s, uint32_t events)
{
	struct life *l = container_of(s, struct life, lifeline_src);
	struct scm_message m = { .buf = (char *)&l->exit, .size = sizeof(l->exit) };
	int r = scm_recv(l->lifeline_fd, &m);

	(void)events;
	if (r == -EAGAIN)
		return;
	if (r == 1 && m.len == sizeof(l->exit) && l->exit.magic == INIT_REPORT_MAGIC)
		l->have_exit = true;
	source_remove(&l->master->loop, s);
	fd_close(&l->lifeline_fd);
	if (l->have_exit || l->worker_gone)
		end_known(l);
}

void live_on_init(struct source *s, uint32_t events)
{
	struct life *l = container_of(s, struct life, init_src);
	struct pidfd_exit e;

	(void)events;
	source_remove(&l->master->loop, s);
	ignore(pidfd_reap(&l->init, &e));
	pidfd_done(&l->init);
	l->init_gone = true;
	if (l->lifeline_fd >= 0 && !l->have_exit)
		live_on_lifeline(&l->lifeline_src, 0);
	end_known(l);
	life_check_gone(l);
}

/* ---- emptying ---- */

static void leaf_emptied(struct life *l)
{
	int r;

	if (l->leaf_fd < 0 || l->leaf_gone || !l->certified || cgroup_populated(l->leaf_fd) != 0)
		return;
	r = cgroup_leaf_remove(&l->master->cgroup, l->leaf_name);
	if (r == -EBUSY)
		return; /* a zombie is still being collected: the next event tells */
	if (r < 0 && r != -ENOENT)
		log_warn("leaf %s stays: %s", l->leaf_name, strerror(-r));
	l->leaf_gone = true;
	leaf_unwatch(l);
	source_remove(&l->master->loop, &l->events_src);
	fd_close(&l->events_fd);
	fd_close(&l->leaf_fd);
}

void live_on_leaf(struct source *s, uint32_t events)
{
	struct life *l = container_of(s, struct life, events_src);

	(void)events;
	ignore(cgroup_events_ack(l->events_fd));
	leaf_emptied(l);
	life_check_gone(l);
}

static void release_life(struct grave *g)
{
	struct life *l = container_of(g, struct life, grave);

	l->master->lives--;
	l->pool->lives--;
	life_sockets_drop(l);
	generation_unref(l->gen);
	pool_update(l->pool); /* in a stop it waits for the last */
	master_check_idle(l->master);
	free(l->held);
	free(l->leaf_name);
	free(l->detail);
	free(l->status_text);
	free(l);
}

void life_check_gone(struct life *l)
{
	if (!l->certified || l->state == LIFE_GONE)
		return;
	leaf_emptied(l);
	if (!l->init_gone || !l->leaf_gone)
		return;
	if (l->out.fd >= 0 || l->err.fd >= 0) {
		if (!l->facts.armed)
			timer_set(&l->master->loop, &l->facts, real_now() + PIPES_MS);
		return;
	}
	ignore(life_step(l, EV_EMPTY));
	timer_clear(&l->master->loop, &l->facts);
	timer_clear(&l->master->loop, &l->deadline);
	loop_bury(&l->master->loop, &l->grave);
}

static void live_kill(struct life *l)
{
	struct pidfd worker = { .fd = l->worker_fd, .pid = l->pid };

	if (l->leaf_fd >= 0)
		ignore(cgroup_kill(l->leaf_fd));
	/* Without a PID namespace init is the one who can find what the worker forked:
	 * it does when the worker is gone, and leaves. */
	if (cage_has(&l->gen->cage, CAGE_PID) || l->leaf_fd >= 0 || l->pid == 0)
		ignore(pidfd_signal(&l->init, SIGKILL));
	else
		ignore(pidfd_signal(&worker, SIGKILL));
}

static void live_release(struct life *l)
{
	timer_clear(&l->master->loop, &l->facts);
	channel_close(&l->channel);
	binds_close(l);
	acks_close(l);
	source_remove(&l->master->loop, &l->worker_src);
	source_remove(&l->master->loop, &l->report_src);
	fd_close(&l->report_fd);
	/* What the worker forked, and init if it still waits, go with the leaf. */
	live_kill(l);
	fd_close(&l->worker_fd);
	if (l->was_ready)
		listeners_restore(l->pool);
	life_check_gone(l);
}

/* ---- intentions ---- */

static void live_signal(struct life *l, int sig)
{
	struct pidfd worker = { .fd = l->worker_fd, .pid = l->pid };

	if (l->worker_fd < 0)
		live_kill(l);
	else
		ignore(pidfd_signal(&worker, sig));
}

void live_hello(const struct life *l, struct wire_hello *ret)
{
	const struct pool *p = l->pool;

	*ret = (struct wire_hello){
		.pool = p->conf->name,
		.slot = l->slot->index,
		.generation = l->generation,
		.workers = p->nslots,
		.pid = l->pid,
		.promoted = l->from_spare,
		.watchdog_usec = p->conf->watchdog_ms * 1000,
		.dispatch = config_dispatches(p->conf),
		.fds = life_sockets_fds(l),
		.specs = l->gen->conf->listens,
		.nfds = life_sockets_configured(l),
	};
}

static int live_hand_over(struct life *l)
{
	const struct pool *p = l->pool;
	struct wire_hello h;
	struct err e;

	/* A spare's place may have been without some of its sockets. */
	if (listeners_occupy(l, &e) < 0)
		log_error("%s: %s", p->conf->name, e.msg);
	live_hello(l, &h);
	if (l->from_spare && cage_has(&p->gen->cage, CAGE_PIN))
		ignore(pin_life(l, true, NULL));
	binds_hand_over(l);
	if (!p->gen->wire->sock_type)
		return 0;
	return l->channel.fd < 0 ? -EPIPE : p->gen->wire->hand_over(&l->channel, &h);
}

static int live_ask(struct life *l)
{
	if (l->channel.fd < 0 || !l->channel.source.live)
		return -EPIPE;
	if (channel_was_deaf(&l->channel))
		return -EAGAIN;
	return l->gen->wire->ask ? l->gen->wire->ask(&l->channel) : -EOPNOTSUPP;
}

static int live_drain(struct life *l, uint64_t timeout_ms)
{
	/* A socket that it opened itself is closed by no word of its protocol. */
	if (!observe_has_word(l) || binds_has_taken(l))
		return -EOPNOTSUPP;
	return l->channel.fd < 0 ? -EPIPE : l->gen->wire->drain(&l->channel, timeout_ms);
}

static int live_post(struct life *l, struct packet *p)
{
	return channel_post(&l->channel, p);
}

static size_t live_waiting(const struct life *l, uint64_t *ret_taken)
{
	*ret_taken = l->channel.out.taken;
	return l->channel.out.messages;
}

static void live_flush(struct life *l)
{
	channel_flush(&l->channel);
}

/* As the worker knows it; -1: it has it not. */
static int number_of(const struct life *l, unsigned listener)
{
	const struct pool *p = l->pool;

	return listener < p->nlisteners && p->listeners[listener] ?
		       life_sockets_number(l, p->listeners[listener]) :
		       -1;
}

static int live_give(struct life *l, unsigned listener, uint64_t number, int fd)
{
	int on = number_of(l, listener);

	if (on < 0)
		return -ENOENT;
	if (!l->channel.source.live)
		return -EPIPE;
	/* What waits behind other words cannot be taken back: it waits with us instead. */
	if (!list_empty(&l->channel.out.queue))
		return -EAGAIN;
	return l->gen->wire->give(&l->channel, (unsigned)on, number, fd);
}

static bool live_takes(const struct life *l, unsigned listener)
{
	int on = number_of(l, listener);

	return on >= 0 && l->channel.source.live && l->gen->wire->takes &&
	       l->gen->wire->takes(&l->channel, (unsigned)on);
}

const struct world world_real = {
	.now_ms = real_now,
	.birth = live_birth,
	.hand_over = live_hand_over,
	.drain = live_drain,
	.observe = observe_begin,
	.refuse = listeners_refuse,
	.busy = observe_busy,
	.ask = live_ask,
	.signal = live_signal,
	.kill = live_kill,
	.release = live_release,
	.renew = pool_renew,
	.open = pool_open_again,
	.listen = listeners_open,
	.unlisten = listeners_close,
	.post = live_post,
	.waiting = live_waiting,
	.flush = live_flush,
	.give = live_give,
	.takes = live_takes,
};

void live_init_timers(struct life *l)
{
	timer_init(&l->facts, on_facts_late);
	l->grave.release = release_life;
}
