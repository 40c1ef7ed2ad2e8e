/* SPDX-License-Identifier: MIT */
/* instances.c - which instances of a run folder listen (see connect.h). */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "ctl/connect.h"

enum probe { PROBE_DEAD, PROBE_ALIVE, PROBE_FORBIDDEN };

static enum probe probe(const char *path, pid_t *ret_master)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	/* EAGAIN: its queue is full, so somebody made one. */
	*ret_master = 0;
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0) {
		if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
			*ret_master = cred.pid;
		return PROBE_ALIVE;
	}
	if (errno == EAGAIN)
		return PROBE_ALIVE;
	return errno == EACCES || errno == EPERM ? PROBE_FORBIDDEN : PROBE_DEAD;
}

/* What a killed master left. Its folder's lock (app/instance.c) keeps a new one of that
 * name out meanwhile; without the right to clear it away it stays for who has it. */
static void clear_away(const struct instance_ref *ref, const char *dir)
{
	char folder[PATH_MAX];
	AUTO_FD int fd = -1;
	pid_t nobody;

	(void)snprintf(folder, sizeof(folder), "%s/%s", dir, ref->name);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || !fd_is_path(fd, folder) ||
	    probe(ref->path, &nobody) != PROBE_DEAD)
		return;
	(void)unlink(ref->path);
	(void)rmdir(folder);
}

static int add(struct instance_refs *to, const char *dir, const char *file, struct err *e)
{
	struct instance_ref ref = { .forbidden = false }, *refs;
	size_t n = strlen(file);
	enum probe is;

	if (n <= 5 || file[0] == '.' || strcmp(file + n - 5, ".sock") != 0 ||
	    n - 5 >= sizeof(ref.name))
		return 0;
	(void)snprintf(ref.name, sizeof(ref.name), "%.*s", (int)(n - 5), file);
	if (snprintf(ref.path, sizeof(ref.path), "%s/%s", dir, file) >= (int)sizeof(ref.path))
		return 0; /* no master could have listened there */
	is = probe(ref.path, &ref.master);
	if (is == PROBE_DEAD) {
		clear_away(&ref, dir);
		return 0;
	}
	ref.forbidden = is == PROBE_FORBIDDEN;
	refs = reallocarray(to->refs, to->n + 1, sizeof(*refs));
	if (!refs)
		return err_set(e, -ENOMEM, "out of memory");
	to->refs = refs;
	to->refs[to->n++] = ref;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct instance_ref *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* A socket that a stranger put there would answer in an instance's name. */
static int check_folder(DIR *d, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(dirfd(d), &st) < 0)
		return err_sys(e, -errno, "%s", path);
	if ((st.st_uid != 0 && st.st_uid != geteuid() && geteuid() != 0) || (st.st_mode & 022))
		return err_set(e, -EACCES,
			       "%s could have been filled by others: it must be yours "
			       "or root's, and writable for no one else",
			       path);
	return 0;
}

int instances_find(struct instance_refs *to, const char *run_dir, struct err *e)
{
	DIR *d = opendir(run_dir);
	struct dirent *entry;
	int r;

	if (!d && errno == ENOENT)
		return 0;
	if (!d)
		return err_sys(e, -errno, "%s", run_dir);
	r = check_folder(d, run_dir, e);
	while (r == 0 && (entry = readdir(d)))
		r = add(to, run_dir, entry->d_name, e);
	(void)closedir(d);
	if (r == 0 && to->n)
		qsort(to->refs, to->n, sizeof(*to->refs), by_name);
	return r;
}

void instances_done(struct instance_refs *refs)
{
	free(refs->refs);
	*refs = (struct instance_refs){ 0 };
}
