/* SPDX-License-Identifier: MIT */
/* test_life.c - what each fact means in each state of one life. */
#define _GNU_SOURCE
#include "world.h"

/* ---- getting ready ---- */

static void a_birth_is_told_and_gets_its_sockets(void **state)
{
	(void)state;
	w.conf[0].workers = 1;
	start_pools(1);
	assert_int_equal(w.births, 1);
	assert_int_equal(at(0)->state, LIFE_STARTING);
	born(at(0));
	assert_int_equal(told("worker.spawn"), 1);
	assert_ptr_equal(w.last_handed, at(0));
	get_ready(at(0));
	assert_int_equal(told("worker.ready"), 1);
	assert_int_equal(told("pool.ready"), 1);
	assert_int_equal(told("master.ready"), 1);
	life_ready(at(0)); /* again: nothing new */
	assert_int_equal(told("worker.ready"), 1);
	assert_false(at(0)->deadline.armed);
}

static void ready_timeout_is_a_kill(void **state)
{
	struct life *l;

	(void)state;
	w.conf[0].workers = 1;
	start_pools(1);
	l = at(0);
	born(l);
	pass(29999);
	assert_int_equal(w.killed, 0);
	pass(1);
	assert_ptr_equal(w.last_killed, l);
	assert_int_equal(l->state, LIFE_KILLED);
	life_ready(l); /* too late */
	assert_false(l->was_ready);
	dies(l, 0, SIGKILL);
	assert_int_equal(last_told("worker.exit")->reason, REASON_READY_TIMEOUT);
	assert_int_equal(told("worker.boot_failure"), 1);
}

/* Killed while starting, it is in birth no longer once it is dead. */
static void ready_timeouts_leave_room_for_others(void **state)
{
	(void)state;
	w.conf[0].parallel = 2;
	w.conf[0].boot_limit = 100;
	start_pools(1);
	all_ready();
	dies(at(0), 1, 0);
	for (unsigned i = 0; i < 5; i++) {
		born(at(0));
		pass(30000);
		dies(at(0), 0, SIGKILL);
		assert_int_equal(w.pools[0].in_birth, at(0) ? 1 : 0);
		pass(10000);
	}
	get_ready(at(0));
	assert_int_equal(w.pools[0].in_birth, 0);
}

static void a_worker_may_ask_for_more_time(void **state)
{
	struct life *l;

	(void)state;
	w.conf[0].workers = 1;
	start_pools(1);
	l = at(0);
	born(l);
	pass(20000);
	life_extend(l, 60u * 1000000);
	pass(59999);
	assert_int_equal(w.killed, 0);
	life_extend(l, 1000); /* never less than it has */
	life_extend(l, UINT64_MAX);
	pass(3600000 - 80000 + 10);
	assert_int_equal(w.killed, 1); /* an hour after its birth is the end of it */
}

static void a_worker_that_leaves_cannot_ask_for_more(void **state)
{
	struct life *l;

	(void)state;
	start_pools(1);
	all_ready();
	l = at(1);
	life_leaving(l);
	life_extend(l, UINT64_MAX);
	pass(60000);
	assert_ptr_equal(w.last_signalled, l);
}

static void a_failed_hand_over_breaks_the_protocol(void **state)
{
	struct life *l;

	(void)state;
	w.conf[0].workers = 1;
	w.hand_over_result = -EAGAIN;
	start_pools(1);
	l = at(0);
	born(l);
	assert_int_equal(w.killed, 1);
	dies(l, 0, SIGKILL);
	assert_int_equal(last_told("worker.exit")->reason, REASON_PROTOCOL);
}

static void a_worker_that_is_dead_before_its_sockets_is_no_breach(void **state)
{
	struct life *l;

	(void)state;
	w.conf[0].workers = 1;
	w.hand_over_result = -EPIPE;
	start_pools(1);
	l = at(0);
	born(l);
	assert_int_equal(w.killed, 0);
	dies(l, 1, 0);
	assert_int_equal(last_told("worker.exit")->reason, REASON_EXIT);
}

static void a_birth_without_a_process_is_certified(void **state)
{
	(void)state;
	w.conf[0].workers = 1;
	w.birth_result = -EAGAIN;
	start_pools(1);
	assert_int_equal(last_told("worker.exit")->reason, REASON_START);
	assert_int_equal(logged("cannot start: no more of it"), 2); /* at once, then a wait */
	w.birth_result = 0;
	pass(100);
	get_ready(at(0));
	assert_int_equal(w.pools[0].phase, POOL_READY);
}

