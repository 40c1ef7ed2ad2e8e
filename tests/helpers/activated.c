/* SPDX-License-Identifier: MIT */
/* activated.c - a server on systemd's own client library, as its manual pages have it:
 * sd_listen_fds_with_names(3), sd_notify(3), sd_notify_barrier(3), sd_watchdog_enabled(3).
 * It answers each connection with its slot. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static void answer(int listener)
{
	int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	char request[4096], text[256];
	const char *slot = getenv("MPSUP_WORKER");

	if (conn < 0)
		return;
	if (recv(conn, request, sizeof(request), 0) > 0) {
		int len = snprintf(text, sizeof(text),
				   "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nslot %.1s",
				   slot ? slot : "?");

		(void)send(conn, text, (size_t)len, MSG_NOSIGNAL);
	}
	(void)close(conn);
}

int main(void)
{
	char **names = NULL;
	uint64_t usec = 0;
	int n = sd_listen_fds_with_names(1, &names), pings, r;
	struct pollfd p = { .fd = SD_LISTEN_FDS_START, .events = POLLIN };

	printf("fds %d\n", n);
	for (int i = 0; i < n; i++)
		printf("name %s stream %d\n", names[i],
		       sd_is_socket(SD_LISTEN_FDS_START + i, AF_UNSPEC, SOCK_STREAM, 1));
	if (n < 1)
		return 1;
	pings = sd_watchdog_enabled(0, &usec);
	printf("watchdog %d %" PRIu64 "\n", pings, usec);
	r = sd_notifyf(0, "READY=1\nSTATUS=slot %s serves\nMAINPID=%d", getenv("MPSUP_WORKER"),
		       (int)getpid());
	printf("notify %d\n", r);
	printf("barrier %d\n", sd_notify_barrier(0, 10 * 1000 * 1000));
	(void)fflush(stdout);
	for (;;) {
		r = poll(&p, 1, pings > 0 ? (int)(usec / 3000) : -1);
		if (pings > 0)
			(void)sd_notify(0, "WATCHDOG=1");
		if (r > 0)
			answer(p.fd);
	}
}
