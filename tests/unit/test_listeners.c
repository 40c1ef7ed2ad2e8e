/* SPDX-License-Identifier: MIT */
/* test_listeners.c - a generation with other addresses: which are opened, which are closed
 * and when, and by what numbers workers know them. With real sockets on loopback. */
#define _GNU_SOURCE
#include "world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "config/reading.h"
#include "super/listeners.h"
#include "super/seats.h"

enum { A, B, C, D, ADDRESSES };

static struct pool *const web = &w.pools[0];

static struct {
	struct listen_spec specs[ADDRESSES];
	struct listen_spec order[WORLD_POOLS + 8][ADDRESSES]; /* of each configuration */
	unsigned norders;
	struct pool_config *confs[8];
	unsigned nconfs;
} x;

/* A port that was free just now. */
static void address(struct listen_spec *s, const char *name)
{
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&s->addr;
	socklen_t len = sizeof(*in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*in = (struct sockaddr_in){ .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (struct sockaddr *)in, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)in, &len), 0);
	(void)close(fd);
	s->addr_len = len;
	s->name = s->text = s->shown = name;
}

/* "ab": those two, in that order. */
static void listens(struct pool_config *c, const char *which)
{
	struct listen_spec *order = x.order[x.norders++];

	c->listens = order;
	c->nlistens = 0;
	for (; *which; which++)
		order[c->nlistens++] = x.specs[*which - 'a'];
}

static void likes(struct pool_config *c, enum balance balance)
{
	c->protocol = PROTO_NATIVE;
	c->balance = balance;
	c->backlog = 16;
	c->surge = 1;
}

static struct generation *next_with(const char *which)
{
	struct generation *g = next_generation(web);
	struct pool_config *c = pool_config_new();

	assert_non_null(c);
	c->workers = w.conf[0].workers;
	c->parallel = 4;
	c->ready_timeout_ms = c->drain_timeout_ms = 60000;
	c->stop_timeout_ms = 10000;
	c->restart_limit = w.conf[0].restart_limit;
	c->boot_limit = 5;
	c->stop_signal = SIGTERM;
	likes(c, web->conf->balance);
	listens(c, which);
	x.confs[x.nconfs++] = c;
	pool_config_unref(g->conf);
	g->conf = pool_config_ref(c);
	return g;
}

static int setup(void **state)
{
	memset(&x, 0, sizeof(x));
	if (world_setup(state) < 0)
		return -1;
	address(&x.specs[A], "a");
	address(&x.specs[B], "b");
	address(&x.specs[C], "c");
	address(&x.specs[D], "d");
	return 0;
}

static int teardown(void **state)
{
	if (w.m.npools > 0) {
		web->draining = true;
		pool_end_roll(web);
		listeners_close(web);
		listeners_unmap(&w.gen[0]);
	}
	while (x.nconfs > 0)
		pool_config_unref(x.confs[--x.nconfs]);
	return world_teardown(state);
}

static void serve(enum balance balance, int workers, const char *which)
{
	struct err e;

	w.conf[0].workers = workers;
	likes(&w.conf[0], balance);
	listens(&w.conf[0], which);
	start_pools(1);
	assert_int_equal(listeners_open(web, &e), 0);
	for (unsigned i = 0; i < w.nalive; i++) {
		assert_int_equal(life_sockets_take(w.alive[i]), 0);
		assert_int_equal(listeners_occupy(w.alive[i], &e), 0);
	}
	all_ready();
	forget();
}

static void roll(const char *which)
{
	struct err e;

	assert_int_equal(pool_roll(web, next_with(which), &e), 0);
	check_world();
}

/* What the world does at a birth. */
static void boots(unsigned slot)
{
	struct life *l = web->slots[slot]->twin;
	struct err e;

	assert_non_null(l);
	assert_int_equal(listeners_occupy(l, &e), 0);
	get_ready(l);
}

