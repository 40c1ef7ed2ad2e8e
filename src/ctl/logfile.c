/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "ctl/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "config/logplace.h"

/* O_NONBLOCK: a fifo that nobody reads is refused instead of waited for. */
static int open_own(const char *path, struct err *e)
{
	int fd =
		open(path,
		     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
		     0640);

	return fd < 0 ? err_sys(e, -errno, "log file %s", path) : fd;
}

static void use(struct logfile *f, int fd)
{
	struct stat st = { 0 };

	(void)fstat(fd, &st);
	fd_close(&f->fd);
	f->fd = f->sink.fd = fd;
	f->regular = S_ISREG(st.st_mode);
	f->bytes = f->regular && st.st_size > 0 ? (uint64_t)st.st_size : 0;
	f->sink.broken = f->torn = false;
}

int logfile_reopen(struct logfile *f, struct err *e)
{
	int fd = f->owner ? logplace_open(f->owner, f->path, e) : open_own(f->path, e);

	if (fd < 0 && f->owner)
		pool_config_place(f->owner, e);
	if (fd < 0)
		return fd;
	use(f, fd);
	return 0;
}

void logfile_set_owner(struct logfile *f, struct pool_config *owner)
{
	struct pool_config *old = f->owner;

	f->owner = owner ? pool_config_ref(owner) : NULL;
	pool_config_unref(old);
}

int logfile_open(struct logfile *f, struct loop *loop, const char *path, struct pool_config *owner,
		 struct err *e)
{
	int r;

	sink_init(&f->sink, loop, -1);
	logfile_set_owner(f, owner);
	f->path = strdup(path);
	r = f->path ? logfile_reopen(f, e) : err_set(e, -ENOMEM, "out of memory");
	if (r < 0)
		logfile_close(f);
	return r;
}

int logfile_go_on(struct logfile *f, struct loop *loop, const char *path, int fd, struct err *e)
{
	sink_init(&f->sink, loop, -1);
	f->path = strdup(path);
	if (!f->path) {
		fd_close(&fd);
		return err_set(e, -ENOMEM, "out of memory");
	}
	use(f, fd);
	return 0;
}

/* ---- rotation ---- */

static int rename_all(const struct logfile *f)
{
	char from[PATH_MAX + 16], to[PATH_MAX + 16];

	if (f->keep == 0)
		return unlink(f->path) < 0 ? -errno : 0;
	for (unsigned i = f->keep; i > 0; i--) {
		(void)snprintf(from, sizeof(from), i > 1 ? "%s.%u" : "%s", f->path, i - 1);
		(void)snprintf(to, sizeof(to), "%s.%u", f->path, i);
		if (rename(from, to) < 0 && i == 1)
			return -errno;
	}
	return 0;
}

/* What cannot be renamed is written on, and tried again when it is full once more: a log
 * that is too long beats one that is lost. */
static void rotate(struct logfile *f)
{
	struct err e = { 0 };
	struct acting a;
	int r = logplace_enter(f->owner, f->path, &a, &e);

	if (r == 0) {
		r = rename_all(f);
		acting_end(&a);
		if (r < 0)
			(void)err_sys(&e, r, "log file %s: it is full and cannot be renamed",
				      f->path);
	}
	if (r == 0)
		r = logfile_reopen(f, &e);
	f->bytes = 0;
	if (r < 0 && !f->said) {
		f->said = true;
		log_warn("%s; it grows on", e.msg);
	}
}

/* ---- lines ---- */

static bool put(struct logfile *f, const char *text, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(f->fd, text + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			f->why = n < 0 ? errno : EIO;
			f->torn |= done > 0;
			return false;
		}
		done += (size_t)n;
	}
	f->bytes += len;
	return true;
}

static bool put_lost(struct logfile *f)
{
	char note[160];
	int n;

	if (f->lost == 0)
		return true;
	n = snprintf(note, sizeof(note), "%smpsup: %lu lines lost: %s\n", f->torn ? "\n" : "",
		     f->lost, strerror(f->why));
	if (!put(f, note, (size_t)n))
		return false;
	f->lost = 0;
	f->torn = false;
	return true;
}

void logfile_write(struct logfile *f, const char *line, size_t len)
{
	if (f->fd < 0)
		return;
	if (!f->regular) {
		sink_write(&f->sink, line, len);
		return;
	}
	if (f->rotate_bytes > 0 && f->bytes > 0 && f->bytes + len > f->rotate_bytes)
		rotate(f);
	if (!put_lost(f) || !put(f, line, len))
		f->lost++;
}

void logfile_close(struct logfile *f)
{
	if (f->fd >= 0 && f->regular)
		ignore(put_lost(f));
	sink_done(&f->sink);
	fd_close(&f->fd);
	free(f->path);
	f->path = NULL;
	logfile_set_owner(f, NULL);
}