/* ---- suicide ---- */

static void suicide_is_replaced_at_once_and_once(void **state)
{
	struct life *old;

	(void)state;
	start_pools(1);
	all_ready();
	forget();
	old = at(2);
	life_suicide(old, "TypeError: \x1b[2J", 15);
	assert_int_equal(w.births, 1);
	assert_true(at(2) != old);
	for (unsigned i = 0; i < 1000; i++)
		life_suicide(old, "again", 5);
	check_world();
	assert_int_equal(told("worker.suicide"), 1);
	assert_int_equal(w.births, 1);
	get_ready(at(2));
	dies(old, 1, 0);
	assert_int_equal(last_told("worker.exit")->reason, REASON_SUICIDE);
	assert_int_equal(w.births, 1);
	assert_int_equal(pool_count_ready(&w.pools[0]), 4);
}

static void suicide_has_the_drain_timeout_then_a_signal_then_a_kill(void **state)
{
	struct life *old;

	(void)state;
	start_pools(1);
	all_ready();
	old = at(0);
	life_suicide(old, "", 0);
	get_ready(at(0));
	forget();
	pass(59999);
	assert_int_equal(w.signalled, 0);
	pass(1);
	assert_int_equal(w.signalled, 1);
	assert_int_equal(w.last_signal, SIGTERM);
	pass(9999);
	assert_int_equal(w.killed, 0);
	pass(1);
	assert_ptr_equal(w.last_killed, old);
	pass(5000);
	assert_int_equal(logged("the kernel holds it"), 1);
	pass(100000);
	assert_int_equal(logged("the kernel holds it"), 1);
	dies(old, 0, SIGKILL);
	assert_int_equal(last_told("worker.exit")->reason, REASON_STOP_TIMEOUT);
}

static void a_drain_that_ends_by_the_signal_says_so(void **state)
{
	struct life *old;

	(void)state;
	start_pools(1);
	all_ready();
	old = at(0);
	life_leaving(old);
	pass(60000);
	dies(old, 0, SIGTERM);
	assert_int_equal(last_told("worker.exit")->reason, REASON_DRAIN_TIMEOUT);
}

/* Before it was ever ready: still one replacement, and the limit ends it. */
static void suicide_as_a_flood_of_new_workers(void **state)
{
	(void)state;
	w.conf[0].workers = 1;
	w.conf[0].restart_limit.count = 3;
	start_pools(1);
	for (unsigned i = 0; i < 4; i++) {
		born(at(0));
		life_suicide(at(0), "early", 5);
		check_world();
	}
	assert_null(at(0));
	assert_int_equal(w.pools[0].slots[0]->state, SLOT_FAILED);
	assert_int_equal(w.births, 4);
	assert_int_equal(w.nalive, 4);
	while (w.nalive > 0)
		dies(w.alive[0], 1, 0);
	assert_int_equal(w.m.exit_code, EXIT_ALL_FAILED);
	assert_true(w.idle > 0);
}

static void suicide_in_a_stop_is_a_stop(void **state)
{
	struct life *l;

	(void)state;
	start_pools(1);
	all_ready();
	master_stop(&w.m, 0);
	forget();
	l = at(0);
	assert_int_equal(l->state, LIFE_DRAINING);
	life_suicide(l, "late", 4);
	check_world();
	assert_int_equal(w.births, 0);
	assert_ptr_equal(at(0), l);
	dies(l, 1, 0);
	assert_int_equal(last_told("worker.exit")->reason, REASON_STOP);
	assert_int_equal(w.births, 0);
}

static void suicide_of_a_dead_one_is_nothing(void **state)
{
	struct life *l;

	(void)state;
	start_pools(1);
	all_ready();
	w.keep_leaves = true;
	l = at(0);
	dies(l, 1, 0);
	forget();
	life_suicide(l, "ghost", 5);
	life_leaving(l);
	life_ready(l);
	life_parked(l);
	life_protocol_error(l, "ghost");
	life_watchdog_ping(l);
	life_extend(l, 1000000);
	life_kill(l, REASON_STOP);
	life_stop(l, REASON_STOP);
	life_certify(l);
	check_world();
	assert_int_equal(w.ntold, 0);
	assert_int_equal(w.births + w.killed + w.signalled + w.drained, 0);
	empty_leaves();
}

