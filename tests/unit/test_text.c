/* SPDX-License-Identifier: MIT */
/* test_text.c - base/text and base/log: what a line may hold, and where it goes. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"

static const char *safe(const char *in, size_t len)
{
	static char out[256];
	size_t n = text_safe(in, len, out, sizeof(out));

	assert_int_equal(n, strlen(out));
	return out;
}

#define SAFE(literal) safe(literal, sizeof(literal) - 1)

static void good_text_stays(void **state)
{
	(void)state;
	assert_string_equal(SAFE(""), "");
	assert_string_equal(SAFE("GET /report\t200"), "GET /report\t200");
	assert_string_equal(SAFE("\xe5\xa4\x9a\xe8\xbf\x9b\xe7\xa8\x8b \xf0\x9f\x93\x9d"),
			    "\xe5\xa4\x9a\xe8\xbf\x9b\xe7\xa8\x8b \xf0\x9f\x93\x9d");
}

static void controls_become_visible(void **state)
{
	(void)state;
	assert_string_equal(SAFE("a\nb\r"), "a\\x0ab\\x0d");
	assert_string_equal(SAFE("\x1b[31mred"), "\\x1b[31mred");
	assert_string_equal(SAFE("nul\0end"), "nul\\x00end");
	assert_string_equal(SAFE("\x7f"), "\\x7f");
	assert_string_equal(SAFE("\xc2\x9b"), "\\xc2\\x9b"); /* C1: CSI */
	assert_string_equal(SAFE("\xe2\x80\xae"
				 "evil"),
			    "\\xe2\\x80\\xaeevil");		      /* RLO */
	assert_string_equal(SAFE("\xe2\x81\xa6"), "\\xe2\\x81\\xa6"); /* LRI */
	assert_string_equal(SAFE("\xe2\x80\xa8"), "\\xe2\\x80\\xa8"); /* line separator */
}

static void bad_utf8_becomes_visible(void **state)
{
	(void)state;
	assert_string_equal(SAFE("\xff\xfe"), "\\xff\\xfe");
	assert_string_equal(SAFE("\xc0\xaf"), "\\xc0\\xaf"); /* not the shortest form */
	assert_string_equal(SAFE("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");
	assert_string_equal(SAFE("\xed\xa0\x80"), "\\xed\\xa0\\x80");	       /* surrogate */
	assert_string_equal(SAFE("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80"); /* past 10FFFF */
	assert_string_equal(SAFE("\xe5\xa4"), "\\xe5\\xa4");		       /* cut off */
	assert_string_equal(SAFE("\xe5x"), "\\xe5x");
}

static void nothing_is_split_at_the_end(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(text_safe("12345678", 8, out, sizeof(out)), 7);
	assert_string_equal(out, "1234567");
	assert_int_equal(text_safe("123456\xc3\xa9", 8, out, sizeof(out)), 6);
	assert_string_equal(out, "123456");
	assert_int_equal(text_safe("12345\n", 6, out, sizeof(out)), 5);
	assert_string_equal(out, "12345");
	assert_int_equal(text_safe("x", 1, out, 1), 0);
	assert_string_equal(out, "");
	out[0] = 'k';
	assert_int_equal(text_safe("x", 1, out, 0), 0);
	assert_int_equal(out[0], 'k');
}

static void json_is_quoted(void **state)
{
	char out[64];
	size_t n = text_json("a\"b\\c\n\t\x01 \xc3\xa9", out, sizeof(out));

	(void)state;
	assert_int_equal(n, strlen(out));
	assert_string_equal(out, "a\\\"b\\\\c\\n\\t\\u0001 \xc3\xa9");
	assert_int_equal(text_json("ab\"", out, 4), 2); /* an escape is not split */
	assert_string_equal(out, "ab");
	assert_int_equal(text_json("abc\xc3\xa9", out, 5), 3);
	assert_string_equal(out, "abc");
}

static void times_are_rfc3339(void **state)
{
	char out[TEXT_TIME_BYTES];

	(void)state;
	text_time(0, out);
	assert_string_equal(out, "1970-01-01T00:00:00.000Z");
	text_time(1795435200123, out);
	assert_string_equal(out, "2026-11-23T12:00:00.123Z");
	text_time(-1, out);
	assert_string_equal(out, "1969-12-31T23:59:59.999Z");
}

static void durations_are_short(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} t[] = {
		{ 0, "0 ms" },	       { 190, "190 ms" },
		{ 999, "999 ms" },     { 2149, "2.1 s" },
		{ 59999, "59.9 s" },   { 60000, "1m00s" },
		{ 200000, "3m20s" },   { 15120000, "4h12m" },
		{ 86400000, "1d00h" }, { UINT64_MAX, "213503982334d14h" },
	};
	char out[TEXT_DURATION_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		text_duration(t[i].ms, out);
		assert_string_equal(out, t[i].text);
	}
}

static void sizes_are_short(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} t[] = {
		{ 0, "0B" },
		{ 1023, "1023B" },
		{ 1024, "1K" },
		{ 524288, "512K" },
		{ 67108864, "64M" },
		{ 1610612736, "1.5G" },
		{ 1024u * 1024 - 1, "1023.9K" },
		{ UINT64_MAX, "15.9E" },
	};
	char out[TEXT_SIZE_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		text_size(t[i].bytes, out);
		assert_string_equal(out, t[i].text);
	}
}

/* The log's tests: a writer that keeps the last line. */
static struct {
	char line[8192];
	unsigned lines;
} got;

static void keep_line(void *ctx, enum log_level level, const char *line, size_t len)
{
	(void)ctx;
	(void)level;
	assert_true(len < sizeof(got.line));
	memcpy(got.line, line, len);
	got.line[len] = '\0';
	got.lines++;
}

