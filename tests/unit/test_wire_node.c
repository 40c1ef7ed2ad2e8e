/* SPDX-License-Identifier: MIT */
/* test_wire_node.c - Node's fork channel and cluster protocol, as bytes. */
#define _GNU_SOURCE
#include "wire/node.h"
#include "wires.h"

#define QUERY(seq, addr, port, type)                                                               \
	"{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"address\":" addr ",\"port\":" #port   \
	",\"addressType\":" #type ",\"seq\":" #seq "}\n"
#define ACK "{\"cmd\":\"NODE_HANDLE_ACK\"}\n"

static int setup_ipc(void **state)
{
	(void)state;
	return wire_setup(&wire_node_ipc);
}

static int setup_cluster(void **state)
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

static void hand_over(unsigned nfds, bool promoted)
{
	struct wire_hello h = hello(nfds);

	h.promoted = promoted;
	assert_int_equal(x.ch.wire->hand_over(&x.ch, &h), 0);
}

/* ---- node-ipc ---- */

static const char handle_line[] = "{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Server\","
				  "\"msg\":\"server\"}\n";

static void handles_go_one_by_one(void **state)
{
	(void)state;
	hand_over(3, false);
	for (unsigned i = 0; i < 3; i++) {
		reads(handle_line, 1);
		reads("", 0);
		say_and_hear(ACK, i == 2 ? "ready; " : "");
	}
	say_and_hear(ACK, ""); /* nobody waits for this one */
	reads("", 0);
}

static void a_promoted_spare_learns_its_slot(void **state)
{
	char both[256];

	(void)state;
	hand_over(1, true);
	(void)snprintf(both, sizeof(both), "{\"mpsup\":{\"slot\":3}}\n%s", handle_line);
	reads(both, 1);
}

static void an_ack_before_the_handle_is_no_ready(void **state)
{
	(void)state;
	say_and_hear(ACK ACK ACK, "");
	hand_over(1, false);
	say_and_hear(ACK, "ready; ");
}

static void a_hand_over_of_nothing_is_refused(void **state)
{
	struct wire_hello h = hello(0);

	(void)state;
	assert_int_equal(wire_node_ipc.hand_over(&x.ch, &h), -EINVAL);
	h = hello(1);
	fd_close(&x.worker);
	assert_int_equal(wire_node_ipc.hand_over(&x.ch, &h), -EPIPE);
	h.promoted = true;
	assert_int_equal(wire_node_ipc.hand_over(&x.ch, &h), -EPIPE);
	assert_null(wire_node_ipc.drain);
}

static void a_deaf_program_does_not_block(void **state)
{
	struct wire_hello h = hello(1);
	int r = 0;

	(void)state;
	for (unsigned i = 0; r == 0 && i < 100000; i++)
		r = wire_node_ipc.hand_over(&x.ch, &h);
	assert_int_equal(r, -EAGAIN);
}

static void the_second_handle_finds_nobody(void **state)
{
	(void)state;
	hand_over(2, false);
	send_bytes(ACK, strlen(ACK));
	assert_int_equal(shutdown(x.worker, SHUT_RD), 0);
	hears_only("broken(it does not take its sockets); ");
}

static void messages_of_the_program(void **state)
{
	(void)state;
	say_and_hear("{\"act\":\"suicide\"}\n", "suicide(); ");
	say_and_hear("{\"act\":\"suicides\"}\n", "message({\"act\":\"suicides\"}); ");
	say_and_hear("{\"act\":1}\n", "message({\"act\":1}); ");
	say_and_hear("[1,2]\n", "message([1,2]); ");
	say_and_hear("\"text\"\n", "message(\"text\"); ");
	say_and_hear("null\n", "message(null); ");
	say_and_hear("{\"cmd\":\"NODE_\"}\n", ""); /* Node's own are Node's own */
	say_and_hear("{\"cmd\":\"NODE_DEBUG_ENABLED\"}\n", "");
	say_and_hear("{\"cmd\":\"NODE_HANDLE_NACK\"}\n", "");
	say_and_hear("{\"cmd\":7}\n", "message({\"cmd\":7}); ");
	say_and_hear("{\"cmd\":\"node_x\"}\n", "message({\"cmd\":\"node_x\"}); ");
	say_and_hear("{\"cmd\":{\"cmd\":\"NODE_HANDLE\"}}\n",
		     "message({\"cmd\":{\"cmd\":\"NODE_HANDLE\"}}); ");
}

