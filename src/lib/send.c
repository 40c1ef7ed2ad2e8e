/* SPDX-License-Identifier: MIT */
/* send.c - the worker's words: sd_notify(3)'s, and two more. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/lib.h"
#include "lib/send.h"

static int send_word(const struct mpsup *m, const char *key, const char *value, size_t len)
{
	struct iovec iov[] = {
		{ .iov_base = (void *)(uintptr_t)key, .iov_len = strlen(key) },
		{ .iov_base = (void *)(uintptr_t)value, .iov_len = len },
	};
	struct msghdr h = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	do
		n = sendmsg(m->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

int mpsup_pay(struct mpsup *m)
{
	int r = m->owes ? send_word(m, m->owed, "", 0) : 0;

	m->owes = r == -EAGAIN;
	return r;
}

int mpsup_send(struct mpsup *m, const char *key, const char *value, size_t len)
{
	int r = mpsup_pay(m);

	return r < 0 ? r : send_word(m, key, value, len);
}

int mpsup_ready(struct mpsup *m)
{
	return m->greeted ? mpsup_send(m, "READY=", "1", 1) : -ENOTCONN;
}

int mpsup_watchdog(struct mpsup *m)
{
	return mpsup_send(m, "WATCHDOG=", "1", 1);
}

int mpsup_stopping(struct mpsup *m)
{
	return mpsup_send(m, "STOPPING=", "1", 1);
}

int mpsup_extend_timeout(struct mpsup *m, uint64_t usec)
{
	char number[24];
	int n = snprintf(number, sizeof(number), "%" PRIu64, usec);

	return mpsup_send(m, "EXTEND_TIMEOUT_USEC=", number, (size_t)n);
}

/* A status is for people: it is cut and smoothed rather than refused. */
int mpsup_status(struct mpsup *m, const char *format, ...)
{
	char text[MPSUP_STATUS_MAX + 1];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	for (char *p = text; (p = strpbrk(p, "\r\n"));)
		*p = ' ';
	return mpsup_send(m, "STATUS=", text, strlen(text));
}

int mpsup_suicide(struct mpsup *m, const char *reason)
{
	size_t len;

	if (!reason || *reason == '\0')
		reason = "1";
	len = strlen(reason);
	if (len > MPSUP_STATUS_MAX)
		return -EMSGSIZE;
	if (memchr(reason, '\n', len))
		return -EINVAL;
	return mpsup_send(m, "SUICIDE=", reason, len);
}

int mpsup_message(struct mpsup *m, const char *json, size_t len)
{
	if (len > MPSUP_MESSAGE_MAX)
		return -EMSGSIZE;
	if (len == 0 || memchr(json, '\n', len) || memchr(json, '\0', len))
		return -EINVAL;
	return mpsup_send(m, "MESSAGE=", json, len);
}
