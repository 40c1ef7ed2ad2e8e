/* SPDX-License-Identifier: MIT */
/* test_scm.c - messages with descriptors: what is kept, and what is closed. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/fd.h"
#include "fds.h"
#include "kernel/scm.h"

static struct {
	int a, b, fd, fds_before;
	struct scm_message m;
	char buf[64];
} fx;

static int open_pair(int type)
{
	int sv[2];

	fd_close(&fx.a);
	fd_close(&fx.b);
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, sv) < 0)
		return -1;
	fx.a = sv[0];
	fx.b = sv[1];
	return 0;
}

static int setup(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	fx.fds_before = count_fds();
	fx.a = fx.b = -1;
	fx.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	fx.m = (struct scm_message){ .buf = fx.buf, .size = sizeof(fx.buf) };
	return open_pair(SOCK_SEQPACKET);
}

static int teardown(void **state)
{
	(void)state;
	scm_close_fds(&fx.m);
	scm_close_fds(&fx.m);
	fd_close(&fx.a);
	fd_close(&fx.b);
	fd_close(&fx.fd);
	return count_fds() == fx.fds_before ? 0 : -1;
}

/* As a hostile peer would: any number of descriptors. */
static void send_raw(unsigned nfds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(253 * sizeof(int))];
	} ctl = { 0 };
	struct iovec iov = { .iov_base = (char[]){ 'x' }, .iov_len = 1 };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = ctl.buf,
			    .msg_controllen = CMSG_SPACE(nfds * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
	for (unsigned i = 0; i < nfds; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &fx.fd, sizeof(int));
	assert_int_equal(sendmsg(fx.b, &h, MSG_NOSIGNAL), 1);
}

static void descriptors_arrive_close_on_exec(void **state)
{
	int fds[3] = { fx.fd, fx.fd, fx.fd };

	(void)state;
	fx.m.max_fds = 3;
	assert_int_equal(scm_send(fx.b, "hello", 5, fds, 3), 5);
	assert_int_equal(scm_recv(fx.a, &fx.m), 1);
	assert_int_equal(fx.m.len, 5);
	assert_memory_equal(fx.buf, "hello", 5);
	assert_int_equal(fx.m.nfds, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(fcntl(fx.m.fds[i], F_GETFD) & FD_CLOEXEC);
		assert_int_not_equal(fx.m.fds[i], fx.fd);
	}
}

static void the_most_that_can_be_asked_for(void **state)
{
	int fds[SCM_FDS_MAX + 1];

	(void)state;
	for (unsigned i = 0; i <= SCM_FDS_MAX; i++)
		fds[i] = fx.fd;
	assert_int_equal(scm_send(fx.b, "x", 1, fds, SCM_FDS_MAX + 1), -EINVAL);
	assert_int_equal(scm_send(fx.b, "x", 1, fds, SCM_FDS_MAX), 1);
	fx.m.max_fds = SCM_FDS_MAX;
	assert_int_equal(scm_recv(fx.a, &fx.m), 1);
	assert_int_equal(fx.m.nfds, SCM_FDS_MAX);
}

/* Whatever a peer adds: all are closed, also those for which there was no room. */
static void any_surplus_closes_all(void **state)
{
	static const unsigned kept[] = { 0, 1, 31, 32 };

	(void)state;
	for (unsigned k = 0; k < 4; k++)
		for (unsigned sent = kept[k] + 1; sent <= 253; sent += sent < 40 ? 1 : 50) {
			int before = count_fds();

			fx.m.max_fds = kept[k];
			send_raw(sent);
			assert_int_equal(scm_recv(fx.a, &fx.m), -EPROTO);
			assert_int_equal(fx.m.nfds, 0);
			assert_int_equal(count_fds(), before);
		}
	send_raw(1); /* the next message is as good as ever */
	fx.m.max_fds = 1;
	assert_int_equal(scm_recv(fx.a, &fx.m), 1);
	assert_int_equal(fx.m.nfds, 1);
}

static void a_surplus_beside_credentials_closes_all(void **state)
{
	(void)state;
	assert_int_equal(setsockopt(fx.a, SOL_SOCKET, SO_PASSCRED, &(int){ 1 }, sizeof(int)), 0);
	for (unsigned sent = 1; sent <= 60; sent++) {
		int before = count_fds();

		fx.m.max_fds = 0;
		send_raw(sent);
		assert_int_equal(scm_recv(fx.a, &fx.m), -EPROTO);
		assert_int_equal(count_fds(), before);
	}
}

static void the_kernel_names_the_sender(void **state)
{
	(void)state;
	assert_int_equal(scm_send(fx.b, "x", 1, NULL, 0), 1);
	assert_int_equal(scm_recv(fx.a, &fx.m), 1);
	assert_int_equal(fx.m.pid, 0); /* nobody asked it to */
	assert_int_equal(setsockopt(fx.a, SOL_SOCKET, SO_PASSCRED, &(int){ 1 }, sizeof(int)), 0);
	fx.m.max_fds = 1;
	assert_int_equal(scm_send(fx.b, "x", 1, &fx.fd, 1), 1);
	assert_int_equal(scm_recv(fx.a, &fx.m), 1);
	assert_int_equal(fx.m.pid, getpid());
	assert_int_equal(fx.m.uid, getuid());
	assert_int_equal(fx.m.nfds, 1);
}