/* ---- lines, of both ---- */

static void halves_are_put_together(void **state)
{
	const char *text = "{\"a\":1}\n{\"b\":2}\n\n\n{\"c\":3}\n";

	(void)state;
	for (const char *p = text; *p; p++) {
		send_bytes(p, 1);
		listen_to_it();
	}
	assert_string_equal(x.heard,
			    "message({\"a\":1}); message({\"b\":2}); message({\"c\":3}); ");
	say_and_hear(text, "message({\"a\":1}); message({\"b\":2}); message({\"c\":3}); ");
	say_and_hear("{\"a\"", "");
	fd_close(&x.worker);
	hears_only("closed; "); /* half a line is no word */
}

static void what_is_not_json(void **state)
{
	(void)state;
	say_and_hear("{\"a\":1}\nREADY=1\n{\"b\":1}\n",
		     "message({\"a\":1}); broken(a line that is not JSON); ");
	assert_false(x.ch.source.live);
	(void)send(x.worker, "{}\n", 3, MSG_NOSIGNAL);
	hears_only("");
}

static void json_that_is_nested_deep(void **state)
{
	(void)state;
	x.big = malloc(CHANNEL_LINE_MAX);
	assert_non_null(x.big);
	memset(x.big, '[', CHANNEL_LINE_MAX - 1);
	x.big[60000] = '\n';
	send_bytes(x.big, 60001);
	hears_only("broken(a line that is not JSON); ");
}

static void bad_utf8(void **state)
{
	(void)state;
	send_bytes("{\"a\":\"\xff\"}\n", 10);
	hears_only("broken(a line that is not JSON); ");
}

static void a_zero_byte_outside_of_an_escape(void **state)
{
	(void)state;
	send_bytes("{\"a\":\"\0\"}\n", 10);
	listen_to_it();
	assert_non_null(strstr(x.heard, "broken(a line that is not JSON); "));
}

/* Written while it is read, as a program would. */
static void a_megabyte_line(void **state)
{
	unsigned sent = 0;

	(void)state;
	x.big = malloc(4096);
	assert_non_null(x.big);
	memset(x.big, '"', 4096);
	while (sent < 1u << 20 && x.ch.source.live) {
		ssize_t n = send(x.worker, x.big, 4096, MSG_NOSIGNAL | MSG_DONTWAIT);

		sent += n > 0 ? (unsigned)n : 0;
		ignore(loop_once(&x.loop, 0));
	}
	assert_string_equal(x.heard, "broken(a line longer than 64 KiB); ");
	assert_in_range(sent, CHANNEL_LINE_MAX, 1u << 19);
	assert_true(x.ch.buf_size <= CHANNEL_LINE_MAX);
}

static void the_longest_line(void **state)
{
	size_t done = 0;

	(void)state;
	x.big = malloc(CHANNEL_LINE_MAX);
	assert_non_null(x.big);
	memset(x.big, '1', CHANNEL_LINE_MAX);
	x.big[0] = x.big[CHANNEL_LINE_MAX - 2] = '"';
	x.big[CHANNEL_LINE_MAX - 1] = '\n';
	while (done < CHANNEL_LINE_MAX) {
		size_t part = CHANNEL_LINE_MAX - done < 4096 ? CHANNEL_LINE_MAX - done : 4096;

		send_bytes(x.big + done, part);
		done += part;
		listen_to_it();
	}
	assert_int_equal(x.messages, 1);
	assert_true(x.ch.source.live);
}

static void a_handle_to_us(void **state)
{
	(void)state;
	say_and_hear("{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Socket\"}\n",
		     "broken(a handle that nobody asked for); ");
	assert_false(x.ch.source.live);
}

static void descriptors(void **state)
{
	int before = count_fds();

	(void)state;
	send_fds("{}\n", 3, 253);
	hears_only("broken(descriptors that nobody asked for); ");
	assert_int_equal(count_fds(), before);
}

