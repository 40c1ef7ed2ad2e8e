/* SPDX-License-Identifier: MIT */
/* test_arena.c - base/arena, base/err and base/list: the small things that all else stands on. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdalign.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"

static struct arena arena;

static int teardown(void **state)
{
	(void)state;
	arena_done(&arena);
	return arena.blocks == NULL ? 0 : -1;
}

static void memory_is_zeroed_and_aligned(void **state)
{
	(void)state;
	for (size_t size = 1; size < 200; size += 7) {
		unsigned char *p = arena_alloc(&arena, size);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, size);
	}
}

/* Large and small, text and structs: each has its own bytes, aligned as it must be. */
static void many_of_all_sizes_do_not_meet(void **state)
{
	enum { N = 400 };
	static const size_t sizes[] = { 1, 0, 24, 300, 7, 1000, 250, 249, 5000 };
	char *at[N];
	size_t len[N];

	(void)state;
	for (size_t i = 0; i < N; i++) {
		len[i] = sizes[i % ARRAY_LEN(sizes)];
		if (i % 3 == 0 && len[i] > 0) {
			at[i] = arena_printf(&arena, "%*s", (int)len[i] - 1, "");
		} else {
			at[i] = arena_alloc(&arena, len[i]);
			assert_int_equal((uintptr_t)at[i] % alignof(max_align_t), 0);
		}
		assert_non_null(at[i]);
		memset(at[i], (int)i, len[i]);
	}
	for (size_t i = 0; i < N; i++)
		for (size_t k = 0; k < len[i]; k++)
			assert_int_equal((unsigned char)at[i][k], (unsigned char)i);
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX - 40));
}

static void strings_are_copies(void **state)
{
	char word[] = "worker";
	char *a = arena_strdup(&arena, word), *b = arena_strndup(&arena, word, 4);

	(void)state;
	word[0] = 'X';
	assert_string_equal(a, "worker");
	assert_string_equal(b, "work");
	assert_string_equal(arena_strndup(&arena, word, 99), "Xorker");
	assert_string_equal(arena_strdup(&arena, ""), "");
	assert_string_equal(arena_printf(&arena, "%s/%d", "web", 3), "web/3");
}

static void done_twice_is_harmless(void **state)
{
	(void)state;
	assert_non_null(arena_alloc(&arena, 0));
	arena_done(&arena);
	arena_done(&arena);
	assert_non_null(arena_alloc(&arena, 8));
}

static void error_carries_words(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(err_set(&e, -EINVAL, "port %d", 70000), -EINVAL);
	assert_int_equal(e.code, -EINVAL);
	assert_string_equal(e.msg, "port 70000");
	assert_int_equal(err_sys(&e, -ENOENT, "open %s", "x"), -ENOENT);
	assert_string_equal(e.msg, "open x: No such file or directory");
	assert_int_equal(err_wrap(&e, "pool %s", "web"), -ENOENT);
	assert_string_equal(e.msg, "pool web: open x: No such file or directory");
	assert_string_equal(err_name(-EPERM), "EPERM");
	assert_string_equal(err_name(EPERM), "EPERM");
	assert_string_equal(err_name(99999), "E?");
}

static void error_is_cut_not_overrun(void **state)
{
	char big[2000];
	struct err e = { 0 };

	(void)state;
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&e, -EIO, "%s", big);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	err_wrap(&e, "front");
	assert_memory_equal(e.msg, "front: aaa", 10);
	err_sys(&e, -EIO, "%s", big);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
}

struct item {
	int n;
	struct list node;
};

static void list_keeps_order_and_bears_removal(void **state)
{
	struct item items[4];
	struct list head;
	int sum = 0;

	(void)state;
	list_init(&head);
	assert_true(list_empty(&head));
	for (int i = 0; i < 4; i++) {
		items[i].n = i;
		list_append(&head, &items[i].node);
	}
	list_each(it, &head) {
		struct item *item = container_of(it, struct item, node);

		sum = sum * 10 + item->n;
		list_remove(it);
		list_remove(it); /* a second time is harmless */
	}
	assert_int_equal(sum, 123);
	assert_true(list_empty(&head));
}

#define T(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(memory_is_zeroed_and_aligned),  T(strings_are_copies),
		T(many_of_all_sizes_do_not_meet), T(strings_are_copies),
		T(done_twice_is_harmless),	  T(error_carries_words),
		T(error_is_cut_not_overrun),	  T(list_keeps_order_and_bears_removal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
