/* SPDX-License-Identifier: MIT */
/* test_steer.c - the programs that choose a socket of a group, interpreted for many
 * packets: only live seats, all of them, the same one for the same address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/steer.h"

static struct sock_filter code[BPF_MAXINSNS];
static unsigned char packet[40];
static uint32_t dice;

static uint32_t load(const struct sock_filter *i)
{
	uint32_t at = i->k - (uint32_t)SKF_NET_OFF;

	if (i->k == (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM))
		return dice;
	assert_true(at < sizeof(packet));
	if (BPF_SIZE(i->code) == BPF_B)
		return packet[at];
	return (uint32_t)packet[at] << 24 | (uint32_t)packet[at + 1] << 16 |
	       (uint32_t)packet[at + 2] << 8 | packet[at + 3];
}

static uint32_t calculate(uint16_t op, uint32_t a, uint32_t b)
{
	switch (op) {
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return a / b;
	case BPF_MOD:
		return a % b;
	case BPF_RSH:
		return a >> b;
	case BPF_XOR:
		return a ^ b;
	default:
		fail_msg("operation %x", op);
		return 0;
	}
}

/* The number that the kernel would get; counts what was run, as it may not loop. */
static uint32_t interpret(int n)
{
	uint32_t a = 0, x = 0, m = 0;

	for (int pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &code[pc];

		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			a = BPF_MODE(i->code) == BPF_MEM ? m : load(i);
			break;
		case BPF_ST:
			m = a;
			break;
		case BPF_ALU:
			a = calculate(BPF_OP(i->code), a, BPF_SRC(i->code) == BPF_X ? x : i->k);
			break;
		case BPF_MISC:
			x = a;
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA)
				pc += (int)i->k;
			else
				pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_RET:
			return i->k;
		default:
			fail_msg("instruction %d is %x", pc, i->code);
		}
	}
	fail_msg("it falls out at its end");
	return 0;
}

static void from4(uint32_t addr)
{
	memset(packet, 0, sizeof(packet));
	packet[0] = 0x45;
	for (int i = 0; i < 4; i++)
		packet[12 + i] = (unsigned char)(addr >> (24 - 8 * i));
}

static void from6(uint64_t net, uint64_t host)
{
	memset(packet, 0, sizeof(packet));
	packet[0] = 0x60;
	for (int i = 0; i < 8; i++) {
		packet[8 + i] = (unsigned char)(net >> (56 - 8 * i));
		packet[16 + i] = (unsigned char)(host >> (56 - 8 * i));
	}
}

/* Seats whose ranks are shuffled, of which the bits of `live` are live. */
static unsigned make(struct steer_seat *seats, unsigned n, uint64_t live)
{
	for (unsigned i = 0; i < n; i++)
		seats[i] = (struct steer_seat){ .rank = (i * 7 + 3) % n + 100,
						.live = live & (1ull << (i % 64)) };
	return n;
}

static const struct steer_seat *seat_of(const struct steer_seat *seats, unsigned n, uint32_t rank)
{
	for (unsigned i = 0; i < n; i++)
		if (seats[i].rank == rank)
			return &seats[i];
	fail_msg("nobody has rank %u", rank);
	return NULL;
}

static void by_chance_all_live_and_no_other(void **state)
{
	struct steer_seat seats[13];

	(void)state;
	for (uint64_t live = 1; live < 1u << 13; live += 37) {
		unsigned hits[13] = { 0 };
		int n = steer_program(seats, make(seats, 13, live), false, code);

		assert_true(n > 0);
		for (dice = 0; dice < 1300; dice++) {
			const struct steer_seat *s = seat_of(seats, 13, interpret(n));

			assert_true(s->live);
			hits[s - seats]++;
		}
		for (unsigned i = 0; i < 13; i++)
			assert_true(!seats[i].live || hits[i] >= 100);
	}
}

static void an_address_keeps_its_seat(void **state)
{
	struct steer_seat all[8], some[8];
	unsigned moved_to[8] = { 0 };
	uint32_t home[4000];
	int n;

	(void)state;
	n = steer_program(all, make(all, 8, 0xff), true, code);
	for (uint32_t i = 0; i < 4000; i++) {
		from4(0x0a000000u + i * 3);
		home[i] = interpret(n);
	}
	n = steer_program(some, make(some, 8, 0xfb), true, code);
	assert_true(n > 0);
	for (uint32_t i = 0; i < 4000; i++) {
		const struct steer_seat *s;

		from4(0x0a000000u + i * 3);
		s = seat_of(some, 8, interpret(n));
		assert_true(s->live);
		if (seat_of(some, 8, home[i])->live)
			assert_int_equal(s->rank, home[i]);
		else
			moved_to[s - some]++;
	}
	/* Those of the dead one are not all put on one neighbour. */
	for (unsigned i = 0; i < 8; i++)
		assert_true(i == 2 ? moved_to[i] == 0 : moved_to[i] > 20);
}

static void addresses_spread(void **state)
{
	struct steer_seat seats[8];
	unsigned four[8] = { 0 }, six[8] = { 0 };
	int n;

	(void)state;
	n = steer_program(seats, make(seats, 8, 0xff), true, code);
	for (uint32_t i = 0; i < 8000; i++) {
		from4(0xc0a80000u + i);
		four[seat_of(seats, 8, interpret(n)) - seats]++;
		from6(0x20010db800000000u + i, 1);
		six[seat_of(seats, 8, interpret(n)) - seats]++;
	}
	for (unsigned i = 0; i < 8; i++) {
		assert_in_range(four[i], 700, 1300);
		assert_in_range(six[i], 700, 1300);
	}
}

static void one_network_is_one_client(void **state)
{
	struct steer_seat seats[8];
	uint32_t first;
	int n;

	(void)state;
	n = steer_program(seats, make(seats, 8, 0xff), true, code);
	from6(0x20010db812345678u, 1);
	first = interpret(n);
	for (uint64_t i = 2; i < 200; i++) {
		from6(0x20010db812345678u, i * 0x123456789abu);
		assert_int_equal(interpret(n), first);
	}
}

static void limits(void **state)
{
	struct steer_seat *many = calloc(STEER_SEATS_MAX + 1, sizeof(*many));

	(void)state;
	assert_non_null(many);
	assert_int_equal(steer_program(many, make(many, 4, 0), false, code), -ENOENT);
	assert_int_equal(steer_program(many, 0, false, code), -ENOENT);
	(void)make(many, STEER_SEATS_MAX, 0x5555555555555555u);
	for (int by_address = 0; by_address < 2; by_address++) {
		int n = steer_program(many, STEER_SEATS_MAX, by_address, code);

		assert_true(n > 0);
		from4(0x7f000001);
		for (dice = 0; dice < 5000; dice += 7)
			assert_true(seat_of(many, STEER_SEATS_MAX, interpret(n))->live);
	}
	(void)make(many, STEER_SEATS_MAX, ~0ull);
	assert_true(steer_program(many, STEER_SEATS_MAX, true, code) > 0);
	assert_int_equal(steer_program(many, STEER_SEATS_MAX + 1, false, code), -E2BIG);
	free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_chance_all_live_and_no_other),
		cmocka_unit_test(an_address_keeps_its_seat),
		cmocka_unit_test(addresses_spread),
		cmocka_unit_test(one_network_is_one_client),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