/* Small messages are many in one read: they count one by one. */
static void a_flood_of_tiny_messages_is_paused(void **state)
{
	unsigned lines = 0;

	(void)state;
	x.big = malloc(4096);
	assert_non_null(x.big);
	for (unsigned i = 0; i < 4096; i += 2)
		memcpy(x.big + i, "1\n", 2);
	for (unsigned i = 0; i < 1000 && !x.ch.pause.armed; i++) {
		ssize_t n = send(x.worker, x.big, 4096, MSG_NOSIGNAL | MSG_DONTWAIT);

		lines += n > 0 ? (unsigned)n / 2 : 0;
		ignore(loop_once(&x.loop, 0));
	}
	assert_true(x.ch.pause.armed);
	assert_true(lines <= 8192);
	loop_settle(&x.loop, x.ch.pause.at_ms);
	assert_true(x.ch.source.live);
}

/* ---- node-cluster ---- */

#define GIVEN(seq, key)                                                                            \
	"{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Native\",\"msg\":{\"cmd\":\"NODE_CLUSTER\","      \
	"\"errno\":0,\"key\":\"mpsup:" key "\",\"ack\":" #seq ",\"data\":null}}\n"
#define REFUSED_BY(seq, error, family)                                                             \
	"{\"cmd\":\"NODE_CLUSTER\",\"errno\":" #error ",\"key\":\"mpsup:given:0:" #family          \
	"\",\"ack\":" #seq ",\"data\":null}\n"
#define REFUSED(seq)	 REFUSED_BY(seq, -98, 4)
#define TELLS(act, rest) "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"" act "\"," rest "}\n"

static void a_query_is_answered_with_the_listener(void **state)
{
	(void)state;
	hand_over(3, false);
	reads("", 0);
	say_and_hear("{\"cmd\":\"NODE_CLUSTER\",\"act\":\"online\"}\n", "online; ");
	say_and_hear(QUERY(1, "null", 3000, 4), "");
	reads(GIVEN(1, "given:0:4"), 1);
	say_and_hear(ACK, "");
	say_and_hear(TELLS("listening",
			   "\"address\":null,\"port\":3000,\"addressType\":4,\"seq\":2"),
		     "listening(0); ");
	say_and_hear(TELLS("close", "\"key\":\"mpsup:given:0:4\""), "");
}

static void queries_wait_for_the_ack_before(void **state)
{
	(void)state;
	hand_over(3, false);
	say_and_hear(QUERY(1, "null", 3000, 4) QUERY(2, "null", 3001, 4), "");
	reads(GIVEN(1, "given:0:4"), 1);
	reads("", 0);
	say_and_hear(ACK, "");
	reads(GIVEN(2, "given:1:4"), 1);
	say_and_hear(ACK ACK, "");
	reads("", 0);
}

static void a_query_of_a_spare_parks_it(void **state)
{
	(void)state;
	say_and_hear(QUERY(5, "\"::\"", 3001, 6), "parked; ");
	reads("", 0);
	hand_over(3, true);
	reads("{\"mpsup\":{\"slot\":3}}\n" GIVEN(5, "given:1:6"), 1);
}

static void what_was_not_configured_is_refused(void **state)
{
	(void)state;
	hand_over(3, false);
	say_and_hear(QUERY(1, "null", 8080, 4), "unlisted; ");
	reads(REFUSED(1), 0);
	/* Another address than the configured one, UDP, no type, nonsense. */
	send_bytes(QUERY(2, "\"192.0.2.1\"", 3000, 4), strlen(QUERY(2, "\"192.0.2.1\"", 3000, 4)));
	listen_to_it();
	reads(REFUSED(2), 0);
	send_bytes(QUERY(3, "null", 3000, "udp4"), strlen(QUERY(3, "null", 3000, "udp4")));
	listen_to_it();
	reads(REFUSED_BY(3, -95, 4), 0);
	send_bytes(QUERY(4, "{}", "3000", 4), strlen(QUERY(4, "{}", "3000", 4)));
	listen_to_it();
	reads(REFUSED(4), 0);
	assert_true(x.ch.source.live);
}

