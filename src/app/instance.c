/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/paths.h"
#include "base/clock.h"
#include "base/fd.h"
#include "kernel/proc.h"

#define ENDING_MS 100  /* a living master may be giving it back */
#define DYING_MS  5000 /* a killed one's last children have seen its end by then */

static int make_run_dir(const char *path, struct err *e)
{
	char part[PATH_MAX];
	struct stat st;
	int r;

	(void)snprintf(part, sizeof(part), "%s", path);
	r = paths_make(part, 0755, e); /* /run/mpsup is root's, 0755 (traps 41) */
	if (r < 0)
		return r;
	if (lstat(part, &st) < 0)
		return err_sys(e, -errno, "%s", part);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
		return err_set(e, -EACCES, "%s must be a folder that only uid %u can write in",
			       part, geteuid());
	return 0;
}

/* 1: taken by a living master, or just being given back. */
static int try_name(struct instance *in, const char *name, struct err *e)
{
	AUTO_FD int fd = -1;

	if (snprintf(in->dir, sizeof(in->dir), "%s/%s", in->run_dir, name) >= (int)sizeof(in->dir))
		return err_set(e, -ENAMETOOLONG, "%s/%s is too long", in->run_dir, name);
	if (mkdir(in->dir, 0700) < 0 && errno != EEXIST)
		return err_sys(e, -errno, "%s", in->dir);
	fd = open(in->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(e, -errno, "%s", in->dir);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 1 : err_sys(e, -errno, "lock %s", in->dir);
	/* Removed meanwhile: by a master that ended, or by a client that cleared away what a
	 * killed one had left. */
	if (!fd_is_path(fd, in->dir))
		return 1;
	in->lock_fd = fd_take(&fd);
	return 0;
}

static bool is_worth_waiting(const struct instance *in, uint64_t waited_ms)
{
	struct stat st;

	if (waited_ms < ENDING_MS)
		return true;
	return waited_ms < DYING_MS && stat(in->dir, &st) == 0 && !proc_flock_lives(&st);
}

/* A master that was killed a moment ago: its last children hold the lock until
 * they have seen its end. */
static int try_patiently(struct instance *in, const char *name, struct err *e)
{
	uint64_t start = clock_boot_ms();
	int r = try_name(in, name, e);

	while (r == 1 && is_worth_waiting(in, clock_boot_ms() - start)) {
		(void)poll(NULL, 0, 5);
		r = try_name(in, name, e);
	}
	return r;
}

int instance_claim(struct instance *in, struct config *c, struct err *e)
{
	const char *base = c->name;
	int r;

	in->lock_fd = -1;
	paths_run_dir(in->run_dir, sizeof(in->run_dir));
	r = make_run_dir(in->run_dir, e);
	if (r < 0)
		return r;
	for (int i = 2; (r = try_patiently(in, c->name, e)) == 1; i++) {
		if (c->name_given || i > 1000)
			return err_set(e, -EBUSY,
				       "an instance '%s' is running already; another "
				       "needs a --name of its own",
				       c->name);
		c->name = arena_printf(&c->arena, "%.27s-%d", base, i);
		if (!c->name)
			return err_set(e, -ENOMEM, "out of memory");
	}
	return r;
}

void instance_release(struct instance *in)
{
	if (in->lock_fd < 0)
		return;
	(void)rmdir(in->dir); /* before the lock is given up: nobody else can be in it */
	fd_close(&in->lock_fd);
}
