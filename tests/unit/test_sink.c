/* SPDX-License-Identifier: MIT */
/* test_sink.c - lines to a reader that reads, sleeps, or goes. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "fds.h"
#include "kernel/sink.h"

#define LINE "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n" /* 64 */

static struct {
	struct loop l;
	struct sink s;
	int rd, wr, fds_before;
	char *text;
	size_t len;
} fx;

static int setup(void **state)
{
	int p[2];

	(void)state;
	memset(&fx, 0, sizeof(fx));
	fx.fds_before = count_fds();
	fx.rd = fx.wr = -1;
	(void)signal(SIGPIPE, SIG_IGN); /* as the master has it */
	if (loop_init(&fx.l) < 0 || pipe2(p, O_CLOEXEC) < 0)
		return -1;
	fx.rd = p[0];
	fx.wr = p[1];
	fx.text = malloc(1u << 22);
	if (!fx.text || fcntl(fx.rd, F_SETFL, O_NONBLOCK) < 0)
		return -1;
	sink_init(&fx.s, &fx.l, fx.wr);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sink_done(&fx.s);
	sink_done(&fx.s);
	fd_close(&fx.rd);
	fd_close(&fx.wr);
	loop_done(&fx.l);
	free(fx.text);
	return count_fds() == fx.fds_before ? 0 : -1;
}

static void read_all(void)
{
	ssize_t n;

	while ((n = read(fx.rd, fx.text + fx.len, (1u << 22) - 1 - fx.len)) > 0) {
		fx.len += (size_t)n;
		ignore(loop_once(&fx.l, 0));
	}
	fx.text[fx.len] = '\0';
}

static void write_lines(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		sink_write(&fx.s, LINE, 64);
}

static void a_reader_that_reads_gets_each_line_at_once(void **state)
{
	(void)state;
	sink_write(&fx.s, "one\n", 4);
	sink_write(&fx.s, "two\n", 4);
	read_all();
	assert_string_equal(fx.text, "one\ntwo\n");
	assert_null(fx.s.queue); /* nothing waited */
}

static void a_slow_reader_gets_everything_in_order(void **state)
{
	(void)state;
	write_lines(4096); /* 256 KiB into a pipe of 64 */
	assert_true(fx.s.len > 0);
	assert_true(fx.s.src.live);
	sink_write(&fx.s, "last\n", 5);
	read_all();
	assert_int_equal(fx.len, 4096 * 64 + 5);
	for (unsigned i = 0; i < 4096; i++)
		assert_memory_equal(fx.text + i * 64, LINE, 64);
	assert_string_equal(fx.text + 4096 * 64, "last\n");
	assert_false(fx.s.src.live); /* an idle loop has nothing to watch */
	assert_int_equal(fx.s.dropped, 0);
}

static void past_the_queue_lines_are_dropped_and_counted(void **state)
{
	unsigned long dropped;
	char note[96];

	(void)state;
	write_lines(20000); /* 1.28 MB: pipe and queue hold 1.1 */
	dropped = fx.s.dropped;
	assert_in_range(dropped, 1, 20000 - SINK_QUEUE_BYTES / 64);
	assert_true(fx.s.len <= SINK_QUEUE_BYTES);
	read_all();
	(void)snprintf(note, sizeof(note), "mpsup: %lu lines lost: nobody read them\n", dropped);
	assert_int_equal(fx.len, (20000 - dropped) * 64 + strlen(note));
	assert_string_equal(fx.text + (20000 - dropped) * 64, note);
	sink_write(&fx.s, "again\n", 6);
	read_all();
	assert_string_equal(fx.text + fx.len - 6, "again\n");
}

static void a_reader_that_goes_ends_it_quietly(void **state)
{
	(void)state;
	write_lines(2000);
	fd_close(&fx.rd);
	assert_true(loop_once(&fx.l, 0) >= 0);
	assert_true(fx.s.broken);
	assert_false(fx.s.src.live);
	write_lines(100);
	assert_int_equal(fx.s.len, 0);
	assert_int_equal(fx.s.dropped, 0);
}

static void the_last_words_go_out_at_the_end(void **state)
{
	size_t queued;

	(void)state;
	write_lines(1100);
	queued = fx.s.len;
	assert_true(queued > 0);
	assert_true(read(fx.rd, fx.text, 32768) > 0);
	sink_done(&fx.s);
	fx.len = 0;
	read_all();
	assert_int_equal(fx.len + 32768, 1100 * 64);
}

static void the_description_is_left_as_it_was(void **state)
{
	(void)state;
	write_lines(2000);
	assert_false(fcntl(fx.wr, F_GETFL) & O_NONBLOCK); /* others write to it too */
}

static void a_file_takes_everything(void **state)
{
	int fd = memfd_create("sink", MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	fx.s.fd = fd;
	write_lines(20000);
	assert_int_equal(lseek(fd, 0, SEEK_END), 20000 * 64);
	fx.s.fd = fx.wr;
	fd_close(&fd);
}

static void no_descriptor_is_no_error(void **state)
{
	struct sink none;

	(void)state;
	sink_init(&none, &fx.l, -1);
	sink_write(&none, LINE, 64);
	sink_done(&none);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_reader_that_reads_gets_each_line_at_once),
		T(a_slow_reader_gets_everything_in_order),
		T(past_the_queue_lines_are_dropped_and_counted),
		T(a_reader_that_goes_ends_it_quietly),
		T(the_last_words_go_out_at_the_end),
		T(the_description_is_left_as_it_was),
		T(a_file_takes_everything),
		T(no_descriptor_is_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
