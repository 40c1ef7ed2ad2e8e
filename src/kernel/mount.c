/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/* <sys/mount.h> of glibc 2.36 and <linux/mount.h> define the same names. */
extern int mount(const char *source, const char *target, const char *type, unsigned long flags,
		 const void *data);

int mount_attr(int fd, const char *path, uint64_t set, uint64_t clear, bool recursive)
{
	struct mount_attr a = { .attr_set = set, .attr_clr = clear };
	unsigned flags = (unsigned)((*path ? 0 : AT_EMPTY_PATH) | (recursive ? AT_RECURSIVE : 0));

	return syscall(SYS_mount_setattr, fd, path, flags, &a, sizeof(a)) < 0 ? -errno : 0;
}

int mount_bind(int from_fd, const char *from, int to_fd, const char *to, uint64_t attr,
	       bool recursive)
{
	AUTO_FD int tree = (int)syscall(SYS_open_tree, from_fd, from,
					OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
						(unsigned)(recursive ? AT_RECURSIVE : 0) |
						(unsigned)(*from ? 0 : AT_EMPTY_PATH));
	int r;

	if (tree < 0)
		return -errno;
	r = mount_attr(tree, "", attr, 0, recursive);
	if (r < 0)
		return r;
	return syscall(SYS_move_mount, tree, "", to_fd, to, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno :
											   0;
}

int mount_tmpfs(const char *path, unsigned long flags, const char *options)
{
	return mount("tmpfs", path, "tmpfs", flags, options) < 0 ? -errno : 0;
}