static void ports_are_not_taken_modulo(void **state)
{
	(void)state;
	hand_over(3, false);
	send_bytes(QUERY(1, "null", 4294970296, 4), strlen(QUERY(1, "null", 4294970296, 4)));
	listen_to_it();
	reads(REFUSED(1), 0);
	send_bytes(QUERY(2, "null", -62536, 4), strlen(QUERY(2, "null", -62536, 4)));
	listen_to_it();
	reads(REFUSED(2), 0);
}

static void the_own_address_is_given(void **state)
{
	(void)state;
	hand_over(3, false);
	say_and_hear(QUERY(1, "\"127.0.0.1\"", 3002, 4), "");
	reads(GIVEN(1, "given:2:4"), 1);
}

static void unix_sockets_by_their_path(void **state)
{
	struct sockaddr_un *u = (struct sockaddr_un *)(void *)&x.specs[1].addr;

	(void)state;
	memset(u, 0, sizeof(*u));
	u->sun_family = AF_UNIX;
	memcpy(u->sun_path, "/run/x.sock", 12);
	hand_over(3, false);
	say_and_hear(QUERY(1, "\"/run/x.sock\"", -1, -1), "");
	reads(GIVEN(1, "given:1:4"), 1);
	say_and_hear(ACK, "");
	send_bytes(QUERY(2, "\"/run/y.sock\"", -1, -1),
		   strlen(QUERY(2, "\"/run/y.sock\"", -1, -1)));
	listen_to_it();
	reads(REFUSED(2), 0);
	send_bytes(QUERY(3, "null", -1, -1), strlen(QUERY(3, "null", -1, -1)));
	listen_to_it();
	reads(REFUSED(3), 0);
}

static void too_many_queries(void **state)
{
	(void)state;
	say_and_hear(QUERY(1, "null", 3000, 4), "parked; ");
	for (unsigned i = 1; i < NODE_QUERIES; i++)
		say_and_hear(QUERY(1, "null", 3000, 4), "");
	say_and_hear(QUERY(1, "null", 3000, 4),
		     "broken(more open queryServer than anybody needs); ");
}

static void queries_without_a_number(void **state)
{
	static const char *const seqs[] = { "-1",    "1.5",  "1e3",
					    "\"1\"", "null", "99999999999999999999" };
	char line[256];

	for (unsigned i = 0; i < ARRAY_LEN(seqs); i++) {
		if (i > 0)
			assert_int_equal(setup_cluster(state), 0);
		(void)snprintf(line, sizeof(line),
			       "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"address\":null,"
			       "\"port\":3000,\"addressType\":4,\"seq\":%s}\n",
			       seqs[i]);
		say_and_hear(line, "broken(a queryServer without its number); ");
		if (i + 1 < ARRAY_LEN(seqs))
			assert_int_equal(wire_teardown(state), 0);
	}
}

static void the_largest_number_comes_back(void **state)
{
	(void)state;
	hand_over(3, false);
	say_and_hear(QUERY(9223372036854775807, "null", 3000, 4), "");
	reads(GIVEN(9223372036854775807, "given:0:4"), 1);
}

/* As without us: the port is in use, until the first server closes. */
static void the_same_port_twice(void **state)
{
	(void)state;
	hand_over(3, false);
	say_and_hear(QUERY(1, "null", 3000, 4), "");
	reads(GIVEN(1, "given:0:4"), 1);
	say_and_hear(ACK, "");
	say_and_hear(QUERY(2, "\"0.0.0.0\"", 3000, 4), "");
	reads(REFUSED(2), 0);
	/* Not what it has: nothing is closed. */
	say_and_hear(TELLS("close", "\"key\":\"mpsup:given:1:4\""), "");
	say_and_hear(TELLS("close", "\"key\":\"mpsup:given:0:6\""), "");
	say_and_hear(TELLS("close", "\"key\":\"mpsup:given:64:4\""), "");
	say_and_hear(TELLS("close", "\"key\":\"mpsup:given:99999999999:4\""), "");
	say_and_hear(TELLS("close", "\"key\":\"mpsup:given:\""), "");
	say_and_hear(TELLS("close", "\"key\":0"), "");
	say_and_hear(QUERY(3, "null", 3000, 4), "");
	reads(REFUSED(3), 0);
	say_and_hear(QUERY(4, "\"::\"", 3000, 6), "");
	reads(GIVEN(4, "given:0:6"), 1);
	say_and_hear(ACK, "");
	say_and_hear(TELLS("close", "\"key\":\"mpsup:given:0:4\""), "");
	say_and_hear(QUERY(5, "null", 3000, 4), "");
	reads(GIVEN(5, "given:0:4"), 1);
}