static void nothing_there_and_nobody_there(void **state)
{
	(void)state;
	assert_int_equal(scm_recv(fx.a, &fx.m), -EAGAIN);
	fd_close(&fx.b);
	assert_int_equal(scm_recv(fx.a, &fx.m), 0);
	assert_int_equal(scm_send(fx.a, "x", 1, NULL, 0), -EPIPE); /* and no SIGPIPE */
	assert_int_equal(scm_recv(-1, &fx.m), -EBADF);
	assert_int_equal(scm_send(-1, "x", 1, NULL, 0), -EBADF);
}

static void a_datagram_that_is_too_long(void **state)
{
	char big[65];
	int before = count_fds();

	(void)state;
	memset(big, 'x', sizeof(big));
	fx.m.max_fds = 1;
	assert_int_equal(scm_send(fx.b, big, 64, NULL, 0), 64);
	assert_int_equal(scm_recv(fx.a, &fx.m), 1);
	assert_int_equal(scm_send(fx.b, big, 65, &fx.fd, 1), 65);
	assert_int_equal(scm_recv(fx.a, &fx.m), -EMSGSIZE);
	assert_int_equal(count_fds(), before);
}

/* A connection whose last copy would be closed for ten seconds: its peer does not read. */
static int lingering(int *ret_peer)
{
	const struct linger on = { .l_onoff = 1, .l_linger = 10 };
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	static const char rubbish[65536];
	AUTO_FD int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(l, (const struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&in, &len), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&in, len), 0);
	*ret_peer = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	assert_true(*ret_peer >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &on, sizeof(on)), 0);
	while (send(fd, rubbish, sizeof(rubbish), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	return fd;
}

/* fx.b is a connection that nobody has accepted at fx.a. */
static void wait_in_a_listener(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(un);

	fd_close(&fx.a);
	fd_close(&fx.b);
	fx.a = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fx.b = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fx.a, (const struct sockaddr *)&un, sizeof(un.sun_family)), 0);
	assert_int_equal(listen(fx.a, 1), 0);
	assert_int_equal(getsockname(fx.a, (struct sockaddr *)&un, &len), 0);
	assert_int_equal(connect(fx.b, (const struct sockaddr *)&un, len), 0);
}

/* The last copies of such a socket are ours in each of these ways: none makes us wait. */
static void a_stranger_cannot_make_us_wait(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 6; way++) {
		uint64_t start = clock_boot_ms();
		int peer, sv[2], fd = lingering(&peer), before;

		assert_int_equal(open_pair(way == 4 ? SOCK_DGRAM : SOCK_SEQPACKET), 0);
		if (way == 5)
			wait_in_a_listener();
		fx.m.max_fds = way == 0 ? 0 : 1;
		if (way == 2) { /* inside of another one */
			assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
			assert_int_equal(scm_send(sv[0], "x", 1, &fd, 1), 1);
			fd_close(&fd);
			fd_close(&sv[0]);
			fd = sv[1];
		}
		assert_int_equal(scm_send(fx.b, "", way == 4 ? 0 : 1, &fd, 1), way == 4 ? 0 : 1);
		fd_close(&fd);
		before = count_fds();
		if (way == 0) {
			assert_int_equal(scm_recv(fx.a, &fx.m), -EPROTO);
			assert_int_equal(count_fds(), before);
		} else if (way < 3) {
			assert_int_equal(scm_recv(fx.a, &fx.m), 1);
			scm_close_fds(&fx.m);
			assert_int_equal(count_fds(), before);
		} else { /* it waits in the queue */
			scm_close(&fx.a);
			assert_int_equal(count_fds(), before - 1);
			assert_int_equal(fx.a, -1);
		}
		assert_true(clock_boot_ms() - start < 5000);
		fd_close(&peer);
	}
}

static void a_full_socket_is_eagain(void **state)
{
	ssize_t n = 1;

	(void)state;
	for (unsigned i = 0; n > 0 && i < 100000; i++)
		n = scm_send(fx.b, "x", 1, &fx.fd, 1);
	assert_int_equal(n, -EAGAIN);
}

static void a_stream_keeps_bytes_and_descriptors_together(void **state)
{
	(void)state;
	assert_int_equal(open_pair(SOCK_STREAM), 0);
	fx.m.max_fds = 1;
	assert_int_equal(scm_send(fx.b, "line\n", 5, &fx.fd, 1), 5);
	assert_int_equal(scm_send(fx.b, "next\n", 5, &fx.fd, 1), 5);
	assert_int_equal(scm_recv(fx.a, &fx.m), 1);
	assert_int_equal(fx.m.len, 5);
	assert_int_equal(fx.m.nfds, 1);
	scm_close_fds(&fx.m);
	assert_int_equal(scm_recv(fx.a, &fx.m), 1);
	assert_memory_equal(fx.buf, "next\n", 5);
	assert_int_equal(fx.m.nfds, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(descriptors_arrive_close_on_exec),
		T(the_most_that_can_be_asked_for),
		T(any_surplus_closes_all),
		T(a_surplus_beside_credentials_closes_all),
		T(the_kernel_names_the_sender),
		T(nothing_there_and_nobody_there),
		T(a_datagram_that_is_too_long),
		T(a_stranger_cannot_make_us_wait),
		T(a_full_socket_is_eagain),
		T(a_stream_keeps_bytes_and_descriptors_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
