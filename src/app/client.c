/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/paths.h"
#include "base/text.h"

#define END_WAIT_MS 2000

void client_setup(struct render *ret)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	(void)signal(SIGPIPE, SIG_IGN);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	ret->out = stdout;
	ret->colour = isatty(STDOUT_FILENO) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

int client_error(const struct err *e)
{
	char safe[sizeof(e->msg) * 2];

	if (e->code == -EPIPE) /* who read our output has seen enough */
		return CLIENT_OK;
	(void)text_safe(e->msg, strlen(e->msg), safe, sizeof(safe));
	(void)fprintf(stderr, "mpsup: %s\n", safe);
	switch (e->code) {
	case -EINVAL:
	case -ENOTUNIQ:
		return CLIENT_USAGE;
	case -ENOENT:
		return CLIENT_NONE;
	case -EACCES:
		return CLIENT_FORBIDDEN;
	case -ETIMEDOUT:
		return CLIENT_TIMEOUT;
	default:
		return CLIENT_NO;
	}
}

int client_instances(struct instance_refs *ret)
{
	static const char of_root[] = "/run/mpsup";
	struct instance_refs refs = { 0 };
	char dir[PATH_MAX];
	const char *root = getenv("MPSUP_ROOT");
	struct err e;
	int r;

	paths_run_dir(dir, sizeof(dir));
	r = instances_find(&refs, dir, &e);
	/* Root's instances may have given this user's group a right to look. */
	if (r == 0 && !(root && *root) && strcmp(dir, of_root) != 0)
		r = instances_find(&refs, of_root, &e);
	if (r < 0) {
		instances_done(&refs);
		return client_error(&e);
	}
	*ret = refs;
	return 0;
}

int client_connect(struct remote *ret, const char *target)
{
	struct instance_refs refs;
	struct err e = { 0 };
	int r;

	*ret = (struct remote)REMOTE_NONE;
	r = remote_target(ret, target, &e);
	if (r < 0)
		return client_error(&e);
	r = client_instances(&refs);
	if (r != 0)
		return r;
	r = remote_open(ret, &refs, &e);
	instances_done(&refs);
	return r < 0 ? client_error(&e) : 0;
}

static void print_all(const json_t *errors)
{
	char safe[1100];

	for (size_t i = 0; i < json_array_size(errors); i++) {
		const json_t *text = json_array_get(errors, i);

		(void)text_safe(json_string_value(text), json_string_length(text), safe,
				sizeof(safe));
		(void)fprintf(stderr, "mpsup: %s\n", safe);
	}
}

/* The exit status of {"ok":false, ...}, told. */
static int refused(const struct remote *r, const json_t *final)
{
	const json_t *text = json_object_get(final, "error"),
		     *exit = json_object_get(final, "exit");
	json_int_t status = json_integer_value(exit);
	char safe[1024] = "the master refused without a word";

	if (json_is_string(text))
		(void)text_safe(json_string_value(text), json_string_length(text), safe,
				sizeof(safe));
	print_all(json_object_get(final, "errors"));
	(void)fprintf(stderr, "mpsup: %s\n", safe);
	if (status == CLIENT_NONE && strcmp(r->target, r->instance) == 0)
		(void)fprintf(stderr, "mpsup: '%s' is the instance: write %s:\n", r->instance,
			      r->instance);
	return json_is_integer(exit) && status > 0 && status < 126 ? (int)status : CLIENT_NO;
}

/* 1: a stream line, handed on; 0: the final one; -EPIPE: on_line wants no more. */
static int look_at(const json_t *line, client_line *on_line, void *ctx)
{
	if (json_object_get(line, "ok"))
		return 0;
	return on_line && !on_line(ctx, line) ? -EPIPE : 1;
}

/* The first line of what may take any time: a master that hangs is told from one that waits
 * for its workers, once, so that nothing is asked while nothing happens. */
static int first_line(struct remote *r, int timeout_ms, json_t **ret, struct err *e)
{
	int n = remote_next(r, timeout_ms < 0 ? CONNECT_WAIT_MS : timeout_ms, ret, e);

	if (n != -ETIMEDOUT || timeout_ms >= 0 || !remote_answers(r))
		return n;
	return remote_next(r, -1, ret, e);
}

int client_ask(struct remote *r, const char *verb, json_t *args, int timeout_ms,
	       client_line *on_line, void *ctx, json_t **ret_final)
{
	struct err e = { 0 };
	json_t *line = NULL;
	int n;

	/* A stream without a reader ends; a stop goes on without one. */
	r->watch_stdout = on_line != NULL;
	n = remote_ask(r, verb, args, &e);
	if (n < 0)
		return client_error(&e);
	for (bool first = true;; first = false) {
		n = first ? first_line(r, timeout_ms, &line, &e) :
			    remote_next(r, timeout_ms, &line, &e);
		if (n == -ECONNRESET)
			return n;
		if (n == -ETIMEDOUT && r->own_deadline && timeout_ms >= 0)
			return CLIENT_TIMEOUT;
		if (n < 0)
			return client_error(&e);
		n = look_at(line, on_line, ctx);
		if (n == 0)
			break;
		json_decref(line);
		if (n < 0)
			return CLIENT_OK;
	}
	n = json_is_true(json_object_get(line, "ok")) ? CLIENT_OK : refused(r, line);
	if (n == CLIENT_OK && ret_final)
		*ret_final = json_incref(line);
	json_decref(line);
	return n;
}

/* One who follows follows to the end of the instance; others were promised an answer. */
static int cut_off(struct remote *r, bool follows)
{
	bool ended = follows && remote_is_gone(r, END_WAIT_MS);

	(void)fprintf(stderr, "mpsup: instance %s %s\n", r->instance,
		      ended ? "has ended" : "ended the connection before its answer was whole");
	return ended ? CLIENT_OK : CLIENT_NO;
}

int client_run(const char *target, const char *verb, json_t *args, int timeout_ms,
	       client_line *on_line, void *ctx, json_t **ret_final)
{
	struct remote r;
	int status = client_connect(&r, target);

	if (status == 0) {
		status = client_ask(&r, verb, args, timeout_ms, on_line, ctx, ret_final);
		if (status == -ECONNRESET)
			status = cut_off(&r, timeout_ms < 0 && !ret_final);
	} else {
		json_decref(args);
	}
	remote_close(&r);
	return status;
}

int client_run_json(const char *target, const char *verb, const char *key)
{
	json_t *final = NULL;
	struct remote r;
	int status = client_connect(&r, target);

	if (status != 0) {
		remote_close(&r);
		return status;
	}
	r.raw_key = key;
	status = client_ask(&r, verb, NULL, CONNECT_WAIT_MS, NULL, NULL, &final);
	if (status == -ECONNRESET)
		status = cut_off(&r, false);
	if (status == CLIENT_OK && r.raw) {
		(void)fwrite(r.raw, 1, r.raw_len, stdout);
		(void)putchar('\n');
	} else if (status == CLIENT_OK) {
		client_print_json(json_object_get(final, key));
	}
	json_decref(final);
	remote_close(&r);
	return status;
}

void client_print_json(const json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);

	if (text)
		(void)puts(text);
	free(text);
}

int client_finish(int status)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (status != CLIENT_OK || (poll(&out, 1, 0) > 0 && (out.revents & POLLERR)))
		return status;
	(void)fprintf(stderr, "mpsup: not all of it could be written to stdout\n");
	return CLIENT_NO;
}
