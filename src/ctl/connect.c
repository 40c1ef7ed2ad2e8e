/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "ctl/connect.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define ANSWER_MAX ((size_t)64 << 20) /* a status of thousands of workers is far below */

int remote_target(struct remote *r, const char *text, struct err *e)
{
	const char *colon, *rest;
	size_t n;

	if (!text)
		text = "";
	colon = strchr(text, ':');
	n = colon ? (size_t)(colon - text) : 0;
	rest = colon ? colon + 1 : text;
	if (n >= sizeof(r->instance) || strlen(rest) >= sizeof(r->target))
		return err_set(e, -EINVAL, "a target that long cannot be one: %.40s...", text);
	if ((colon && n == 0) || text[0] == '.' || (n && memchr(text, '/', n)))
		return err_set(e, -EINVAL,
			       "'%s' is no target: [INSTANCE:][POOL[/SLOT]] is meant, as in "
			       "web/3 or shop:web",
			       text);
	(void)snprintf(r->instance, sizeof(r->instance), "%.*s", (int)n, text);
	(void)snprintf(r->target, sizeof(r->target), "%s", rest);
	return 0;
}

static int several(const struct instance_refs *refs, struct err *e)
{
	char names[300] = "";
	size_t n = 0;

	for (size_t i = 0; i < refs->n && n + 70 < sizeof(names); i++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s:", i ? " " : "",
				      refs->refs[i].name);
	return err_set(e, -ENOTUNIQ, "%zu instances run; write which one before the target: %s%s",
		       refs->n, names, n + 70 < sizeof(names) ? "" : " ...");
}

/* systemd tells ExecReload= and the like whose unit it is; a unit need not name it twice. */
static const struct instance_ref *of_unit(const struct instance_refs *refs)
{
	const char *text = getenv("MAINPID");
	long pid = text ? strtol(text, NULL, 10) : 0;

	for (size_t i = 0; pid > 0 && i < refs->n; i++)
		if (refs->refs[i].master == pid)
			return &refs->refs[i];
	return NULL;
}

/* NULL with *e filled. The first of a name wins. */
static const struct instance_ref *choose(const struct remote *r, const struct instance_refs *refs,
					 struct err *e)
{
	if (!r->instance[0] && of_unit(refs))
		return of_unit(refs);
	if (!r->instance[0] && refs->n > 1) {
		(void)several(refs, e);
		return NULL;
	}
	for (size_t i = 0; i < refs->n; i++)
		if (!r->instance[0] || strcmp(refs->refs[i].name, r->instance) == 0)
			return &refs->refs[i];
	if (r->instance[0])
		(void)err_set(e, -ENOENT, "no instance '%s' is running%s", r->instance,
			      refs->n ? "; `mpsup list` shows those that are" : "");
	else
		(void)err_set(e, -ENOENT, "no instance of mpsup is running here");
	return NULL;
}

/* SO_PEERCRED of a listening socket is the process that called listen(2). */
static int open_pidfd(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.pid <= 0)
		return -1;
	return (int)syscall(SYS_pidfd_open, cred.pid, 0);
}

static int not_connected(int error, const struct instance_ref *ref, struct err *e)
{
	switch (error) {
	case EAGAIN:
		return err_set(e, -ETIMEDOUT, "instance %s does not answer", ref->name);
	case ENOENT:
	case ECONNREFUSED:
		return err_set(e, -ENOENT, "instance %s is not running any more", ref->name);
	case EACCES:
	case EPERM:
		return err_set(e, -EACCES, "not permitted to talk to instance %s (%s)", ref->name,
			       ref->path);
	default:
		return err_sys(e, -error, "%s", ref->path);
	}
}

int remote_open(struct remote *r, const struct instance_refs *refs, struct err *e)
{
	const struct instance_ref *ref = choose(r, refs, e);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = CONNECT_WAIT_MS / 1000 };
	AUTO_FD int fd = -1;

	if (!ref)
		return e->code;
	memcpy(r->instance, ref->name, sizeof(r->instance));
	memcpy(r->path, ref->path, sizeof(r->path));
	memcpy(a.sun_path, ref->path, sizeof(a.sun_path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, -errno, "control socket");
	/* Also bounds connect(2) to a master whose queue is full. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return not_connected(errno, ref, e);
	r->pidfd = open_pidfd(fd);
	r->fd = fd_take(&fd);
	return 0;
}

static int send_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

int remote_ask(struct remote *r, const char *verb, json_t *args, struct err *e)
{
	json_t *req = json_pack("{s:s, s:s, s:o}", "verb", verb, "target", r->target, "args",
				args ? args : json_object());
	char *text = req ? json_dumps(req, JSON_COMPACT) : NULL;
	int err;

	json_decref(req);
	if (!text)
		return err_set(e, -EINVAL, "a target that is not UTF-8");
	err = send_all(r->fd, text, strlen(text));
	if (err == 0)
		err = send_all(r->fd, "\n", 1);
	free(text);
	/* A refusal may be on its way already: it is read, not this error told. */
	if (err == -EPIPE || err == -ECONNRESET)
		err = 0;
	return err < 0 ? err_sys(e, err, "instance %s", r->instance) : 0;
}

