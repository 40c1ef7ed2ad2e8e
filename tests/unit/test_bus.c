/* SPDX-License-Identifier: MIT */
/* test_bus.c - messages between workers: who gets one, what it is made of, and who is
 * held back for whom. */
#define _GNU_SOURCE
#include "super/bus.h"
#include "wire/json.h"
#include "world.h"

static void says(struct life *l, const char *text)
{
	json_t *msg = wire_json(text, strlen(text));

	bus_message(l, msg, text, strlen(text));
	json_decref(msg);
	check_world();
}

/* It has read everything. */
static void reads_all(struct life *l)
{
	l->channel.out.taken += l->bus.received;
	l->channel.out.messages = 0;
	bus_room(l);
	check_world();
}

static void is_not_delivered(struct life *from, const char *text, const char *why)
{
	forget();
	says(from, text);
	assert_int_equal(w.posts, 0);
	assert_int_equal(told("worker.message"), 1);
	assert_string_equal(last_told("worker.message")->result, why);
}

/* A real channel, for what only it can do: not to listen. */
static int ears[8][2];

static int no_input(struct channel *ch)
{
	(void)ch;
	return 0;
}

static void open_ear(unsigned i, struct life *l)
{
	static const struct wire ear_wire = { .name = "ear", .on_input = no_input };
	static const struct wire_up deaf_up;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ears[i]), 0);
	assert_int_equal(channel_open(&l->channel, &w.m.loop, &ear_wire, &deaf_up, ears[i][0]), 0);
}

static void close_ear(unsigned i, struct life *l)
{
	channel_close(&l->channel);
	(void)close(ears[i][1]);
}

/* ---- who ---- */

static void app_is_all_of_the_pool(void **state)
{
	(void)state;
	start_pools(2);
	all_ready();
	forget();
	says(at(1), "{\"to\":\"app\",\"action\":\"refresh\",\"data\":{\"k\":[1,2]}}");
	assert_int_equal(w.posts, 4); /* the sender too, and none of the other pool */
	assert_string_equal(w.posted, "<{\"action\":\"refresh\",\"data\":{\"k\":[1,2]},"
				      "\"from\":\"web/1\"}>");
	assert_int_equal(told("worker.message"), 0);
	assert_int_equal(at(1)->bus.sent, 1);
	assert_int_equal(at(1)->bus.received, 1);
	assert_int_equal(w.pools[1].slots[0]->current->bus.received, 0);
}

static void a_slot_by_its_name(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	forget();
	says(at(0), "{\"to\":\"web/2\",\"data\":1}");
	assert_int_equal(w.posts, 1);
	assert_ptr_equal(w.last_posted, at(2));
	assert_string_equal(w.posted, "<{\"data\":1,\"from\":\"web/0\"}>");
	says(at(0), "{\"to\":\"web/0\"}"); /* to itself, if it likes */
	assert_ptr_equal(w.last_posted, at(0));
	assert_string_equal(w.posted, "<{\"from\":\"web/0\"}>");
}

static void random_is_another_ready_one(void **state)
{
	unsigned hits[4] = { 0 };

	(void)state;
	start_pools(1);
	all_ready();
	life_leaving(at(3)); /* draining, and its twin is starting */
	for (unsigned i = 0; i < 600; i++) {
		says(at(0), "{\"to\":\"random\"}");
		hits[w.last_posted->slot->index]++;
		reads_all(w.last_posted);
	}
	assert_int_equal(hits[0], 0);
	assert_int_equal(hits[3], 0);
	assert_in_range(hits[1], 200, 400);
	assert_in_range(hits[2], 200, 400);
}

static void random_without_another(void **state)
{
	(void)state;
	w.conf[0].workers = 1;
	start_pools(1);
	all_ready();
	is_not_delivered(at(0), "{\"to\":\"random\"}", "no other worker of its pool is ready");
}