#define FREE(n, type) "mpsup:free:" #n ":" #type

/* One for each asking, of this worker alone, and no reason to call it ready. */
static void a_free_port_is_its_own(void **state)
{
	char line[160];

	(void)state;
	say_and_hear(QUERY(1, "null", 0, 4), "free port; "); /* a spare: not parked by it */
	reads(GIVEN(1, "free:1:6"), 1);
	say_and_hear(ACK, "");
	hand_over(3, false);
	say_and_hear(QUERY(2, "\"127.0.0.1\"", 0, 4), "free port; ");
	reads(GIVEN(2, "free:2:4"), 1);
	say_and_hear(ACK, "");
	for (unsigned i = 0; i < 2; i++) {
		(void)snprintf(line, sizeof(line),
			       TELLS("listening", "\"address\":null,\"port\":%u,"
						  "\"addressType\":4,\"seq\":2"),
			       ntohs(x.ch.free_ports[i]));
		say_and_hear(line, "");
	}
	assert_int_not_equal(x.ch.free_ports[0], x.ch.free_ports[1]);
	say_and_hear(TELLS("close", "\"key\":\"" FREE(1, 6) "\""), "");
	/* None to be had: the program is told, nothing is broken. */
	say_and_hear(QUERY(3, "\"192.0.2.1\"", 0, 4), "free port; ");
	reads("{\"cmd\":\"NODE_CLUSTER\",\"errno\":-99,\"key\":\"mpsup:free:2:4\",\"ack\":3,"
	      "\"data\":null}\n",
	      0);
}

/* No descriptor is held for what waits. */
static void many_free_ports(void **state)
{
	int before;

	(void)state;
	say_and_hear(QUERY(1, "null", 0, 4), "free port; ");
	before = count_fds();
	for (unsigned i = 0; i < 40; i++)
		say_and_hear(QUERY(1, "null", 0, 4), "");
	assert_int_equal(count_fds(), before);
	for (unsigned i = 0; i < 40; i++)
		say_and_hear(ACK, "free port; ");
	assert_true(x.ch.source.live);
}

static void a_descriptor_of_its_own(void **state)
{
	(void)state;
	hand_over(3, false);
	say_and_hear(TELLS("queryServer", "\"address\":null,\"port\":null,\"addressType\":null,"
					  "\"fd\":3,\"seq\":1"),
		     "hint(app listens on a descriptor, and Node's cluster asks the master for it: "
		     "--protocol systemd); ");
	reads(REFUSED_BY(1, -9, 4), 0);
}

/* ---- the question whether it lives, of both ---- */

#define QUESTION "{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Native\"}\n"
#define NACK	 "{\"cmd\":\"NODE_HANDLE_NACK\"}\n"

static void a_question_is_answered_once(void **state)
{
	(void)state;
	say_and_hear(NACK NACK, "");
	assert_int_equal(x.pings, 0); /* nobody has asked */
	assert_int_equal(x.ch.wire->ask(&x.ch), 0);
	reads(QUESTION, 0);
	assert_int_equal(x.ch.wire->ask(&x.ch), -EBUSY);
	reads("", 0);
	say_and_hear(ACK "{\"cmd\":\"NODE_CLUSTER\",\"ack\":0,\"accepted\":false}\n", "");
	assert_int_equal(x.pings, 0);
	say_and_hear(NACK NACK, "");
	assert_int_equal(x.pings, 1);
	assert_int_equal(x.ch.wire->ask(&x.ch), 0);
	reads(QUESTION, 0);
	fd_close(&x.worker);
	hears_only("closed; ");
	channel_close(&x.ch);
}

