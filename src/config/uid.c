/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "config/uid.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define LOCK_DIR "/run/systemd/dynamic-uid"
#define TRIES	 256

/* FNV-1a: the same name gets the same uid at each start, files keep their owner. */
static uint64_t hash(const char *a, const char *b)
{
	uint64_t h = 14695981039346656037u;

	for (const char *p = a; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	h = (h ^ '/') * 1099511628211u;
	for (const char *p = b; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	return h;
}

/* The files alone: the range is systemd's, whose users have the lock that is taken below, and
 * nobody else's (its UIDS-GIDS.md). The other name services would come into the master's
 * memory for good, half a megabyte of it. */
static bool known_to_passwd(uid_t uid)
{
	FILE *users = fopen("/etc/passwd", "re"), *groups = fopen("/etc/group", "re");
	const struct passwd *pw;
	const struct group *g;
	bool found = false;

	while (users && !found && (pw = fgetpwent(users)))
		found = pw->pw_uid == uid;
	while (groups && !found && (g = fgetgrent(groups)))
		found = g->gr_gid == (gid_t)uid;
	if (users)
		(void)fclose(users);
	if (groups)
		(void)fclose(groups);
	return found;
}

/* A process of somebody else has it: /proc/PID belongs to its uid. */
static bool lives(uid_t uid)
{
	DIR *d = opendir("/proc");
	bool found = false;

	for (struct dirent *de; d && !found && (de = readdir(d));) {
		struct stat st;

		if (de->d_name[0] < '0' || de->d_name[0] > '9')
			continue;
		found = fstatat(dirfd(d), de->d_name, &st, 0) == 0 && st.st_uid == uid;
	}
	if (d)
		(void)closedir(d);
	return found;
}

/* 1: locked by somebody. */
static int lock(uid_t uid, const char *name, int *ret_fd)
{
	char path[64];
	struct stat a, b;
	AUTO_FD int fd = -1;

	(void)snprintf(path, sizeof(path), LOCK_DIR "/%u", uid);
	for (int tries = 0; tries < 3; tries++) {
		fd_close(&fd);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			return errno == EWOULDBLOCK ? 1 : -errno;
		/* Whoever gave it back has unlinked it: then this is a lock on nothing. */
		if (fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino) {
			if (ftruncate(fd, 0) < 0 || dprintf(fd, "%s\n", name) < 0) {
				int r = -errno;

				(void)unlink(path);
				return r;
			}
			*ret_fd = fd_take(&fd);
			return 0;
		}
	}
	return 1;
}

static void link_path(char *buf, size_t size, uid_t uid, const char *name)
{
	if (name)
		(void)snprintf(buf, size, LOCK_DIR "/direct:%s", name);
	else
		(void)snprintf(buf, size, LOCK_DIR "/direct:%u", uid);
}

/* nss-systemd reads these, so that ls and ps show a name. */
static void make_links(uid_t uid, const char *name)
{
	char by_name[160], by_uid[64], number[16];

	link_path(by_name, sizeof(by_name), uid, name);
	link_path(by_uid, sizeof(by_uid), uid, NULL);
	(void)snprintf(number, sizeof(number), "%u", uid);
	(void)unlink(by_name);
	(void)unlink(by_uid);
	if (symlink(number, by_name) < 0 || symlink(name, by_uid) < 0)
		return; /* only names for people */
}

int uid_allocate(const char *instance, const char *pool, uid_t *ret_uid, int *ret_lock_fd,
		 struct err *e)
{
	uint64_t h = hash(instance, pool);
	char name[80];

	(void)snprintf(name, sizeof(name), "mpsup-%.32s-%.32s", instance, pool);
	if ((mkdir("/run/systemd", 0755) < 0 && errno != EEXIST) ||
	    (mkdir(LOCK_DIR, 0755) < 0 && errno != EEXIST))
		return err_sys(e, -errno, "no uid for the pool: " LOCK_DIR);
	for (unsigned i = 0; i < TRIES; i++) {
		uid_t uid = UID_DYNAMIC_MIN +
			    (uid_t)((h + i) % (UID_DYNAMIC_MAX - UID_DYNAMIC_MIN + 1));
		int fd = -1, r;

		if (known_to_passwd(uid))
			continue;
		r = lock(uid, name, &fd);
		if (r < 0)
			return err_sys(e, r, "no uid for the pool: " LOCK_DIR "/%u", uid);
		if (r > 0)
			continue;
		if (lives(uid)) {
			uid_release(&fd, uid);
			continue;
		}
		make_links(uid, name);
		*ret_uid = uid;
		*ret_lock_fd = fd;
		return 0;
	}
	return err_set(e, -EBUSY, "no uid for pool %s: %d of them are in use; --user names one",
		       pool, TRIES);
}

void uid_release(int *lock_fd, uid_t uid)
{
	char path[160], name[80] = "";
	ssize_t n;

	if (*lock_fd < 0)
		return;
	n = pread(*lock_fd, name, sizeof(name) - 1, 0);
	name[strcspn(name, "\n")] = '\0';
	if (n > 0 && *name) {
		link_path(path, sizeof(path), uid, name);
		(void)unlink(path);
		link_path(path, sizeof(path), uid, NULL);
		(void)unlink(path);
	}
	(void)snprintf(path, sizeof(path), LOCK_DIR "/%u", uid);
	(void)unlink(path); /* before the lock goes: see lock() */
	fd_close(lock_fd);
}
