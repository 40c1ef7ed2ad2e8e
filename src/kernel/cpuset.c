/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/cpuset.h"

#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/hierarchy.h"

#define UEVENTS_OF_KERNEL 1 /* the multicast group; udev's own is 2 */

static void on_files(struct source *s, uint32_t events)
{
	struct cpuset_watch *w = container_of(s, struct cpuset_watch, files);
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	(void)events;
	/* Which file does not matter: what is effective is read anew. */
	while (read(w->files_fd, buf, sizeof(buf)) > 0)
		;
	w->changed(w);
}

static void on_hotplug(struct source *s, uint32_t events)
{
	struct cpuset_watch *w = container_of(s, struct cpuset_watch, hotplug);
	char buf[64];

	(void)events;
	/* ENOBUFS says that some were lost: one that is left is enough. */
	while (recv(w->hotplug_fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC) > 0 ||
	       errno == ENOBUFS)
		;
	w->changed(w);
}

#define WORD(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))
#define AT(i)		 BPF_STMT(BPF_LD | BPF_W | BPF_IND, (i))
#define IS(word, no)	 BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (word), 0, (no))

/* "online@/devices/system/cpu/cpu1" and "offline@...": X is where the path begins. */
int cpuset_hotplug_filter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		IS(WORD('o', 'n', 'l', 'i'), 2),
		BPF_STMT(BPF_LDX | BPF_IMM, 7),
		BPF_STMT(BPF_JMP | BPF_JA, 2),
		IS(WORD('o', 'f', 'f', 'l'), 10),
		BPF_STMT(BPF_LDX | BPF_IMM, 8),
		AT(0),
		IS(WORD('/', 'd', 'e', 'v'), 7),
		AT(8),
		IS(WORD('/', 's', 'y', 's'), 5),
		AT(12),
		IS(WORD('t', 'e', 'm', '/'), 3),
		AT(16),
		IS(WORD('c', 'p', 'u', '/'), 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffffu),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog prog = { .len = ARRAY_LEN(code), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

static int open_hotplug(struct cpuset_watch *w)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = UEVENTS_OF_KERNEL };
	AUTO_FD int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	int r = fd < 0 ? -errno : cpuset_hotplug_filter(fd);

	/* Sending there takes CAP_NET_ADMIN, and a false one only makes us look. */
	if (r == 0 && bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		r = -errno;
	if (r == 0)
		r = source_add(w->loop, &w->hotplug, fd, EPOLLIN, on_hotplug);
	if (r == 0)
		w->hotplug_fd = fd_take(&fd);
	return r;
}

static int open_files(struct cpuset_watch *w)
{
	AUTO_FD int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int r = fd < 0 ? -errno : source_add(w->loop, &w->files, fd, EPOLLIN, on_files);

	if (r == 0)
		w->files_fd = fd_take(&fd);
	return r;
}

int cpuset_watch_open(struct cpuset_watch *w, struct loop *l,
		      void (*changed)(struct cpuset_watch *w))
{
	int files, hotplug;

	*w = CPUSET_WATCH_NONE;
	w->files = w->hotplug = SOURCE_NONE;
	w->loop = l;
	w->changed = changed;
	files = open_files(w);
	hotplug = open_hotplug(w);
	return files < 0 ? files : hotplug;
}

void cpuset_watch_close(struct cpuset_watch *w)
{
	if (!w->loop)
		return;
	source_remove(w->loop, &w->files);
	source_remove(w->loop, &w->hotplug);
	fd_close(&w->files_fd);
	fd_close(&w->hotplug_fd);
	*w = CPUSET_WATCH_NONE;
}

void cpuset_watch_tree(struct cpuset_watch *w, const char *mount, const char *own)
{
	/* subtree_control: the controller comes to the tasks below with a new mask each. */
	static const char *const names[] = { "cpuset.cpus", "cpuset.cpus.exclusive",
					     "cpuset.cpus.partition", "cgroup.subtree_control" };
	char path[PATH_MAX], file[PATH_MAX + 32];

	if (w->files_fd < 0 || !hierarchy_start(path, sizeof(path), mount, own))
		return;
	do
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			(void)snprintf(file, sizeof(file), "%s/%s", path, names[i]);
			/* Often not there; one that is watched already stays so. */
			ignore(inotify_add_watch(w->files_fd, file, IN_MODIFY));
		}
	while (hierarchy_up(path, mount));
}

void cpuset_watch_own(struct cpuset_watch *w)
{
	struct hierarchy h;

	for (int v2 = 0; v2 <= 1; v2++)
		if (hierarchy_find("/proc/self", v2, "cpuset", &h))
			cpuset_watch_tree(w, h.mount, h.own);
}
