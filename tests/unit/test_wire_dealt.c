/* SPDX-License-Identifier: MIT */
/* test_wire_dealt.c - Node's cluster protocol where the master accepts (SCHED_RR). */
#define _GNU_SOURCE
#include "wires.h"

#define ACK  "{\"cmd\":\"NODE_HANDLE_ACK\"}\n"
#define NACK "{\"cmd\":\"NODE_HANDLE_NACK\"}\n"
#define QUERY(seq, port, type)                                                                     \
	"{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"address\":null,\"port\":" #port       \
	",\"addressType\":" #type ",\"seq\":" #seq "}\n"
#define CLOSE(key) "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"close\",\"key\":\"" key "\"}\n"
#define TOOK(n)	   "{\"cmd\":\"NODE_CLUSTER\",\"ack\":" #n ",\"accepted\":true}\n"
#define REFUSED(n) "{\"cmd\":\"NODE_CLUSTER\",\"ack\":" #n ",\"accepted\":false}\n"

#define GIVEN(n, key)                                                                              \
	"{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Native\",\"msg\":{\"cmd\":\"NODE_CLUSTER\","      \
	"\"act\":\"newconn\",\"key\":\"" key "\",\"seq\":" #n "}}\n"

static int setup(void **state)
{
	(void)state;
	return wire_setup(&wire_node_cluster);
}

static void reads(const char *text, unsigned fds)
{
	char buf[4096];

	assert_int_equal(read_text(buf, sizeof(buf)), fds);
	assert_string_equal(buf, text);
}

