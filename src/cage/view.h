/* SPDX-License-Identifier: MIT */
/* view.h - the file system that a worker sees.
 *
 * The pool's mount tree is built once for each generation in a mount namespace
 * of its own (the mold) and held by descriptor; each birth joins it, takes a
 * private copy and adds only what must be its own: /proc with masks, /tmp,
 * /var/tmp, /run, /dev/shm, /sys/fs/cgroup. See traps 10-13, 23b.
 *
 * Layer: cage. -Exxx, never logs. */
#ifndef MPSUP_CAGE_VIEW_H
#define MPSUP_CAGE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"

enum view_mode { VIEW_RO, VIEW_RW, VIEW_HIDE };

struct view_bind {
	const char *path; /* absolute, no symlink in it; same place inside and outside */
	enum view_mode mode;
	const char *link_to; /* not a bind but a symlink with this text */
	const char *why;     /* for messages: "--rw", "--cwd", ... */
	bool is_dir;
	/* Below a folder that each birth mounts anew (/tmp, /run, ...): kept in the
	 * mold at `late_from` and put in its place by view_mount_own(). */
	const char *late_from;
};

/* What a person asked for. */
struct view_request {
	bool app;		       /* false: host view, everything read-only but rw */
	const char *cwd;	       /* absolute */
	char *const *argv;	       /* NULL: built-in worker */
	const char *exec_path;	       /* resolved absolute path of argv[0], or NULL */
	const char **ro, **rw, **hide; /* NULL-terminated, never NULL */
};

/* A secret file for the workers: VIEW_CREDENTIALS/NAME, readable for their uid alone. */
struct view_credential {
	const char *name;
	void *data; /* the caller's, until the mold is built */
	size_t len;
};
#define VIEW_CREDENTIALS      "/dev/.mpsup/credentials"
#define VIEW_CREDENTIALS_MAX  64
#define VIEW_CREDENTIAL_BYTES (1u << 20) /* each */

/* A script that the worker's runtime loads: anybody's to read. */
#define VIEW_PRELOAD "/dev/.mpsup/preload.cjs"

/* A file of the command itself, as it is when the mold is built: whoever is born of this
 * generation runs that one, whatever is deployed over it meanwhile. Files that a deploy may
 * write into are copied; of large ones, and of programs, which the kernel does not let
 * anybody write into while they run, the inode is kept. */
struct view_pin {
	const char *path; /* absolute, no symlink in it */
	bool copy;
};
#define VIEW_PINS_MAX	8
#define VIEW_PIN_BYTES	(16u << 20) /* that are copied, of each */
#define VIEW_PIN_EXEC	(1u << 20)  /* and of a program */
#define VIEW_PIN_FORMAT "/dev/.mpsup/pinned/%u"

/* What is done: plain data, strings in the arena. */
struct view {
	bool app;
	struct view_bind *binds; /* parents before what is below them */
	unsigned nbinds;
	struct view_pin pins[VIEW_PINS_MAX];
	unsigned npins;
	uint64_t tmp_bytes; /* size limit of the private /tmp (and /var/tmp, each) */
	bool own_cgroup;    /* a cgroup namespace is there: /sys/fs/cgroup = own leaf */
	bool own_pid;	    /* a PID namespace is there: mount a new /proc */
	uid_t uid;	    /* owner of the private /run */
	gid_t gid;
	const struct view_credential *credentials; /* NULL: none */
	unsigned ncredentials;
	const char *preload;		       /* text of VIEW_PRELOAD, as those; NULL: none */
	char tmp_options[64], run_options[64]; /* filled by view_build_mold() */
};

/* Turn a request into binds: standard folders, cwd, the prefix of the command,
 * folders of absolute paths among the arguments, name resolution's files, ro,
 * rw, hide. Nested and double paths are put in order. -EINVAL, -ENOENT,
 * -EACCES with a sentence that names the option. */
MUST_CHECK int view_plan(const struct view_request *req, struct arena *arena, struct view *ret_view,
			 struct err *e);

/* view_pins.c: which files of the command are pinned; -ENOMEM. Of view_plan(). */
MUST_CHECK int view_plan_pins(const struct view_request *req, struct arena *arena, struct view *v);
/* Of the mold, before anything is covered: -1 for one that is not there any more. */
void view_open_pins(const struct view *v, int *fds);
/* Below the folder dev of the mold, which is the current one's. Closes fds. */
MUST_CHECK int view_make_pins(const struct view *v, int *fds);
/* The child's step, after view_mount_own(). */
int view_put_pins(const struct view *v);

/* Build the mold in a short-lived child and return a descriptor of its mount
 * namespace (CLOEXEC). Blocks for about a millisecond; never leaves a child. */
MUST_CHECK int view_build_mold(struct view *v, int *ret_ns_fd, struct err *e);

/* The child's steps, after the clone, as root, only system calls: 0 or -errno. */
int view_enter(int mold_fd);		     /* setns + unshare(CLONE_NEWNS) */
int view_mount_proc(const struct view *v);   /* own /proc, masked and read-only as runc */
int view_mount_own(const struct view *v);    /* /tmp /var/tmp /dev/shm /run, /dev/pts */
int view_mount_cgroup(const struct view *v); /* /sys/fs/cgroup: the own leaf, read-only */

#endif
