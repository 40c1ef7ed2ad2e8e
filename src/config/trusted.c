/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "config/trusted.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"

static uid_t sudo_uid(void)
{
	const char *text = getenv("SUDO_UID");
	uint64_t uid;

	return text && parse_u64(text, 1, UINT32_MAX - 1, &uid) == 0 ? (uid_t)uid : 0;
}

/* Whose group it is can be told for the caller alone: his own, of his own number. */
static bool is_safe(const struct stat *st, uid_t caller)
{
	bool sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX);

	if (st->st_uid != 0 && st->st_uid != caller)
		return false;
	if (sticky)
		return true;
	return !(st->st_mode & S_IWOTH) &&
	       (!(st->st_mode & S_IWGRP) || st->st_gid == 0 || (caller && st->st_gid == caller));
}

static int unsafe(const char *file, const char *what, const struct stat *st, struct err *e)
{
	const char *of = strcmp(file, what) == 0 ? "" : ", above it,";

	if (st->st_uid != 0)
		return err_set(e, -EACCES,
			       "%s: root does not trust it: %s%s belongs to uid %u, who could put "
			       "anything there; chown root would help",
			       file, what, of, st->st_uid);
	return err_set(e, -EACCES,
		       "%s: root does not trust it: others than root can write to %s%s (mode "
		       "%04o); chmod go-w would help",
		       file, what, of, st->st_mode & 07777u);
}

static int check_way(const char *path, uid_t caller, struct err *e);

int trusted_open(const char *path, bool by_hand, struct err *e)
{
	/* O_NONBLOCK: a fifo must not hold us up. */
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	uid_t caller = by_hand ? sudo_uid() : 0;
	char whole[PATH_MAX], *slash;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, -errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s: %s", path,
			       S_ISDIR(st.st_mode) ? "a folder; right is: a file" :
						     "not a regular file");
	if (geteuid() != 0)
		return fd_take(&fd);
	if (!is_safe(&st, caller))
		return unsafe(path, path, &st, e);
	/* The descriptor is what is read: the folders matter for who could have put it there. */
	if (!realpath(path, whole))
		return err_sys(e, -errno, "%s", path);
	if (!fd_is_path(fd, whole))
		return err_set(e, -EAGAIN, "%s: it was replaced while it was opened", path);
	while ((slash = strrchr(whole, '/'))) {
		*slash = '\0';
		if (stat(*whole ? whole : "/", &st) < 0)
			return err_sys(e, -errno, "%s", whole);
		if (!is_safe(&st, caller))
			return unsafe(path, *whole ? whole : "/", &st, e);
		if (!*whole)
			break;
	}
	if (check_way(path, caller, e) < 0)
		return e->code;
	return fd_take(&fd);
}

/* ---- the way ---- */

#define LINKS_MAX 40 /* as the kernel's */

/* A path that is walked as the kernel does, link by link: where one is matters, for who can
 * change it says where all of the rest is. */
struct walk {
	char at[PATH_MAX];   /* so far: a folder without links */
	char left[PATH_MAX]; /* what is to come */
	unsigned links;
	uid_t caller; /* may have put things there as well; 0: nobody */
	bool to_file; /* its end is no folder */
};

static bool folder_is_safe(const char *path, uid_t caller, bool last)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode) && is_safe(&st, caller) &&
	       !(last && (st.st_mode & S_IWOTH));
}

static bool follow_link(struct walk *w, const char *link)
{
	char target[PATH_MAX], whole[2 * PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);

	if (n <= 0 || ++w->links > LINKS_MAX)
		return false;
	target[n] = '\0';
	n = snprintf(whole, sizeof(whole), "%s/%s", target, w->left);
	if (n >= (ssize_t)sizeof(w->left))
		return false;
	memcpy(w->left, whole, (size_t)n + 1);
	if (target[0] == '/')
		w->at[0] = '\0';
	return true;
}

/* The next name of it. */
static bool step(struct walk *w)
{
	size_t skip = strspn(w->left, "/"), n = strcspn(w->left + skip, "/"), len = strlen(w->at);
	char name[NAME_MAX + 1];
	struct stat st;

	if (n > NAME_MAX || len + 1 + n >= sizeof(w->at))
		return false;
	memcpy(name, w->left + skip, n);
	name[n] = '\0';
	memmove(w->left, w->left + skip + n, strlen(w->left + skip + n) + 1);
	if (n == 0 || strcmp(name, ".") == 0)
		return true;
	if (strcmp(name, "..") == 0) {
		*(len ? strrchr(w->at, '/') : w->at) = '\0';
		return true;
	}
	(void)snprintf(w->at + len, sizeof(w->at) - len, "/%s", name);
	/* In a sticky folder of everybody's root's entries stay where they are. */
	if (lstat(w->at, &st) < 0 || (st.st_uid != 0 && st.st_uid != w->caller))
		return false;
	if (S_ISLNK(st.st_mode)) {
		char link[PATH_MAX];

		memcpy(link, w->at, len + 1 + n + 1);
		w->at[len] = '\0';
		return follow_link(w, link);
	}
	/* A file is looked at by descriptor. */
	if (w->to_file && !w->left[strspn(w->left, "/")])
		return true;
	return folder_is_safe(w->at, w->caller, false);
}

bool trusted_folder(const char *path, char *ret_other)
{
	struct walk w = { .at = "" };
	bool safe = path[0] == '/' && folder_is_safe("/", 0, false);

	safe = safe && snprintf(w.left, sizeof(w.left), "%s", path) < (int)sizeof(w.left);
	while (safe && w.left[0])
		safe = step(&w);
	safe = safe && folder_is_safe(w.at[0] ? w.at : "/", 0, true);
	if (!safe && ret_other)
		memcpy(ret_other, w.at[0] ? w.at : "/", strlen(w.at[0] ? w.at : "/") + 1);
	return safe;
}

/* Whoever can put a link on the way chooses which of root's files is read: another's
 * secrets are root's, too. */
static int check_way(const char *path, uid_t caller, struct err *e)
{
	struct walk w = { .caller = caller, .to_file = true };
	char here[PATH_MAX] = "";
	bool safe = folder_is_safe("/", caller, false);

	if (path[0] != '/' && !getcwd(here, sizeof(here)))
		return err_sys(e, -errno, "%s: the current folder", path);
	if (snprintf(w.left, sizeof(w.left), "%s/%s", here, path) >= (int)sizeof(w.left))
		return err_set(e, -ENAMETOOLONG, "%s: too long", path);
	while (safe && w.left[strspn(w.left, "/")])
		safe = step(&w);
	if (safe)
		return 0;
	return err_set(e, -EACCES,
		       "%s: root does not trust it: others than root can change where it leads, "
		       "at %s; a path without that link would help",
		       path, w.at[0] ? w.at : "/");
}