static void one_that_serves_nobody_gets_the_signal_soon(void **state)
{
	struct life *l;

	(void)state;
	start_pools(1);
	all_ready();
	l = at(0);
	life_drained(l); /* it is not leaving: that says nothing */
	pass(5000);
	assert_int_equal(w.signalled, 0);
	master_stop(&w.m, 0);
	life_drained(l);
	life_drained(at(1));
	dies(at(1), 0, 0); /* by itself, as most do */
	pass(999);
	life_drained(l); /* again: no more time for it */
	assert_int_equal(w.signalled, 0);
	pass(1);
	assert_int_equal(w.signalled, 1);
	assert_ptr_equal(w.last_signalled, l);
	dies(l, 0, SIGTERM);
	assert_int_equal(last_told("worker.exit")->reason, REASON_STOP);
}

static void one_that_left_by_itself_and_stays(void **state)
{
	struct life *l, *s;

	(void)state;
	start_pools(1);
	all_ready();
	l = at(0);
	s = at(1);
	life_leaving(l);
	life_drained(l);
	life_suicide(s, "", 0);
	assert_ptr_equal(w.last_drained, s); /* it may go on to accept: it is asked */
	life_drained(s);
	pass(1000);
	assert_int_equal(w.signalled, 2);
	dies(l, 0, SIGTERM);
	assert_int_equal(last_told("worker.exit")->reason, REASON_STOP);
	dies(s, 0, SIGTERM);
	assert_int_equal(last_told("worker.exit")->reason, REASON_SUICIDE);
}

/* ---- silence and noise ---- */

static void watchdog_ends_a_silent_worker(void **state)
{
	struct life *l;

	(void)state;
	w.conf[0].watchdog_ms = 5000;
	w.conf[0].workers = 1;
	start_pools(1);
	born(at(0));
	pass(20000); /* not ready: the watchdog is not on yet */
	assert_int_equal(w.killed, 0);
	get_ready(at(0));
	l = at(0);
	for (unsigned i = 0; i < 10; i++) {
		pass(4999);
		life_watchdog_ping(l);
	}
	assert_int_equal(w.killed, 0);
	pass(5000);
	assert_ptr_equal(w.last_killed, l);
	life_watchdog_ping(l);
	assert_false(l->watchdog.armed);
	dies(l, 0, SIGKILL);
	assert_int_equal(last_told("worker.exit")->reason, REASON_WATCHDOG);
	assert_non_null(at(0));
}

static struct life *one_that_is_asked(void)
{
	w.conf[0].watchdog_ms = 5000;
	w.conf[0].workers = 1;
	w.ask_result = 0;
	start_pools(1);
	w.gen[0].wire = &asking_wire;
	all_ready();
	return at(0);
}

static void a_blocked_loop_is_noticed(void **state)
{
	struct life *l = one_that_is_asked();

	(void)state;
	/* Its answers ask nothing by themselves: one question in half of the time. */
	for (unsigned i = 1; i <= 20; i++) {
		pass(2500);
		assert_int_equal(w.asked, i);
		life_watchdog_ping(l);
		life_watchdog_ping(l);
	}
	assert_int_equal(w.killed, 0);
	pass(2500); /* this question is open */
	w.ask_result = -EBUSY;
	pass(4999);
	assert_int_equal(w.killed, 0);
	pass(1);
	assert_ptr_equal(w.last_killed, l);
	assert_int_equal(logged("event loop blocked for 5000 ms (--watchdog)"), 1);
	dies(l, 0, SIGKILL);
	assert_int_equal(last_told("worker.exit")->reason, REASON_WATCHDOG);
	assert_int_equal(logged("watchdog (event loop blocked for 5000 ms)"), 1);
}

/* Blocked for less than that since it was asked is never the end. */
static void a_loop_that_is_late_lives(void **state)
{
	struct life *l = one_that_is_asked();

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		w.ask_result = 0;
		pass(2500);
		w.ask_result = -EBUSY;
		pass(4990);
		w.ask_result = 0;
		life_watchdog_ping(l);
		pass(10);
	}
	assert_int_equal(w.killed, 0);
}

static void one_with_a_closed_channel_is_silent(void **state)
{
	struct life *l = one_that_is_asked();

	(void)state;
	w.ask_result = -EPIPE;
	pass(5000);
	assert_ptr_equal(w.last_killed, l);
	assert_int_equal(logged("silent for 5000 ms, it has closed its channel"), 1);
}