static void a_pid_is_what_the_program_sees(void **state)
{
	char text[64];

	(void)state;
	start_pools(2);
	all_ready();
	for (unsigned i = 0; i < 4; i++)
		at(i)->inner_pid = (pid_t)(at((i + 1) % 4)->pid); /* as confusing as can be */
	w.pools[1].slots[0]->current->inner_pid = 4242;
	forget();
	(void)snprintf(text, sizeof(text), "{\"to\":%d}", (int)at(2)->inner_pid);
	says(at(0), text);
	assert_ptr_equal(w.last_posted, at(2));
	(void)snprintf(text, sizeof(text), "{\"to\":\"%d\"}", (int)at(3)->inner_pid);
	says(at(0), text);
	assert_ptr_equal(w.last_posted, at(3));
	is_not_delivered(at(0), "{\"to\":4242}",
			 "no worker of its pool that is ready has this pid");
	is_not_delivered(at(0), "{\"to\":-1}", "no worker of its pool that is ready has this pid");
	is_not_delivered(at(0), "{\"to\":4294967297}",
			 "no worker of its pool that is ready has this pid");
	assert_string_equal(last_told("worker.message")->target, "4294967297");
	at(1)->inner_pid = 0; /* without a PID namespace it is the host's */
	at(0)->inner_pid = 1;
	(void)snprintf(text, sizeof(text), "{\"to\":%d}", (int)at(1)->pid);
	says(at(2), text);
	assert_ptr_equal(w.last_posted, at(1));
}

static void master_and_nobody_are_events(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	forget();
	says(at(0), "{\"to\":\"master\",\"action\":\"x\"}");
	says(at(0), "{\"action\":\"x\"}");
	says(at(0), "[\"to\",\"app\"]");
	says(at(0), "\"app\"");
	says(at(0), "no json at all");
	assert_int_equal(told("worker.message"), 5);
	assert_string_equal(last_told("worker.message")->text, "no json at all");
	assert_string_equal(last_told("worker.message")->result, "");
	assert_int_equal(w.posts, 0);
	assert_int_equal(at(0)->bus.undelivered, 0);
	assert_int_equal(logged("is not delivered"), 0);
}

static void who_is_not_there(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "{\"to\":\"agent\"}", "its pool has no such agent" },
		{ "{\"to\":\"agent/state\"}", "its pool has no such agent" },
		{ "{\"to\":\"web/4\"}", "the pool has no such slot" },
		{ "{\"to\":\"web/-1\"}", "the pool has no such slot" },
		{ "{\"to\":\"web/+1\"}", "the pool has no such slot" },
		{ "{\"to\":\"web/ 1\"}", "the pool has no such slot" },
		{ "{\"to\":\"web/1x\"}", "the pool has no such slot" },
		{ "{\"to\":\"web/99999999999999999999\"}", "the pool has no such slot" },
		{ "{\"to\":\"web/spare\"}", "the pool has no such slot" },
		{ "{\"to\":\"web/\"}", "the pool has no such slot" },
		{ "{\"to\":\"/1\"}", "there is no such pool" },
		{ "{\"to\":\"we/1\"}", "there is no such pool" },
		{ "{\"to\":\"webb/1\"}", "there is no such pool" },
		{ "{\"to\":\"api/1\"}",
		  "a worker writes to its own pool; to others where the file says messages:" },
		{ "{\"to\":\"apps\"}", "its address is no word, POOL/SLOT or pid" },
		{ "{\"to\":\"\"}", "its address is no word, POOL/SLOT or pid" },
		{ "{\"to\":\"app\\u0000\"}", "its address is no word, POOL/SLOT or pid" },
		{ "{\"to\":\"master\\u0000\"}", "its address is no word, POOL/SLOT or pid" },
		{ "{\"to\":null}", "its address is no word, POOL/SLOT or pid" },
		{ "{\"to\":[\"app\"]}", "its address is no word, POOL/SLOT or pid" },
		{ "{\"to\":1.5}", "its address is no word, POOL/SLOT or pid" },
		{ "{\"to\":\"99999999999\"}", "its address is no word, POOL/SLOT or pid" },
	};

	(void)state;
	start_pools(2);
	all_ready();
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
		is_not_delivered(at(0), cases[i].text, cases[i].why);
	assert_int_equal(at(0)->bus.undelivered, ARRAY_LEN(cases));
	assert_int_equal(at(0)->bus.sent, 0);
}

