/* SPDX-License-Identifier: MIT */
/* test_dispatch.c - who gets a connection that the master has accepted, with real
 * sockets and workers that answer when a test says so. */
#define _GNU_SOURCE
#include "world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/accept.h"
#include "super/dispatch.h"
#include "super/listeners.h"

#define CLIENTS 600

static struct {
	struct listen_spec specs[2];
	in_port_t ports[2];
	int clients[CLIENTS];
	unsigned nclients;
} d;

static int setup(void **state)
{
	memset(&d, 0, sizeof(d));
	return world_setup(state);
}

static int teardown(void **state)
{
	while (d.nclients > 0)
		fd_close(&d.clients[--d.nclients]);
	for (unsigned i = 0; i < w.m.npools; i++)
		if (w.pools[i].nslots > 0) {
			w.pools[i].draining = true;
			dispatch_update(&w.pools[i]);
			listeners_close(&w.pools[i]);
		}
	return world_teardown(state);
}

static struct pool *web(void)
{
	return &w.pools[0];
}

static struct seat *door(unsigned listener)
{
	return &web()->listeners[listener]->seats[FORM_CONFIGURED][0];
}

/* A pool that listens on loopback; all ready. */
static void serve(enum balance balance, unsigned listeners)
{
	struct pool_config *c = &w.conf[0];
	struct err e;

	for (unsigned i = 0; i < listeners; i++) {
		struct sockaddr_in *in = (struct sockaddr_in *)(void *)&d.specs[i].addr;

		in->sin_family = AF_INET;
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		d.specs[i].addr_len = sizeof(*in);
		d.specs[i].name = d.specs[i].shown = d.specs[i].text = i ? "other" : "loopback";
	}
	c->protocol = PROTO_NATIVE;
	c->balance = balance;
	c->backlog = 512;
	c->listens = d.specs;
	c->nlistens = listeners;
	start_pools(1);
	assert_int_equal(listeners_open(web(), &e), 0);
	for (unsigned i = 0; i < listeners; i++) {
		struct sockaddr_in in;
		socklen_t len = sizeof(in);

		assert_int_equal(getsockname(door(i)->fd, (struct sockaddr *)&in, &len), 0);
		d.ports[i] = in.sin_port;
		assert_false(door(i)->accepts);
	}
	all_ready();
	for (unsigned i = 0; i < listeners; i++)
		assert_true(door(i)->accepts);
	forget();
}

static void look(unsigned listener)
{
	for (unsigned i = 0; i < 200 && door(listener)->accepts; i++) {
		uint64_t before = web()->dispatch.number + web()->dispatch.nheld;

		dispatch_accept(door(listener));
		if (before == web()->dispatch.number + web()->dispatch.nheld)
			break;
	}
	check_world();
}

/* One more client; it is in the accept queue when this returns. */
static int client_of(unsigned listener, unsigned host)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = d.ports[listener],
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in from = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK + host) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_in_range(fd, 0, 1 << 20);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_in_range(d.nclients, 0, CLIENTS - 1);
	d.clients[d.nclients++] = fd;
	return fd;
}

static int come(unsigned n)
{
	int fd = -1;

	while (n-- > 0)
		fd = client_of(0, 0);
	look(0);
	return fd;
}

static bool answers(struct life *l, bool taken)
{
	bool known = dispatch_answered(l, l->dispatch.sent ? l->dispatch.sent->number : 0, taken);

	check_world();
	return known;
}

static unsigned has(unsigned slot)
{
	return at(slot)->dispatch.nqueued + (at(slot)->dispatch.sent ? 1 : 0);
}