/* What a flooding worker says waits: its silence is ours. */
static void a_deaf_master_ends_nobody(void **state)
{
	(void)state;
	assert_non_null(one_that_is_asked());
	w.ask_result = -EAGAIN;
	pass(60000);
	assert_int_equal(w.killed, 0);
	w.ask_result = -EBUSY;
	pass(5000);
	assert_int_equal(w.killed, 1);
}

/* The machine slept, or the master was stopped: the worker may have answered since. */
static void the_time_that_we_slept_is_nobodys_silence(void **state)
{
	struct life *l = one_that_is_asked();

	(void)state;
	pass(2500);
	w.ask_result = -EBUSY;
	w.now += 3600000;
	pass(0);
	assert_int_equal(w.killed, 0);
	pass(4999);
	assert_int_equal(w.killed, 0);
	pass(1);
	assert_ptr_equal(w.last_killed, l);
}

/* ---- a Node program that never listens ---- */

static struct life *one_that_is_online(void)
{
	w.conf[0].workers = 1;
	start_pools(1);
	born(at(0));
	life_online(at(0));
	life_online(at(0));
	return at(0);
}

static void a_quiet_start_gets_a_hint(void **state)
{
	struct life *l = one_that_is_online();

	(void)state;
	pass(4999);
	assert_int_equal(logged("node-ipc"), 0);
	pass(1);
	assert_int_equal(logged("has not listened in 5 s"), 1);
	pass(20000);
	dies(l, 0, 0);
	assert_int_equal(logged("node-ipc"), 1); /* once a life */
}

static void one_that_listens_gets_none(void **state)
{
	struct life *l = one_that_is_online();

	(void)state;
	l->wants_socket = true;
	pass(20000);
	get_ready(l);
	assert_false(l->quiet.armed);
	dies(l, 0, 0);
	assert_int_equal(logged("node-ipc"), 0);
}

static void one_that_dies_before_the_hint(void **state)
{
	(void)state;
	dies(one_that_is_online(), 0, 0);
	assert_int_equal(logged("it never listened"), 1);
	born(at(0));
	dies(at(0), 0, 0); /* not even up: not Node, or not its fault */
	assert_int_equal(logged("it never listened"), 1);
	pass(10000);
	born(at(0));
	life_online(at(0));
	dies(at(0), 1, 0); /* an error of its own */
	assert_int_equal(logged("it never listened"), 1);
}

static void a_short_readiness_timeout_before_the_hint(void **state)
{
	struct life *l;

	(void)state;
	w.conf[0].ready_timeout_ms = 1000;
	l = one_that_is_online();
	pass(1000);
	assert_ptr_equal(w.last_killed, l);
	dies(l, 0, SIGKILL);
	assert_int_equal(logged("it never listened"), 1);
}

static void a_leaving_worker_is_not_watched(void **state)
{
	struct life *l;

	(void)state;
	w.conf[0].watchdog_ms = 5000;
	start_pools(1);
	all_ready();
	l = at(0);
	life_suicide(l, "", 0);
	assert_false(l->watchdog.armed);
	life_watchdog_ping(l);
	assert_false(l->watchdog.armed);
}

static void a_breach_of_protocol_is_a_death(void **state)
{
	struct life *l;

	(void)state;
	start_pools(1);
	all_ready();
	l = at(3);
	life_protocol_error(l, "64 KiB line");
	life_protocol_error(l, "64 KiB line");
	assert_int_equal(w.killed, 1);
	dies(l, 0, SIGKILL);
	assert_int_equal(last_told("worker.exit")->reason, REASON_PROTOCOL);
	assert_int_equal(logged("protocol (64 KiB line)"), 1);
	assert_non_null(at(3));
}

static void reasons_have_an_order(void **state)
{
	struct life *l;

	(void)state;
	start_pools(1);
	all_ready();
	dies(at(0), 3, 0);
	assert_int_equal(last_told("worker.exit")->reason, REASON_EXIT);
	dies(at(1), 0, SIGSEGV);
	assert_int_equal(last_told("worker.exit")->reason, REASON_SIGNAL);
	dies(at(2), 0, SIGSYS);
	assert_int_equal(last_told("worker.exit")->reason, REASON_SECCOMP);
	l = at(3); /* init gone and no word of it: all were killed */
	l->init_gone = true;
	life_certify(l);
	pass(0);
	assert_int_equal(last_told("worker.exit")->reason, REASON_SIGNAL);
	assert_int_equal(w.pools[0].slots[3]->deaths[0]->sig, SIGKILL);
	for (enum reason r = REASON_NONE; r < REASONS; r++)
		assert_true(reason_name(r) && *reason_name(r));
	assert_string_equal(reason_name(REASONS), "none");
}