static void it_is_logged_once_a_life(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	forget();
	for (unsigned i = 0; i < 10; i++)
		says(at(0), "{\"to\":\"agent\\u001b[2J\"}");
	assert_int_equal(told("worker.message"), 10);
	assert_int_equal(logged("is not delivered"), 1);
	assert_null(strchr(w.log, '\x1b'));
}

/* ---- to whom in which state ---- */

static void only_who_serves_or_finishes_hears(void **state)
{
	struct life *old;

	(void)state;
	w.conf[0].spares = 1;
	start_pools(1);
	all_ready();
	park(spare_in(LIFE_STARTING));
	old = at(3);
	life_leaving(old); /* the spare joins as web/3 */
	assert_int_equal(at(3)->state, LIFE_JOINING);
	forget();
	says(at(0), "{\"to\":\"app\"}");
	assert_int_equal(w.posts, 4); /* 0, 1, 2 and the old 3 */
	assert_int_equal(old->bus.received, at(0)->bus.received);
	assert_int_equal(at(3)->bus.received, 0);
	is_not_delivered(at(0), "{\"to\":\"web/3\"}", "no worker is ready there");
	get_ready(at(3));
	forget();
	says(at(0), "{\"to\":\"web/3\"}");
	assert_ptr_equal(w.last_posted, at(3));
	says(old, "{\"to\":\"web/0\"}"); /* while it finishes */
	assert_string_equal(w.posted, "<{\"from\":\"web/3\"}>");
}

static void a_spare_may_speak_and_is_not_spoken_to(void **state)
{
	struct life *spare;

	(void)state;
	w.conf[0].spares = 1;
	start_pools(1);
	all_ready();
	spare = spare_in(LIFE_STARTING);
	park(spare);
	spare->inner_pid = 777;
	forget();
	says(spare, "{\"to\":\"app\"}");
	assert_int_equal(w.posts, 4);
	assert_string_equal(w.posted, "<{\"from\":\"web/spare\"}>");
	is_not_delivered(at(0), "{\"to\":777}", "no worker of its pool that is ready has this pid");
}

static void before_anybody_is_ready(void **state)
{
	(void)state;
	start_pools(1);
	born(at(0));
	is_not_delivered(at(0), "{\"to\":\"app\"}", "no worker of its pool is ready");
	is_not_delivered(at(0), "{\"to\":\"web/3\"}", "no worker is ready there");
}

static void in_a_stop_they_still_hear(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	master_stop(&w.m, 0);
	forget();
	says(at(0), "{\"to\":\"app\"}");
	assert_int_equal(w.posts, 4);
	says(at(0), "{\"to\":\"web/2\"}");
	assert_ptr_equal(w.last_posted, at(2));
	while (w.nalive > 0)
		dies(w.alive[0], 0, 0);
}

static void after_the_stop_signal_they_do_not(void **state)
{
	(void)state;
	w.drain_result = -EOPNOTSUPP;
	start_pools(1);
	all_ready();
	master_stop(&w.m, 0);
	is_not_delivered(at(0), "{\"to\":\"app\"}", "no worker of its pool is ready");
	while (w.nalive > 0)
		dies(w.alive[0], 0, 0);
}

