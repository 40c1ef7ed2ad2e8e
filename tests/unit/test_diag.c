/* SPDX-License-Identifier: MIT */
/* test_diag.c - kernel/diag and kernel/proc against sockets of our own on loopback. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/diag.h"
#include "kernel/pidfd.h"
#include "kernel/proc.h"

#define MANY 300 /* more than a filter of ports has room for */
#define FDS  (MANY + 16)

static struct {
	int fds[FDS];
	size_t nfds;
	struct diag_sockets s;
	struct pidfd child;
	int before;
} fx;

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		(void)closedir(d);
	return n;
}

static int setup(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	fx.child = PIDFD_NONE;
	fx.before = count_fds();
	return 0;
}

static int teardown(void **state)
{
	struct pidfd_exit e;

	(void)state;
	if (fx.child.fd >= 0) {
		(void)kill(fx.child.pid, SIGKILL);
		(void)poll(&(struct pollfd){ fx.child.fd, POLLIN, 0 }, 1, 1000);
		ignore(pidfd_reap(&fx.child, &e));
	}
	while (fx.nfds > 0)
		fd_close(&fx.fds[--fx.nfds]);
	diag_done(&fx.s);
	return count_fds() == fx.before ? 0 : -1;
}

static int own(int fd)
{
	assert_true(fd >= 0);
	assert_true(fx.nfds < FDS);
	fx.fds[fx.nfds++] = fd;
	return fd;
}

/* The kernel may lack the module, or the rights of a container its use. */
static void gather(const int *fds, size_t n)
{
	int r = diag_gather(fds, n, DIAG_TRAFFIC, &fx.s);

	if (r == -ENOENT || r == -EPROTONOSUPPORT)
		skip();
	assert_int_equal(r, 0);
}

static int listen_on(struct sockaddr *a, socklen_t len, int backlog)
{
	int fd = own(socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));

	if (bind(fd, a, len) < 0)
		skip(); /* no IPv6 here */
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static int listen_v4(int backlog)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return listen_on((struct sockaddr *)&a, sizeof(a), backlog);
}

static int listen_dual(int backlog)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };

	return listen_on((struct sockaddr *)&a, sizeof(a), backlog);
}

static int listen_unix(const char *name, int backlog)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	(void)snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "mpsup-%s-%d", name, (int)getpid());
	return listen_on(
		(struct sockaddr *)&a,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(a.sun_path + 1)),
		backlog);
}

