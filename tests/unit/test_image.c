/* SPDX-License-Identifier: MIT */
/* test_image.c - kernel/image: what goes in comes out, and what is not an image, or a broken
 * one, is told. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/image.h"

struct thing {
	bool yes;
	uint8_t byte;
	uint16_t half;
	unsigned word;
	uint64_t large;
	int minus;
	int64_t since;
	char name[8];
	char *owned;
	const char *kept, *none;
	int fd, closed;
	unsigned char raw[5];
};

static const struct field fields[] = {
	FIELD(NUM, thing, yes),	  FIELD(NUM, thing, byte),   FIELD(NUM, thing, half),
	FIELD(NUM, thing, word),  FIELD(NUM, thing, large),  FIELD(INT, thing, minus),
	FIELD(INT, thing, since), FIELD(CHARS, thing, name), FIELD(TEXT, thing, owned),
	FIELD(KEPT, thing, kept), FIELD(KEPT, thing, none),  FIELD(FD, thing, fd),
	FIELD(FD, thing, closed), FIELD(RAW, thing, raw),
};

static int written(const struct thing *t)
{
	struct image im;
	struct err e;
	int fd = -1;

	image_init(&im);
	image_put(&im, im.root, fields, ARRAY_LEN(fields), t);
	image_put_bytes(&im, im.root, "bytes", "a\0b", 3);
	assert_int_equal(image_write(&im, &fd, &e), 0);
	image_pass(&im, true);
	assert_int_equal(fcntl(t->fd, F_GETFD), 0);
	image_pass(&im, false);
	assert_int_equal(fcntl(t->fd, F_GETFD), FD_CLOEXEC);
	image_done(&im);
	return fd;
}

static struct thing one(void)
{
	char *owned = strdup("\xff not UTF-8");

	return (struct thing){ .yes = true,
			       .byte = 255,
			       .half = 65535,
			       .word = UINT32_MAX,
			       .large = UINT64_MAX,
			       .minus = -7,
			       .since = INT64_MIN,
			       .name = "seven--",
			       .owned = owned,
			       .kept = "",
			       .fd = open("/dev/null", O_RDONLY | O_CLOEXEC),
			       .closed = -1,
			       .raw = { 0, 1, 0, 255, 2 } };
}

static void what_goes_in_comes_out(void **state)
{
	struct thing in = one(), out = { .closed = 9, .none = "stays" };
	struct arena arena = { 0 };
	int fd = written(&in);
	struct image im;
	struct err e;
	size_t len;

	(void)state;
	assert_int_equal(write(fd, "x", 1), -1); /* sealed */
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_int_equal(image_read(&im, fd, &e), 0);
	im.arena = &arena;
	image_get(&im, im.root, fields, ARRAY_LEN(fields), &out);
	assert_int_equal(image_result(&im, &e), 0);
	assert_true(out.yes);
	assert_int_equal(out.byte, 255);
	assert_int_equal(out.half, 65535);
	assert_int_equal(out.word, UINT32_MAX);
	assert_true(out.large == UINT64_MAX);
	assert_int_equal(out.minus, -7);
	assert_true(out.since == INT64_MIN);
	assert_string_equal(out.name, "seven--");
	assert_string_equal(out.owned, in.owned);
	assert_string_equal(out.kept, "");
	assert_string_equal(out.none, "stays"); /* what is not there leaves what was */
	assert_int_equal(out.fd, in.fd);
	assert_int_equal(fcntl(out.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(out.closed, -1);
	assert_memory_equal(out.raw, in.raw, sizeof(in.raw));
	assert_memory_equal(image_get_bytes(&im, im.root, "bytes", &len), "a\0b", 3);
	assert_int_equal(len, 3);
	assert_null(image_get_bytes(&im, im.root, "no", &len));
	image_done(&im);
	arena_done(&arena);
	free(in.owned);
	free(out.owned);
	(void)close(in.fd);
	(void)close(fd);
}

/* Another program has another struct: told, and nothing is written past its end. */
static void other_sizes_are_told(void **state)
{
	static const struct field shorter[] = { { "raw", FIELD_RAW, 0, 4, false } };
	static const struct field chars[] = { { "name", FIELD_CHARS, 0, 4, false } };
	struct thing in = one();
	int fd = written(&in);
	char buf[8] = "........";
	struct image im;
	struct err e;

	(void)state;
	assert_int_equal(image_read(&im, fd, &e), 0);
	image_get(&im, im.root, chars, 1, buf);
	assert_memory_equal(buf, "sev\0....", 8);
	image_get(&im, im.root, shorter, 1, buf);
	assert_int_equal(image_result(&im, &e), -EINVAL);
	assert_string_equal(e.msg, "raw: 5 bytes instead of 4");
	assert_memory_equal(buf, "sev\0....", 8);
	image_done(&im);
	(void)close(in.fd);
	(void)close(fd);
	free(in.owned);
}

static void a_descriptor_that_is_not_there(void **state)
{
	struct thing in = one(), out = { 0 };
	struct arena arena = { 0 };
	int fd = written(&in);
	struct image im;
	struct err e;

	(void)state;
	(void)close(in.fd);
	assert_int_equal(image_read(&im, fd, &e), 0);
	im.arena = &arena;
	im.check = true;
	image_get(&im, im.root, fields, ARRAY_LEN(fields), &out);
	assert_int_equal(image_result(&im, &e), 0);
	assert_int_equal(out.fd, -1);
	im.check = false;
	image_get(&im, im.root, fields, ARRAY_LEN(fields), &out);
	assert_int_equal(image_result(&im, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "did not come along"));
	image_done(&im);
	arena_done(&arena);
	(void)close(fd);
	free(in.owned);
	free(out.owned);
}

static int memfd_of(const char *bytes, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	return fd;
}

static void try_one(const char *bytes, size_t len)
{
	int fd = memfd_of(bytes, len);
	struct arena arena = { 0 };
	struct thing out = { 0 };
	struct image im;
	struct err e = { 0 };

	if (image_read(&im, fd, &e) == 0) {
		im.arena = &arena;
		im.check = true;
		image_get(&im, im.root, fields, ARRAY_LEN(fields), &out);
		image_done(&im);
	} else {
		assert_true(e.code < 0 && e.msg[0]);
	}
	free(out.owned);
	arena_done(&arena);
	(void)close(fd);
}

/* Each byte of a right one changed, and cut at each place. */
static void broken_ones_are_told(void **state)
{
	struct thing in = one();
	int fd = written(&in);
	char buf[4096];
	ssize_t len = pread(fd, buf, sizeof(buf), 0);

	(void)state;
	assert_true(len > 100 && len < (ssize_t)sizeof(buf));
	for (ssize_t i = 0; i < len; i++) {
		static const unsigned char flips[] = { 1, 2, 0x10, 0x80, 0xff };

		try_one(buf, (size_t)i);
		for (size_t k = 0; k < sizeof(flips); k++) {
			buf[i] = (char)(buf[i] ^ flips[k]);
			try_one(buf, (size_t)len);
			buf[i] = (char)(buf[i] ^ flips[k]);
		}
	}
	free(in.owned);
	(void)close(in.fd);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out),
		cmocka_unit_test(other_sizes_are_told),
		cmocka_unit_test(a_descriptor_that_is_not_there),
		cmocka_unit_test(broken_ones_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
