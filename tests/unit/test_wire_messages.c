/* SPDX-License-Identifier: MIT */
/* test_wire_messages.c - messages of workers before they are delivered: what JSON is
 * taken for, how many are listened to, and what waits meanwhile. */
#define _GNU_SOURCE
#include "wires.h"
#include "wire/json.h"

/* ---- JSON ---- */

static void taken_for(const char *text, const char *expected)
{
	json_t *msg = wire_json(text, strlen(text));
	char *dump;

	if (!expected) {
		assert_null(msg);
		return;
	}
	if (!msg)
		fail_msg("refused: %s", text);
	dump = json_dumps(msg, JSON_COMPACT | JSON_ENCODE_ANY);
	assert_string_equal(dump, expected);
	free(dump);
	json_decref(msg);
}

static void what_programs_write_is_kept(void **state)
{
	(void)state;
	taken_for("{\"a\":[1,-2,true,null,\"x\"]}", "{\"a\":[1,-2,true,null,\"x\"]}");
	taken_for("\"gr\xc3\xbc\xc3\x9f \xe4\xbd\xa0 \xf0\x9f\x98\x80\"",
		  "\"gr\xc3\xbc\xc3\x9f \xe4\xbd\xa0 \xf0\x9f\x98\x80\"");
	taken_for("\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"");
	taken_for("\"a\\u0000b\\n\\u001b\"", "\"a\\u0000b\\n\\u001B\"");
	taken_for("9007199254740993", "9007199254740993");
	taken_for("0.5", "0.5");
	taken_for("1e300", "1.0000000000000001e300");
	taken_for("{\"z\":1,\"a\":2}", "{\"z\":1,\"a\":2}");
}

/* What JSON.stringify() may write and jansson does not like. */
static void what_is_mended(void **state)
{
	(void)state;
	taken_for("[\"\\ud83d\",\"\\ude00x\"]", "[\"\xef\xbf\xbd\",\"\xef\xbf\xbdx\"]");
	taken_for("\"\\ud83d\\ud83d\\ude00\"", "\"\xef\xbf\xbd\xf0\x9f\x98\x80\"");
	taken_for("\"\\\\ud83d\"", "\"\\\\ud83d\""); /* an escaped backslash: no escape */
	taken_for("{\"\\u0000k\":1}", "{\"\xef\xbf\xbdk\":1}");
	taken_for("{\"\\u0000k\":\"\\ud83d\"}", "{\"\xef\xbf\xbdk\":\"\xef\xbf\xbd\"}");
	taken_for("{\"a\":\"\\ud83d\",\"\\u0000k\":1}",
		  "{\"a\":\"\xef\xbf\xbd\",\"\xef\xbf\xbdk\":1}");
	taken_for("[10000000000000000000]", "[1e19]");
}

static void what_is_no_json(void **state)
{
	(void)state;
	taken_for("", NULL);
	taken_for("{", NULL);
	taken_for("{} {}", NULL);
	taken_for("NaN", NULL);
	taken_for("'a'", NULL);
	taken_for("\"\xff\"", NULL);
	taken_for("\"\xed\xa0\x80\"", NULL); /* a surrogate as UTF-8 */
	taken_for("\"\xc0\x80\"", NULL);     /* overlong */
	taken_for("\"\\ud83d\xff\"", NULL);
	taken_for("\"\\ud83", NULL);
	taken_for("\"\\", NULL);
	taken_for("\\ud83d", NULL);
	taken_for("1e400", NULL);
	taken_for("\"\x01\"", NULL);
	assert_null(wire_json("\"a\0b\"", 5));
}

static void depth_has_a_bound(void **state)
{
	static char deep[30000];

	(void)state;
	memset(deep, '[', 2000);
	memset(deep + 2000, ']', 2000);
	deep[4000] = '\0';
	taken_for(deep, deep);
	memset(deep, '[', 15000);
	memset(deep + 15000, ']', 14999);
	deep[29999] = '\0';
	taken_for(deep, NULL);
}

/* ---- how many ---- */

static int setup_stream(void **state)
{
	(void)state;
	return wire_setup(&wire_node_cluster);
}

static int setup_packets(void **state)
{
	(void)state;
	return wire_setup(&wire_native);
}

/* As a program: what the socket does not take now is sent later. */
static bool try_send(const char *text)
{
	return send(x.worker, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) ==
	       (ssize_t)strlen(text);
}

static const char *a_message(void)
{
	return x.ch.wire == &wire_native ? "MESSAGE={\"n\":1}" : "{\"n\":1}\n";
}

static void more_than_a_hundred_wait(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CHANNEL_MESSAGES + 20; i++)
		assert_true(try_send(a_message()));
	listen_to_it();
	assert_int_equal(x.messages, CHANNEL_MESSAGES);
	assert_true(channel_is_deaf(&x.ch));
	listen_to_it();
	assert_int_equal(x.messages, CHANNEL_MESSAGES);
	x.ch.window_ms -= 1000; /* a second later */
	loop_settle(&x.loop, x.ch.pause.at_ms);
	listen_to_it();
	assert_int_equal(x.messages, CHANNEL_MESSAGES + 20); /* none is lost */
	assert_false(channel_is_deaf(&x.ch));
}