static void the_old_leave(void)
{
	for (unsigned i = w.nalive; i > 0; i--)
		if (w.alive[i - 1]->state == LIFE_DRAINING ||
		    w.alive[i - 1]->state == LIFE_STOPPING)
			dies(w.alive[i - 1], 0, 0);
	/* The first generation is the fixture's, which nobody frees. */
	if (web->gen != &w.gen[0])
		listeners_unmap(&w.gen[0]);
	pool_update(web);
}

static bool accepts(unsigned which)
{
	AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct listen_spec *s = &x.specs[which];

	return connect(fd, (const struct sockaddr *)&s->addr, s->addr_len) == 0;
}

static struct listener *open_at(char which)
{
	each_listener(l, web) if (l->spec.shown[0] == which) return l;
	return NULL;
}

/* "ab": those, by number, and they listen. */
static void knows(const struct life *l, const char *names)
{
	const int *fds = life_sockets_fds(l);

	assert_int_equal(l->sockets.n, strlen(names));
	for (unsigned i = 0; names[i]; i++) {
		assert_int_equal(life_sockets_of(l, i)->spec.shown[0], names[i]);
		assert_int_equal(life_sockets_number(l, open_at(names[i])), i);
		assert_true(fds[i] >= 0);
	}
}

/* ---- they come and go ---- */

static void each_generation_has_its_own_order(void **state)
{
	(void)state;
	serve(BALANCE_SHARED, 1, "ab");
	knows(at(0), "ab");
	roll("ca");
	boots(0);
	assert_int_equal(at(0)->generation, 2);
	knows(at(0), "ca");
	assert_true(accepts(A) && accepts(C));
}

static void what_goes_is_closed_with_the_verdict(void **state)
{
	(void)state;
	serve(BALANCE_SHARED, 1, "ab");
	roll("a");
	assert_true(accepts(B));
	boots(0);
	assert_true(accepts(B)); /* it may go back still */
	assert_false(listener_is_leaving(open_at('a')));
	assert_true(listener_is_leaving(open_at('b')));
	pass(1000);
	assert_null(web->rolled_from);
	assert_false(accepts(B));
	assert_non_null(open_at('b')); /* the old one has it */
	the_old_leave();
	assert_null(open_at('b'));
	assert_true(accepts(A));
}

static void a_hole_is_filled(void **state)
{
	(void)state;
	serve(BALANCE_SHARED, 1, "abc");
	roll("ac");
	boots(0);
	pass(1000);
	the_old_leave();
	assert_int_equal(web->nlisteners, 3);
	assert_null(web->listeners[1]);
	roll("cda");
	boots(0);
	pass(1000);
	the_old_leave();
	assert_int_equal(web->nlisteners, 3);
	assert_string_equal(web->listeners[1]->spec.shown, "d");
	knows(at(0), "cda");
	assert_true(accepts(D));
}

static void it_comes_back_while_somebody_has_it(void **state)
{
	const struct listener *b;

	(void)state;
	serve(BALANCE_SHARED, 1, "ab");
	b = open_at('b');
	roll("a");
	boots(0);
	pass(1000);
	assert_false(accepts(B));
	roll("ab");
	assert_ptr_equal(open_at('b'), b);
	assert_true(accepts(B));
	boots(0);
	pass(1000);
	the_old_leave();
	assert_ptr_equal(open_at('b'), b);
	knows(at(0), "ab");
	assert_true(accepts(B));
}

static void each_has_a_socket_for_each_place(void **state)
{
	(void)state;
	serve(BALANCE_REUSEPORT, 2, "ab");
	roll("ac");
	boots(0);
	/* The old one in slot 1 serves b, the new one in slot 0 serves c. */
	assert_true(accepts(A) && accepts(B) && accepts(C));
	assert_true(listener_is_served(open_at('b')) && listener_is_served(open_at('c')));
	boots(1);
	assert_false(listener_is_served(open_at('b')));
	pass(1000);
	assert_null(web->rolled_from);
	assert_true(accepts(A) && accepts(C));
	the_old_leave();
	assert_null(open_at('b'));
	assert_false(accepts(B));
	assert_true(accepts(A) && accepts(C));
}

