/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/paths.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "ctl/facts.h"

#define FILE_NAME   "state.json"
#define NEW_NAME    FILE_NAME ".new"
#define BROKEN_NAME FILE_NAME ".broken"
#define SAVE_MS	    60000 /* between two of them */
#define SETTLE_MS   1000  /* after the first change: more will follow it */
#define SEQ_BLOCK   65536 /* event numbers that one writing reserves */

/* ---- reading ---- */

static int check_owner(const struct stat *st, const char *what, struct err *e)
{
	if (st->st_uid != geteuid())
		return err_set(e, -EPERM, "%s belongs to uid %u, not to uid %u", what, st->st_uid,
			       geteuid());
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return err_set(e, -EPERM, "others can write to %s (mode %04o); chmod go-w helps",
			       what, st->st_mode & 07777u);
	return 0;
}

/* -ENOENT: there is none yet. */
static int open_dir(const struct state *s, int *ret_fd, struct err *e)
{
	AUTO_FD int fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, -errno, "%s", s->dir);
	r = check_owner(&st, s->dir, e);
	if (r == 0)
		*ret_fd = fd_take(&fd);
	return r;
}

/* All of it, as long as it does not grow meanwhile. */
static int read_all(int fd, size_t size, char **ret_text, struct err *e)
{
	char *text = malloc(size + 1);
	size_t len = 0;
	ssize_t n = 1;

	*ret_text = text;
	if (!text)
		return err_set(e, -ENOMEM, "out of memory");
	while (len < size && n > 0) {
		n = read(fd, text + len, size - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (n < 0)
		return err_sys(e, -errno, "reading it");
	return len == size ? 0 : err_set(e, -EINVAL, "it changed while it was read");
}

static int read_file(struct state *s, int dir_fd, struct err *e)
{
	AUTO_FD int fd = openat(dir_fd, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char *text = NULL;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, -errno, "opening it");
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)KEPT_BYTES_MAX)
		return err_set(e, -EINVAL, "it is no file of at most %u MiB", KEPT_BYTES_MAX >> 20);
	r = check_owner(&st, "it", e);
	if (r == 0)
		r = read_all(fd, (size_t)st.st_size, &text, e);
	if (r == 0)
		r = kept_parse(text, (size_t)st.st_size, &s->kept, e);
	free(text);
	return r;
}

/* The folder is another's: nothing is read there, and nothing written. */
static void refuse(struct state *s, const struct err *e)
{
	s->refused = true;
	log_warn("usage is not kept over a restart: %s", e->msg);
}

static void on_time(struct timer *t);

void state_init(struct state *s, struct master *m)
{
	*s = (struct state){ .master = m };
	timer_init(&s->timer, on_time);
	paths_state_dir(s->dir, sizeof(s->dir), m->config->name);
}

void state_open(struct state *s, struct master *m)
{
	AUTO_FD int dir_fd = -1;
	struct err e = { 0 };
	int r;

	state_init(s, m);
	r = open_dir(s, &dir_fd, &e);
	if (r < 0 && r != -ENOENT)
		refuse(s, &e);
	if (r < 0)
		return;
	r = read_file(s, dir_fd, &e);
	if (r == 0 || r == -ENOENT)
		return;
	log_warn("%s/%s is left aside as %s, and usage and the numbers of events begin anew: %s",
		 s->dir, FILE_NAME, BROKEN_NAME, e.msg);
	if (renameat(dir_fd, FILE_NAME, dir_fd, BROKEN_NAME) < 0)
		log_warn("%s/%s: %s", s->dir, BROKEN_NAME, strerror(errno));
}

/* ---- writing ---- */

static int write_file(const struct state *s, int dir_fd, bool sync, struct err *e)
{
	int fd = openat(dir_fd, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	int r = 0;

	if (!f) {
		r = err_sys(e, -errno, "%s/%s", s->dir, NEW_NAME);
		fd_close(&fd);
		return r;
	}
	kept_write(&s->kept, clock_real_ms(), f);
	if (fflush(f) != 0 || ferror(f) || (sync && fsync(fd) < 0))
		r = -errno;
	if (fclose(f) != 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(dir_fd, NEW_NAME, dir_fd, FILE_NAME) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir_fd, NEW_NAME, 0);
	return r < 0 ? err_sys(e, r, "%s/%s", s->dir, FILE_NAME) : 0;
}

static int try_save(struct state *s, bool sync, struct err *e)
{
	char path[PATH_MAX];
	AUTO_FD int dir_fd = -1;
	int r = open_dir(s, &dir_fd, e);

	if (r == -ENOENT) {
		(void)snprintf(path, sizeof(path), "%s", s->dir);
		r = paths_make(path, 0700, e);
		if (r == 0)
			r = open_dir(s, &dir_fd, e);
	}
	return r < 0 ? r : write_file(s, dir_fd, sync, e);
}

/* sync: it also outlives the host's end, and the disk is waited for. */
static void save(struct state *s, bool sync)
{
	struct err e = { 0 };

	s->saved_ms = clock_boot_ms();
	s->changed = false;
	if (s->refused)
		return;
	if (try_save(s, sync, &e) == 0) {
		s->said = false;
		return;
	}
	/* Once; it is tried again with the next change. */
	if (!s->said)
		log_warn("usage is not kept over a restart: %s", e.msg);
	s->said = true;
}

static void take(struct state *s, bool look)
{
	struct master *m = s->master;

	for (unsigned i = 0; look && i < m->npools; i++)
		facts_look(m->pools[i]);
	ignore(kept_take(&s->kept, m, clock_real_ms()));
}

static void on_time(struct timer *t)
{
	struct state *s = container_of(t, struct state, timer);

	take(s, true);
	s->kept.seq = s->ctl->seq + SEQ_BLOCK;
	s->ctl->reserved = s->kept.seq;
	save(s, true);
}

void state_changed(struct state *s)
{
	uint64_t now, at;

	s->changed = true;
	if (!s->ctl || s->timer.armed)
		return;
	now = clock_boot_ms();
	at = s->saved_ms + SAVE_MS;
	timer_set(&s->master->loop, &s->timer, at > now + SETTLE_MS ? at : now + SETTLE_MS);
}

void state_take(struct state *s)
{
	take(s, false);
	state_changed(s);
}

/* ---- event numbers ---- */

/* Before one is given out: a killed master's successor goes on behind them all. The disk
 * is not waited for; that follows with the next writing. */
static void on_reserve(struct ctl *c)
{
	struct state *s = c->state;
	uint64_t saved = s->saved_ms;

	s->kept.seq = c->seq + SEQ_BLOCK;
	c->reserved = s->kept.seq;
	take(s, false);
	save(s, false);
	s->saved_ms = saved;
	state_changed(s);
}

static void on_looked(struct ctl *c)
{
	state_changed(c->state);
}

void state_follow(struct state *s, struct ctl *c)
{
	c->seq = c->reserved = s->kept.seq;
	state_go_on(s, c);
}

void state_go_on(struct state *s, struct ctl *c)
{
	s->ctl = c;
	c->state = s;
	c->reserve = on_reserve;
	c->looked = on_looked;
}

void state_close(struct state *s)
{
	if (s->ctl) {
		timer_clear(&s->master->loop, &s->timer);
		if (s->changed) {
			take(s, true);
			s->kept.seq = s->ctl->seq;
			s->ctl->reserved = UINT64_MAX;
			save(s, true);
		}
		s->ctl->reserve = s->ctl->looked = NULL;
		s->ctl = NULL;
	}
	kept_done(&s->kept);
}
