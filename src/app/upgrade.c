/* SPDX-License-Identifier: MIT */
/* upgrade.c - another program in our place: `mpsup upgrade`, USR2. The one that is there now
 * is opened once, tried in a child with all that it would get, and executed when nothing is
 * under way: same process, same children, same sockets (traps 35). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "app/run.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"
#include "base/title.h"
#include "config/trusted.h"
#include "ctl/carried.h"
#include "kernel/image.h"
#include "super/carried.h"
#include "super/dispatch.h"
#include "super/leaf.h"
#include "super/pin.h"
#include "super/pool.h"
#include "super/prepare.h"

enum { EXIT_OK = 0, EXIT_OTHER = 1, EXIT_USAGE = 2 };

#define CHECK_MS 10000 /* for the new program to look at what it would get */
#define WAIT_MS	 60000 /* until nothing is under way */
#define LOOK_MS	 5
#define SAY_MS	 1000
#define OUT_FD	 1
#define CAN	 "mpsup can go on: " /* then its version: what another program would not say */

/* ---- what belongs to this floor ---- */

static const struct field instance_fields[] = {
	FIELD(CHARS, instance, run_dir),
	FIELD(CHARS, instance, dir),
	FIELD(FD, instance, lock_fd),
};

static const struct field pidfile_fields[] = {
	FIELD(CHARS, pidfile, path),
	FIELD(FD, pidfile, fd),
};

static const struct field upgrade_fields[] = {
	FIELD(CHARS, upgrade, path),
	FIELD(NUM, upgrade, asked_ms),
};

static json_t *object_of(struct image *im, json_t *o, const char *name)
{
	json_t *a = json_object();

	image_put_json(im, o, name, a);
	return a;
}

static int make_image(struct run *run, struct carried *c, int *ret_fd, struct err *e)
{
	json_t *o;

	master_put(c, &run->master);
	ctl_put(&c->im, object_of(&c->im, c->im.root, "ctl"), &run->ctl);
	o = object_of(&c->im, c->im.root, "app");
	image_put(&c->im, object_of(&c->im, o, "instance"), instance_fields,
		  ARRAY_LEN(instance_fields), &run->instance);
	image_put(&c->im, object_of(&c->im, o, "pidfile"), pidfile_fields,
		  ARRAY_LEN(pidfile_fields), &run->pidfile);
	image_put(&c->im, object_of(&c->im, o, "upgrade"), upgrade_fields,
		  ARRAY_LEN(upgrade_fields), &run->upgrade);
	image_put_json(&c->im, o, "terminal", json_boolean(run->shown.terminal));
	image_put_json(&c->im, o, "from", json_string(MPSUP_VERSION));
	return image_write(&c->im, ret_fd, e);
}

/* ---- the old program's half ---- */

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

