/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

#define SEND_BYTES (256 << 10)

bool journal_has(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	if (!stream || fstat(fd, &st) < 0)
		return false;
	(void)snprintf(own, sizeof(own), "%llu:%llu", (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	return strcmp(own, stream) == 0;
}

int journal_open(const char *path, const char *identifier)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO_FD int fd = -1;
	int bytes = SEND_BYTES;
	char header[160];
	int len;

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	memcpy(a.sun_path, path, strlen(path) + 1);
	/* Identifier; unit: ours, by our cgroup; priority of lines that have none; do they
	 * have one: yes; forward to syslog, kmsg, console: as journald is told to. */
	len = snprintf(header, sizeof(header), "%s\n\n%d\n1\n0\n0\n0\n", identifier, JOURNAL_INFO);
	if (len >= (int)sizeof(header) || strchr(identifier, '\n'))
		return -EINVAL;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
	    shutdown(fd, SHUT_RD) < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	/* The first bytes of a new socket always have room. */
	if (send(fd, header, (size_t)len, MSG_NOSIGNAL) != len)
		return -EIO;
	return fd_take(&fd);
}

/* "<6>" to "<191>", as journald reads it: its length, 0: none. */
static size_t own_priority(const char *text, size_t len, bool *ret_emergency)
{
	size_t n = 1;
	int value = 0;

	if (len < 3 || text[0] != '<')
		return 0;
	for (; n < len && n < 4 && text[n] >= '0' && text[n] <= '9'; n++)
		value = value * 10 + text[n] - '0';
	if (n == 1 || n == len || text[n] != '>')
		return 0;
	*ret_emergency = value % 8 == 0;
	return n + 1;
}

size_t journal_line(int priority, const char *text, size_t len, char *out)
{
	bool emergency = false;
	size_t own = own_priority(text, len, &emergency), n = 0;

	if (!own || emergency) {
		out[n++] = '<';
		out[n++] = own ? '1' : (char)('0' + priority);
		out[n++] = '>';
		text += own;
		len -= own;
	}
	memcpy(out + n, text, len);
	n += len;
	out[n++] = '\n';
	return n;
}