static void a_question_to_one_that_does_not_read(void **state)
{
	int r = 0;

	(void)state;
	for (unsigned i = 0; r == 0 && i < 100000; i++) {
		x.ch.asked = false;
		r = x.ch.wire->ask(&x.ch);
	}
	assert_int_equal(r, -EBUSY);
	assert_false(x.ch.asked);
}

static void a_question_to_nobody(void **state)
{
	(void)state;
	fd_close(&x.worker);
	assert_int_equal(x.ch.wire->ask(&x.ch), -EPIPE);
	assert_false(x.ch.asked);
}

/* A handle in the same read would be taken for the question's. */
static void no_handle_while_a_question_is_open(void **state)
{
	(void)state;
	hand_over(3, false);
	assert_int_equal(x.ch.wire->ask(&x.ch), 0);
	reads(QUESTION, 0);
	say_and_hear(QUERY(1, "null", 3000, 4), "");
	reads("", 0);
	say_and_hear(NACK, "");
	assert_int_equal(x.pings, 1);
	reads(GIVEN(1, "given:0:4"), 1);
	assert_int_equal(x.ch.wire->ask(&x.ch), -EBUSY); /* its ACK says as much */
	reads("", 0);
	say_and_hear(ACK, "");
	assert_int_equal(x.pings, 2);
	assert_int_equal(x.ch.wire->ask(&x.ch), 0);
}

static void a_handle_that_does_not_arrive(void **state)
{
	(void)state;
	hand_over(3, false);
	if (x.ch.wire == &wire_node_cluster)
		say_and_hear(QUERY(1, "null", 3000, 4), "");
	say_and_hear(NACK, "broken(its sockets do not reach it: has it too many files?); ");
}

static void a_long_address_is_none(void **state)
{
	static char line[400], name[201];

	(void)state;
	hand_over(3, false);
	memset(name, 'a', 200);
	(void)snprintf(line, sizeof(line),
		       "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"queryServer\",\"address\":\"%s\","
		       "\"port\":1,\"addressType\":4,\"seq\":1}\n",
		       name);
	send_bytes(line, strlen(line));
	listen_to_it();
	assert_string_equal(x.heard, "hint(app listens on an address that is none); ");
	reads(REFUSED(1), 0);
}

static void leaving_of_its_own_accord_is_acknowledged(void **state)
{
	(void)state;
	hand_over(3, false);
	say_and_hear("{\"cmd\":\"NODE_CLUSTER\",\"act\":\"exitedAfterDisconnect\",\"seq\":9}\n",
		     "stopping; ");
	reads("{\"cmd\":\"NODE_CLUSTER\",\"ack\":9}\n", 0);
}

static void disconnect_drains(void **state)
{
	(void)state;
	assert_int_equal(wire_node_cluster.drain(&x.ch, 1000), 0);
	reads("{\"cmd\":\"NODE_CLUSTER\",\"act\":\"disconnect\"}\n", 0);
	fd_close(&x.worker);
	assert_int_equal(wire_node_cluster.drain(&x.ch, 1000), -EPIPE);
	channel_close(&x.ch);
	assert_int_equal(wire_node_cluster.drain(&x.ch, 1000), -EPIPE);
}

static void commands_that_are_none(void **state)
{
	(void)state;
	hand_over(3, false);
	say_and_hear("{\"cmd\":\"NODE_CLUSTER\"}\n{\"cmd\":\"NODE_CLUSTER\",\"act\":[]}\n"
		     "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"shutdown\"}\n" ACK,
		     "");
	say_and_hear("{\"act\":\"suicide\"}\n", "suicide(); ");
	say_and_hear("{\"act\":\"queryServer\"}\n", "message({\"act\":\"queryServer\"}); ");
	reads("", 0);
}

/* It asks and does not read: told apart from one that is slow by a full socket. */
static void a_program_that_asks_and_never_reads(void **state)
{
	(void)state;
	hand_over(3, false);
	for (unsigned i = 0; i < 100000 && x.ch.source.live; i++) {
		const char *q = QUERY(1, "null", 1, 4);

		(void)send(x.worker, q, strlen(q), MSG_NOSIGNAL | MSG_DONTWAIT);
		ignore(loop_once(&x.loop, 0));
		if (x.ch.pause.armed)
			loop_settle(&x.loop, x.ch.pause.at_ms);
		x.ch.in_window = 0;
		if (x.ch.source.live)
			x.heard_len = 0;
	}
	assert_non_null(strstr(x.heard, "broken(it does not take its sockets); "));
}