static void the_oom_killers_victim_is_told_apart(void **state)
{
	(void)state;
	w.conf[0].limits.asked = LIMIT_BIT(LIMIT_MEMORY);
	w.conf[0].limits.memory = 64 << 20;
	start_pools(1);
	all_ready();
	/* Its own limit. */
	at(0)->stat.oom = at(0)->stat.oom_kills = 1;
	at(0)->stat.memory_peak = 64 << 20;
	dies(at(0), 0, SIGKILL);
	assert_int_equal(last_told("worker.exit")->reason, REASON_OOM);
	assert_int_equal(logged("oom (memory.max 64M, peak 64M)"), 1);
	assert_int_equal(w.pools[0].usage.oom_kills, 1);
	assert_int_equal(w.pools[0].usage.sums.memory_peak_bytes, 64 << 20);
	assert_non_null(at(0));
	/* Somebody else's: its own limit was never met. */
	at(1)->stat.oom = 0;
	at(1)->stat.oom_kills = 2;
	dies(at(1), 0, SIGKILL);
	assert_int_equal(last_told("worker.exit")->reason, REASON_OOM_HOST);
	assert_int_equal(logged("oom_host (not by its own limit: memory.max 64M, peak "), 1);
	/* A helper of it was killed, it went by itself. */
	at(2)->stat.oom = at(2)->stat.oom_kills = 1;
	dies(at(2), 3, 0);
	assert_int_equal(last_told("worker.exit")->reason, REASON_EXIT);
	/* Somebody sent SIGKILL, and no OOM killer was there. */
	at(3)->stat.oom = at(3)->stat.oom_kills = 0;
	dies(at(3), 0, SIGKILL);
	assert_int_equal(last_told("worker.exit")->reason, REASON_SIGNAL);
}

static void refused_forks_are_a_hint(void **state)
{
	(void)state;
	w.conf[0].limits.pids = 64;
	start_pools(1);
	all_ready();
	at(0)->stat.pids_refused = 3;
	dies(at(0), 1, 0);
	assert_string_equal(w.pools[0].slots[0]->deaths[0]->hint,
			    "pids.max 64 was met 3 times: --pids");
	assert_int_equal(w.pools[0].slots[0]->deaths[0]->pids_refused, 3);
	dies(at(1), 1, 0);
	assert_string_equal(w.pools[0].slots[1]->deaths[0]->hint, "");
}

static void usage_only_grows(void **state)
{
	const struct usage *u = &w.pools[0].usage;

	(void)state;
	start_pools(1);
	all_ready();
	at(0)->stat.cpu_usec = 500;
	at(0)->stat.throttled_usec = 7;
	at(0)->stat.io_write_bytes = 9;
	dies(at(0), 0, SIGTERM);
	assert_int_equal(u->sums.cpu_usec, 500);
	assert_int_equal(u->sums.throttled_usec, 7);
	assert_int_equal(u->sums.io_read_bytes, 0);
	assert_int_equal(u->sums.io_write_bytes, 9);
	dies(at(1), 0, SIGTERM); /* nothing is known of it */
	assert_int_equal(u->sums.cpu_usec, 500);
	assert_int_equal(u->sums.throttled_usec, 7);
}

/* The figures of one life at its death are smaller than what was read while it lived. */
static void what_was_seen_of_a_life_is_not_taken_back(void **state)
{
	const struct usage *u = &w.pools[0].usage;
	struct cgroup_stat seen = CGROUP_STAT_NONE;

	(void)state;
	start_pools(1);
	all_ready();
	seen.cpu_usec = 900;
	seen.io_read_bytes = 70;
	seen.memory_peak = 5000;
	usage_see(&at(0)->used, &seen);
	at(0)->exit.cpu_usec = 100; /* its helpers used the rest, and the leaf is gone */
	dies(at(0), 0, SIGTERM);
	assert_int_equal(u->sums.cpu_usec, 900);
	assert_int_equal(u->sums.io_read_bytes, 70);
	assert_int_equal(u->sums.memory_peak_bytes, 5000);
	usage_see(&at(1)->used, &seen);
	at(1)->stat.cpu_usec = 1000;
	dies(at(1), 0, SIGTERM);
	assert_int_equal(u->sums.cpu_usec, 1900);
	assert_int_equal(u->deaths, 2);
}