/* Lines that were read with those before them: no event tells of them. */
static void what_waits_in_the_buffer_is_not_forgotten(void **state)
{
	char many[8 * 120 + 1] = "";

	(void)state;
	for (unsigned i = 0; i < 120; i++)
		memcpy(many + 8 * i, "{\"n\":1}\n", 8);
	send_bytes(many, 8 * 120);
	listen_to_it();
	assert_int_equal(x.messages, CHANNEL_MESSAGES);
	assert_int_equal(x.ch.buf_len, 8 * 20);
	x.ch.window_ms -= 1000;
	loop_settle(&x.loop, x.ch.pause.at_ms);
	assert_int_equal(x.messages, 120);
	assert_int_equal(x.ch.buf_len, 0);
}

/* Sixty-four in one datagram are sixty-four. */
static void a_datagram_of_many_pays_for_each(void **state)
{
	char many[64 * 10 + 1] = "";

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		memcpy(many + 10 * i, "MESSAGE=1\n", 10);
	for (unsigned i = 0; i < 10; i++)
		send_bytes(many, 640);
	listen_to_it();
	assert_int_equal(x.messages, 128);
	assert_int_equal(x.ch.pause.at_ms, x.ch.window_ms + 1000);
}

static void words_are_still_understood_five_hundred_times(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 150; i++)
		assert_true(try_send("STATUS=busy"));
	assert_true(try_send("READY=1"));
	x.heard_len = 0;
	listen_to_it();
	assert_non_null(strstr(x.heard, "ready; "));
	assert_false(channel_is_deaf(&x.ch));
}

/* ---- held ---- */

static void who_is_held_is_not_listened_to(void **state)
{
	(void)state;
	channel_hold(&x.ch, true);
	for (unsigned i = 0; i < 10; i++)
		assert_true(try_send(a_message()));
	assert_int_equal(loop_once(&x.loop, 0), 0); /* and costs nothing */
	assert_int_equal(x.messages, 0);
	channel_hold(&x.ch, false);
	assert_int_equal(x.messages, 0); /* not from inside of somebody else's turn */
	ignore(loop_once(&x.loop, 100));
	listen_to_it();
	assert_int_equal(x.messages, 10);
}

static void hold_after_two(struct channel *ch, const json_t *msg, const char *text, size_t len)
{
	h_message(ch, msg, text, len);
	if (x.messages % 2 == 0)
		channel_hold(ch, true);
}

static void held_from_inside_of_its_turn(void **state)
{
	struct wire_up up = ears;

	(void)state;
	up.message = hold_after_two;
	x.ch.up = &up;
	for (unsigned i = 0; i < 7; i++)
		assert_true(try_send(a_message()));
	for (unsigned want = 2; want <= 6; want += 2) {
		listen_to_it();
		assert_int_equal(x.messages, want);
		channel_hold(&x.ch, false);
		ignore(loop_once(&x.loop, 100));
	}
	listen_to_it();
	assert_int_equal(x.messages, 7);
}

