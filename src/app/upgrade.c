/* SPDX-License-Identifier: MIT */
/* upgrade.c - another program in our place: `mpsup upgrade`, USR2; the half of the one that
 * runs. The one that is there now is opened once, tried in a child with all that it would
 * get, and executed when nothing is under way: same process, same children, same sockets
 * (traps 35). The other half is resume.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/carried.h"
#include "app/paths.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"
#include "config/trusted.h"

enum { EXIT_OK = 0, EXIT_OTHER = 1 };

#define CHECK_MS 10000 /* for the new program to look at what it would get */
#define WAIT_MS	 60000 /* until nothing is under way */
#define LOOK_MS	 5
#define SAY_MS	 1000
#define OUT_FD	 1
#define STOPPING "the instance is stopping"

static struct run *run_of(struct upgrade *u)
{
	return container_of(u, struct run, upgrade);
}

static struct loop *loop_of(struct upgrade *u)
{
	return &run_of(u)->master.loop;
}

static void end(struct upgrade *u)
{
	struct pidfd_exit ex;

	timer_clear(loop_of(u), &u->timer);
	source_remove(loop_of(u), &u->child_src);
	source_remove(loop_of(u), &u->said_src);
	fd_close(&u->said_fd);
	fd_close(&u->exe_fd);
	if (u->child.fd >= 0) {
		ignore(pidfd_signal(&u->child, SIGKILL));
		while (pidfd_reap(&u->child, &ex) == 0)
			ignore(pidfd_wait(&u->child));
	}
	u->step = UPGRADE_NONE;
}

/* The master goes on as it was. */
PRINTF(2, 3) static void fail(struct upgrade *u, const char *fmt, ...)
{
	char why[600];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	end(u);
	log_error("upgrade: %s; version " MPSUP_VERSION " goes on", why);
	ctl_not_upgraded(&run_of(u)->ctl, why);
}

/* By a copy into its place, which would end us half way: what is executed is what was tried. */
static int still_as_tried(const struct upgrade *u, struct err *e)
{
	struct stat st;

	if (fstat(u->exe_fd, &st) < 0)
		return err_sys(e, -errno, "%s", u->path);
	if (st.st_mtim.tv_sec != u->written.tv_sec || st.st_mtim.tv_nsec != u->written.tv_nsec)
		return err_set(e, -EAGAIN, "%s was written to after it had been tried", u->path);
	return 0;
}

static void go(struct upgrade *u)
{
	struct run *run = run_of(u);
	char number[16], name[] = "mpsup", verb[] = "resume";
	char *argv[] = { name, verb, number, NULL };
	struct carried c;
	struct err e = { 0 };
	AUTO_FD int fd = -1;
	int r = run_put(run, &c, &fd, &e);

	if (r == 0)
		r = still_as_tried(u, &e);
	if (r == 0) {
		log_debug("upgrade: %u descriptors and %zu bytes go along", c.im.nfds, c.im.len);
		shown_flush(&run->shown);
		(void)snprintf(number, sizeof(number), "%d", fd);
		image_pass(&c.im, true);
		ignore(fcntl(fd, F_SETFD, 0));
		(void)execveat(u->exe_fd, "", argv, environ, AT_EMPTY_PATH);
		r = err_sys(&e, -errno, "%s cannot be executed", u->path);
		image_pass(&c.im, false);
	}
	carried_done(&c);
	fail(u, "%s", e.msg);
}

static void look(struct upgrade *u)
{
	struct master *m = &run_of(u)->master;
	uint64_t waited = clock_boot_ms() - u->asked_ms;
	char what[200];

	if (m->stopping) {
		fail(u, STOPPING);
		return;
	}
	master_busy(m, what, sizeof(what));
	if (!what[0]) {
		go(u);
		return;
	}
	if (waited > WAIT_MS) {
		fail(u, "%s, for more than %d s", what, WAIT_MS / 1000);
		return;
	}
	if (waited > SAY_MS && !u->said_waits) {
		log_info("upgrade waits: %s", what);
		u->said_waits = true;
	}
	timer_set(loop_of(u), &u->timer, clock_boot_ms() + LOOK_MS);
}

