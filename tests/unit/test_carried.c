/* SPDX-License-Identifier: MIT */
/* test_carried.c - config/carried: a pool's configuration comes out of an image as
 * config_resolve_pool() has made it, not as its text alone would be. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "config/carried.h"
#include "fds.h"

static struct config *config;
static struct pool_config *after;
static struct image im;
static int fds_before;

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	config_unref(config);
	pool_config_unref(after);
	image_done(&im);
	config = NULL;
	after = NULL;
	return count_fds() == fds_before ? 0 : -1;
}

static const struct pool_config *carry(int argc, const char *const *argv)
{
	struct complaints cs = { 0 };
	struct pool_config *before;
	struct err e = { 0 };
	char ask = 0;
	json_t *o;

	assert_int_equal(config_from_argv(argc, (char **)(uintptr_t)argv, &cs, &config, &ask, &e),
			 0);
	complaints_done(&cs);
	before = config->pools[0];
	assert_int_equal(config_resolve_pool(config, before, &e), 0);
	image_init(&im);
	o = json_object();
	image_put_json(&im, im.root, "pool", o);
	pool_config_put(&im, o, before);
	im.check = true; /* no descriptor is asked for */
	after = pool_config_get(&im, o);
	assert_int_equal(image_result(&im, &e), 0);
	assert_non_null(after);
	return before;
}

/* For socket activation by start_server(1) a port alone is one of IPv4 alone. */
static void a_narrow_address_stays_narrow(void **state)
{
	const char *const argv[] = {
		"--port",	"3000", "--protocol", "systemd", "--compat", "server-starter",
		"--no-sandbox", "uid",	"--cwd",      "/",	 "--",	     "/bin/true"
	};
	const struct pool_config *before = carry((int)ARRAY_LEN(argv), argv);

	(void)state;
	assert_false(before->listens[0].dual_stack);
	assert_int_equal(after->nlistens, 1);
	assert_false(after->listens[0].dual_stack);
	assert_string_equal(after->listens[0].shown, "0.0.0.0:3000");
	assert_int_equal(after->listens[0].addr_len, before->listens[0].addr_len);
	assert_memory_equal(&after->listens[0].addr, &before->listens[0].addr,
			    before->listens[0].addr_len);
}

/* The kernel tells of that one, and workers that are born later need it too. */
static void recycling_has_its_limit(void **state)
{
	const char *const argv[] = { "--port", "3000",	       "--recycle-memory",
				     "64M",    "--no-sandbox", "uid" };

	(void)state;
	(void)carry((int)ARRAY_LEN(argv), argv);
	assert_true(after->limits.asked & LIMIT_BIT(LIMIT_MEMORY_HIGH));
	assert_int_equal(after->limits.memory_high, 64u << 20);
}

static void no_limit_comes_of_itself(void **state)
{
	const char *const argv[] = { "--port", "3000", "--memory", "64M", "--no-sandbox", "uid" };

	const struct pool_config *before = carry((int)ARRAY_LEN(argv), argv);

	(void)state;
	assert_int_equal(before->limits.asked, after->limits.asked);
	assert_false(after->limits.asked & LIMIT_BIT(LIMIT_MEMORY_HIGH));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_narrow_address_stays_narrow, setup, teardown),
		cmocka_unit_test_setup_teardown(recycling_has_its_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(no_limit_comes_of_itself, setup, teardown),
	};

	return cmocka_run_group_tests_name("carried", tests, NULL, NULL);
}