static int log_begin(void **state)
{
	(void)state;
	memset(&got, 0, sizeof(got));
	log_setup(LOG_L_INFO, LOG_F_TEXT);
	log_to(keep_line, NULL);
	return 0;
}

static int log_end(void **state)
{
	(void)state;
	log_setup(LOG_L_INFO, LOG_F_TEXT);
	log_to(NULL, NULL);
	return 0;
}

static void sets_of_cpus_are_short(void **state)
{
	static const char *const same[] = { "0", "0-3", "0,2-3,6", "1023", "0-1023" };
	char out[TEXT_CPUS_BYTES];
	cpu_set_t set;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		assert_int_equal(parse_cpus(same[i], &set), 0);
		text_cpus(&set, out);
		assert_string_equal(out, same[i]);
	}
	CPU_ZERO(&set);
	text_cpus(&set, out);
	assert_string_equal(out, "");
	assert_int_equal(parse_cpus("0-1023:2", &set), 0);
	text_cpus(&set, out);
	assert_in_range(strlen(out), TEXT_CPUS_BYTES - 8, TEXT_CPUS_BYTES - 1);
	assert_string_equal(out + strlen(out) - 3, "...");
}

static void log_text_is_one_line(void **state)
{
	(void)state;
	log_info("ready: %d workers", 2);
	assert_string_equal(got.line, "ready: 2 workers\n");
	log_warn("a\nb");
	assert_string_equal(got.line, "warning: a\\x0ab\n");
	log_error("no");
	assert_string_equal(got.line, "error: no\n");
	log_debug("not wanted");
	assert_int_equal(got.lines, 3);
	assert_false(log_wants(LOG_L_DEBUG));
}

static void log_json_is_one_object(void **state)
{
	const char *end = ",\"level\":\"warn\",\"msg\":\"say \\\"hi\\\"\"}\n";

	(void)state;
	log_setup(LOG_L_DEBUG, LOG_F_JSON);
	log_warn("say \"hi\"");
	assert_memory_equal(got.line, "{\"time\":\"2", 10);
	assert_int_equal(strlen(got.line), 9 + 24 + 1 + strlen(end));
	assert_string_equal(got.line + strlen(got.line) - strlen(end), end);
}

static void log_long_line_is_cut_and_whole(void **state)
{
	char big[6000];

	(void)state;
	memset(big, '"', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_setup(LOG_L_INFO, LOG_F_JSON);
	log_info("%s", big);
	assert_true(strlen(got.line) < 4096);
	assert_string_equal(got.line + strlen(got.line) - 5, "\\\"\"}\n");
}

/* What a child writes to descriptor 2 and how it ends. */
static int in_child(void (*body)(void), char *out, size_t out_size)
{
	int p[2], status = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		struct rlimit no_core = { 0 };

		(void)setrlimit(RLIMIT_CORE, &no_core);
		(void)signal(SIGABRT, SIG_DFL); /* cmocka's handler would jump back */
		(void)dup2(p[1], STDERR_FILENO);
		body();
		_exit(0);
	}
	fd_close(&p[1]);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	n = read(p[0], out, out_size - 1);
	fd_close(&p[0]);
	out[n > 0 ? n : 0] = '\0';
	return status;
}

static void forbid_and_log(void)
{
	log_to(NULL, NULL);
	log_forbid();
	log_debug("even a line below the level");
}

static void log_after_forbid_aborts(void **state)
{
	char out[256];
	int status;

	(void)state;
	status = in_child(forbid_and_log, out, sizeof(out));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_string_equal(out, "mpsup: bug: a log call between clone and exec\n");
}

/* Fills a pipe that nobody reads, then makes room: no call may block, and the
 * lines that had no place are counted. */
static void fill_and_free(void)
{
	static char sink_bytes[1 << 20];
	int p[2];

	(void)alarm(5);
	if (pipe2(p, O_CLOEXEC) < 0)
		_exit(1);
	int out = dup(STDERR_FILENO);

	(void)dup2(p[1], STDERR_FILENO);
	log_to(NULL, NULL);
	for (int i = 0; i < 4000; i++)
		log_info("%0100d", i);
	if (read(p[0], sink_bytes, sizeof(sink_bytes)) <= 0)
		_exit(2);
	log_info("after");
	ssize_t n = read(p[0], sink_bytes, sizeof(sink_bytes));

	if (n > 0)
		ignore(write(out, sink_bytes, (size_t)n) == n);
}

static void log_to_a_stuck_reader_counts(void **state)
{
	char out[256];

	(void)state;
	assert_int_equal(in_child(fill_and_free, out, sizeof(out)), 0);
	assert_non_null(strstr(out, " lines of log were lost\nafter\n"));
}

#define LOG_T(f) cmocka_unit_test_setup_teardown(f, log_begin, log_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_text_stays),
		cmocka_unit_test(controls_become_visible),
		cmocka_unit_test(bad_utf8_becomes_visible),
		cmocka_unit_test(nothing_is_split_at_the_end),
		cmocka_unit_test(json_is_quoted),
		cmocka_unit_test(times_are_rfc3339),
		cmocka_unit_test(durations_are_short),
		cmocka_unit_test(sizes_are_short),
		cmocka_unit_test(sets_of_cpus_are_short),
		LOG_T(log_text_is_one_line),
		LOG_T(log_json_is_one_object),
		LOG_T(log_long_line_is_cut_and_whole),
		LOG_T(log_after_forbid_aborts),
		LOG_T(log_to_a_stuck_reader_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
