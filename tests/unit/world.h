/* SPDX-License-Identifier: MIT */
/* world.h - a world for the decisions of super/ to act on: its clock moves when
 * a test says so, its births succeed or fail as told, and what is done to its
 * workers is counted. Timers are real ones on a real loop. */
#ifndef MPSUP_TESTS_UNIT_WORLD_H
#define MPSUP_TESTS_UNIT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fds.h"
#include "super/life.h"
#include "super/life_sockets.h"
#include "super/pool.h"
#include "super/prepare.h"

#define WORLD_POOLS  2
#define WORLD_LIVES  256
#define WORLD_EVENTS 512
#define T0	     UINT64_C(5000000) /* the clock at the start */

struct told {
	char name[32];
	int slot;
	uint64_t delay_ms;
	unsigned count;
	bool from_spare;
	enum reason reason;
	char text[64], target[64], result[96];
};

static struct {
	struct master m;
	struct pool pools[WORLD_POOLS], *pool_list[WORLD_POOLS];
	struct pool_config conf[WORLD_POOLS], *conf_list[WORLD_POOLS];
	struct generation gen[WORLD_POOLS];
	struct config config;
	uint64_t now;
	int birth_result, hand_over_result, drain_result; /* what the world answers */
	int listen_result;
	int ask_result, observe_result, refuse_result;
	int64_t busy;
	unsigned observed;
	unsigned asked;
	bool shut[WORLD_POOLS];	 /* a pool without sockets */
	unsigned opened, closed; /* how often */
	unsigned births, handed, drained, signalled, killed, idle;
	int last_signal;
	struct life *last_handed, *last_drained, *last_signalled, *last_killed;
	uint64_t drain_ms; /* what the last drain was given */
	bool keep_leaves;  /* a released life is not gone before empty_leaves() */
	pid_t next_pid;
	struct life *alive[WORLD_LIVES]; /* not gone */
	unsigned nalive;
	int post_result;
	unsigned posts, flushed;
	struct life *last_posted;
	char posted[512]; /* the beginning of the last message */
	size_t posted_len;
	void (*on_flush)(struct life *l);
	int give_result;
	unsigned gives, closed_listeners; /* bits: nobody takes those */
	struct life *last_given;
	uint64_t last_number;
	struct told told[WORLD_EVENTS];
	unsigned ntold;
	char log[65536];
	size_t log_len;
	int fds_before;
} w;

static inline uint64_t world_now(void)
{
	return w.now;
}

static inline void world_gone(struct grave *g)
{
	struct life *l = container_of(g, struct life, grave);

	for (unsigned i = 0; i < w.nalive; i++)
		if (w.alive[i] == l)
			w.alive[i] = w.alive[--w.nalive];
	assert_false(l->deadline.armed);
	assert_false(l->watchdog.armed);
	assert_false(l->quiet.armed);
	l->master->lives--;
	l->pool->lives--;
	life_sockets_drop(l);
	generation_unref(l->gen);
	pool_update(l->pool);
	master_check_idle(l->master);
	free(l->held);
	free(l->detail);
	free(l->status_text);
	free(l->leaf_name);
	free(l);
}

static inline int world_birth(struct life *l, struct err *e)
{
	w.births++;
	assert_in_range(w.nalive, 0, WORLD_LIVES - 1);
	assert_false(w.shut[l->pool - w.pools]);
	w.alive[w.nalive++] = l;
	l->grave.release = world_gone;
	assert_int_equal(life_sockets_take(l), 0);
	return w.birth_result < 0 ? err_set(e, w.birth_result, "no more of it") : 0;
}

static inline int world_hand_over(struct life *l)
{
	w.handed++;
	w.last_handed = l;
	return w.hand_over_result;
}

static inline int world_drain(struct life *l, uint64_t timeout_ms)
{
	w.drained++;
	w.last_drained = l;
	w.drain_ms = timeout_ms;
	return w.drain_result;
}

static inline int world_ask(struct life *l)
{
	w.asked++;
	return channel_was_deaf(&l->channel) ? -EAGAIN : w.ask_result;
}