/* ---- and back ---- */

static void a_bad_one_gives_them_back(void **state)
{
	(void)state;
	serve(BALANCE_SHARED, 2, "ab");
	roll("ac");
	assert_true(accepts(C));
	boots(0);
	dies(web->slots[1]->twin, 1, 0);
	assert_true(web->roll.failed);
	boots(0);
	pass(1000);
	assert_null(web->rolled_from);
	assert_string_equal(last_told("pool.reload")->result, "rolled_back");
	assert_true(accepts(A) && accepts(B));
	assert_false(accepts(C));
	the_old_leave();
	assert_null(open_at('c'));
	knows(at(0), "ab");
	knows(at(1), "ab");
}

static void what_is_taken_leaves_all_as_it_was(void **state)
{
	AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct listen_spec *d = &x.specs[D];
	struct err e = { 0 };

	(void)state;
	serve(BALANCE_SHARED, 1, "ab");
	assert_int_equal(bind(fd, (const struct sockaddr *)&d->addr, d->addr_len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(pool_roll(web, next_with("acd"), &e), -EADDRINUSE);
	assert_non_null(strstr(e.msg, "d is in use"));
	assert_null(web->rolled_from);
	assert_int_equal(web->generation, 1);
	assert_null(open_at('c'));
	assert_false(accepts(C));
	assert_true(accepts(A) && accepts(B));
	knows(at(0), "ab");
}

static void what_had_gone_is_no_more_there_than_before(void **state)
{
	AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct listen_spec *d = &x.specs[D];
	struct err e = { 0 };

	(void)state;
	serve(BALANCE_SHARED, 1, "ab");
	roll("a");
	boots(0);
	pass(1000);
	assert_false(accepts(B)); /* the old one has it still */
	assert_int_equal(bind(fd, (const struct sockaddr *)&d->addr, d->addr_len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(pool_roll(web, next_with("abd"), &e), -EADDRINUSE);
	assert_false(accepts(B));
	the_old_leave();
	assert_null(open_at('b'));
	assert_true(accepts(A));
}

static void a_pool_listens_everywhere_or_nowhere(void **state)
{
	AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct listen_spec *b = &x.specs[B];
	struct err e = { 0 };

	(void)state;
	serve(BALANCE_SHARED, 1, "ab");
	listeners_close(web);
	assert_int_equal(bind(fd, (const struct sockaddr *)&b->addr, b->addr_len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(listeners_open(web, &e), -EADDRINUSE);
	assert_null(web->listeners);
	assert_null(web->gen->on);
	assert_false(accepts(A));
	fd_close(&fd);
	assert_int_equal(listeners_open(web, &e), 0);
	assert_true(accepts(A) && accepts(B));
}

static void what_is_taken_in_its_turn_is_rolled_back(void **state)
{
	AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct listen_spec *d = &x.specs[D];

	(void)state;
	serve(BALANCE_SHARED, 1, "a");
	roll("ab");
	assert_int_equal(bind(fd, (const struct sockaddr *)&d->addr, d->addr_len), 0);
	assert_int_equal(listen(fd, 1), 0);
	roll("ad");
	boots(0);
	pass(1000);
	assert_null(web->rolled_from);
	assert_true(web->roll.failed);
	assert_int_equal(web->roll.generation, 3);
	assert_non_null(strstr(pool_roll_reason(web), "d is in use"));
	assert_string_equal(last_told("pool.reload")->result, "rolled_back");
	assert_true(accepts(A) && accepts(B));
	knows(at(0), "ab");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(each_generation_has_its_own_order),
		T(what_goes_is_closed_with_the_verdict),
		T(a_hole_is_filled),
		T(it_comes_back_while_somebody_has_it),
		T(each_has_a_socket_for_each_place),
		T(a_bad_one_gives_them_back),
		T(what_is_taken_leaves_all_as_it_was),
		T(what_is_taken_in_its_turn_is_rolled_back),
		T(what_had_gone_is_no_more_there_than_before),
		T(a_pool_listens_everywhere_or_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
