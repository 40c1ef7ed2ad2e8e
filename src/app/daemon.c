/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/fd.h"

enum { EXIT_OTHER = 1 };

static int status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_OTHER;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	(void)fprintf(stderr, "mpsup: the daemon was ended by signal SIG%s before it was ready\n",
		      sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?");
	return EXIT_OTHER;
}

/* Ctrl-C and the like reach us alone, since it has a session of its own: passed on. */
static void pass_on(int signal_fd, pid_t pid)
{
	struct signalfd_siginfo si;

	if (read(signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		(void)kill(pid, (int)si.ssi_signo == SIGHUP ? SIGTERM : (int)si.ssi_signo);
}

static int wait_for(pid_t pid, int tell_fd)
{
	static const int wanted[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP };
	struct pollfd p[2] = { { .fd = tell_fd, .events = POLLIN }, { .events = POLLIN } };
	AUTO_FD int signal_fd = -1;
	sigset_t set;
	unsigned char status;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		(void)sigaddset(&set, wanted[i]);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	p[1].fd = signal_fd;
	for (;;) {
		if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
			return EXIT_OTHER;
		if (p[1].revents)
			pass_on(signal_fd, pid);
		if (p[0].revents)
			return read(tell_fd, &status, 1) == 1 ? status : status_of(pid);
	}
}

int daemon_split(struct daemon *d, int *ret_status, struct err *e)
{
	int fds[2];
	pid_t pid;

	*d = DAEMON_NONE;
	/* A pipe of the starter's that we would hold open keeps its reader waiting. */
	if (close_range(3, ~0U, 0) < 0)
		return err_sys(e, -errno, "--daemonize: close_range");
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, -errno, "--daemonize: a pipe");
	pid = fork();
	if (pid < 0) {
		int r = -errno;

		fd_close(&fds[0]);
		fd_close(&fds[1]);
		return err_sys(e, r, "--daemonize: fork");
	}
	if (pid == 0) {
		fd_close(&fds[0]);
		(void)setsid(); /* cannot fail: a fresh child leads no group */
		d->tell_fd = fds[1];
		return 0;
	}
	fd_close(&fds[1]);
	*ret_status = wait_for(pid, fds[0]);
	fd_close(&fds[0]);
	return 1;
}

void daemon_started(struct daemon *d, int status)
{
	const unsigned char told = (unsigned char)status;
	AUTO_FD int null_fd = -1;

	if (d->tell_fd < 0)
		return;
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
	for (int fd = 0; null_fd >= 0 && fd < 3; fd++)
		(void)dup2(null_fd, fd);
	/* Neither keeps a file system busy nor takes a mask from whoever started it. */
	ignore(chdir("/"));
	(void)umask(022);
	ignore(write(d->tell_fd, &told, 1) <
	       0); /* a starter that is gone: it serves all the same */
	fd_close(&d->tell_fd);
}

void daemon_done(struct daemon *d)
{
	fd_close(&d->tell_fd);
}