static inline void world_signal(struct life *l, int sig)
{
	w.signalled++;
	w.last_signalled = l;
	w.last_signal = sig;
}

static inline void world_kill(struct life *l)
{
	w.killed++;
	w.last_killed = l;
}

static inline void world_bury(struct life *l)
{
	assert_int_equal(l->state, LIFE_DEAD);
	assert_int_equal(life_step(l, EV_EMPTY), 0);
	timer_clear(&w.m.loop, &l->deadline);
	loop_bury(&w.m.loop, &l->grave);
}

static inline void world_release(struct life *l)
{
	assert_true(l->certified);
	if (!w.keep_leaves)
		world_bury(l);
}

static inline int world_open(struct pool *p, struct err *e)
{
	(void)p;
	return err_set(e, -ENOENT, "its world is broken still");
}

static inline int world_listen(struct pool *p, struct err *e)
{
	assert_true(w.shut[p - w.pools]);
	if (w.listen_result < 0)
		return err_set(e, w.listen_result, "the port is in use");
	w.shut[p - w.pools] = false;
	w.opened++;
	return 0;
}

static inline void world_unlisten(struct pool *p)
{
	assert_int_equal(p->lives, 0);
	w.shut[p - w.pools] = true;
	w.closed++;
}

/* What a life was told, and has not read: kept where the real channel counts it. */
static inline int world_post(struct life *l, struct packet *p)
{
	if (w.post_result < 0)
		return w.post_result;
	w.posts++;
	w.last_posted = l;
	w.posted_len = p->len;
	(void)snprintf(w.posted, sizeof(w.posted), "%.*s", (int)p->len, p->bytes);
	l->channel.out.messages += p->len;
	return 0;
}

static inline size_t world_waiting(const struct life *l, uint64_t *ret_taken)
{
	*ret_taken = l->channel.out.taken;
	return l->channel.out.messages;
}

static inline void world_flush(struct life *l)
{
	w.flushed++;
	if (w.on_flush)
		w.on_flush(l);
}

/* Which connection whom; nobody answers before the test does. */
static inline int world_give(struct life *l, unsigned listener, uint64_t number, int fd)
{
	(void)listener;
	assert_true(fd >= 0);
	if (w.give_result < 0)
		return w.give_result;
	w.gives++;
	w.last_given = l;
	w.last_number = number;
	return 0;
}

static inline bool world_takes(const struct life *l, unsigned listener)
{
	(void)l;
	return listener < 32 && !(w.closed_listeners & (1u << listener));
}

static int world_observe(struct life *l, bool word)
{
	(void)l;
	(void)word;
	w.observed++;
	return w.observe_result;
}

static int world_refuse(struct pool *p)
{
	assert_true(p->draining);
	return w.refuse_result;
}

static int64_t world_busy(struct life *l)
{
	(void)l;
	return w.busy;
}

static int world_renew(struct pool *p, struct err *e)
{
	(void)p;
	(void)e;
	return 0;
}

static const struct world fake_world = {
	.now_ms = world_now,
	.birth = world_birth,
	.hand_over = world_hand_over,
	.drain = world_drain,
	.observe = world_observe,
	.refuse = world_refuse,
	.renew = world_renew,
	.busy = world_busy,
	.ask = world_ask,
	.signal = world_signal,
	.kill = world_kill,
	.release = world_release,
	.open = world_open,
	.listen = world_listen,
	.unlisten = world_unlisten,
	.post = world_post,
	.waiting = world_waiting,
	.flush = world_flush,
	.give = world_give,
	.takes = world_takes,
};

static inline int wire_ask(struct channel *ch)
{
	(void)ch;
	return 0; /* world_ask() is what is asked */
}

/* One whose workers must be asked whether they live. */
static const struct wire asking_wire = {
	.name = "asking",
	.hand_over_ms = 100,
	.parks_by_itself = true,
	.ask = wire_ask,
};

