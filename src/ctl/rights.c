/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "ctl/rights.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define GROUPS_MAX 256

static bool same_pid_namespace(pid_t pid)
{
	char path[64];
	struct stat own, peer;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
	return stat("/proc/self/ns/pid", &own) == 0 && stat(path, &peer) == 0 &&
	       own.st_ino == peer.st_ino && own.st_dev == peer.st_dev;
}

/* A worker without a PID namespace of its own is still in one of our leaves. */
static bool in_our_leaf(const struct master *m, pid_t pid)
{
	char path[64], text[4096];
	AUTO_FD int fd = -1;
	const char *line;
	size_t n = strlen(m->cgroup.path);
	ssize_t len;

	if (!m->has_cgroup || n == 0)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (len <= 0)
		return true; /* cannot be told: no */
	text[len] = '\0';
	line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!line)
		return false;
	line = strstr(line, "0::") + 3;
	return strncmp(line, m->cgroup.path, n) == 0 && (line[n] == '/' || line[n] == '\n');
}

static bool in_group(int fd, gid_t primary, gid_t want)
{
	gid_t gids[GROUPS_MAX];
	socklen_t len = sizeof(gids);

	if (want == (gid_t)-1)
		return false;
	if (primary == want)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(gid_t); i++)
		if (gids[i] == want)
			return true;
	return false;
}

unsigned rights_on_pool(const struct pool *p, int fd, gid_t gid)
{
	if (in_group(fd, gid, p->conf->control_gid))
		return RIGHT_VIEW | RIGHT_CHANGE;
	return in_group(fd, gid, p->conf->view_gid) ? RIGHT_VIEW : 0;
}

unsigned rights_of_peer(const struct master *m, int fd, pid_t pid, uid_t uid, gid_t gid,
			bool *ret_barred)
{
	*ret_barred = false;
	/* An ordinary user's master may not look at it, and none of its workers is root. */
	if (uid == 0 && geteuid() != 0)
		return RIGHT_VIEW | RIGHT_CHANGE | RIGHT_ROOT;
	if (!same_pid_namespace(pid) || in_our_leaf(m, pid)) {
		*ret_barred = true;
		return 0;
	}
	if (uid == 0 || uid == geteuid())
		return RIGHT_VIEW | RIGHT_CHANGE | RIGHT_ROOT;
	if (in_group(fd, gid, m->config->control_gid))
		return RIGHT_VIEW | RIGHT_CHANGE;
	if (in_group(fd, gid, m->config->view_gid))
		return RIGHT_VIEW;
	return 0;
}
