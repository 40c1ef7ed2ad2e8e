/* SPDX-License-Identifier: MIT */
/* resolve_io.c - from what a person calls a disk to the number that io.max takes:
 * that of the whole disk, never of a partition. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "config/resolve.h"

#define SYS_BLOCK "/sys/dev/block"

static int read_number(const char *path, unsigned *ret_major, unsigned *ret_minor)
{
	FILE *f = fopen(path, "re");
	int n = f ? fscanf(f, "%u:%u", ret_major, ret_minor) : 0;

	if (f)
		(void)fclose(f);
	return n == 2 ? 0 : -ENOENT;
}

/* A partition's folder in sysfs lies in its disk's. */
static int whole_disk(unsigned *major, unsigned *minor)
{
	char path[PATH_MAX], real[PATH_MAX];

	(void)snprintf(path, sizeof(path), SYS_BLOCK "/%u:%u", *major, *minor);
	if (!realpath(path, real))
		return -errno;
	if (snprintf(path, sizeof(path), "%s/partition", real) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (access(path, F_OK) < 0)
		return 0;
	if (snprintf(path, sizeof(path), "%s/../dev", real) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return read_number(path, major, minor);
}

static int find_device(struct io_limit *io, struct err *e)
{
	struct stat st;

	if (sscanf(io->device, "%u:%u", &io->major, &io->minor) == 2)
		return 0;
	if (stat(io->device, &st) < 0)
		return err_sys(e, -errno, "--io %s", io->device);
	if (S_ISBLK(st.st_mode)) {
		io->major = major(st.st_rdev);
		io->minor = minor(st.st_rdev);
	} else {
		io->major = major(st.st_dev);
		io->minor = minor(st.st_dev);
	}
	/* tmpfs, overlay, btrfs and the like have numbers without a device. */
	if (io->major == 0)
		return err_set(
			e, -EINVAL,
			"--io %s: it lies on no disk of its own (device 0:%u); name the disk",
			io->device, io->minor);
	return 0;
}

static int resolve_disks(struct limits *l, struct err *e)
{
	for (unsigned i = 0; i < l->nio; i++) {
		struct io_limit *io = &l->io[i];
		int r = find_device(io, e);

		if (r < 0)
			return r;
		r = whole_disk(&io->major, &io->minor);
		if (r < 0)
			return err_set(e, -ENOENT, "--io %s: there is no disk %u:%u on this host",
				       io->device, io->major, io->minor);
	}
	return 0;
}

int resolve_io(struct pool_config *p, struct err *e)
{
	int r = resolve_disks(&p->limits, e);

	return r == 0 ? resolve_disks(&p->total, e) : r;
}