static const struct wire fake_wire = {
	.name = "fake",
	.hand_over_ms = 100,
	.parks_by_itself = true,
	.message_before = "<",
	.message_after = ">",
};

static inline void world_event(struct master *m, const struct event *ev)
{
	struct told *t = &w.told[w.ntold % WORLD_EVENTS];

	(void)m;
	*t = (struct told){ .slot = ev->slot,
			    .delay_ms = ev->delay_ms,
			    .count = ev->count,
			    .from_spare = ev->from_spare,
			    .reason = ev->death ? ev->death->reason : REASON_NONE };
	(void)snprintf(t->text, sizeof(t->text), "%s", ev->text ? ev->text : "");
	(void)snprintf(t->target, sizeof(t->target), "%s", ev->target ? ev->target : "");
	(void)snprintf(t->result, sizeof(t->result), "%s", ev->result ? ev->result : "");
	(void)snprintf(t->name, sizeof(t->name), "%s", ev->name);
	w.ntold++;
}

static inline void world_log(void *ctx, enum log_level level, const char *line, size_t len)
{
	(void)ctx;
	(void)level;
	if (w.log_len + len >= sizeof(w.log))
		w.log_len = 0;
	memcpy(w.log + w.log_len, line, len);
	w.log_len += len;
	w.log[w.log_len] = '\0';
}

static inline void world_idle(struct master *m)
{
	w.idle++;
	m->loop.stop = true;
}

/* How often the event was told since forget(). */
static inline unsigned told(const char *name)
{
	unsigned n = 0;

	assert_in_range(w.ntold, 0, WORLD_EVENTS);
	for (unsigned i = 0; i < w.ntold; i++)
		n += strcmp(w.told[i].name, name) == 0;
	return n;
}

static inline const struct told *last_told(const char *name)
{
	for (unsigned i = w.ntold; i > 0; i--)
		if (strcmp(w.told[i - 1].name, name) == 0)
			return &w.told[i - 1];
	fail_msg("%s was not told", name);
	return NULL;
}

static inline unsigned logged(const char *text)
{
	unsigned n = 0;

	for (const char *p = w.log; (p = strstr(p, text)); p++)
		n++;
	return n;
}

static inline void forget(void)
{
	w.ntold = 0;
	w.log_len = 0;
	w.log[0] = '\0';
	w.posts = w.flushed = 0;
	w.asked = w.births = w.handed = w.drained = w.signalled = w.killed = w.opened = w.closed =
		0;
}

static inline bool is_alive(const struct life *l)
{
	for (unsigned i = 0; i < w.nalive; i++)
		if (w.alive[i] == l)
			return true;
	return false;
}

static inline void check_timers(void)
{
	uint64_t last = 0;

	list_each(it, &w.m.loop.timers) {
		const struct timer *t = container_of(it, struct timer, node);
		bool known = t == &w.m.births.timer;

		assert_true(t->armed);
		assert_true(t->at_ms >= last);
		last = t->at_ms;
		for (unsigned i = 0; i < w.nalive; i++)
			known |= t == &w.alive[i]->deadline || t == &w.alive[i]->watchdog ||
				 t == &w.alive[i]->bus.look || t == &w.alive[i]->channel.pause ||
				 t == &w.alive[i]->dispatch.late || t == &w.alive[i]->quiet ||
				 t == &w.alive[i]->recycle.timer;
		for (unsigned k = 0; k < w.m.npools; k++) {
			const struct pool *p = &w.pools[k];

			known |= t == &p->later || t == &p->spare_slot.timer ||
				 t == &p->roll_timer || t == &p->dispatch.pause;
			for (unsigned i = 0; i < p->nslots; i++)
				known |= t == &p->slots[i]->timer;
		}
		assert_true(known);
	}
}