static void go(struct upgrade *u)
{
	struct run *run = run_of(u);
	char number[16], name[] = "mpsup", verb[] = "resume";
	char *argv[] = { name, verb, number, NULL };
	struct carried c;
	struct err e = { 0 };
	AUTO_FD int fd = -1;
	int r = make_image(run, &c, &fd, &e);

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
		fail(u, "the instance is stopping");
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
	if (ex->code != EXIT_OK || strncmp(u->said, CAN, strlen(CAN)) != 0) {
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
	int r = make_image(run_of(u), &c, &image, e);

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
	return 0;
}

int upgrade_begin(struct run *run, struct err *e)
{
	struct upgrade *u = &run->upgrade;
	int r;

	if (u->step != UPGRADE_NONE)
		return 0; /* it is under way: who asks hears of that */
	if (run->master.stopping)
		return err_set(e, -EBUSY, "the instance is stopping");
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

void upgrade_init(struct run *run)
{
	struct upgrade *u = &run->upgrade;
	ssize_t n;

	timer_init(&u->timer, on_time);
	run->ctl.upgrade = on_verb;
	run->ctl.upgrader = run;
	/* As long as it is still the one that we are: after an upgrade the image has it. */
	if (u->path[0])
		return;
	n = readlink("/proc/self/exe", u->path, sizeof(u->path) - 1);
	u->path[n > 0 ? n : 0] = '\0';
}

void upgrade_done(struct run *run)
{
	run->ctl.upgrade = NULL;
	if (run->upgrade.step != UPGRADE_NONE)
		end(&run->upgrade);
}

/* ---- the new program's half ---- */

static int open_image(struct carried *c, int argc, char **argv, struct err *e)
{
	char *rest = NULL;
	long fd = argc == 1 ? strtol(argv[0], &rest, 10) : -1;
	int r;

	if (fd < 3 || fd > 1 << 20 || *rest)
		return err_set(e, -EINVAL, "this is for mpsup itself: see `mpsup upgrade --help`");
	r = image_read(&c->im, (int)fd, e);
	if (r == 0)
		(void)close((int)fd);
	return r;
}

static int read_app(struct run *run, struct carried *c, bool *ret_terminal, const char **ret_from,
		    struct err *e)
{
	const json_t *o = json_object_get(c->im.root, "app");

	image_get(&c->im, json_object_get(o, "instance"), instance_fields,
		  ARRAY_LEN(instance_fields), &run->instance);
	image_get(&c->im, json_object_get(o, "pidfile"), pidfile_fields, ARRAY_LEN(pidfile_fields),
		  &run->pidfile);
	image_get(&c->im, json_object_get(o, "upgrade"), upgrade_fields, ARRAY_LEN(upgrade_fields),
		  &run->upgrade);
	*ret_terminal = json_is_true(json_object_get(o, "terminal"));
	*ret_from = json_string_value(json_object_get(o, "from"));
	return image_result(&c->im, e);
}

static int show_again(struct run *run, bool terminal, struct err *e)
{
	struct master *m = &run->master;
	int r = shown_open(&run->shown, &m->loop, m->config, e);

	if (r == 0 && m->config->daemonize)
		r = shown_open_daemon(&run->shown, e);
	if (r == 0 && !terminal)
		shown_leave_terminal(&run->shown);
	for (unsigned i = 0; r == 0 && i < m->npools; i++)
		r = shown_add_pool(&run->shown, m->pools[i], e);
	return r;
}

/* What the image was taken for. */
static void go_on(struct run *run, const char *from)
{
	uint64_t ms = clock_boot_ms() - run->upgrade.asked_ms;
	struct master *m = &run->master;
	char text[160];
	struct event ev = { .name = "master.upgrade", .slot = -1, .text = text };

	(void)snprintf(text, sizeof(text), "%.60s -> " MPSUP_VERSION, from ? from : "?");
	log_info("upgraded: %s, in %llu ms", text, (unsigned long long)ms);
	master_event(m, &ev);
	ctl_upgraded(&run->ctl, from ? from : "?", MPSUP_VERSION, ms);
	for (unsigned i = 0; i < m->npools; i++) {
		dispatch_update(m->pools[i]);
		if (m->pools[i]->gen) {
			pool_update(m->pools[i]);
			pool_kick(m->pools[i]);
		}
	}
	state_changed(&run->state);
	pins_check(m); /* CPUs may have changed while nobody looked */
}

static int resume(struct run *run, struct carried *c, struct err *e)
{
	struct master *m = &run->master;
	const char *from = NULL;
	bool terminal = false;
	int r = read_app(run, c, &terminal, &from, e);

	if (r < 0)
		return r;
	master_get(c, m);
	r = image_result(&c->im, e);
	if (r < 0)
		return r;
	/* Executed by descriptor, it is called like that one's number (before Linux 6.14). */
	(void)prctl(PR_SET_NAME, "mpsup");
	title_set("mpsup: master %s", m->config->name);
	r = show_again(run, terminal, e);
	if (r < 0)
		return r;
	leaf_watch_all(m);
	pins_again(m);
	state_open(&run->state, m);
	r = ctl_get(&c->im, json_object_get(c->im.root, "ctl"), &run->ctl, m, e);
	if (r < 0)
		return r;
	state_go_on(&run->state, &run->ctl);
	run_follow_events(run);
	r = run_listen(run, e);
	if (r == 0)
		go_on(run, from);
	return r;
}

int cmd_resume(int argc, char **argv)
{
	struct run *run = run_new();
	struct carried c = { 0 };
	struct err e = { 0 };
	int r = run ? open_image(&c, argc, argv, &e) : err_set(&e, -ENOMEM, "out of memory");

	if (r == 0)
		r = loop_init(&run->master.loop);
	if (r < 0) {
		(void)fprintf(stderr, "mpsup: %s\n", e.msg);
		free(run);
		return EXIT_USAGE;
	}
	r = resume(run, &c, &e);
	if (r < 0) /* what was opened since may not have a place for it */
		(void)fprintf(stderr, "mpsup: upgrade: %s\n", e.msg);
	carried_done(&c);
	if (r < 0)
		_exit(EXIT_OTHER); /* the workers see the end of their lifelines */
	return run_serve(run, 0, &e);
}

/* Nothing is given back: the process is over, and the descriptors were never there. */
int cmd_upgrade_check(int argc, char **argv)
{
	struct run *run = run_new();
	struct carried c = { 0 };
	struct err e = { 0 };
	const char *from;
	bool terminal;
	int r = run ? open_image(&c, argc, argv, &e) : err_set(&e, -ENOMEM, "out of memory");

	if (r == 0) {
		c.im.check = true;
		r = loop_init(&run->master.loop);
	}
	if (r == 0)
		r = read_app(run, &c, &terminal, &from, &e);
	if (r == 0) {
		master_get(&c, &run->master);
		r = image_result(&c.im, &e);
	}
	if (r == 0)
		r = ctl_get(&c.im, json_object_get(c.im.root, "ctl"), &run->ctl, &run->master, &e);
	(void)printf("%s\n", r < 0 ? e.msg : CAN MPSUP_VERSION);
	(void)fflush(stdout);
	_exit(r < 0 ? EXIT_OTHER : EXIT_OK);
}