static void on_time(struct timer *t)
{
	struct upgrade *u = container_of(t, struct upgrade, timer);

	if (u->step == UPGRADE_WAIT)
		look(u);
	else if (u->step == UPGRADE_CHECK)
		fail(u, "%s has not said within %d s whether it can go on here", u->path,
		     CHECK_MS / 1000);
}

/* ---- the check ---- */

static void read_said(struct upgrade *u)
{
	ssize_t n = 1;

	while (n > 0 && u->said_len + 1 < sizeof(u->said)) {
		n = read(u->said_fd, u->said + u->said_len, sizeof(u->said) - 1 - u->said_len);
		u->said_len += n > 0 ? (size_t)n : 0;
	}
	u->said[u->said_len] = '\0';
}

static void on_said(struct source *s, uint32_t events)
{
	struct upgrade *u = container_of(s, struct upgrade, said_src);

	read_said(u);
	if (events & (EPOLLHUP | EPOLLERR) || u->said_len + 1 == sizeof(u->said))
		source_remove(loop_of(u), s);
}

static void checked(struct upgrade *u, const struct pidfd_exit *ex)
{
	char safe[sizeof(u->said) * 2];

	read_said(u);
	u->said[strcspn(u->said, "\n")] = '\0';
	(void)text_safe(u->said, strlen(u->said), safe, sizeof(safe));
	if (ex->by_signal) {
		fail(u, "%s was ended by signal %d when it was tried", u->path, ex->code);
		return;
	}
	if (ex->code != EXIT_OK || strncmp(u->said, UPGRADE_CAN, strlen(UPGRADE_CAN)) != 0) {
		fail(u, "%s cannot go on here (exit %d): %.400s", u->path, ex->code,
		     ex->code != EXIT_OK && safe[0] ? safe : "is it an mpsup that can?");
		return;
	}
	source_remove(loop_of(u), &u->said_src);
	fd_close(&u->said_fd);
	u->step = UPGRADE_WAIT;
	/* Not within this event. */
	timer_set(loop_of(u), &u->timer, clock_boot_ms());
}

static void on_child(struct source *s, uint32_t events)
{
	struct upgrade *u = container_of(s, struct upgrade, child_src);
	struct pidfd_exit ex = { 0 };

	(void)events;
	if (pidfd_reap(&u->child, &ex) <= 0)
		return;
	source_remove(loop_of(u), s);
	timer_clear(loop_of(u), &u->timer);
	checked(u, &ex);
}

_Noreturn static void become_check(int exe_fd, int image_fd, int out_fd)
{
	char number[16], name[] = "mpsup", verb[] = "upgrade-check";
	char *argv[] = { name, verb, number, NULL };
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)snprintf(number, sizeof(number), "%d", image_fd);
	if (fcntl(image_fd, F_SETFD, 0) == 0 && dup2(out_fd, OUT_FD) >= 0)
		(void)execveat(exe_fd, "", argv, environ, AT_EMPTY_PATH);
	(void)dprintf(out_fd, "%s\n", strerror(errno));
	_exit(EXIT_OTHER);
}

static int begin_check(struct upgrade *u, struct err *e)
{
	struct carried c;
	AUTO_FD int image = -1;
	int out[2] = { -1, -1 };
	int r = run_put(run_of(u), &c, &image, e);

	carried_done(&c);
	if (r < 0)
		return r;
	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, -errno, "a pipe");
	r = pidfd_clone(0, -1, &u->child);
	if (r == 0)
		become_check(u->exe_fd, image, out[1]);
	fd_close(&out[1]);
	u->said_fd = out[0];
	u->said_len = 0;
	if (r > 0)
		r = source_add(loop_of(u), &u->child_src, u->child.fd, EPOLLIN, on_child);
	if (r == 0)
		r = source_add(loop_of(u), &u->said_src, u->said_fd, EPOLLIN, on_said);
	if (r < 0)
		return err_sys(e, r, "try %s", u->path);
	timer_set(loop_of(u), &u->timer, clock_boot_ms() + CHECK_MS);
	return 0;
}