static void who_has_closed_its_channel(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	w.post_result = -EPIPE;
	is_not_delivered(at(0), "{\"to\":\"web/1\"}", "it has closed its channel");
	is_not_delivered(at(0), "{\"to\":\"app\"}", "no worker of its pool is ready");
	w.post_result = -ENOMEM; /* dropped, and counted */
	forget();
	says(at(0), "{\"to\":\"web/1\"}");
	assert_int_equal(told("worker.message"), 0);
	assert_int_equal(at(1)->bus.dropped, 3);
}

static void a_pool_that_cannot_be_told(void **state)
{
	static const struct wire mute = { .name = "mute", .hand_over_ms = 100 };

	(void)state;
	start_pools(1);
	w.gen[0].wire = &mute;
	all_ready();
	assert_int_equal(w.posts, 0); /* not even that the pool is ready */
	assert_int_equal(bus_tell(at(0), "{}"), -EOPNOTSUPP);
	is_not_delivered(at(0), "{\"to\":\"app\"}", "its pool cannot be told any");
	is_not_delivered(at(0), "{\"to\":\"web/1\"}", "no worker is ready there");
	is_not_delivered(at(0), "{\"to\":\"random\"}", "no other worker of its pool is ready");
}

/* ---- what ---- */

static void only_action_and_data_come_through(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	says(at(0), "{\"cmd\":\"NODE_HANDLE\",\"act\":\"suicide\",\"mpsup\":{\"slot\":9},"
		    "\"from\":\"web/3\",\"to\":\"web/1\",\"action\":{\"cmd\":\"NODE_X\"},"
		    "\"data\":null,\"__proto__\":1}");
	assert_string_equal(w.posted, "<{\"action\":{\"cmd\":\"NODE_X\"},\"data\":null,"
				      "\"from\":\"web/0\"}>");
}

static void text_is_kept(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	says(at(0), "{\"to\":\"web/1\",\"data\":[\"gr\xc3\xbc\xc3\x9f \\ud83d\\ude00 \\u0000 "
		    "\\n\\r\\u2028\",-0.5,1e3,9007199254740993,true]}");
	assert_string_equal(w.posted, "<{\"data\":[\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80 \\u0000 "
				      "\\n\\r\xe2\x80\xa8\",-0.5,1000.0,9007199254740993,true],"
				      "\"from\":\"web/0\"}>");
}

static void nested_text(char *out, unsigned depth)
{
	size_t n = (size_t)sprintf(out, "{\"to\":\"web/1\",\"data\":");

	memset(out + n, '[', depth);
	memset(out + n + depth, ']', depth);
	memcpy(out + n + 2 * (size_t)depth, "}", 2);
}