static bool is_closed(int client)
{
	char byte;

	return recv(client, &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
}

static void check_even(unsigned each)
{
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(at(i)->dispatch.taken, each);
}

/* ---- roundrobin ---- */

static void one_after_the_other(void **state)
{
	(void)state;
	serve(BALANCE_ROUNDROBIN, 1);
	for (unsigned i = 0; i < 40; i++) {
		come(1);
		assert_ptr_equal(w.last_given, at(i % 4));
		assert_true(answers(at(i % 4), true));
	}
	check_even(10);
	assert_int_equal(web()->dispatch.nheld, 0);
}

static void a_burst_is_dealt_evenly(void **state)
{
	(void)state;
	serve(BALANCE_ROUNDROBIN, 1);
	come(20);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(has(i), 5);
	assert_int_equal(w.gives, 4); /* one each is on its way */
	for (unsigned n = 0; n < 5; n++)
		for (unsigned i = 4; i > 0; i--)
			assert_true(answers(at(i - 1), true));
	check_even(5);
	assert_int_equal(w.gives, 20);
}

static void more_than_they_take_waits_in_the_kernel(void **state)
{
	(void)state;
	serve(BALANCE_ROUNDROBIN, 1);
	come(100);
	assert_int_equal(web()->dispatch.nheld, 4 * (DISPATCH_QUEUE + 1));
	assert_false(door(0)->accepts);
	assert_true(answers(at(2), true));
	assert_true(door(0)->accepts);
	look(0);
	assert_int_equal(has(2), DISPATCH_QUEUE + 1);
	assert_false(door(0)->accepts);
	for (unsigned i = 0; i < 100; i++) {
		if (at(i % 4)->dispatch.sent)
			assert_true(answers(at(i % 4), true));
		look(0);
	}
	while (web()->dispatch.nheld > 0)
		for (unsigned i = 0; i < 4; i++)
			if (at(i)->dispatch.sent)
				assert_true(answers(at(i), true));
	assert_int_equal(at(0)->dispatch.taken + at(1)->dispatch.taken + at(2)->dispatch.taken +
				 at(3)->dispatch.taken,
			 100);
}

static void one_that_is_not_ready_is_left_out(void **state)
{
	(void)state;
	serve(BALANCE_ROUNDROBIN, 1);
	life_lost(at(1));
	come(6);
	assert_int_equal(has(0), 2);
	assert_int_equal(has(2), 2);
	assert_int_equal(has(3), 2);
}

static void with_nobody_ready_they_wait(void **state)
{
	(void)state;
	w.conf[0].workers = 1;
	w.conf[0].restart_limit.count = 100;
	serve(BALANCE_ROUNDROBIN, 1);
	dies(at(0), 1, 0);
	assert_false(door(0)->accepts);
	come(3);
	assert_int_equal(web()->dispatch.nheld, 0);
	if (!at(0))
		pass(20000);
	get_ready(at(0));
	assert_true(door(0)->accepts);
	look(0);
	assert_int_equal(has(0), 3);
}

/* ---- what is not taken ---- */

static void a_death_before_the_answer(void **state)
{
	struct life *heir;

	(void)state;
	serve(BALANCE_ROUNDROBIN, 1);
	come(8);
	assert_int_equal(has(0), 2);
	dies(at(0), 0, SIGKILL);
	assert_int_equal(web()->dispatch.redispatched, 1); /* the other one was never sent */
	assert_int_equal(has(1) + has(2) + has(3), 8);
	heir = at(0);
	assert_non_null(heir);
	get_ready(heir);
	come(4);
	assert_int_equal(has(0), 1);
}

static void the_dead_are_first_in_line(void **state)
{
	int first;

	(void)state;
	w.conf[0].workers = 1;
	serve(BALANCE_ROUNDROBIN, 1);
	come(1);
	first = at(0)->dispatch.sent->fd;
	come(2);
	dies(at(0), 0, SIGKILL);
	if (!at(0))
		pass(20000);
	come(1);
	get_ready(at(0));
	look(0);
	assert_int_equal(has(0), 4);
	assert_int_equal(at(0)->dispatch.sent->fd, first);
}

static void a_closed_channel_gives_all_back(void **state)
{
	(void)state;
	serve(BALANCE_ROUNDROBIN, 1);
	come(8);
	dispatch_gone(at(3));
	check_world();
	assert_int_equal(has(3), 0);
	assert_int_equal(has(0) + has(1) + has(2), 8);
	come(3);
	assert_int_equal(has(3), 0);
}

static void refused_by_one(void **state)
{
	(void)state;
	serve(BALANCE_ROUNDROBIN, 1);
	come(1);
	assert_true(answers(at(0), false));
	assert_int_equal(has(0), 0);
	assert_int_equal(has(1), 1);
	assert_true(answers(at(1), true));
	assert_int_equal(web()->dispatch.redispatched, 1);
	assert_int_equal(web()->dispatch.closed, 0);
}

static void refused_by_all(void **state)
{
	int client;

	(void)state;
	serve(BALANCE_ROUNDROBIN, 1);
	client = come(1);
	for (unsigned i = 0; i < 4; i++) {
		assert_false(is_closed(client));
		assert_true(answers(at(i), false));
	}
	assert_true(is_closed(client));
	assert_int_equal(web()->dispatch.closed, 1);
	assert_int_equal(web()->dispatch.nheld, 0);
	assert_int_equal(w.gives, 4);
	assert_int_equal(logged("that 4 workers did not take is closed"), 1);
}

static void refused_for_ever_by_many(void **state)
{
	(void)state;
	w.conf[0].workers = 20;
	serve(BALANCE_ROUNDROBIN, 1);
	come(1);
	for (unsigned i = 0; i < 20 && w.last_given->dispatch.sent; i++)
		assert_true(answers(w.last_given, false));
	assert_int_equal(w.gives, DISPATCH_TRIES);
	assert_int_equal(web()->dispatch.closed, 1);
}

static void one_that_was_read_from_is_cut(void **state)
{
	char byte;
	int client;

	(void)state;
	serve(BALANCE_ROUNDROBIN, 1);
	client = come(1);
	assert_int_equal(send(client, "GET", 3, 0), 3);
	assert_int_equal(recv(at(0)->dispatch.sent->fd, &byte, 1, 0), 1);
	dies(at(0), 0, SIGKILL);
	assert_true(is_closed(client));
	assert_int_equal(web()->dispatch.closed, 1);
	assert_int_equal(web()->dispatch.nheld, 0);
}

static void answers_to_nothing(void **state)
{
	(void)state;
	serve(BALANCE_ROUNDROBIN, 1);
	come(1);
	assert_false(dispatch_answered(at(1), w.last_number, true)); /* another's */
	assert_false(dispatch_answered(at(0), w.last_number + 1, true));
	assert_false(dispatch_answered(at(0), UINT64_MAX, false));
	assert_true(dispatch_answered(at(0), w.last_number, true));
	assert_false(dispatch_answered(at(0), w.last_number, true)); /* twice */
	for (unsigned i = 0; i < 1000; i++)
		assert_false(dispatch_answered(at(0), i, i & 1));
	assert_int_equal(at(0)->dispatch.strange, 1003);
	assert_int_equal(at(0)->dispatch.taken, 1);
	assert_int_equal(logged("answers for connections that it was not given"), 2);
	assert_int_equal(web()->dispatch.nheld, 0);
}

static void an_answer_of_an_earlier_try(void **state)
{
	uint64_t first;

	(void)state;
	w.conf[0].workers = 2;
	serve(BALANCE_ROUNDROBIN, 1);
	come(1);
	first = w.last_number;
	assert_true(answers(at(0), false));
	assert_false(dispatch_answered(at(1), first, true));
	assert_true(answers(at(1), true));
}

/* ---- one that does not answer ---- */

static void a_blocked_worker_keeps_one(void **state)
{
	(void)state;
	serve(BALANCE_ROUNDROBIN, 1);
	come(12);
	for (unsigned n = 0; n < 3; n++)
		for (unsigned i = 1; i < 4; i++)
			assert_true(answers(at(i), true));
	assert_int_equal(has(0), 3);
	pass(DISPATCH_LATE_MS);
	assert_int_equal(has(0), 1);
	assert_int_equal(has(1) + has(2) + has(3), 2);
	assert_int_equal(logged("has not taken a connection for 1000 ms"), 1);
	come(6); /* it gets no more */
	assert_int_equal(has(0), 1);
	while (has(1) + has(2) + has(3) > 0)
		for (unsigned i = 1; i < 4; i++)
			if (at(i)->dispatch.sent)
				assert_true(answers(at(i), true));
	pass(10 * DISPATCH_LATE_MS);
	assert_true(answers(at(0), true));
	come(8);
	assert_true(has(0) >= 2);
	assert_int_equal(logged("has not taken a connection"), 1);
}

static void all_blocked(void **state)
{
	(void)state;
	serve(BALANCE_ROUNDROBIN, 1);
	come(12);
	pass(DISPATCH_LATE_MS);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(has(i), 1);
	assert_false(door(0)->accepts);
	assert_int_equal(web()->dispatch.nheld, 12);
	assert_true(answers(at(2), true));
	assert_int_equal(has(2), 8);
	assert_true(door(0)->accepts);
}

static void one_whose_channel_is_full(void **state)
{
	(void)state;
	w.conf[0].workers = 1;
	serve(BALANCE_ROUNDROBIN, 1);
	w.give_result = -EAGAIN;
	come(2);
	assert_int_equal(has(0), 2);
	assert_int_equal(w.gives, 0);
	dispatch_room(at(0)); /* still none */
	assert_int_equal(w.gives, 0);
	w.give_result = 0;
	dispatch_room(at(0));
	assert_int_equal(w.gives, 1);
	assert_true(answers(at(0), true) && answers(at(0), true));
	/* Never: others would get it; tried again each second. */
	w.give_result = -ENOMEM;
	come(1);
	assert_int_equal(has(0), 1);
	pass(DISPATCH_LATE_MS);
	assert_int_equal(has(0), 0);
	assert_int_equal(web()->dispatch.nheld, 1);
	assert_false(door(0)->accepts);
	w.give_result = 0;
	pass(DISPATCH_LATE_MS);
	assert_int_equal(has(0), 1);
	assert_true(answers(at(0), true));
	assert_false(at(0)->dispatch.late.armed);
}

/* A refused it, B is gone for good: A's word was the last. */
static void the_only_other_one_fails(void **state)
{
	int client;

	(void)state;
	w.conf[0].workers = 2;
	serve(BALANCE_ROUNDROBIN, 1);
	come(1);
	client = client_of(0, 0);
	look(0);
	pass(DISPATCH_LATE_MS); /* both are stalled */
	assert_true(answers(at(1), false));
	assert_int_equal(web()->dispatch.nheld, 2);
	assert_false(is_closed(client));
	pool_halt(web(), 0);
	assert_true(is_closed(client));
	assert_int_equal(has(1), 0);
	assert_true(door(0)->accepts);
}

static void a_failed_pool_lets_go(void **state)
{
	int client;

	(void)state;
	w.conf[0].workers = 1;
	w.conf[0].restart_limit.count = 0;
	w.conf[0].on_failed = ON_FAILED_HOLD;
	serve(BALANCE_ROUNDROBIN, 1);
	client = come(1);
	dies(at(0), 1, 0);
	assert_int_equal(web()->phase, POOL_FAILED);
	assert_true(is_closed(client));
	assert_int_equal(web()->dispatch.nheld, 0);
	assert_int_equal(web()->dispatch.closed, 1);
}

/* ---- leaving ---- */

static void one_that_drains_passes_on(void **state)
{
	struct life *l;

	(void)state;
	serve(BALANCE_ROUNDROBIN, 1);
	come(12);
	l = at(1);
	life_leaving(l);
	check_world();
	assert_int_equal(l->dispatch.nqueued, 0);
	assert_int_equal(has(0) + has(2) + has(3), 11);
	assert_true(answers(l, false)); /* it has stopped listening */
	assert_int_equal(has(0) + has(2) + has(3), 12);
}

static void a_stop_lets_go(void **state)
{
	int client;

	(void)state;
	serve(BALANCE_ROUNDROBIN, 1);
	come(7);
	client = come(1);
	pool_stop(web());
	assert_false(door(0)->accepts);
	assert_int_equal(web()->dispatch.nheld, 4); /* those on their way */
	assert_true(is_closed(client));
	for (unsigned i = 0; i < 4; i++)
		assert_true(answers(at(i), i & 1));
	assert_int_equal(web()->dispatch.nheld, 0);
	assert_int_equal(web()->dispatch.closed, 6);
}

static void a_server_that_was_closed(void **state)
{
	(void)state;
	serve(BALANCE_ROUNDROBIN, 2);
	w.closed_listeners = 2;
	dispatch_update(web());
	assert_false(door(1)->accepts);
	assert_true(door(0)->accepts);
	w.closed_listeners = 0;
	dispatch_update(web());
	client_of(1, 0);
	for (unsigned i = 0; i < 12; i++)
		client_of(1, 0);
	look(1);
	assert_int_equal(web()->dispatch.nheld, 13);
	w.closed_listeners = 2; /* those that are not sent wait; the other port goes on */
	dispatch_update(web());
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(has(i), 1);
	assert_false(door(1)->accepts);
	assert_true(door(0)->accepts);
	come(4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(has(i), 2);
}

/* ---- descriptors ---- */

static void out_of_descriptors(void **state)
{
	struct rlimit before, none;

	(void)state;
	serve(BALANCE_ROUNDROBIN, 1);
	client_of(0, 0);
	client_of(0, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ .rlim_cur = 3, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	dispatch_accept(door(0));
	for (unsigned i = 0; i < 30; i++) {
		assert_false(door(0)->accepts);
		assert_true(web()->dispatch.pause.armed);
		pass(DISPATCH_PAUSE_MS / 2);
		if (door(0)->accepts)
			dispatch_accept(door(0));
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(logged("cannot accept connections: Too many open files"), 1);
	pass(DISPATCH_PAUSE_MS);
	assert_true(door(0)->accepts);
	look(0);
	assert_int_equal(web()->dispatch.nheld, 2);
}

static void untouched(void **state)
{
	struct sockaddr_storage peer;
	char buf[8];
	int client, fd;

	(void)state;
	serve(BALANCE_ROUNDROBIN, 1);
	client = client_of(0, 0);
	assert_int_equal(accept_next(door(0)->fd, &fd, &peer), 0);
	assert_int_equal(peer.ss_family, AF_INET);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(accept_next(door(0)->fd, &fd, &peer), -EAGAIN);
	assert_true(accepted_is_untouched(fd));
	assert_int_equal(send(client, "hello", 5, 0), 5);
	assert_true(accepted_is_untouched(fd));
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	assert_true(accepted_is_untouched(fd));
	assert_int_equal(recv(fd, buf, 1, 0), 1);
	assert_false(accepted_is_untouched(fd));
	assert_int_equal(recv(fd, buf, 4, 0), 4);
	assert_false(accepted_is_untouched(fd));
	fd_close(&fd);
	client = client_of(0, 0);
	assert_int_equal(accept_next(door(0)->fd, &fd, &peer), 0);
	assert_int_equal(shutdown(client, SHUT_WR), 0); /* with nothing said */
	assert_true(accepted_is_untouched(fd));
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_false(accepted_is_untouched(fd));
	fd_close(&fd);
}

/* A worker's copy is closed, and what it wrote does not fit: the last close would wait. */
static int full_and_lingering(void)
{
	const struct linger minutes = { 1, 600 };
	static char buf[1 << 16];
	struct sockaddr_storage peer;
	int fd;

	client_of(0, 0);
	assert_int_equal(accept_next(door(0)->fd, &fd, &peer), 0);
	while (send(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &minutes, sizeof(minutes)), 0);
	return fd;
}

static void closing_does_not_wait(void **state)
{
	sigset_t mask, before;
	int fd;

	(void)state;
	serve(BALANCE_ROUNDROBIN, 1);
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGALRM);
	assert_int_equal(sigprocmask(SIG_BLOCK, &mask, NULL), 0);
	fd = full_and_lingering();
	accepted_let_go(&fd);
	assert_int_equal(fd, -1);
	fd = full_and_lingering();
	accepted_abort(&fd);
	assert_int_equal(fd, -1);
	fd = full_and_lingering(); /* set again at the last moment */
	close_in_time(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(sigprocmask(SIG_UNBLOCK, &mask, &before), 0);
	assert_true(sigismember(&before, SIGALRM));
}

/* ---- sticky ---- */

static struct conn from(unsigned host)
{
	struct conn c = { .fd = -1, .has_home = true };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(host) };
	struct sockaddr_storage peer = { 0 };

	memcpy(&peer, &in, sizeof(in));
	assert_true(dispatch_home(&peer, &c.home));
	return c;
}

#define HOSTS 1000

static void homes(unsigned *ret)
{
	for (unsigned i = 0; i < HOSTS; i++) {
		struct conn c = from(0x0a000000 + i);
		struct life *l = dispatch_choose(web(), &c);

		assert_non_null(l);
		ret[i] = l->slot->index;
	}
}

static void clients_spread_and_stay(void **state)
{
	unsigned home[HOSTS], again[HOSTS], away[HOSTS];
	unsigned count[4] = { 0 }, moved[4] = { 0 };

	(void)state;
	serve(BALANCE_STICKY, 1);
	homes(home);
	homes(again);
	assert_memory_equal(home, again, sizeof(home));
	life_lost(at(2));
	homes(away);
	for (unsigned i = 0; i < HOSTS; i++) {
		count[home[i]]++;
		moved[away[i]] += home[i] == 2;
		if (home[i] != 2)
			assert_int_equal(away[i], home[i]);
	}
	assert_int_equal(moved[2], 0);
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(count[i], HOSTS / 4 - 60, HOSTS / 4 + 60);
	/* Its clients are spread over all that are left. */
	for (unsigned i = 0; i < 4; i++)
		if (i != 2)
			assert_in_range(moved[i], 50, 120);
	get_ready(at(2));
	homes(again);
	assert_memory_equal(home, again, sizeof(home));
}

static void a_burst_of_one_client_stays_at_home(void **state)
{
	unsigned host = 0, slot = 4;

	(void)state;
	serve(BALANCE_STICKY, 1);
	for (unsigned i = 0; i < 100; i++)
		client_of(0, 5);
	look(0);
	for (unsigned i = 0; i < 4; i++)
		if (has(i) == 100)
			slot = i;
	assert_in_range(slot, 0, 3);
	/* Blocked: those that were not sent go to one other. */
	pass(DISPATCH_LATE_MS);
	assert_int_equal(has(slot), 1);
	for (unsigned i = 0; i < 4; i++)
		if (has(i) == 99)
			host = i + 1;
	assert_int_not_equal(host, 0);
	assert_true(answers(at(slot), true));
	client_of(0, 5);
	look(0);
	assert_int_equal(has(slot), 1);
}

static void a_full_home_is_waited_for(void **state)
{
	unsigned n = 0;

	(void)state;
	serve(BALANCE_STICKY, 1);
	for (unsigned i = 0; i < DISPATCH_QUEUE_STICKY + 3; i++)
		client_of(0, 5);
	look(0);
	for (unsigned i = 0; i < 4; i++)
		n += has(i) > 0;
	assert_int_equal(n, 1);
	assert_int_equal(web()->dispatch.nheld, DISPATCH_QUEUE_STICKY + 2);
	assert_false(door(0)->accepts);
	assert_true(answers(w.last_given, true));
	assert_true(door(0)->accepts);
}

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage a = { 0 };
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&a;
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&a;

	a.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (a.ss_family == AF_INET6)
		assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
	else
		assert_int_equal(inet_pton(AF_INET, text, &in->sin_addr), 1);
	in->sin_port = htons((uint16_t)(text[strlen(text) - 1] * 7));
	return a;
}

static void what_is_the_same_client(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "::ffff:192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.2", false },
		{ "2001:db8::1", "2001:db8::2", true },
		{ "2001:db8:0:1::1", "2001:db8:0:2::1", false },
		{ "::1", "0.0.0.0", false },
	};
	struct sockaddr_storage un = { .ss_family = AF_UNIX };
	uint64_t a, b;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sockaddr_storage sa = address(cases[i].a), sb = address(cases[i].b);

		assert_true(dispatch_home(&sa, &a) && dispatch_home(&sb, &b));
		assert_int_equal(a == b, cases[i].same);
	}
	assert_false(dispatch_home(&un, &a));
}