static inline void check_slot(struct slot *s)
{
	const struct life *l = s->current;

	assert_int_equal(l != NULL, s->state == SLOT_LIVE);
	assert_int_equal(s->state == SLOT_BACKOFF && !s->timer.armed, 0);
	if (!slot_is_wanted(s) && !l)
		assert_int_equal(s->state, SLOT_STOPPED);
	if (l) {
		assert_true(is_alive(l));
		assert_ptr_equal(l->slot, s);
		assert_false(l->certified);
		assert_false(s->timer.armed);
	}
	list_each(it, &s->beside) {
		l = container_of(it, struct life, node);
		assert_true(is_alive(l));
		assert_ptr_equal(l->slot, s);
		assert_true((l->replaced || l == s->twin) && l != s->current);
	}
}

/* What holds at every moment. */
static inline void check_world(void)
{
	unsigned in_birth[WORLD_POOLS] = { 0 }, lives[WORLD_POOLS] = { 0 };

	unsigned counted = 0;

	assert_int_equal(w.m.lives, w.nalive);
	for (unsigned i = 0; i < w.nalive; i++) {
		const struct life *l = w.alive[i];

		in_birth[l->pool - w.pools] += l->in_birth;
		lives[l->pool - w.pools]++;
		counted += l->birth.counts;
		assert_true(l->in_birth || !l->birth.counts);
		if (l->state == LIFE_STARTING)
			assert_true(l->in_birth);
		if (l->certified)
			assert_false(l->deadline.armed || l->watchdog.armed);
	}
	assert_int_equal(w.m.births.n, counted);
	for (unsigned k = 0; k < w.m.npools; k++) {
		struct pool *p = &w.pools[k];

		assert_int_equal(p->in_birth, in_birth[k]);
		assert_int_equal(p->lives, lives[k]);
		for (unsigned i = 0; i < p->nslots; i++)
			check_slot(p->slots[i]);
		list_each(it, &p->spares) {
			const struct life *l = container_of(it, struct life, node);

			assert_true(is_alive(l));
			assert_null(l->slot);
			assert_false(l->certified);
		}
	}
	check_timers();
}

/* Live through ms milliseconds: each timer at its own time. */
static inline void pass(uint64_t ms)
{
	uint64_t until = w.now + ms;

	loop_settle(&w.m.loop, w.now);
	while (!list_empty(&w.m.loop.timers)) {
		uint64_t at = container_of(w.m.loop.timers.next, struct timer, node)->at_ms;

		if (at > until)
			break;
		w.now = at;
		loop_settle(&w.m.loop, w.now);
		check_world();
	}
	w.now = until;
	check_world();
}

/* What the kernel and the wire say. */
static inline void born(struct life *l)
{
	assert_non_null(l);
	life_born(l, w.next_pid++);
	check_world();
}

static inline void get_ready(struct life *l)
{
	if (l->pid == 0)
		born(l);
	life_ready(l);
	pass(0);
}

static inline void park(struct life *l)
{
	if (l->pid == 0)
		born(l);
	life_parked(l);
	pass(0);
}

static inline void dies(struct life *l, int code, int sig)
{
	assert_non_null(l);
	l->exit = (struct init_report){ .by_signal = sig != 0,
					.code = (typeof(l->exit.code))(sig ? sig : code) };
	l->have_exit = true;
	life_certify(l);
	pass(0);
}

static inline void empty_leaves(void)
{
	for (unsigned i = w.nalive; i > 0; i--)
		if (w.alive[i - 1]->certified && w.alive[i - 1]->state == LIFE_DEAD)
			world_bury(w.alive[i - 1]);
	w.keep_leaves = false;
	pass(0);
}

/* What a reload makes of the same values. */
static inline struct generation *next_generation(struct pool *p)
{
	struct generation *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	*g = (struct generation){ .refs = 1,
				  .number = p->generation + 1,
				  .conf = pool_config_ref(p->conf),
				  .cage = CAGE_NONE,
				  .wire = &fake_wire };
	return g;
}

static inline struct life *at(unsigned slot)
{
	return w.pools[0].slots[slot]->current;
}

static inline struct life *spare_in(enum life_state state)
{
	list_each(it, &w.pools[0].spares) {
		struct life *l = container_of(it, struct life, node);

		if (l->state == state)
			return l;
	}
	return NULL;
}