/* Its pause ends while it is held: it stays so. */
static void held_and_paused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CHANNEL_MESSAGES + 1; i++)
		assert_true(try_send(a_message()));
	listen_to_it();
	assert_true(x.ch.pause.armed);
	channel_hold(&x.ch, true);
	x.ch.window_ms -= 1000;
	loop_settle(&x.loop, x.ch.pause.at_ms);
	listen_to_it();
	assert_int_equal(x.messages, CHANNEL_MESSAGES);
	channel_hold(&x.ch, false);
	ignore(loop_once(&x.loop, 100));
	assert_int_equal(x.messages, CHANNEL_MESSAGES + 1);
}

/* And the other way round. */
static void let_go_while_paused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CHANNEL_MESSAGES + 1; i++)
		assert_true(try_send(a_message()));
	listen_to_it();
	channel_hold(&x.ch, true);
	channel_hold(&x.ch, false);
	listen_to_it();
	assert_int_equal(x.messages, CHANNEL_MESSAGES);
	assert_true(x.ch.pause.armed);
}

/* What it said before it went is heard, and its going is seen once. */
static void who_goes_while_held(void **state)
{
	(void)state;
	channel_hold(&x.ch, true);
	for (unsigned i = 0; i < CHANNEL_MESSAGES + 50; i++)
		assert_true(try_send(a_message()));
	fd_close(&x.worker);
	listen_to_it();
	assert_int_equal(x.messages, CHANNEL_MESSAGES + 50);
	assert_non_null(strstr(x.heard, "closed; "));
	x.heard_len = 0;
	x.heard[0] = '\0';
	channel_hold(&x.ch, false);
	ignore(loop_once(&x.loop, 100));
	listen_to_it();
	assert_string_equal(x.heard, "");
}

static void broken_while_its_pause_runs(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CHANNEL_MESSAGES; i++)
		assert_true(try_send(a_message()));
	listen_to_it();
	assert_true(x.ch.pause.armed);
	ignore(channel_broken(&x.ch, "from above"));
	x.heard_len = 0;
	x.heard[0] = '\0';
	assert_true(try_send(a_message()));
	loop_settle(&x.loop, x.ch.pause.at_ms);
	assert_string_equal(x.heard, "");
}

/* Long messages: after 64 KiB the others have their turn, and nothing is lost. */
static void long_messages_take_turns(void **state)
{
	unsigned n = 0;

	(void)state;
	x.big = malloc(CHANNEL_LINE_MAX);
	assert_non_null(x.big);
	memset(x.big, '1', CHANNEL_LINE_MAX);
	memcpy(x.big, "MESSAGE=\"", 9);
	x.big[CHANNEL_LINE_MAX - 1] = '"';
	while (n < 3 && send(x.worker, x.big, CHANNEL_LINE_MAX, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		n++;
	assert_int_equal(n, 3);
	ignore(loop_once(&x.loop, 0));
	assert_in_range(x.messages, 1, 2);
	assert_true(x.ch.pause.armed);
	while (x.ch.pause.armed)
		ignore(loop_once(&x.loop, 100));
	listen_to_it();
	assert_int_equal(x.messages, 3);
	assert_false(channel_is_deaf(&x.ch));
}

#define S(f) cmocka_unit_test_setup_teardown(f, setup_stream, wire_teardown)
#define P(f) cmocka_unit_test_setup_teardown(f, setup_packets, wire_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_programs_write_is_kept),
		cmocka_unit_test(what_is_mended),
		cmocka_unit_test(what_is_no_json),
		cmocka_unit_test(depth_has_a_bound),
		S(more_than_a_hundred_wait),
		P(more_than_a_hundred_wait),
		S(what_waits_in_the_buffer_is_not_forgotten),
		P(a_datagram_of_many_pays_for_each),
		P(words_are_still_understood_five_hundred_times),
		S(who_is_held_is_not_listened_to),
		P(who_is_held_is_not_listened_to),
		S(held_from_inside_of_its_turn),
		P(held_from_inside_of_its_turn),
		S(held_and_paused),
		P(held_and_paused),
		S(let_go_while_paused),
		S(who_goes_while_held),
		P(who_goes_while_held),
		S(broken_while_its_pause_runs),
		P(broken_while_its_pause_runs),
		P(long_messages_take_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