/* Random deaths, answers and clients: nothing is lost, nothing is held twice. */
static void a_storm(void **state)
{
	unsigned dice = 12345, came = 0;
	uint64_t taken = 0, alive;

	(void)state;
	w.conf[0].restart_limit.count = 100000;
	w.conf[0].backoff_min_ms = w.conf[0].backoff_max_ms = 1;
	serve(BALANCE_ROUNDROBIN, 1);
	for (unsigned n = 0; n < 3000; n++) {
		struct life *l = at((dice >> 16) % 4);

		dice = dice * 1103515245u + 12345u;
		if (came < 500 && dice % 5 == 0) {
			client_of(0, 0);
			came++;
		}
		if (door(0)->accepts)
			dispatch_accept(door(0));
		if (!l || l->state != LIFE_READY) {
			if (l && l->state == LIFE_STARTING)
				get_ready(l);
		} else if (dice % 41 == 0) {
			taken += l->dispatch.taken;
			dies(l, 0, SIGKILL);
		} else if (l->dispatch.sent) {
			answers(l, dice % 7 != 0);
		}
		pass(dice % 3);
	}
	for (unsigned n = 0; n < 200; n++)
		for (unsigned i = 0; i < 4; i++) {
			struct life *l = at(i);

			pass(1);
			if (l && l->state == LIFE_STARTING)
				get_ready(l);
			look(0);
			if (at(i) && at(i)->dispatch.sent)
				answers(at(i), true);
		}
	alive = taken;
	for (unsigned i = 0; i < 4; i++)
		alive += at(i) ? at(i)->dispatch.taken : 0;
	assert_int_equal(web()->dispatch.nheld, 0);
	assert_int_equal(alive + web()->dispatch.closed, came);
	assert_true(came > 300 && alive > came / 2 && web()->dispatch.redispatched > 10);
}

#define D(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		D(one_after_the_other),
		D(a_burst_is_dealt_evenly),
		D(more_than_they_take_waits_in_the_kernel),
		D(one_that_is_not_ready_is_left_out),
		D(with_nobody_ready_they_wait),
		D(a_death_before_the_answer),
		D(the_dead_are_first_in_line),
		D(a_closed_channel_gives_all_back),
		D(refused_by_one),
		D(refused_by_all),
		D(refused_for_ever_by_many),
		D(one_that_was_read_from_is_cut),
		D(answers_to_nothing),
		D(an_answer_of_an_earlier_try),
		D(a_blocked_worker_keeps_one),
		D(all_blocked),
		D(one_whose_channel_is_full),
		D(the_only_other_one_fails),
		D(a_failed_pool_lets_go),
		D(one_that_drains_passes_on),
		D(a_stop_lets_go),
		D(a_server_that_was_closed),
		D(out_of_descriptors),
		D(untouched),
		D(closing_does_not_wait),
		D(clients_spread_and_stay),
		D(a_burst_of_one_client_stays_at_home),
		D(a_full_home_is_waited_for),
		D(what_is_the_same_client),
		D(a_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