/* ---- stops ---- */

static void a_ready_worker_is_asked_to_leave(void **state)
{
	struct life *l;

	(void)state;
	start_pools(1);
	all_ready();
	forget();
	l = at(0);
	life_stop(l, REASON_STOP);
	assert_int_equal(w.drained, 1);
	assert_int_equal(w.drain_ms, 30000); /* of 60 s: it is a stop */
	life_stop(l, REASON_STOP);
	assert_int_equal(w.drained, 1);
	pass(30000);
	assert_int_equal(w.signalled, 1);
	pass(10000);
	assert_int_equal(w.killed, 1);
	life_stop(l, REASON_STOP);
	assert_int_equal(w.killed + w.signalled, 2);
}

static void who_cannot_be_asked_is_signalled(void **state)
{
	(void)state;
	w.drain_result = -EOPNOTSUPP;
	w.conf[0].stop_signal = SIGQUIT;
	start_pools(1);
	all_ready();
	life_stop(at(0), REASON_STOP);
	assert_int_equal(w.last_signal, SIGQUIT);
	assert_int_equal(at(0)->state, LIFE_STOPPING);
}

static void a_starting_worker_is_signalled(void **state)
{
	(void)state;
	start_pools(1);
	born(at(0));
	life_stop(at(0), REASON_STOP);
	assert_int_equal(w.drained, 0);
	assert_int_equal(w.signalled, 1);
}

static void an_unborn_worker_is_killed(void **state)
{
	(void)state;
	start_pools(1);
	life_stop(at(0), REASON_STOP);
	assert_int_equal(w.signalled, 0);
	assert_int_equal(w.killed, 1);
	life_born(at(0), 77); /* the news were on their way */
	assert_int_equal(at(0)->state, LIFE_KILLED);
}

static void a_stop_shortens_a_long_drain(void **state)
{
	struct life *l;

	(void)state;
	start_pools(1);
	all_ready();
	l = at(0);
	life_suicide(l, "", 0);
	pass(10000);
	master_stop(&w.m, 0);
	forget();
	pass(29999);
	assert_true(w.last_signalled != l);
	pass(1);
	assert_int_equal(l->state, LIFE_STOPPING);
}

static void a_stop_never_lengthens_a_drain(void **state)
{
	struct life *l;

	(void)state;
	start_pools(1);
	all_ready();
	l = at(0);
	life_suicide(l, "", 0);
	pass(55000);
	master_stop(&w.m, 0);
	pass(5000);
	assert_int_equal(l->state, LIFE_STOPPING);
}

/* Who knows no word, in a stop of all. */
static void prepare_stop(int refuse_result, int observe_result)
{
	start_pools(1);
	all_ready();
	forget();
	w.observed = 0;
	w.drain_result = -EOPNOTSUPP;
	w.refuse_result = refuse_result;
	w.observe_result = observe_result;
}

static void in_a_stop_it_is_watched_when_nobody_can_come(void **state)
{
	struct life *l, *other;

	(void)state;
	prepare_stop(0, 0);
	l = at(0);
	other = at(1);
	pool_stop(&w.pools[0]);
	assert_int_equal(w.observed, 4); /* before a word, which is not tried then */
	assert_int_equal(w.signalled, 0);
	assert_int_equal(l->state, LIFE_DRAINING);
	pass(10000);
	life_observed(l);
	assert_ptr_equal(w.last_signalled, l);
	w.busy = 2;
	dies(l, 0, SIGTERM);
	pass(19999);
	assert_int_equal(w.signalled, 1);
	pass(1); /* 30 s of 60: it is a stop */
	assert_int_equal(w.signalled, 4);
	assert_int_equal(w.pools[0].usage.connections_cut, 6);
	dies(other, 0, SIGTERM);
	assert_int_equal(last_told("worker.exit")->reason, REASON_STOP);
}

static void in_a_stop_it_gets_the_signal_when_somebody_could_come(void **state)
{
	(void)state;
	prepare_stop(-EPERM, 0);
	pool_stop(&w.pools[0]);
	assert_int_equal(w.observed, 0);
	assert_int_equal(w.signalled, 4);
}

