/* SPDX-License-Identifier: MIT */
/* state.json as text: what comes back is what was written, and nothing else is believed. */
#include "world.h"

#include "ctl/kept.h"

#define DAY (INT64_C(86400000))

static struct kept k;

static int setup(void **state)
{
	k = (struct kept){ 0 };
	return world_setup(state);
}

static int teardown(void **state)
{
	kept_done(&k);
	return world_teardown(state);
}

static void parse(const char *text)
{
	struct err e = { 0 };

	kept_done(&k);
	if (kept_parse(text, strlen(text), &k, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
}

static char *text_of(const struct kept *from, int64_t now_ms)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	kept_write(from, now_ms, f);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void what_is_written_comes_back(void **state)
{
	struct pool *p;
	char *text;

	(void)state;
	start_pools(2);
	all_ready();
	p = &w.pools[0];
	p->usage.since_ms = 1700000000123;
	for (size_t i = 0; i < usage_nfields; i++)
		*usage_at(&p->usage, &usage_fields[i]) = 1000 + i;
	at(0)->used.cpu_usec = 7; /* the living count */
	k.seq = 4711;
	assert_int_equal(kept_take(&k, &w.m, 5 * DAY), 0);
	text = text_of(&k, 5 * DAY);
	parse(text);
	free(text);
	assert_int_equal(k.seq, 4711);
	assert_int_equal(k.npools, 2);
	assert_null(k.rest);
	assert_null(k.pools[0].rest);
	p->usage = (struct usage){ .since_ms = 1800000000000, .births = 1 };
	kept_give(&k, p);
	assert_true(p->usage.since_ms == 1700000000123);
	assert_int_equal(p->usage.sums.cpu_usec, 1007);
	assert_int_equal(p->usage.sums.memory_peak_bytes, 1001);
	assert_int_equal(p->usage.births, 1006);
	assert_int_equal(p->usage.connections_cut, 1009);
}

static void unknown_keys_stay(void **state)
{
	char *text;

	(void)state;
	parse("{\"schema\": 1, \"new\\\"er\": {\"a\": [1, null, \"x\"]}, \"pools\": "
	      "{\"web\": {\"births\": 3, \"joules\": 9.5}, \"old\": {}}}");
	text = text_of(&k, 0);
	assert_non_null(strstr(text, "\"new\\\"er\": {\"a\":[1,null,\"x\"]}"));
	assert_non_null(strstr(text, "\"joules\": 9.5"));
	parse(text);
	free(text);
	assert_int_equal(k.npools, 2);
	assert_int_equal(json_object_size(k.rest), 1);
}

static void pools_that_are_gone_are_kept_for_90_days(void **state)
{
	char *text;

	(void)state;
	start_pools(1);
	parse("{\"schema\": 1, \"pools\": {\"gone\": {\"deaths\": 3, \"joules\": 1}}}");
	assert_int_equal(kept_take(&k, &w.m, 10 * DAY), 0);
	text = text_of(&k, 10 * DAY);
	parse(text);
	free(text);
	assert_int_equal(kept_take(&k, &w.m, 100 * DAY), 0);
	assert_int_equal(k.npools, 2);
	assert_int_equal(k.pools[0].usage.deaths, 3);
	assert_int_equal(k.pools[0].gone_ms, 10 * DAY);
	assert_int_equal(kept_take(&k, &w.m, 100 * DAY + 1), 0);
	assert_int_equal(k.npools, 1);
	assert_string_equal(k.pools[0].name, w.conf[0].name);
	assert_int_equal(k.pools[0].gone_ms, 0);
}

static void one_that_comes_back_goes_on(void **state)
{
	char text[160];

	(void)state;
	start_pools(1);
	(void)snprintf(text, sizeof(text),
		       "{\"schema\": 1, \"pools\": {\"%s\": {\"deaths\": 3, \"gone\": "
		       "\"2026-11-01T00:00:00Z\"}}}",
		       w.conf[0].name);
	parse(text);
	kept_give(&k, &w.pools[0]);
	assert_int_equal(kept_take(&k, &w.m, 10 * DAY), 0);
	assert_int_equal(k.npools, 1);
	assert_int_equal(k.pools[0].gone_ms, 0);
	assert_int_equal(k.pools[0].usage.deaths, 3);
}

static void nothing_else_is_believed(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "", "line" },
		{ "{", "line" },
		{ "[]", "not a JSON object" },
		{ "{}", "schema" },
		{ "{\"schema\": 2}", "schema" },
		{ "{\"schema\": 1, \"schema\": 1}", "line" },
		{ "{\"schema\": 1, \"seq\": -1}", "seq" },
		{ "{\"schema\": 1, \"seq\": \"1\"}", "seq" },
		{ "{\"schema\": 1, \"seq\": 9007199254740993}", "seq" },
		{ "{\"schema\": 1, \"seq\": 99999999999999999999}", "line" },
		{ "{\"schema\": 1, \"pools\": []}", "pools" },
		{ "{\"schema\": 1, \"pools\": {\"web\": 1}}", "'web'" },
		{ "{\"schema\": 1, \"pools\": {\"\": {}}}", "''" },
		{ "{\"schema\": 1, \"pools\": {\"a234567890a234567890a234567890a234567890\": {}}}",
		  "no pool" },
		{ "{\"schema\": 1, \"pools\": {\"web\": {\"cpu_usec\": -5}}}", "web: cpu_usec" },
		{ "{\"schema\": 1, \"pools\": {\"web\": {\"births\": 1.5}}}", "web: births" },
		{ "{\"schema\": 1, \"pools\": {\"web\": {\"since\": 5}}}", "web: since" },
		{ "{\"schema\": 1, \"pools\": {\"web\": {\"since\": \"10m\"}}}", "web: since" },
		{ "{\"schema\": 1, \"pools\": {\"w\\u001b[m\": {\"since\": \"yesterday\"}}}",
		  "pools: w\\x1b[m: since" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = { 0 };
		struct kept none = { 0 };

		assert_int_equal(kept_parse(bad[i].text, strlen(bad[i].text), &none, &e), -EINVAL);
		if (!strstr(e.msg, bad[i].says))
			fail_msg("%s: %s", bad[i].text, e.msg);
		assert_int_equal(none.npools, 0);
	}
}

/* Any text that is cut or flipped is refused or read, never more. */
static void broken_texts_do_no_harm(void **state)
{
	const char *text =
		"{\"schema\": 1, \"seq\": 12, \"x\": [1], \"pools\": {\"web\": {\"births\": "
		"3, \"since\": \"2026-11-24T08:00:00.123Z\", \"more\": {}}, \"b\": {}}}";
	const size_t len = strlen(text);
	char copy[256];
	struct err e;

	(void)state;
	srandom(3);
	for (unsigned i = 0; i < 20000; i++) {
		size_t n = (size_t)random() % (len + 1);
		struct kept got = { 0 };

		memcpy(copy, text, len);
		for (unsigned flips = (unsigned)random() % 4; flips > 0; flips--)
			copy[(size_t)random() % len] = (char)random();
		if (kept_parse(copy, i % 2 ? n : len, &got, &e) == 0) {
			char *again = text_of(&got, 0);

			parse(again);
			assert_int_equal(k.npools, got.npools);
			free(again);
		}
		kept_done(&got);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_written_comes_back),
		T(unknown_keys_stay),
		T(pools_that_are_gone_are_kept_for_90_days),
		T(one_that_comes_back_goes_on),
		T(nothing_else_is_believed),
		T(broken_texts_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
