/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/surroundings.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

static bool path_in(const char *root, const char *path, char *buf)
{
	return snprintf(buf, PATH_MAX, "%s%s", root, path) < PATH_MAX;
}

static bool is_there(const char *root, const char *path)
{
	char whole[PATH_MAX];

	return path_in(root, path, whole) && access(whole, F_OK) == 0;
}

/* All of a small file, with '\0' at the end. Bytes, or -1. */
static ssize_t read_small(const char *root, const char *path, char *buf, size_t size)
{
	char whole[PATH_MAX];
	AUTO_FD int fd = path_in(root, path, whole) ?
				 open(whole, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) :
				 -1;
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n >= 0)
		buf[n] = '\0';
	return n;
}

bool surroundings_line(const char *root, const char *path, char *buf, size_t size)
{
	if (read_small(root, path, buf, size) < 0)
		return false;
	buf[strcspn(buf, "\n")] = '\0';
	return true;
}

bool surroundings_number(const char *root, const char *path, uint64_t *ret)
{
	char text[32], *end;
	uint64_t n;

	if (!surroundings_line(root, path, text, sizeof(text)) || !isdigit((unsigned char)*text))
		return false;
	n = strtoull(text, &end, 10);
	*ret = n;
	return true;
}

/* ---- a container ---- */

/* The variable that systemd asks runtimes to set for the first process. */
static bool first_process_says(const char *root, char *evidence, size_t size)
{
	char env[8192];
	ssize_t n = read_small(root, "/proc/1/environ", env, sizeof(env));

	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(env + at) + 1)
		if (strncmp(env + at, "container=", 10) == 0 && env[at + 10]) {
			(void)snprintf(evidence, size, "container=%.60s is what process 1 was told",
				       env + at + 10);
			return true;
		}
	return false;
}

static bool cgroup_says(const char *root, char *evidence, size_t size)
{
	static const char *const names[] = { "docker", "kubepods",   "libpod",	     "lxc",
					     "crio",   "containerd", "machine.slice" };
	char text[4096];

	if (read_small(root, "/proc/1/cgroup", text, sizeof(text)) <= 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strstr(text, names[i])) {
			(void)snprintf(evidence, size, "the cgroup of process 1 names %s",
				       names[i]);
			return true;
		}
	return false;
}

bool surroundings_container(const char *root, char *evidence, size_t size)
{
	static const char *const marks[] = { "/.dockerenv", "/run/.containerenv" };
	char kind[64];

	evidence[0] = '\0';
	if (surroundings_line(root, "/run/systemd/container", kind, sizeof(kind)) && kind[0]) {
		(void)snprintf(evidence, size, "/run/systemd/container says %s", kind);
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (is_there(root, marks[i])) {
			(void)snprintf(evidence, size, "%s is there", marks[i]);
			return true;
		}
	return first_process_says(root, evidence, size) || cgroup_says(root, evidence, size);
}

/* ---- systemd ---- */

/* Its own library carries the version in its name: libsystemd-shared-252.so. */
static unsigned version_in(const char *root, const char *folder)
{
	char whole[PATH_MAX];
	unsigned version = 0, n;
	struct dirent *de;
	DIR *d = path_in(root, folder, whole) ? opendir(whole) : NULL;

	while (d && (de = readdir(d)))
		if (sscanf(de->d_name, "libsystemd-shared-%5u", &n) == 1 && n > version)
			version = n;
	if (d)
		(void)closedir(d);
	return version;
}

bool surroundings_systemd(const char *root, unsigned *ret_version)
{
	static const char *const folders[] = { "/usr/lib/systemd", "/lib/systemd",
					       "/usr/lib64/systemd",
					       "/usr/lib/x86_64-linux-gnu/systemd",
					       "/usr/lib/aarch64-linux-gnu/systemd" };

	*ret_version = 0;
	for (size_t i = 0; i < ARRAY_LEN(folders) && *ret_version == 0; i++)
		*ret_version = version_in(root, folders[i]);
	return is_there(root, "/run/systemd/system");
}

/* ---- user namespaces ---- */

bool surroundings_mapped(const char *root, char *how, size_t size)
{
	unsigned inside, outside, count;

	if (!surroundings_line(root, "/proc/self/uid_map", how, size))
		return false;
	if (sscanf(how, "%u %u %u", &inside, &outside, &count) != 3)
		return true;
	(void)snprintf(how, size, "%u %u %u", inside, outside, count);
	return inside != 0 || outside != 0 || count != UINT32_MAX;
}

void surroundings_userns(const char *root, char *sysctl, size_t size)
{
	static const struct {
		const char *path, *name;
		uint64_t refuses;
	} all[] = {
		{ "/proc/sys/user/max_user_namespaces", "user.max_user_namespaces", 0 },
		{ "/proc/sys/kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone",
		  0 },
		{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
		  "kernel.apparmor_restrict_unprivileged_userns", 1 },
	};
	uint64_t n;

	sysctl[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (surroundings_number(root, all[i].path, &n) && n == all[i].refuses) {
			(void)snprintf(sysctl, size, "%s is %llu", all[i].name,
				       (unsigned long long)n);
			return;
		}
}

/* ---- security modules ---- */

enum lsm_state surroundings_selinux(const char *root)
{
	uint64_t on;

	if (!surroundings_number(root, "/sys/fs/selinux/enforce", &on))
		return LSM_NONE;
	return on ? LSM_STRICT : LSM_LOOSE;
}

enum lsm_state surroundings_apparmor(const char *root, char *profile, size_t size)
{
	char on[8];

	profile[0] = '\0';
	if (!surroundings_line(root, "/sys/module/apparmor/parameters/enabled", on, sizeof(on)) ||
	    on[0] != 'Y')
		return LSM_NONE;
	/* Its own folder since other modules share the old place. */
	if (!surroundings_line(root, "/proc/self/attr/apparmor/current", profile, size) &&
	    !surroundings_line(root, "/proc/self/attr/current", profile, size))
		return LSM_LOOSE;
	return strncmp(profile, "unconfined", 10) == 0 ? LSM_LOOSE : LSM_STRICT;
}