/* What it was sent, descriptors and all: not of interest. */
static void throw_away(void)
{
	char buf[4096];

	while (recv(x.worker, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

/* A socket, so that its address can be asked for. */
static void hand_over(bool promoted)
{
	struct wire_hello h = hello(2);
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	fd_close(&x.fds[0]);
	fd_close(&x.fds[1]);
	x.fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	x.fds[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(x.fds[0], (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(bind(x.fds[1], (struct sockaddr *)&un, sizeof(sa_family_t)), 0);
	h.dispatch = true;
	h.promoted = promoted;
	assert_int_equal(wire_node_cluster.hand_over(&x.ch, &h), 0);
}

static void the_answer_has_no_handle(void **state)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);
	char text[512];

	(void)state;
	hand_over(false);
	assert_int_equal(getsockname(x.fds[0], (struct sockaddr *)&in, &len), 0);
	assert_false(wire_node_cluster.takes(&x.ch, 0));
	say_and_hear(QUERY(7, 3000, 4), "takes; ");
	(void)snprintf(
		text, sizeof(text),
		"{\"cmd\":\"NODE_CLUSTER\",\"errno\":0,\"key\":\"mpsup:given:0:4\",\"ack\":7,"
		"\"data\":null,\"sockname\":{\"address\":\"127.0.0.1\",\"family\":\"IPv4\","
		"\"port\":%u}}\n",
		ntohs(in.sin_port));
	reads(text, 0);
	assert_true(wire_node_cluster.takes(&x.ch, 0));
	assert_false(wire_node_cluster.takes(&x.ch, 1));
	assert_false(wire_node_cluster.takes(&x.ch, 64));
	/* A unix socket has no name to show. */
	say_and_hear(QUERY(8, 3001, 4), "takes; ");
	reads("{\"cmd\":\"NODE_CLUSTER\",\"errno\":0,\"key\":\"mpsup:given:1:4\",\"ack\":8,"
	      "\"data\":null}\n",
	      0);
}

static void a_connection_and_its_answer(void **state)
{
	(void)state;
	hand_over(false);
	assert_int_equal(wire_node_cluster.give(&x.ch, 0, 1, x.fds[2]), -ENOENT);
	say_and_hear(QUERY(1, 3000, 4) QUERY(2, 3001, 4), "takes; takes; ");
	throw_away();
	assert_int_equal(wire_node_cluster.give(&x.ch, 0, 41, x.fds[2]), 0);
	reads(GIVEN(41, "mpsup:given:0:4"), 1);
	/* One handle at a time. */
	assert_int_equal(wire_node_cluster.give(&x.ch, 1, 42, x.fds[2]), -EAGAIN);
	assert_int_equal(wire_node_cluster.ask(&x.ch), -EBUSY);
	say_and_hear(ACK TOOK(41), "took(41); ");
	assert_int_equal(wire_node_cluster.give(&x.ch, 1, 42, x.fds[2]), 0);
	reads(GIVEN(42, "mpsup:given:1:4"), 1);
	say_and_hear(ACK REFUSED(42), "refused(42); ");
	fd_close(&x.worker);
	assert_int_equal(wire_node_cluster.give(&x.ch, 0, 43, x.fds[2]), -EPIPE);
}

static void a_connection_that_does_not_arrive(void **state)
{
	(void)state;
	hand_over(false);
	say_and_hear(QUERY(1, 3000, 4), "takes; ");
	assert_int_equal(wire_node_cluster.give(&x.ch, 0, 41, x.fds[2]), 0);
	say_and_hear(NACK, "refused(41); ");
	assert_true(x.ch.source.live);
	assert_int_equal(wire_node_cluster.give(&x.ch, 0, 42, x.fds[2]), 0);
	say_and_hear(ACK NACK, "takes; "); /* the second says nothing */
	assert_true(x.ch.source.live);
	say_and_hear(TOOK(42), "took(42); ");
}

static void a_question_goes_first(void **state)
{
	(void)state;
	hand_over(false);
	say_and_hear(QUERY(1, 3000, 4), "takes; ");
	assert_int_equal(wire_node_cluster.ask(&x.ch), 0);
	assert_int_equal(wire_node_cluster.give(&x.ch, 0, 41, x.fds[2]), -EAGAIN);
	say_and_hear(NACK, "takes; "); /* tells that it may go now */
	assert_int_equal(wire_node_cluster.give(&x.ch, 0, 41, x.fds[2]), 0);
	say_and_hear(ACK TOOK(41), "took(41); ");
}

static void answers_are_not_counted(void **state)
{
	(void)state;
	hand_over(false);
	say_and_hear(QUERY(1, 3000, 4), "takes; ");
	for (unsigned i = 0; i < 3 * CHANNEL_RATE; i++) {
		assert_int_equal(wire_node_cluster.give(&x.ch, 0, 41, x.fds[2]), 0);
		say_and_hear(ACK TOOK(41), "took(41); ");
		throw_away();
	}
	assert_false(channel_is_deaf(&x.ch));
}

static void a_flood_of_answers_is_paused(void **state)
{
	(void)state;
	hand_over(false);
	for (unsigned i = 0; i < 3 * CHANNEL_RATE && !channel_is_deaf(&x.ch); i++) {
		send_bytes(TOOK(9999999) ACK, strlen(TOOK(9999999) ACK));
		listen_to_it();
	}
	assert_true(channel_is_deaf(&x.ch));
}

static void a_closed_server_takes_none(void **state)
{
	(void)state;
	hand_over(false);
	say_and_hear(QUERY(1, 3000, 4) QUERY(2, 3000, 6), "takes; takes; ");
	say_and_hear(CLOSE("mpsup:given:0:4"), "takes; ");
	assert_true(wire_node_cluster.takes(&x.ch, 0)); /* the one for IPv6 is open */
	throw_away();
	assert_int_equal(wire_node_cluster.give(&x.ch, 0, 41, x.fds[2]), 0);
	reads(GIVEN(41, "mpsup:given:0:6"), 1);
	say_and_hear(ACK TOOK(41) CLOSE("mpsup:given:0:6"), "took(41); takes; ");
	assert_false(wire_node_cluster.takes(&x.ch, 0));
	say_and_hear(CLOSE("mpsup:given:64:6") CLOSE("x") CLOSE("mpsup:given:-1:4"), "");
	say_and_hear(QUERY(3, 3000, 4), "takes; "); /* and again */
	assert_true(wire_node_cluster.takes(&x.ch, 0));
}

static void a_spare_is_told_with_its_slot(void **state)
{
	(void)state;
	say_and_hear(QUERY(1, 3000, 4), "parked; ");
	assert_false(wire_node_cluster.takes(&x.ch, 0));
	hand_over(true);
	assert_true(wire_node_cluster.takes(&x.ch, 0));
}

static void answers_that_are_none(void **state)
{
	(void)state;
	say_and_hear(TOOK(1), ""); /* a pool that deals none out */
	hand_over(false);
	say_and_hear(TOOK(0) TOOK(-1) TOOK("1") TOOK(1.5) TOOK(null), "");
	say_and_hear("{\"cmd\":\"NODE_CLUSTER\",\"ack\":5}\n", "refused(5); ");
	say_and_hear("{\"cmd\":\"NODE_CLUSTER\",\"ack\":5,\"accepted\":1}\n", "refused(5); ");
}

#define D(f) cmocka_unit_test_setup_teardown(f, setup, wire_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		D(the_answer_has_no_handle),
		D(a_connection_and_its_answer),
		D(a_connection_that_does_not_arrive),
		D(a_question_goes_first),
		D(answers_are_not_counted),
		D(a_flood_of_answers_is_paused),
		D(a_closed_server_takes_none),
		D(a_spare_is_told_with_its_slot),
		D(answers_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
