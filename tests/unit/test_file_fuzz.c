/* SPDX-License-Identifier: MIT */
/* test_file_fuzz.c - files of pools that nobody would write: whatever is in them is taken
 * or refused with a sentence, and what is taken can be shown as a file that says the same.
 * MPSUP_FUZZ_ROUNDS and MPSUP_FUZZ_SEED: more of it, others. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "config/keys.h"
#include "config/show.h"
#include "fds.h"

#define TEXT_MAX 16384
#define ROUNDS	 4000

static const char *const seeds[] = {
	"version: 1\nname: shop\ndefaults: &d {limits: {memory: 1G, pids: 9}, env: {A: b}}\npools:\n"
	"- {name: web, port: 3000, command: [node, \"a b\"], restart: {limit: 3/10s}, <<: *d}\n"
	"- name: api\n  listen: [127.0.0.1:80, {address: 'unix:/x', mode: '0600'}]\n  workers: -1\n",
	"pools: [{name: a, port: 1, env: [A=b, 'C=${HOME}'], rw: [/a, /b], no_pin: yes}]\n"
	"control: {group: root}\nlog: {format: json}\ninclude: []\n",
	"pools:\n- name: a\n  command: sh -c 'exit 3' \"x y\"\n  port: 1\n  total: {memory: 2G, raw: "
	"{memory.low: 8M}}\n  require: [pid, caps]\n  compat: einhorn\n  cpus: 0-3\n",
};

/* Pieces that mean something. */
static const char *const pieces[] = {
	"pools:",
	"- name: x",
	"\n",
	"  ",
	": ",
	"- ",
	"{",
	"}",
	"[",
	"]",
	",",
	"&a ",
	"*a",
	"<<: ",
	"!!int ",
	"'",
	"\"",
	"|\n",
	">\n",
	"? ",
	"#",
	"---\n",
	"...",
	"${",
	"${X:-",
	"$${",
	"%",
	"@",
	"limits: ",
	"restart: ",
	"total: ",
	"env: ",
	"null",
	"~",
	"true",
	"-1",
	"99999999999999999999",
	"0x1f",
	"1e9",
	"\x01",
	"\xff\xfe",
	"\xc3\x28",
	"\t",
	"version: 2",
	"include: x",
	"defaults: ",
};

static char dir[64], path[96];
static uint64_t state_of_dice;

static unsigned dice(unsigned n)
{
	state_of_dice = state_of_dice * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state_of_dice >> 33) % n;
}

static void insert(char *text, size_t *len, size_t at, const char *what, size_t n)
{
	if (*len + n >= TEXT_MAX)
		return;
	memmove(text + at + n, text + at, *len - at);
	memcpy(text + at, what, n);
	*len += n;
}

static void mutate(char *text, size_t *len)
{
	size_t at = *len ? dice((unsigned)*len) : 0, n;
	const char *piece;

	switch (dice(9)) {
	case 7:
	case 8: /* another number, letter or mark of its kind: mostly still YAML */
		if (*len && text[at] > ' ')
			text[at] = text[at] >= '0' && text[at] <= '9' ? (char)('0' + dice(10)) :
									(char)('a' + dice(26));
		break;
	case 0:
		if (*len)
			text[at] = (char)dice(256);
		break;
	case 1: /* out with some */
		n = 1 + dice(20);
		if (at + n < *len) {
			memmove(text + at, text + at + n, *len - at - n);
			*len -= n;
		}
		break;
	case 2: /* some of it twice */
		n = 1 + dice(40);
		if (at + n < *len) {
			char copy[48];

			memcpy(copy, text + at, n);
			insert(text, len, dice((unsigned)*len), copy, n);
		}
		break;
	case 3: /* a key of the table */
		piece = keys[dice((unsigned)keys_count)].key;
		insert(text, len, at, piece, strlen(piece));
		break;
	default:
		piece = pieces[dice(ARRAY_LEN(pieces))];
		insert(text, len, at, piece, strlen(piece));
	}
}

static void put(const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	assert_int_equal(close(fd), 0);
}

static char *shown(const struct config *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	config_show(f, c, (const struct pool_config *const *)c->pools, c->npools);
	assert_int_equal(fclose(f), 0);
	return text;
}

/* Where it came from is another place. */
static void without_origins(char *text)
{
	char *to = text;

	for (char *line = text; *line;) {
		char *end = strchrnul(line, '\n'), *hash = strstr(line, "  # ");
		size_t n = (size_t)((hash && hash < end ? hash : end) - line);

		memmove(to, line, n);
		to += n;
		*to++ = '\n';
		line = *end ? end + 1 : end;
	}
	*to = '\0';
}

static void check_again(struct config *c, const char *what)
{
	char *first = shown(c), *second;
	struct config *again = NULL;
	struct complaints cs = { 0 };
	struct err e = { 0 };
	char *bare;

	put(first, strlen(first));
	if (config_from_file(path, NULL, false, &cs, &again, &e) < 0)
		fail_msg("what is shown is not taken: %s\n%s\nof\n%s", cs.n ? cs.text[0] : e.msg,
			 first, what);
	second = shown(again);
	bare = strdup(first);
	assert_non_null(bare);
	without_origins(bare);
	without_origins(second);
	if (strcmp(bare, second) != 0 && !strstr(first, "***"))
		fail_msg("shown twice it is another\n%s\n---\n%s", bare, second);
	config_unref(again);
	complaints_done(&cs);
	free(first);
	free(second);
	free(bare);
}

static unsigned one(const char *text, size_t len)
{
	struct config *c = NULL;
	struct complaints cs = { 0 };
	struct err e = { 0 };
	int r;

	put(text, len);
	r = config_from_file(path, NULL, false, &cs, &c, &e);
	if (r < 0) {
		assert_null(c);
		assert_true(e.msg[0] != '\0');
		for (unsigned i = 0; i < cs.n; i++)
			assert_true(cs.text[i] && cs.text[i][0] && !strchr(cs.text[i], '\n'));
	} else {
		char *copy = strndup(text, len);

		assert_int_equal(cs.n, 0);
		assert_true(c->npools > 0);
		check_again(c, copy);
		free(copy);
	}
	config_unref(c);
	complaints_done(&cs);
	return r == 0;
}

static void whatever_is_in_it(void **state)
{
	const char *rounds = getenv("MPSUP_FUZZ_ROUNDS"), *seed = getenv("MPSUP_FUZZ_SEED");
	long n = rounds ? strtol(rounds, NULL, 10) : ROUNDS;
	static char text[TEXT_MAX];
	unsigned taken = 0;
	int before = count_fds();

	(void)state;
	state_of_dice = seed ? strtoull(seed, NULL, 10) : 20261124;
	for (size_t i = 0; i < ARRAY_LEN(seeds); i++)
		taken += one(seeds[i], strlen(seeds[i]));
	assert_int_equal(taken, ARRAY_LEN(seeds));
	for (long i = 0; i < n; i++) {
		const char *from = seeds[dice(ARRAY_LEN(seeds))];
		size_t len = strlen(from);

		memcpy(text, from, len);
		for (unsigned k = 1 + dice(3); k > 0; k--)
			mutate(text, &len);
		taken += one(text, len);
	}
	/* Else it would only try the first line of defence. */
	assert_true(taken > n / 25);
	assert_int_equal(count_fds(), before);
}

static int setup(void **state)
{
	(void)state;
	/* Thousands of files: not on a disk. */
	(void)snprintf(dir, sizeof(dir), "/dev/shm/mpsup-fuzz.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/f.yaml", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whatever_is_in_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
