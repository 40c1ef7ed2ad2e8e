/* SPDX-License-Identifier: MIT */
/* test_output.c - from a worker's pipes to lines, and what of them is shown. */
#define _GNU_SOURCE
#include "world.h"

#include <fcntl.h>

#include "base/fd.h"
#include "super/pipes.h"

static struct {
	int out, err; /* the worker's ends */
	char shown[1 << 20];
	size_t len;
	unsigned lines;
	size_t longest;
} o;

static void on_log(struct master *m, const struct logline *line)
{
	(void)m;
	o.lines++;
	o.longest = line->len > o.longest ? line->len : o.longest;
	if (o.len + line->len + 3 > sizeof(o.shown))
		return;
	o.shown[o.len++] = line->is_err ? 'E' : 'O';
	memcpy(o.shown + o.len, line->text, line->len);
	o.len += line->len;
	o.shown[o.len++] = '|';
	o.shown[o.len] = '\0';
}

static int setup(void **state)
{
	memset(&o, 0, sizeof(o));
	o.out = o.err = -1;
	if (world_setup(state) < 0)
		return -1;
	w.now = UINT64_C(1) << 60; /* its timers are none of the real clock's */
	w.m.on_log = on_log;
	w.conf[0].workers = 1;
	w.conf[0].boot_limit = 100;
	w.conf[0].backoff_min_ms = w.conf[0].backoff_max_ms = 1;
	return 0;
}

static int teardown(void **state)
{
	fd_close(&o.out);
	fd_close(&o.err);
	for (unsigned i = 0; i < w.nalive; i++) {
		pipes_close(w.alive[i], &w.alive[i]->out);
		pipes_close(w.alive[i], &w.alive[i]->err);
	}
	return world_teardown(state);
}

static void open_pipes(struct life *l)
{
	int out[2], err[2];

	fd_close(&o.out);
	fd_close(&o.err);
	assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC | O_NONBLOCK), 0);
	l->out.fd = out[0];
	l->err.fd = err[0];
	o.out = out[1];
	o.err = err[1];
	assert_int_equal(pipes_watch(l), 0);
}

static void turn(void)
{
	while (loop_once(&w.m.loop, 0) > 0)
		;
}

static void prints(int fd, const char *text, size_t len)
{
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	turn();
}

#define OUT(s) prints(o.out, s, sizeof(s) - 1)
#define ERR(s) prints(o.err, s, sizeof(s) - 1)

static struct life *first(void)
{
	start_pools(1);
	open_pipes(at(0));
	born(at(0));
	return at(0);
}

/* The pipes' ends, then the certificate. */
static void ends(struct life *l, int code)
{
	fd_close(&o.out);
	fd_close(&o.err);
	turn();
	pipes_close(l, &l->out);
	pipes_close(l, &l->err);
	dies(l, code, 0);
	pass(1);
}

static void lines_are_cut_at_their_ends(void **state)
{
	struct life *l = first();

	(void)state;
	OUT("one\ntwo\n\nthr");
	assert_string_equal(o.shown, "Oone|Otwo|O|");
	ERR("err\n");
	OUT("ee\nfour");
	assert_string_equal(o.shown, "Oone|Otwo|O|Eerr|Othree|");
	ends(l, 0);
	assert_string_equal(o.shown, "Oone|Otwo|O|Eerr|Othree|Ofour|");
}

static void bytes_one_by_one(void **state)
{
	const char *text = "a\nbc\n\nd\n";

	(void)state;
	first();
	for (const char *p = text; *p; p++)
		prints(o.out, p, 1);
	assert_string_equal(o.shown, "Oa|Obc|O|Od|");
}

static void any_byte_is_kept(void **state)
{
	(void)state;
	first();
	OUT("a\0b\x1b[2J\xff\n");
	assert_int_equal(o.len, 10);
	assert_memory_equal(o.shown, "Oa\0b\x1b[2J\xff|", 10);
}

static void long_lines_are_cut_into_pieces(void **state)
{
	char buf[4096];

	(void)state;
	first();
	memset(buf, 'x', sizeof(buf));
	for (unsigned i = 0; i < 64; i++)
		prints(o.out, buf, sizeof(buf));
	assert_int_equal(o.lines, 64 * sizeof(buf) / LOG_LINE_MAX);
	assert_int_equal(o.longest, LOG_LINE_MAX);
	OUT("\nnext\n");
	assert_non_null(strstr(o.shown, "|Onext|"));
	for (unsigned len = LOG_LINE_MAX - 2; len <= LOG_LINE_MAX + 2; len++) {
		char *line = malloc(len + 1);
		unsigned before = o.lines;

		assert_non_null(line);
		memset(line, 'y', len);
		line[len] = '\n';
		prints(o.out, line, len + 1);
		free(line);
		OUT("end\n");
		assert_in_range(o.lines - before, 2, 3);
	}
	assert_int_equal(o.longest, LOG_LINE_MAX);
}

