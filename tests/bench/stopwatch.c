/* SPDX-License-Identifier: MIT */
/* stopwatch.c - what a client or a caller waits for, without an interpreter in
 * between. Prints milliseconds, one number a line.
 *
 *     stopwatch recover PORT         for each PID on stdin: from its SIGKILL to the
 *                                    answer of another process on a fresh connection;
 *                                    answers hold "host-pid:N"
 *     stopwatch run ROUNDS CMD ARG…  from the start of CMD to its end */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

__attribute__((noreturn, format(printf, 1, 2))) static void give_up(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)fputs("stopwatch: ", stderr);
	(void)vfprintf(stderr, format, ap);
	(void)fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static double now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* The number after "host-pid:", once something follows it; else 0. */
static long who_answered(const char *text)
{
	const char *at = strstr(text, "host-pid:");
	char *end;
	long pid;

	if (!at)
		return 0;
	pid = strtol(at + strlen("host-pid:"), &end, 10);
	return *end ? pid : 0;
}

/* One request on a connection of its own; 0: cut before an answer. */
static long ask(const struct sockaddr_in *where)
{
	const struct timeval patience = { .tv_sec = 5 };
	char buf[4096];
	size_t n = 0;
	long pid = 0;
	ssize_t r;
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (s < 0 || setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		give_up("no socket");
	/* Refused would mean that the listening socket died with the worker. */
	if (connect(s, (const struct sockaddr *)where, sizeof(*where)) < 0)
		give_up("the connection was refused");
	if (send(s, request, sizeof(request) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(request) - 1)
		while (!pid && n < sizeof(buf) - 1 &&
		       (r = recv(s, buf + n, sizeof(buf) - 1 - n, 0)) > 0) {
			n += (size_t)r;
			buf[n] = '\0';
			pid = who_answered(buf);
		}
	(void)close(s);
	return pid;
}

static double one_recovery(const struct sockaddr_in *where, pid_t victim)
{
	double start = now_ms();

	if (kill(victim, SIGKILL) < 0)
		give_up("there is no process %d", (int)victim);
	for (;;) {
		/* The one connection that the victim may have accepted is no recovery. */
		long pid = ask(where);

		if (pid == victim)
			give_up("a killed process answered");
		if (pid > 0)
			return now_ms() - start;
		if (now_ms() - start > 10000)
			give_up("no answer within 10 s");
	}
}

static int recover(const char *port)
{
	const struct sockaddr_in where = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	char line[32];

	while (fgets(line, sizeof(line), stdin)) {
		long pid = strtol(line, NULL, 10);

		if (pid <= 1)
			give_up("not a process: %s", line);
		(void)printf("%.3f\n", one_recovery(&where, (pid_t)pid));
		(void)fflush(stdout);
	}
	return 0;
}

static int run(long rounds, char **argv)
{
	while (rounds-- > 0) {
		double start = now_ms();
		int status;
		pid_t pid;

		/* vfork underneath: nothing of us is copied, which would count against CMD. */
		if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0)
			give_up("cannot start %s", argv[0]);
		if (waitpid(pid, &status, 0) != pid || status != 0)
			give_up("%s failed", argv[0]);
		(void)printf("%.3f\n", now_ms() - start);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "recover") == 0)
		return recover(argv[2]);
	if (argc >= 4 && strcmp(argv[1], "run") == 0)
		return run(strtol(argv[2], NULL, 10), argv + 3);
	(void)fputs("usage: stopwatch recover PORT | run ROUNDS CMD ARG…\n", stderr);
	return 2;
}