static bool is_script(int fd)
{
	char head[2];

	return pread(fd, head, sizeof(head), 0) == 2 && head[0] == '#' && head[1] == '!';
}

/* As root one that only root can have put there. */
static int open_program(struct upgrade *u, struct err *e)
{
	struct stat st;

	if (!u->path[0])
		return err_set(e, -ENOENT, "where this program is cannot be told");
	u->exe_fd = trusted_open(u->path, false, e);
	if (u->exe_fd < 0)
		return err_wrap(e, "the new program");
	if (is_script(u->exe_fd))
		return err_set(e, -ENOEXEC,
			       "%s is a script; only a program can go on in the place of another",
			       u->path);
	if (faccessat(u->exe_fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS) < 0)
		return err_sys(e, -errno, "%s", u->path);
	if (fstat(u->exe_fd, &st) < 0)
		return err_sys(e, -errno, "%s", u->path);
	u->written = st.st_mtim;
	return 0;
}

int upgrade_begin(struct run *run, struct err *e)
{
	struct upgrade *u = &run->upgrade;
	int r;

	if (u->step != UPGRADE_NONE)
		return 0; /* it is under way: who asks hears of that */
	if (run->master.stopping)
		return err_set(e, -EBUSY, STOPPING);
	if (run->daemon.tell_fd >= 0)
		return err_set(e, -EBUSY, "the instance is starting");
	u->asked_ms = clock_boot_ms();
	u->said_waits = false;
	u->step = UPGRADE_CHECK;
	r = open_program(u, e);
	if (r == 0)
		r = begin_check(u, e);
	if (r < 0)
		end(u);
	return r;
}

static int on_verb(struct ctl *c, struct err *e)
{
	int r = upgrade_begin(c->upgrader, e);

	if (r < 0)
		log_error("upgrade: %s", e->msg);
	return r;
}

/* For a root master: nobody else may say where a link leads to. */
static bool folder_is_ours(const char *path)
{
	char dir[PATH_MAX];
	char *slash;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	slash[slash == dir] = '\0';
	return geteuid() != 0 || trusted_folder(dir, NULL);
}

/* Where versions lie side by side a link is the way to the one that is in use: it is what
 * was called that is asked again, and not what it led to then. */
static bool called_by(char path[PATH_MAX])
{
	const char *called = (const char *)(uintptr_t)getauxval(AT_EXECFN);
	struct stat own, st;

	return called && paths_absolute(path, called) == 0 && strncmp(path, "/dev/", 5) != 0 &&
	       strncmp(path, "/proc/", 6) != 0 && stat("/proc/self/exe", &own) == 0 &&
	       stat(path, &st) == 0 && st.st_dev == own.st_dev && st.st_ino == own.st_ino &&
	       folder_is_ours(path);
}

void upgrade_init(struct run *run)
{
	struct upgrade *u = &run->upgrade;
	ssize_t n;

	timer_init(&u->timer, on_time);
	run->ctl.upgrade = on_verb;
	run->ctl.upgrader = run;
	/* As long as it is still the one that we are: after an upgrade the image has it. */
	if (u->path[0] || called_by(u->path))
		return;
	n = readlink("/proc/self/exe", u->path, sizeof(u->path) - 1);
	u->path[n > 0 ? n : 0] = '\0';
}

void upgrade_done(struct run *run)
{
	run->ctl.upgrade = NULL;
	if (run->upgrade.step == UPGRADE_NONE)
		return;
	end(&run->upgrade);
	ctl_not_upgraded(&run->ctl, STOPPING);
}