/* One loud worker delays nobody: so much a turn and no more. */
static void a_turn_has_a_budget(void **state)
{
	static char buf[1 << 18];
	ssize_t n;

	(void)state;
	first();
	assert_true(fcntl(o.out, F_SETPIPE_SZ, (int)sizeof(buf)) >= 0);
	memset(buf, '\n', sizeof(buf));
	n = write(o.out, buf, sizeof(buf));
	assert_true(n > 100000);
	assert_int_equal(loop_once(&w.m.loop, 0), 1);
	assert_in_range(o.lines, 1, 70000);
	turn();
	assert_int_equal(o.lines, n);
}

static void a_dying_worker_s_last_words_are_in_its_certificate(void **state)
{
	struct life *l = first();

	(void)state;
	get_ready(l);
	assert_int_equal(write(o.err, "Error: EROFS: read-only\n", 24), 24);
	w.keep_leaves = true; /* and pipes */
	dies(l, 1, 0);	      /* before the loop has seen the pipe */
	assert_non_null(w.pools[0].slots[0]->deaths[0]);
	assert_non_null(strstr(w.pools[0].slots[0]->deaths[0]->hint, "--rw"));
	assert_string_equal(o.shown, "EError: EROFS: read-only|");
	pipes_close(l, &l->out);
	pipes_close(l, &l->err);
	empty_leaves();
}

/* ---- the same stack trace, again and again ---- */

static void equal_stderr_of_a_boot_is_shown_once(void **state)
{
	(void)state;
	start_pools(1);
	for (unsigned i = 0; i < 5; i++) {
		open_pipes(at(0));
		born(at(0));
		OUT("hello\n");
		ERR("SyntaxError\n  at x\n");
		ends(at(0), 1);
	}
	assert_string_equal(o.shown, "Ohello|ESyntaxError|E  at x|Ohello|Ohello|Ohello|Ohello|");
	open_pipes(at(0));
	born(at(0));
	o.len = 0;
	ERR("another error\n");
	assert_int_equal(o.len, 0); /* it may be the same: not before it is known */
	ends(at(0), 1);
	assert_string_equal(o.shown, "Eanother error|");
}

static void held_words_of_one_that_gets_ready_are_shown(void **state)
{
	(void)state;
	start_pools(1);
	for (unsigned i = 0; i < 2; i++) {
		open_pipes(at(0));
		born(at(0));
		o.len = 0;
		ERR("warning\n");
		if (i == 0)
			ends(at(0), 1);
	}
	assert_int_equal(o.len, 0);
	get_ready(at(0));
	assert_string_equal(o.shown, "Ewarning|");
	ERR("and on\n");
	assert_string_equal(o.shown, "Ewarning|Eand on|");
}

static void more_than_can_be_held_is_shown(void **state)
{
	char buf[4096];

	(void)state;
	start_pools(1);
	open_pipes(at(0));
	born(at(0));
	ERR("x\n");
	ends(at(0), 1);
	open_pipes(at(0));
	born(at(0));
	o.lines = 0;
	memset(buf, 'z', sizeof(buf));
	buf[sizeof(buf) - 1] = '\n';
	for (unsigned i = 0; i < 40; i++)
		prints(o.err, buf, sizeof(buf));
	assert_in_range(o.lines, 20, 39);
	ends(at(0), 1);
	assert_int_equal(o.lines, 40); /* none is lost, none is shown twice */
}

/* ---- the tail ---- */

static char tail[4096];

static void keep_line(void *ctx, const char *line)
{
	size_t n = strlen(tail);

	(void)ctx;
	(void)snprintf(tail + n, sizeof(tail) - n, "%s|", line);
}

static void the_tail_is_the_last_stderr_of_that_life(void **state)
{
	struct life *l = first();
	uint64_t number = l->number;

	(void)state;
	get_ready(l);
	for (char c = 'a'; c <= 'e'; c++) {
		char line[3] = { c, '\n' };

		prints(o.err, line, 2);
		OUT("noise\n\n");
	}
	ERR("\n\x1b[31mred\n");
	tail[0] = '\0';
	output_tail(w.pools[0].slots[0], number, 3, keep_line, NULL);
	assert_int_equal(strncmp(tail, "d|e|", 4), 0);
	assert_null(strchr(tail, 0x1b));
	assert_non_null(strstr(tail, "[31mred|"));
	tail[0] = '\0';
	output_tail(w.pools[0].slots[0], number + 1, 3, keep_line, NULL);
	assert_string_equal(tail, "");
	output_tail(w.pools[0].slots[0], number, 0, keep_line, NULL);
	assert_string_equal(tail, "");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(lines_are_cut_at_their_ends),
		T(bytes_one_by_one),
		T(any_byte_is_kept),
		T(long_lines_are_cut_into_pieces),
		T(a_turn_has_a_budget),
		T(a_dying_worker_s_last_words_are_in_its_certificate),
		T(equal_stderr_of_a_boot_is_shown_once),
		T(held_words_of_one_that_gets_ready_are_shown),
		T(more_than_can_be_held_is_shown),
		T(the_tail_is_the_last_stderr_of_that_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