/* As before, and what wakes the next answer is an ACK. */
static void an_answer_that_does_not_fit_after_an_ack(void **state)
{
	struct wire_hello h = hello(3);
	int r = 0;

	(void)state;
	assert_int_equal(x.ch.wire->hand_over(&x.ch, &h), 0);
	say_and_hear(QUERY(1, "null", 3000, 4) QUERY(2, "null", 3001, 4), "");
	for (unsigned i = 0; r == 0 && i < 100000; i++)
		r = wire_node_cluster.drain(&x.ch, 1);
	assert_int_equal(r, -EAGAIN);
	say_and_hear(ACK, "broken(it does not take its sockets); ");
}

/* Where Node would refuse to load it, it is left out. */
static void who_gets_the_script(void **state)
{
	const char *plain[] = { "node", "app.js", "--permission", NULL };
	const char *limits[] = { "node", "--max-old-space-size=99", "app.js", NULL };
	const char *restricted[] = { "node", "--trace-warnings", "--permission", "app.js", NULL };
	const char *policy[] = { "node", "--experimental-policy=p.json", "app.js", NULL };
	const char *text = node_leave(plain, NULL);

	(void)state;
	assert_non_null(text);
	assert_int_equal(strncmp(text, "// SPDX", 7), 0);
	assert_string_equal(text + strlen(text) - 6, "})();\n");
	assert_ptr_equal(node_leave(limits, "--max-http-header-size=9999"), text);
	assert_null(node_leave(restricted, NULL));
	assert_null(node_leave(policy, NULL));
	assert_null(node_leave(plain, "--no-warnings --experimental-permission"));
}

#define I(f) cmocka_unit_test_setup_teardown(f, setup_ipc, wire_teardown)
#define C(f) cmocka_unit_test_setup_teardown(f, setup_cluster, wire_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		I(handles_go_one_by_one),
		I(a_promoted_spare_learns_its_slot),
		I(an_ack_before_the_handle_is_no_ready),
		I(a_hand_over_of_nothing_is_refused),
		I(a_deaf_program_does_not_block),
		I(the_second_handle_finds_nobody),
		I(messages_of_the_program),
		I(halves_are_put_together),
		I(what_is_not_json),
		I(json_that_is_nested_deep),
		I(bad_utf8),
		I(a_zero_byte_outside_of_an_escape),
		I(a_megabyte_line),
		I(the_longest_line),
		I(a_handle_to_us),
		I(descriptors),
		I(a_flood_of_tiny_messages_is_paused),
		I(a_question_is_answered_once),
		I(a_question_to_one_that_does_not_read),
		I(a_question_to_nobody),
		I(a_handle_that_does_not_arrive),
		C(a_query_is_answered_with_the_listener),
		C(queries_wait_for_the_ack_before),
		C(a_query_of_a_spare_parks_it),
		C(what_was_not_configured_is_refused),
		C(ports_are_not_taken_modulo),
		C(the_own_address_is_given),
		C(unix_sockets_by_their_path),
		C(too_many_queries),
		C(queries_without_a_number),
		C(the_largest_number_comes_back),
		C(the_same_port_twice),
		C(a_free_port_is_its_own),
		C(many_free_ports),
		C(a_descriptor_of_its_own),
		C(a_question_is_answered_once),
		C(a_question_to_one_that_does_not_read),
		C(a_question_to_nobody),
		C(no_handle_while_a_question_is_open),
		C(a_handle_that_does_not_arrive),
		C(a_long_address_is_none),
		C(leaving_of_its_own_accord_is_acknowledged),
		C(disconnect_drains),
		C(commands_that_are_none),
		cmocka_unit_test(who_gets_the_script),
		C(a_program_that_asks_and_never_reads),
		C(an_answer_that_does_not_fit_after_an_ack),
		C(halves_are_put_together),
		C(a_handle_to_us),
		C(descriptors),
		C(a_flood_of_tiny_messages_is_paused),
		C(messages_of_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
