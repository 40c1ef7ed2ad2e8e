/* SPDX-License-Identifier: MIT */
/* test_logring.c - the last 64 KiB of a worker, as lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "super/logring.h"

static struct logring ring;
static char text[LOG_LINE_MAX + 1];

static struct seen {
	unsigned n;
	uint64_t first, last;
	size_t bytes;
	bool wrong;
} seen;

static int setup(void **state)
{
	(void)state;
	ring = (struct logring){ 0 };
	seen = (struct seen){ 0 };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	logring_done(&ring);
	logring_done(&ring);
	return ring.buf ? -1 : 0;
}

static char letter(uint64_t life)
{
	return (char)('a' + life % 26);
}

/* A line of `len` letters, which follow from its number. */
static void add(uint64_t life, size_t len)
{
	memset(text, letter(life), len);
	logring_add(&ring, &(struct logline){ .life = life,
					      .time_ms = -(int64_t)life,
					      .is_err = life % 2,
					      .text = text,
					      .len = len });
}

static void see(void *ctx, const struct logline *l)
{
	struct seen *s = ctx;

	if (s->n++ == 0)
		s->first = l->life;
	else
		s->wrong |= l->life != s->last + 1;
	s->last = l->life;
	s->bytes += l->len;
	s->wrong |= l->is_err != (l->life % 2) || l->time_ms != -(int64_t)l->life;
	for (size_t i = 0; i < l->len; i++)
		s->wrong |= l->text[i] != letter(l->life);
}

static void look(void)
{
	seen = (struct seen){ 0 };
	logring_each(&ring, see, &seen);
	assert_false(seen.wrong);
}

static void an_empty_ring_has_no_lines(void **state)
{
	(void)state;
	look();
	assert_int_equal(seen.n, 0);
	assert_null(ring.buf); /* and costs nothing */
}

static void lines_come_back_oldest_first(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++)
		add(i, i * 10);
	look();
	assert_int_equal(seen.n, 10);
	assert_int_equal(seen.first, 0);
	assert_int_equal(seen.bytes, 450);
	assert_true(ring.size <= 2048);
}

static void it_grows_with_what_is_written_up_to_its_limit(void **state)
{
	size_t last = 0;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		add(i, 100);
		assert_true(ring.size >= last && ring.size <= LOGRING_BYTES);
		assert_true(ring.used <= ring.size);
		last = ring.size;
	}
	assert_int_equal(ring.size, LOGRING_BYTES);
	look();
	assert_int_equal(seen.last, 4999);
	assert_in_range(seen.n, 400, 655);
}

static void every_length_survives_the_wrap(void **state)
{
	uint64_t life = 0;

	(void)state;
	for (size_t len = 0; len <= LOG_LINE_MAX; len += 37) {
		add(life, len);
		look();
		assert_int_equal(seen.last, life);
		life++;
	}
	for (unsigned i = 0; i < 2000; i++) {
		add(life++, i * 6151 % (LOG_LINE_MAX + 1));
		look();
		assert_int_equal(seen.last, life - 1);
		assert_true(seen.n >= 7);
	}
}

static void the_longest_line_fits_and_no_longer_one(void **state)
{
	(void)state;
	add(0, LOG_LINE_MAX);
	look();
	assert_int_equal(seen.bytes, LOG_LINE_MAX);
	logring_add(&ring, &(struct logline){ .life = 1, .text = text, .len = LOG_LINE_MAX + 1 });
	look();
	assert_int_equal(seen.n, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_empty_ring_has_no_lines),
		T(lines_come_back_oldest_first),
		T(it_grows_with_what_is_written_up_to_its_limit),
		T(every_length_survives_the_wrap),
		T(the_longest_line_fits_and_no_longer_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
