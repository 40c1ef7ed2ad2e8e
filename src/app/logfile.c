/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/paths.h"
#include "base/fd.h"

int logfile_reopen(struct logfile *f, struct err *e)
{
	struct stat st;
	int fd = open(f->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY,
		      0640);

	if (fd < 0)
		return err_sys(e, -errno, "log file %s", f->path);
	fd_close(&f->fd);
	f->fd = f->sink.fd = fd;
	f->bytes = fstat(fd, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
	return 0;
}

int logfile_open(struct logfile *f, struct loop *loop, const char *path, bool bounded,
		 struct err *e)
{
	int r;

	*f = LOGFILE_NONE;
	f->bounded = bounded;
	sink_init(&f->sink, loop, -1);
	r = paths_absolute(f->path, path);
	return r < 0 ? err_sys(e, r, "log file %s", path) : logfile_reopen(f, e);
}

/* What cannot be renamed is written on: a log that is too long beats one that is lost. */
static void rotate(struct logfile *f)
{
	char from[PATH_MAX + 16], to[PATH_MAX + 16];
	struct err e;

	for (int i = LOGFILE_KEEP - 1; i >= 0; i--) {
		(void)snprintf(from, sizeof(from), i ? "%s.%d" : "%s", f->path, i);
		(void)snprintf(to, sizeof(to), "%s.%d", f->path, i + 1);
		if (rename(from, to) < 0 && i == 0)
			return;
	}
	ignore(logfile_reopen(f, &e));
}

void logfile_write(struct logfile *f, const char *line, size_t len)
{
	if (f->fd < 0)
		return;
	if (f->bounded && f->bytes > 0 && f->bytes + len > LOGFILE_BYTES)
		rotate(f);
	sink_write(&f->sink, line, len);
	f->bytes += len;
}

void logfile_close(struct logfile *f)
{
	if (f->fd >= 0)
		sink_done(&f->sink);
	fd_close(&f->fd);
}
