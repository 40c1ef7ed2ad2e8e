/* SPDX-License-Identifier: MIT */
/* test_wire_systemd.c - what comes in at a NOTIFY_SOCKET, from a friendly worker, from a
 * hostile one, and from somebody else. */
#define _GNU_SOURCE
#include "wires.h"

static int setup(void **state)
{
	(void)state;
	return wire_setup(&wire_systemd);
}

static int setup_auto(void **state)
{
	(void)state;
	return wire_setup(&wire_auto);
}

#define SAYS(text, heard) say_and_hear(text, heard)

static void words_are_understood(void **state)
{
	(void)state;
	SAYS("READY=1", "ready; ");
	SAYS("READY=1\n", "ready; ");
	SAYS("READY=1\nSTATUS=warming up\nMAINPID=4711", "ready; status(warming up); ");
	SAYS("STATUS=", "status(); ");
	SAYS("STATUS=a=b", "status(a=b); ");
	SAYS("STOPPING=1", "stopping; ");
	SAYS("EXTEND_TIMEOUT_USEC=5000000", "extend(5000000); ");
	SAYS("WATCHDOG=trigger", "trigger; ");
	SAYS("WATCHDOG_USEC=20000000", "watchdog_usec(20000000); ");
	SAYS("WATCHDOG=1", "");
	assert_int_equal(x.pings, 1);
}

/* Said to systemd, and nothing for us; also libmpsup's own words. */
static void other_words_are_passed_by(void **state)
{
	(void)state;
	SAYS("RELOADING=1\nMONOTONIC_USEC=1", "");
	SAYS("ERRNO=2\nBUSERROR=x\nEXIT_STATUS=3\nFDSTORE=1\nFDNAME=a\nFDPOLL=0\nMAINPID=1", "");
	SAYS("PARKED=1\nSUICIDE=1\nMESSAGE={\"to\":\"app\"}", "");
	SAYS("READY=0\nREADY=\nREADY=11\nWATCHDOG=2\nSTOPPING=yes", "");
	SAYS("ready=1\nREADY =1", "");
	assert_int_equal(x.messages, 0);
}

static void rubbish_is_dropped_as_a_whole(void **state)
{
	static const char zero[] = "READY=1\n\0STATUS=x";
	char lines[65 * 4 + 16] = "";

	(void)state;
	SAYS("READY", "");
	SAYS("STATUS=x\nREADY", "");
	SAYS("=1\nREADY=1", "");
	x.heard_len = 0;
	send_bytes(zero, sizeof(zero) - 1);
	send_bytes("", 0);
	send_bytes("\n\n\n", 3);
	hears_only("");
	for (unsigned i = 0; i < 65; i++)
		memcpy(lines + i * 4, "A=1\n", 5);
	SAYS(lines, "");
	SAYS("READY=1", "ready; "); /* and it is listened to all the same */
}

static void a_long_datagram_is_dropped(void **state)
{
	(void)state;
	x.big = malloc(200000);
	assert_non_null(x.big);
	memset(x.big, 'x', 199999);
	memcpy(x.big, "STATUS=", 7);
	x.big[199999] = '\0';
	SAYS(x.big, "");
	x.big[4097] = '\0';
	SAYS(x.big, "");
	x.big[4096] = '\0';
	x.heard_len = 0;
	send_bytes(x.big, 4096);
	listen_to_it();
	assert_int_equal(x.heard_len, 4096 - 7 + strlen("status(); "));
	SAYS("READY=1", "ready; ");
}

/* sd_notify_barrier(3): the answer is that its descriptor is closed, and not before what
 * was said earlier is understood. */
static void a_barrier_is_answered_by_closing(void **state)
{
	struct pollfd p;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	p = (struct pollfd){ .fd = ends[0] };
	send_bytes("READY=1", 7);
	fd_close(&x.fds[0]);
	x.fds[0] = ends[1];
	send_fds("BARRIER=1", 9, 1);
	fd_close(&x.fds[0]);
	assert_int_equal(poll(&p, 1, 0), 0);
	hears_only("ready; ");
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_true(p.revents & POLLHUP);
	fd_close(&ends[0]);
}

static void descriptors_are_closed_and_words_are_heard(void **state)
{
	int before = count_fds();

	(void)state;
	for (unsigned n = 1; n <= 32; n += 31) {
		send_fds("FDSTORE=1\nSTATUS=kept", 21, n);
		hears_only("status(kept); ");
		assert_int_equal(count_fds(), before);
	}
	for (unsigned n = 33; n <= 253; n += 55) { /* more than it is sensible to look at */
		send_fds("STATUS=many", 11, n);
		hears_only("");
		assert_int_equal(count_fds(), before);
	}
	SAYS("READY=1", "ready; ");
}

static void a_stranger_is_not_heard(void **state)
{
	int before = count_fds();

	(void)state;
	x.is_stranger = true;
	SAYS("READY=1", "");
	SAYS("WATCHDOG=trigger", "");
	send_fds("BARRIER=1", 9, 1);
	hears_only("");
	assert_int_equal(count_fds(), before);
	assert_int_equal(x.asked_owner, 3);
	x.is_stranger = false;
	SAYS("READY=1", "ready; ");
}

/* More than a second's share waits in the socket; descriptors count as words. */
static void a_flood_is_paused(void **state)
{
	unsigned sent = 0;

	(void)state;
	while (send(x.worker, "WATCHDOG=1", 10, MSG_DONTWAIT | MSG_NOSIGNAL) == 10 &&
	       sent++ < 5 * CHANNEL_RATE)
		listen_to_it();
	assert_true(channel_is_deaf(&x.ch));
	assert_in_range(x.pings, CHANNEL_RATE, CHANNEL_RATE + 16);
}

static void a_flood_of_descriptors_is_paused_sooner(void **state)
{
	unsigned sent = 0;

	(void)state;
	for (; !channel_is_deaf(&x.ch) && sent < CHANNEL_RATE; sent++) {
		send_fds("FDSTORE=1", 9, 32);
		listen_to_it();
	}
	assert_in_range(sent, 1, CHANNEL_RATE / 16);
}

static void it_cannot_be_asked(void **state)
{
	struct wire_hello h = hello(1);

	(void)state;
	assert_int_equal(wire_systemd.hand_over(&x.ch, &h), 0);
	assert_null(wire_systemd.drain);
	assert_null(wire_auto.drain);
	assert_null(wire_systemd.message_before);
	assert_false(wire_systemd.parks_by_itself);
}

static void auto_hears_the_same(void **state)
{
	(void)state;
	SAYS("READY=1\nSTATUS=x", "ready; status(x); ");
	assert_true(wire_auto.parks_by_itself);
	assert_ptr_equal(wire_find(PROTO_AUTO), &wire_auto);
	assert_ptr_equal(wire_find(PROTO_SYSTEMD), &wire_systemd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, wire_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(words_are_understood),
		T(other_words_are_passed_by),
		T(rubbish_is_dropped_as_a_whole),
		T(a_long_datagram_is_dropped),
		T(a_barrier_is_answered_by_closing),
		T(descriptors_are_closed_and_words_are_heard),
		T(a_stranger_is_not_heard),
		T(a_flood_is_paused),
		T(a_flood_of_descriptors_is_paused_sooner),
		T(it_cannot_be_asked),
		cmocka_unit_test_setup_teardown(auto_hears_the_same, setup_auto, wire_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