static void in_a_stop_nobody_is_waited_for_who_is_not_there(void **state)
{
	(void)state;
	prepare_stop(0, 1);
	pool_stop(&w.pools[0]);
	assert_int_equal(w.signalled, 4);
	assert_int_equal(told("worker.drain"), 0);
	w.busy = 3;
	pass(10000); /* it does not heed the signal, and was seen to have nobody */
	assert_int_equal(w.killed, 4);
	assert_int_equal(w.pools[0].usage.connections_cut, 0);
}

static void in_a_stop_a_word_follows_an_empty_queue_at_once(void **state)
{
	(void)state;
	prepare_stop(0, 1);
	w.drain_result = 0;
	pool_stop(&w.pools[0]);
	assert_int_equal(w.drained, 4);
	assert_int_equal(w.observed, 4);
	assert_int_equal(w.signalled, 0);
}

static void in_a_stop_the_signal_is_at_once_where_it_was_asked_for(void **state)
{
	(void)state;
	w.conf[0].drain = DRAIN_SIGNAL;
	prepare_stop(0, 0);
	pool_stop(&w.pools[0]);
	assert_int_equal(w.observed, 0);
	assert_int_equal(w.signalled, 4);
}

/* Its sockets are new ones then. */
static void what_was_refused_is_not_after_the_next_start(void **state)
{
	struct err e;

	(void)state;
	prepare_stop(0, 1);
	pool_stop(&w.pools[0]);
	assert_true(w.pools[0].refuses);
	while (w.nalive > 0)
		dies(w.alive[0], 0, SIGTERM);
	assert_int_equal(w.pools[0].phase, POOL_STOPPED);
	assert_false(w.pools[0].refuses);
	assert_int_equal(pool_begin(&w.pools[0], -1, &e), 0);
	all_ready();
	assert_int_equal(w.pools[0].phase, POOL_READY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		W(a_birth_is_told_and_gets_its_sockets),
		W(ready_timeout_is_a_kill),
		W(ready_timeouts_leave_room_for_others),
		W(a_worker_may_ask_for_more_time),
		W(a_worker_that_leaves_cannot_ask_for_more),
		W(a_failed_hand_over_breaks_the_protocol),
		W(a_worker_that_is_dead_before_its_sockets_is_no_breach),
		W(a_birth_without_a_process_is_certified),
		W(suicide_is_replaced_at_once_and_once),
		W(suicide_has_the_drain_timeout_then_a_signal_then_a_kill),
		W(a_drain_that_ends_by_the_signal_says_so),
		W(suicide_as_a_flood_of_new_workers),
		W(suicide_in_a_stop_is_a_stop),
		W(suicide_of_a_dead_one_is_nothing),
		W(one_that_serves_nobody_gets_the_signal_soon),
		W(one_that_left_by_itself_and_stays),
		W(watchdog_ends_a_silent_worker),
		W(a_blocked_loop_is_noticed),
		W(a_loop_that_is_late_lives),
		W(one_with_a_closed_channel_is_silent),
		W(a_deaf_master_ends_nobody),
		W(the_time_that_we_slept_is_nobodys_silence),
		W(a_quiet_start_gets_a_hint),
		W(one_that_listens_gets_none),
		W(one_that_dies_before_the_hint),
		W(a_short_readiness_timeout_before_the_hint),
		W(a_leaving_worker_is_not_watched),
		W(a_breach_of_protocol_is_a_death),
		W(reasons_have_an_order),
		W(the_oom_killers_victim_is_told_apart),
		W(refused_forks_are_a_hint),
		W(usage_only_grows),
		W(what_was_seen_of_a_life_is_not_taken_back),
		W(a_ready_worker_is_asked_to_leave),
		W(who_cannot_be_asked_is_signalled),
		W(a_starting_worker_is_signalled),
		W(an_unborn_worker_is_killed),
		W(a_stop_shortens_a_long_drain),
		W(a_stop_never_lengthens_a_drain),
		W(in_a_stop_it_is_watched_when_nobody_can_come),
		W(in_a_stop_it_gets_the_signal_when_somebody_could_come),
		W(in_a_stop_nobody_is_waited_for_who_is_not_there),
		W(in_a_stop_a_word_follows_an_empty_queue_at_once),
		W(in_a_stop_the_signal_is_at_once_where_it_was_asked_for),
		W(what_was_refused_is_not_after_the_next_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