static inline void world_conf(struct pool_config *c, const char *name, int workers)
{
	*c = (struct pool_config){
		.name = name,
		.workers = workers,
		.parallel = 4,
		.restart_limit = { .count = 10, .window_ms = 60000 },
		.boot_limit = 5,
		.backoff_min_ms = 100,
		.backoff_max_ms = 10000,
		.on_failed = ON_FAILED_EXIT,
		.ready_timeout_ms = 30000,
		.stop_timeout_ms = 10000,
		.drain_timeout_ms = 60000,
		.stop_signal = SIGTERM,
		.uid_lock_fd = -1,
	};
}

/* Fixture: one pool "web" of four, not started. */
static inline int world_setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.fds_before = count_fds();
	w.now = T0;
	w.next_pid = 1000;
	w.config.refs = 1;
	log_setup(LOG_L_DEBUG, LOG_F_TEXT);
	log_to(world_log, NULL);
	if (loop_init(&w.m.loop) < 0)
		return -1;
	w.m.world = &fake_world;
	w.ask_result = w.observe_result = w.refuse_result = -EOPNOTSUPP;
	w.m.config = &w.config;
	w.m.pools = w.pool_list;
	w.config.pools = w.conf_list;
	w.m.on_event = world_event;
	w.m.on_idle = world_idle;
	world_conf(&w.conf[0], "web", 4);
	world_conf(&w.conf[1], "api", 2);
	return 0;
}

/* Pools with the configuration as the test has changed it. */
static inline void start_pools(unsigned n)
{
	w.m.npools = n;
	for (unsigned i = 0; i < n; i++) {
		w.conf[i].refs = 3; /* ours, and the pool's two */
		w.gen[i] = (struct generation){ .refs = 2,
						.number = 1,
						.conf = &w.conf[i],
						.wire = &fake_wire };
		w.pools[i] = (struct pool){ .conf = &w.conf[i],
					    .file_conf = &w.conf[i],
					    .gen = &w.gen[i],
					    .generation = 1 };
		w.pool_list[i] = &w.pools[i];
		pool_init(&w.pools[i], &w.m);
		assert_int_equal(pool_make_slots(&w.pools[i]), 0);
	}
	for (unsigned i = 0; i < n; i++)
		pool_start(&w.pools[i]);
	check_world();
}

/* Until nothing is in birth any more: the first, then the others. */
static inline void all_ready(void)
{
	for (bool again = true; again;) {
		again = false;
		for (unsigned i = 0; i < w.nalive; i++)
			if (w.alive[i]->state == LIFE_STARTING && w.alive[i]->slot) {
				get_ready(w.alive[i]);
				again = true;
				break;
			}
	}
}

static inline int world_teardown(void **state)
{
	bool clean;

	(void)state;
	for (unsigned i = 0; i < w.m.npools; i++) {
		w.pools[i].phase = POOL_STOPPED;
		w.pools[i].draining = true;
	}
	/* What a failed test has left; a good one has ended its workers itself. */
	while (w.nalive > 0) {
		struct life *l = w.alive[0];

		if (!l->certified)
			life_certify(l);
		if (w.nalive > 0 && w.alive[0] == l && l->state == LIFE_DEAD)
			world_bury(l);
		loop_settle(&w.m.loop, 0);
	}
	for (unsigned i = 0; i < w.m.npools; i++) {
		pool_end_roll(&w.pools[i]);
		pool_done(&w.pools[i]);
		generation_unref(w.pools[i].gen);
		pool_config_unref(w.pools[i].conf);
		pool_config_unref(w.pools[i].file_conf);
		pool_config_unref(w.gen[i].file_conf);
		pool_config_unref(w.gen[i].left_conf);
	}
	log_to(NULL, NULL);
	loop_done(&w.m.loop);
	clean = w.m.lives == 0 && count_fds() == w.fds_before;
	for (unsigned i = 0; i < w.m.npools; i++)
		clean = clean && w.gen[i].refs == 1 && w.conf[i].refs == 1;
	return clean ? 0 : -1;
}

#define W(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

#endif