static void depth_is_bounded(void **state)
{
	static char text[4200];

	(void)state;
	start_pools(1);
	all_ready();
	forget();
	nested_text(text, BUS_DEPTH_MAX - 1); /* the message itself is one */
	says(at(0), text);
	assert_int_equal(w.posts, 1);
	nested_text(text, BUS_DEPTH_MAX);
	is_not_delivered(at(0), text, "it is nested more than 64 levels deep");
	nested_text(text, 2000);
	is_not_delivered(at(0), text, "it is nested more than 64 levels deep");
	forget();
	says(at(0), "{\"to\":\"web/1\",\"data\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
		    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[[[[[[[[[[[[[[\"}");
	assert_int_equal(w.posts, 1); /* brackets in a string are none */
}

static void length_is_bounded(void **state)
{
	static char text[CHANNEL_LINE_MAX + 1];
	size_t n;

	(void)state;
	w.conf[0].name = "a-name-as-long-as-a-pool-may-have";
	start_pools(1);
	all_ready();
	/* The longest that a channel takes is the longest that is delivered. */
	n = (size_t)sprintf(text, "{\"to\":\"app\",\"data\":\"");
	memset(text + n, 'x', CHANNEL_LINE_MAX - n - 3);
	memcpy(text + CHANNEL_LINE_MAX - 3, "\"}", 3);
	forget();
	says(at(0), text);
	assert_int_equal(w.posts, 4);
	assert_in_range(w.posted_len, CHANNEL_LINE_MAX, BUS_TEXT_MAX);
	/* Numbers grow when all their digits are written. */
	n = (size_t)sprintf(text, "{\"to\":\"app\",\"data\":[0.1");
	while (n < CHANNEL_LINE_MAX - 10)
		n += (size_t)sprintf(text + n, ",0.1");
	(void)sprintf(text + n, "]}");
	is_not_delivered(at(0), text, "it is longer than 64 KiB with all digits of its numbers");
}

/* ---- pool-ready ---- */

static void each_hears_once_that_the_pool_is_ready(void **state)
{
	(void)state;
	w.conf[0].spares = 1;
	start_pools(1);
	for (unsigned i = 0; i < 3; i++) {
		get_ready(at(i));
		assert_int_equal(w.posts, 0);
	}
	get_ready(at(3));
	assert_int_equal(w.posts, 4);
	assert_string_equal(w.posted, "<{\"action\":\"pool-ready\"}>");
	park(spare_in(LIFE_STARTING));
	assert_int_equal(w.posts, 4);
	dies(at(2), 1, 0); /* who comes later hears it when it is ready */
	get_ready(at(2));
	assert_int_equal(w.posts, 5);
	assert_ptr_equal(w.last_posted, at(2));
	life_ready(at(2));
	assert_int_equal(w.posts, 5);
}

static void a_pool_that_is_ready_because_one_was_stopped(void **state)
{
	(void)state;
	start_pools(1);
	for (unsigned i = 0; i < 3; i++)
		get_ready(at(i));
	assert_int_equal(w.posts, 0);
	pool_halt(&w.pools[0], 3);
	pass(0);
	dies(at(3), 0, 0);
	assert_int_equal(w.posts, 3);
}

/* ---- how fast ---- */

static void fill(struct life *l)
{
	l->channel.out.messages = BUS_QUEUE_MAX;
}

static void who_writes_to_a_full_one_waits(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	open_ear(0, at(0));
	fill(at(1));
	says(at(0), "{\"to\":\"web/1\"}");
	assert_true(at(0)->channel.held);
	assert_true(channel_is_deaf(&at(0)->channel));
	assert_int_equal(at(1)->bus.received, 1); /* it is not lost */
	assert_int_equal(at(1)->bus.dropped, 0);
	pass(BUS_LOOK_MS);
	assert_true(at(0)->channel.held);
	reads_all(at(1));
	assert_false(at(0)->channel.held);
	pass(10 * BUS_LOOK_MS);
	assert_false(at(1)->bus.look.armed); /* idle again */
	close_ear(0, at(0));
}

static void who_writes_to_others_does_not(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	open_ear(0, at(0));
	fill(at(1));
	says(at(0), "{\"to\":\"web/2\"}");
	says(at(0), "{\"to\":\"master\"}");
	says(at(0), "{\"to\":\"web/9\"}");
	assert_false(at(0)->channel.held);
	close_ear(0, at(0));
}

/* A message to all waits for each that is full, one after the other. */
static void who_writes_to_all_waits_for_all(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	open_ear(0, at(0));
	fill(at(1));
	fill(at(3));
	says(at(0), "{\"to\":\"app\"}");
	assert_true(at(0)->channel.held);
	reads_all(at(1));
	assert_true(at(0)->channel.held);
	reads_all(at(3));
	assert_false(at(0)->channel.held);
	close_ear(0, at(0));
}

static void reads_one(struct life *l)
{
	if (l->slot->index != 1)
		return;
	l->channel.out.taken++;
	l->channel.out.messages = BUS_QUEUE_MAX; /* and another came */
}

/* One that is slow is waited for, as long as it takes. */
static void a_slow_reader_loses_nothing(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	open_ear(0, at(0));
	fill(at(1));
	w.on_flush = reads_one;
	says(at(0), "{\"to\":\"web/1\"}");
	pass(600 * BUS_LOOK_MS);
	assert_int_equal(w.flushed, 600);
	assert_true(at(0)->channel.held);
	assert_false(at(1)->bus.deaf);
	assert_int_equal(at(1)->bus.dropped, 0);
	assert_int_equal(told("worker.limit"), 0);
	close_ear(0, at(0));
}

static void a_deaf_one_holds_nobody_for_long(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	open_ear(0, at(0));
	open_ear(2, at(2));
	fill(at(1));
	forget();
	says(at(0), "{\"to\":\"web/1\"}");
	says(at(2), "{\"to\":\"app\"}");
	pass(BUS_CREDIT_MS - BUS_LOOK_MS);
	assert_true(at(0)->channel.held && at(2)->channel.held);
	pass(BUS_LOOK_MS);
	assert_false(at(0)->channel.held || at(2)->channel.held);
	assert_true(at(1)->bus.deaf);
	assert_int_equal(told("worker.limit"), 1);
	assert_int_equal(last_told("worker.limit")->slot, 1);
	assert_int_equal(logged("does not read its messages"), 1);
	/* What comes now is dropped and counted, and the others get theirs. */
	forget();
	for (unsigned i = 0; i < 50; i++)
		says(at(0), "{\"to\":\"app\"}");
	assert_int_equal(w.posts, 150);
	assert_int_equal(at(1)->bus.dropped, 50);
	assert_false(at(0)->channel.held);
	close_ear(0, at(0));
	close_ear(2, at(2));
}

/* However many are deaf: their credit runs at once. */
static void many_deaf_ones_are_no_worse(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	open_ear(0, at(0));
	fill(at(1));
	fill(at(2));
	fill(at(3));
	forget();
	says(at(0), "{\"to\":\"app\"}");
	pass(BUS_CREDIT_MS - BUS_LOOK_MS);
	assert_true(at(0)->channel.held);
	pass(BUS_LOOK_MS);
	assert_false(at(0)->channel.held);
	assert_int_equal(told("worker.limit"), 3);
	close_ear(0, at(0));
}

/* Filled by others while one waits for all. */
static void one_that_fills_meanwhile(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	open_ear(0, at(0));
	fill(at(1));
	says(at(0), "{\"to\":\"app\"}");
	fill(at(2));
	reads_all(at(1));
	assert_true(at(0)->channel.held);
	assert_true(at(2)->bus.look.armed);
	pass(BUS_CREDIT_MS);
	assert_false(at(0)->channel.held);
	close_ear(0, at(0));
}

static void one_that_is_sent_the_stop_signal(void **state)
{
	(void)state;
	w.drain_result = -EOPNOTSUPP;
	start_pools(1);
	all_ready();
	open_ear(0, at(0));
	fill(at(1));
	says(at(0), "{\"to\":\"web/1\"}");
	pool_halt(&w.pools[0], 1);
	assert_int_equal(at(1)->state, LIFE_STOPPING);
	pass(BUS_LOOK_MS);
	assert_false(at(0)->channel.held);
	close_ear(0, at(0));
}

static void it_hears_again_when_it_has_read_all(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	open_ear(0, at(0));
	fill(at(1));
	says(at(0), "{\"to\":\"web/1\"}");
	pass(BUS_CREDIT_MS);
	says(at(0), "{\"to\":\"web/1\"}");
	assert_int_equal(at(1)->bus.dropped, 1);
	at(1)->channel.out.messages = 10; /* nearly */
	bus_room(at(1));
	assert_true(at(1)->bus.deaf);
	reads_all(at(1));
	assert_false(at(1)->bus.deaf);
	assert_int_equal(logged("reads its messages again; 1 were dropped"), 1);
	forget();
	says(at(0), "{\"to\":\"web/1\"}");
	assert_int_equal(w.posts, 1);
	close_ear(0, at(0));
}

/* Its credit is what it has read: who hears now and then cannot hold the others so. */
static void on_and_off_is_not_worth_it(void **state)
{
	unsigned held_ms = 0;

	(void)state;
	start_pools(1);
	all_ready();
	open_ear(0, at(0));
	for (unsigned round = 0; round < 100; round++) {
		fill(at(1));
		says(at(0), "{\"to\":\"web/1\"}");
		for (; at(0)->channel.held; held_ms += BUS_LOOK_MS)
			pass(BUS_LOOK_MS);
		at(1)->channel.out.taken++; /* one, and empty */
		at(1)->channel.out.messages = 0;
		bus_room(at(1));
	}
	assert_in_range(held_ms, BUS_CREDIT_MS,
			BUS_CREDIT_MS + 100 * (BUS_EARNED_MS + BUS_LOOK_MS));
	assert_int_equal(logged("does not read its messages"), 1);
	assert_int_equal(logged("reads its messages again"), 1);
	close_ear(0, at(0));
}

static void who_sends_too_fast_is_named_once(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	forget();
	at(0)->channel.messages_in_window = CHANNEL_MESSAGES - 1;
	says(at(0), "{\"to\":\"web/1\"}");
	assert_int_equal(told("worker.limit"), 0);
	at(0)->channel.messages_in_window = CHANNEL_MESSAGES;
	says(at(0), "{\"to\":\"web/1\"}");
	says(at(0), "1");
	assert_int_equal(told("worker.limit"), 1);
	assert_int_equal(logged("sends more than 100 messages a second"), 1);
	assert_int_equal(w.posts, 2);
}

static void its_death_lets_them_go(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	open_ear(0, at(0));
	fill(at(1));
	says(at(0), "{\"to\":\"web/1\"}");
	assert_true(at(0)->channel.held);
	dies(at(1), 1, 0);
	assert_false(at(0)->channel.held);
	close_ear(0, at(0));
}

static void who_waits_may_die(void **state)
{
	struct life *first;

	(void)state;
	start_pools(1);
	all_ready();
	first = at(0);
	open_ear(0, first);
	open_ear(2, at(2));
	fill(at(1));
	says(first, "{\"to\":\"web/1\"}");
	says(at(2), "{\"to\":\"web/1\"}");
	close_ear(0, first);
	dies(first, 1, 0);
	assert_true(at(2)->channel.held);
	reads_all(at(1));
	assert_false(at(2)->channel.held);
	close_ear(2, at(2));
}

static void both_are_full(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	open_ear(0, at(0));
	open_ear(1, at(1));
	fill(at(0));
	fill(at(1));
	says(at(0), "{\"to\":\"web/1\"}");
	says(at(1), "{\"to\":\"web/0\"}");
	assert_true(at(0)->channel.held && at(1)->channel.held);
	reads_all(at(1)); /* a held one still reads */
	assert_false(at(0)->channel.held);
	pass(BUS_CREDIT_MS);
	assert_false(at(1)->channel.held);
	close_ear(0, at(0));
	close_ear(1, at(1));
}

/* What a datagram holds besides is delivered: it cannot be put back. */
static void more_from_one_who_is_held(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	open_ear(0, at(0));
	fill(at(1));
	fill(at(2));
	says(at(0), "{\"to\":\"web/1\"}");
	says(at(0), "{\"to\":\"app\"}");
	says(at(0), "{\"to\":\"web/1\"}");
	assert_int_equal(at(1)->bus.received, 3);
	reads_all(at(1));
	assert_false(at(0)->channel.held);
	close_ear(0, at(0));
}

static void who_is_gone_cannot_wait(void **state)
{
	(void)state;
	start_pools(1);
	all_ready();
	open_ear(0, at(0));
	at(0)->channel.hung = true;
	fill(at(1));
	for (unsigned i = 0; i < 5; i++)
		says(at(0), "{\"to\":\"web/1\"}");
	assert_int_equal(at(1)->bus.received, 0);
	assert_int_equal(at(1)->bus.dropped, 5);
	assert_false(at(0)->channel.held);
	close_ear(0, at(0));
}

/* A spare that waits for a deaf one is promoted: its READY has to be heard. */
static void promotion_lets_go(void **state)
{
	struct life *spare;

	(void)state;
	w.conf[0].spares = 1;
	start_pools(1);
	all_ready();
	spare = spare_in(LIFE_STARTING);
	park(spare);
	open_ear(0, spare);
	fill(at(1));
	says(spare, "{\"to\":\"web/1\"}");
	assert_true(spare->channel.held);
	dies(at(2), 1, 0);
	assert_ptr_equal(at(2), spare);
	assert_false(spare->channel.held);
	says(spare, "{\"to\":\"web/1\"}");
	assert_false(spare->channel.held);
	assert_int_equal(at(1)->bus.dropped, 1);
	get_ready(spare);
	close_ear(0, spare);
}

/* Not listened to, it is silent for no fault of its own. */
static void who_is_held_is_not_ended_by_the_watchdog(void **state)
{
	(void)state;
	w.conf[0].watchdog_ms = 500;
	start_pools(1);
	all_ready();
	for (unsigned i = 1; i < 4; i++)
		timer_clear(&w.m.loop, &at(i)->watchdog);
	open_ear(0, at(0));
	fill(at(1));
	forget();
	says(at(0), "{\"to\":\"web/1\"}");
	pass(BUS_CREDIT_MS - BUS_LOOK_MS);
	assert_true(at(0)->channel.held);
	assert_int_equal(w.killed, 0);
	pass(BUS_LOOK_MS);
	assert_false(at(0)->channel.held);
	timer_clear(&w.m.loop, &at(0)->channel.pause); /* it is listened to again */
	pass(499); /* its pings may have found no room: one interval more */
	assert_int_equal(w.killed, 0);
	pass(1000);
	assert_int_equal(w.killed, 1);
	assert_ptr_equal(w.last_killed, at(0));
	close_ear(0, at(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		W(app_is_all_of_the_pool),
		W(a_slot_by_its_name),
		W(random_is_another_ready_one),
		W(random_without_another),
		W(a_pid_is_what_the_program_sees),
		W(master_and_nobody_are_events),
		W(who_is_not_there),
		W(it_is_logged_once_a_life),
		W(only_who_serves_or_finishes_hears),
		W(a_spare_may_speak_and_is_not_spoken_to),
		W(before_anybody_is_ready),
		W(in_a_stop_they_still_hear),
		W(after_the_stop_signal_they_do_not),
		W(who_has_closed_its_channel),
		W(a_pool_that_cannot_be_told),
		W(only_action_and_data_come_through),
		W(text_is_kept),
		W(depth_is_bounded),
		W(length_is_bounded),
		W(each_hears_once_that_the_pool_is_ready),
		W(a_pool_that_is_ready_because_one_was_stopped),
		W(who_writes_to_a_full_one_waits),
		W(who_writes_to_others_does_not),
		W(who_writes_to_all_waits_for_all),
		W(a_slow_reader_loses_nothing),
		W(a_deaf_one_holds_nobody_for_long),
		W(many_deaf_ones_are_no_worse),
		W(one_that_fills_meanwhile),
		W(one_that_is_sent_the_stop_signal),
		W(it_hears_again_when_it_has_read_all),
		W(on_and_off_is_not_worth_it),
		W(who_sends_too_fast_is_named_once),
		W(its_death_lets_them_go),
		W(who_waits_may_die),
		W(both_are_full),
		W(more_from_one_who_is_held),
		W(who_is_gone_cannot_wait),
		W(promotion_lets_go),
		W(who_is_held_is_not_ended_by_the_watchdog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