/* A client by IPv4 for either family, by the name for unix. */
static int connect_to(int listener)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} a;
	socklen_t len = sizeof(a);
	int fd;

	assert_int_equal(getsockname(listener, &a.any, &len), 0);
	if (a.any.sa_family == AF_INET6) {
		in_port_t port = a.in6.sin6_port;

		a.in = (struct sockaddr_in){ .sin_family = AF_INET,
					     .sin_port = port,
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		len = sizeof(a.in);
	}
	fd = own(socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
	assert_int_equal(connect(fd, &a.any, len), 0);
	return fd;
}

static void queue_and_connections(int listener, int backlog)
{
	const pid_t me = getpid();
	int taken;

	for (int i = 0; i < 3; i++)
		connect_to(listener);
	gather(&listener, 1);
	assert_int_equal(fx.s.listeners[0].queue, 3);
	assert_int_equal(fx.s.listeners[0].backlog, backlog);
	assert_int_equal(diag_count(&fx.s, &me, 1), 0);
	diag_done(&fx.s);

	taken = own(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	own(dup(taken)); /* two descriptors, one connection */
	gather(&listener, 1);
	assert_int_equal(fx.s.listeners[0].queue, 2);
	assert_int_equal(diag_count(&fx.s, &me, 1), 1);
	assert_int_equal(diag_count(&fx.s, &me, 1), 1); /* a count does not use it up */
	assert_int_equal(diag_count(&fx.s, (pid_t[]){ me, me }, 2), 1);
}

static void tcp_v4(void **state)
{
	(void)state;
	queue_and_connections(listen_v4(7), 7);
}

static void tcp_dual_stack(void **state)
{
	(void)state;
	queue_and_connections(listen_dual(9), 9);
}

static void unix_stream(void **state)
{
	(void)state;
	queue_and_connections(listen_unix("diag", 11), 11);
}

static void unix_path(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	(void)state;
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "/tmp/mpsup-diag-%d", (int)getpid());
	fd = listen_on((struct sockaddr *)&a, sizeof(a), 11);
	queue_and_connections(fd, 11);
	(void)unlink(a.sun_path);
}

/* The kernel has no times of a unix connection: it rests since what is seen of it changed. */
static void unix_rest(void **state)
{
	int listener = listen_unix("rest", 5), client = connect_to(listener), taken;
	struct diag_picture pic = { .now_ms = 1000 };
	const pid_t me = getpid();
	char byte;

	(void)state;
	taken = own(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	gather(&listener, 1);
	assert_int_equal(diag_count_busy(&fx.s, &me, 1, 0, NULL), 0);
	assert_int_equal(diag_count_busy(&fx.s, &me, 1, 100, NULL), 1);
	assert_int_equal(diag_count_busy(&fx.s, &me, 1, 100, &pic), 1);
	pic.now_ms += 100 * DIAG_DOUBT - 1;
	assert_int_equal(diag_count_busy(&fx.s, &me, 1, 100, &pic), 1);
	pic.now_ms++;
	assert_int_equal(diag_count_busy(&fx.s, &me, 1, 100, &pic), 0);
	diag_done(&fx.s);

	assert_int_equal(write(client, "x", 1), 1); /* not read by the program */
	gather(&listener, 1);
	assert_int_equal(diag_count_busy(&fx.s, &me, 1, 0, NULL), 1);
	diag_done(&fx.s);
	assert_int_equal(read(taken, &byte, 1), 1);
	assert_int_equal(write(taken, "y", 1), 1); /* not taken by the client */
	gather(&listener, 1);
	assert_int_equal(diag_count_busy(&fx.s, &me, 1, 0, NULL), 1);
	diag_done(&fx.s);
	assert_int_equal(read(client, &byte, 1), 1);

	pic.now_ms += 100 * DIAG_DOUBT; /* another one has come: all of it starts again */
	connect_to(listener);
	own(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	gather(&listener, 1);
	assert_int_equal(diag_count_busy(&fx.s, &me, 1, 100, &pic), 2);
}

static void many_listeners_in_one_dump(void **state)
{
	const pid_t me = getpid();
	int fds[5], other;

	(void)state;
	fds[0] = listen_v4(5);
	fds[1] = listen_dual(5);
	fds[2] = listen_unix("many", 5);
	fds[3] = listen_v4(6);
	fds[4] = own(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	other = listen_v4(5);
	connect_to(fds[0]);
	connect_to(fds[3]);
	connect_to(fds[3]);
	connect_to(other);
	own(accept4(fds[3], NULL, NULL, SOCK_CLOEXEC));
	own(accept4(other, NULL, NULL, SOCK_CLOEXEC)); /* of a port nobody asked for */
	gather(fds, 5);
	assert_int_equal(fx.s.nlisteners, 5);
	assert_int_equal(fx.s.listeners[0].queue, 1);
	assert_int_equal(fx.s.listeners[1].queue, 0);
	assert_int_equal(fx.s.listeners[2].queue, 0);
	assert_int_equal(fx.s.listeners[3].queue, 1);
	assert_int_equal(fx.s.listeners[3].backlog, 6);
	assert_int_equal(fx.s.listeners[4].queue, -1);
	assert_int_equal(diag_count(&fx.s, &me, 1), 1);
}

static void bad_descriptors_are_not_known(void **state)
{
	const int fds[] = { -1, 9999 };

	(void)state;
	gather(fds, 2);
	assert_int_equal(fx.s.listeners[0].queue, -1);
	assert_int_equal(fx.s.listeners[1].backlog, -1);
	assert_int_equal(fx.s.nconnections, 0);
	diag_done(&fx.s);
	gather(NULL, 0);
	assert_int_equal(fx.s.nlisteners, 0);
}

/* More ports than one filter names: still each has its queue, and others' connections
 * are not ours. */
static void many_ports(void **state)
{
	int fds[MANY], strange, taken;
	const pid_t me = getpid();

	(void)state;
	for (int i = 0; i < MANY; i++)
		fds[i] = listen_v4(10 + i);
	strange = fds[MANY / 2]; /* as if it were not ours, amid those that are */
	fds[MANY / 2] = fds[0];
	connect_to(strange);
	taken = own(accept4(strange, NULL, NULL, SOCK_CLOEXEC));
	connect_to(fds[MANY - 1]);
	gather(fds, MANY);
	assert_int_equal(fx.s.nconnections, 0);
	assert_int_equal(fx.s.listeners[MANY - 1].queue, 1);
	for (int i = 0; i < MANY; i++)
		if (i != MANY / 2 && i != 0)
			assert_int_equal(fx.s.listeners[i].backlog, 10 + i);
	diag_done(&fx.s);
	taken = own(accept4(fds[MANY - 1], NULL, NULL, SOCK_CLOEXEC));
	assert_true(taken >= 0);
	gather(fds, MANY);
	assert_int_equal(fx.s.nconnections, 1);
	assert_int_equal(diag_count(&fx.s, &me, 1), 1);
}

static void the_holder_is_found_among_processes(void **state)
{
	int listener = listen_v4(5);
	int taken, r;

	(void)state;
	connect_to(listener);
	taken = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(taken >= 0);
	r = pidfd_clone(0, -1, &fx.child);
	if (r == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	(void)close(taken);
	assert_int_equal(r, 1);
	gather(&listener, 1);
	assert_int_equal(diag_count(&fx.s, &fx.child.pid, 1), 1);
	assert_int_equal(diag_count(&fx.s, (pid_t[]){ getpid() }, 1), 0);
	assert_int_equal(diag_count(&fx.s, (pid_t[]){ getpid(), fx.child.pid }, 2), 1);
	assert_int_equal(diag_count(&fx.s, NULL, 0), 0);
}

static void count_up(void *ctx, uint64_t inode)
{
	(void)inode;
	++*(size_t *)ctx;
}

static void proc_tells_sockets_and_usage(void **state)
{
	struct proc_usage u = { 0 };
	size_t n = 0, all = 0;

	(void)state;
	assert_int_equal(proc_sockets(getpid(), 100, count_up, &all), 0);
	listen_v4(1);
	listen_v4(1);
	assert_int_equal(proc_sockets(getpid(), 100, count_up, &n), 0);
	assert_int_equal(n, all + 2);
	n = 0;
	assert_int_equal(proc_sockets(getpid(), 1, count_up, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(proc_sockets(0x3fffffff, 1, count_up, &n), -ENOENT);

	/* A name that tries to look like the rest of the line. */
	assert_int_equal(prctl(PR_SET_NAME, ") R 1 2 (x)"), 0);
	assert_int_equal(proc_usage(getpid(), &u), 0);
	assert_in_range(u.rss_bytes, 65536, (uint64_t)1 << 40);
	assert_in_range(u.cpu_usec, 0, 3600000000u);
	assert_int_equal(proc_usage(0x3fffffff, &u), -ENOENT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(tcp_v4),
		T(tcp_dual_stack),
		T(unix_stream),
		T(unix_path),
		T(unix_rest),
		T(many_listeners_in_one_dump),
		T(bad_descriptors_are_not_known),
		T(many_ports),
		T(the_holder_is_found_among_processes),
		T(proc_tells_sockets_and_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