static bool take_raw(struct remote *r, const char *line, size_t n)
{
	char head[64];
	size_t len = (size_t)snprintf(head, sizeof(head), "{\"ok\":true,\"%s\":{", r->raw_key);

	if (n < len + 2 || memcmp(line, head, len) != 0 || memcmp(line + n - 2, "}}", 2) != 0)
		return false;
	r->raw = line + len - 1;
	r->raw_len = n - len;
	return true;
}

/* One object of the bytes read so far; 0: no whole line yet. */
static int take_line(struct remote *r, json_t **ret, struct err *e)
{
	char *start = r->buf + r->used;
	char *nl = r->len > r->used ? memchr(start, '\n', r->len - r->used) : NULL;
	json_error_t why;
	json_t *o;

	if (!nl)
		return 0;
	r->used = (size_t)(nl + 1 - r->buf);
	if (r->raw_key && take_raw(r, start, (size_t)(nl - start))) {
		*ret = json_pack("{s:b}", "ok", 1);
		return *ret ? 1 : err_set(e, -ENOMEM, "out of memory");
	}
	o = json_loadb(start, (size_t)(nl - start), 0, &why);
	if (!json_is_object(o)) {
		json_decref(o);
		return err_set(e, -EBADMSG, "instance %s sent what is no answer", r->instance);
	}
	*ret = o;
	return 1;
}

static int make_room(struct remote *r, struct err *e)
{
	size_t size = r->size ? r->size * 2 : 16384;
	char *buf;

	if (r->used) {
		memmove(r->buf, r->buf + r->used, r->len - r->used);
		r->len -= r->used;
		r->used = 0;
	}
	if (r->size - r->len >= 4096)
		return 0;
	if (size > ANSWER_MAX)
		return err_set(e, -EBADMSG, "instance %s sent a line without an end", r->instance);
	buf = realloc(r->buf, size);
	if (!buf)
		return err_set(e, -ENOMEM, "out of memory");
	r->buf = buf;
	r->size = size;
	return 0;
}

/* Until bytes are there, the time is up, or whoever read our output is gone. */
static int wait_bytes(const struct remote *r, uint64_t deadline_ms, struct err *e)
{
	struct pollfd p[2] = {
		{ .fd = r->fd, .events = POLLIN },
		/* POLLERR comes unasked */
		{ .fd = r->watch_stdout ? STDOUT_FILENO : -1 },
	};

	for (;;) {
		uint64_t now = clock_boot_ms();
		int left = -1, n;

		if (deadline_ms)
			left = now < deadline_ms ? (int)(deadline_ms - now) : 0;
		n = poll(p, 2, left);
		if (n < 0 && errno != EINTR)
			return err_sys(e, -errno, "poll");
		if (n > 0 && p[0].revents)
			return 0;
		if (n > 0 && (p[1].revents & (POLLERR | POLLHUP)))
			return err_set(e, -EPIPE, "nobody reads the output");
		if (n > 0) /* stdout is closed, or something poll cannot watch */
			p[1].fd = -1;
		if (n == 0)
			return err_set(e, -ETIMEDOUT, "instance %s does not answer", r->instance);
	}
}

int remote_next(struct remote *r, int timeout_ms, json_t **ret, struct err *e)
{
	uint64_t deadline = timeout_ms < 0 ? 0 : clock_boot_ms() + (uint64_t)timeout_ms;
	int err;

	while ((err = take_line(r, ret, e)) == 0) {
		ssize_t n;

		err = make_room(r, e);
		if (err == 0)
			err = wait_bytes(r, deadline, e);
		if (err < 0)
			return err;
		n = recv(r->fd, r->buf + r->len, r->size - r->len, 0);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return err_set(e, -ECONNRESET, "instance %s ended the connection",
				       r->instance);
		if (n < 0 && errno != EINTR)
			return err_sys(e, -errno, "instance %s", r->instance);
		if (n > 0)
			r->len += (size_t)n;
	}
	return err < 0 ? err : 0;
}

bool remote_answers(const struct remote *r)
{
	struct instance_ref ref = { .forbidden = false };
	const struct instance_refs refs = { &ref, 1 };
	struct remote other = REMOTE_NONE;
	json_t *line = NULL;
	struct err e = { 0 };
	int err;

	memcpy(ref.name, r->instance, sizeof(ref.name));
	memcpy(ref.path, r->path, sizeof(ref.path));
	err = remote_open(&other, &refs, &e);
	/* Of whatever version it is: that it does not know this verb is an answer. */
	if (err == 0)
		err = remote_ask(&other, "hello", NULL, &e);
	if (err == 0)
		err = remote_next(&other, CONNECT_WAIT_MS, &line, &e);
	json_decref(line);
	remote_close(&other);
	/* Of another failure the first connection tells. */
	return err != -ETIMEDOUT;
}

bool remote_is_gone(struct remote *r, int timeout_ms)
{
	struct pollfd p = { .fd = r->pidfd, .events = POLLIN };
	uint64_t deadline = clock_boot_ms() + (uint64_t)timeout_ms;
	int n = 0;

	do {
		uint64_t now = clock_boot_ms();

		if (r->pidfd >= 0)
			n = poll(&p, 1, now < deadline ? (int)(deadline - now) : 0);
	} while (n < 0 && errno == EINTR);
	return access(r->path, F_OK) < 0 && errno == ENOENT && (r->pidfd < 0 || n == 1);
}

void remote_close(struct remote *r)
{
	fd_close(&r->fd);
	fd_close(&r->pidfd);
	free(r->buf);
	r->buf = NULL;
	r->len = r->size = r->used = 0;
}
