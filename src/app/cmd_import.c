/* SPDX-License-Identifier: MIT */
/* cmd_import.c - `mpsup import pm2`: another supervisor's file becomes one of ours. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cmd.h"
#include "app/opts.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/text.h"
#include "import/pm2.h"

enum { EXIT_OK = 0, EXIT_OTHER = 1, EXIT_USAGE = 2, EXIT_HOST = 69 };

struct import {
	struct pm2_request rq;
	const char *out;	 /* --output; NULL: standard output */
	char *real, *dir, *user; /* owned */
	FILE *text, *notes;
	char *text_buf, *notes_buf;
	size_t text_len, notes_len;
};

static void import_done(struct import *im)
{
	if (im->text)
		(void)fclose(im->text);
	if (im->notes)
		(void)fclose(im->notes);
	free(im->text_buf);
	free(im->notes_buf);
	free(im->real);
	free(im->dir);
	free(im->user);
}

static int usage_error(const char *text, const char *word)
{
	char safe[120];

	(void)text_safe(word, strlen(word), safe, sizeof(safe));
	(void)fprintf(stderr, "mpsup import: %s%s (see `mpsup import --help`)\n", text, safe);
	return EXIT_USAGE;
}

static int told(const struct err *e)
{
	char safe[4 * sizeof(e->msg)];

	(void)text_safe(e->msg, strlen(e->msg), safe, sizeof(safe));
	(void)fprintf(stderr, "mpsup: %s\n", safe);
	if (e->code == -EOPNOTSUPP)
		return EXIT_HOST;
	return e->code == -ENOMEM || e->code == -EIO ? EXIT_OTHER : EXIT_USAGE;
}

/* Who runs PM2 is who calls us, also by sudo; root needs no word. malloc()ed or NULL. */
static char *caller(void)
{
	const char *text = geteuid() == 0 ? getenv("SUDO_UID") : NULL;
	uint64_t uid = geteuid();
	const struct passwd *pw;
	char *number = NULL;

	if (text && parse_u64(text, 0, UINT32_MAX - 1, &uid) < 0)
		return NULL;
	if (uid == 0)
		return NULL;
	pw = getpwuid((uid_t)uid);
	if (pw)
		return strdup(pw->pw_name);
	return asprintf(&number, "%u", (unsigned)uid) < 0 ? NULL : number;
}

static int prepare(struct import *im, struct err *e)
{
	char *copy;

	im->real = realpath(im->rq.path, NULL);
	if (!im->real)
		return err_sys(e, -errno, "%s", im->rq.path);
	copy = strdup(im->real);
	im->dir = copy ? strdup(dirname(copy)) : NULL;
	free(copy);
	im->user = caller();
	im->text = open_memstream(&im->text_buf, &im->text_len);
	im->notes = open_memstream(&im->notes_buf, &im->notes_len);
	if (!im->dir || !im->text || !im->notes)
		return err_set(e, -ENOMEM, "out of memory");
	im->rq.real = im->real;
	im->rq.dir = im->dir;
	im->rq.user = im->user;
	return 0;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* It may hold secrets, and somebody may have worked on one that is there. */
static int put(const struct import *im, struct err *e)
{
	AUTO_FD int fd = -1;
	int r;

	if (!im->out) {
		r = write_all(STDOUT_FILENO, im->text_buf, im->text_len);
		return r < 0 ? err_set(e, -EIO, "standard output: %s", strerror(-r)) : 0;
	}
	fd = open(im->out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0 && errno == EEXIST)
		return err_set(e, -EEXIST, "%s is there already: remove it, or name another",
			       im->out);
	if (fd < 0)
		return err_sys(e, -errno, "%s", im->out);
	r = write_all(fd, im->text_buf, im->text_len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlink(im->out);
		return err_set(e, -EIO, "%s: %s", im->out, strerror(-r));
	}
	return 0;
}

static void say_notes(const struct import *im)
{
	const char *p = im->notes_buf;

	while (p && *p) {
		size_t len = strcspn(p, "\n");

		(void)fprintf(stderr, "mpsup: %.*s\n", (int)len, p);
		p += len + (p[len] ? 1 : 0);
	}
}

static int import_pm2(struct import *im)
{
	json_t *root = NULL;
	struct err e = { 0 };
	int r = prepare(im, &e);

	if (r == 0)
		r = pm2_read(&im->rq, &root, im->notes, &e);
	if (r == 0)
		r = pm2_write(root, &im->rq, im->text, im->notes, &e);
	json_decref(root);
	if (im->text)
		(void)fflush(im->text);
	if (im->notes)
		(void)fflush(im->notes);
	say_notes(im);
	if (r == 0)
		r = put(im, &e);
	return r < 0 ? told(&e) : EXIT_OK;
}

int cmd_import(int argc, char **argv)
{
	CLEANUP(import_done) struct import im = { .out = NULL };
	const char *words[1], *from;
	const struct opt opts[] = {
		{ 0, "env", "NAME", "lay env_NAME over env, as pm2 start --env", NULL, NULL,
		  &im.rq.env },
		{ 'o', "output", "FILE", "write a new FILE, with mode 0600", NULL, NULL, &im.out },
		{ 0 },
	};
	const struct usage usage = {
		.verb = "import",
		.args = "pm2 FILE",
		.words = words,
		.max_words = 1,
		.opts = opts,
		.text = "Make a file of pools, for `mpsup -c`, from a process file of PM2: "
			"ecosystem.config.js, .cjs,\n.mjs, .json, .yaml, or its dump.pm2. What has "
			"no equal is told in comments; what is not\nunderstood, on standard error. "
			"A .js is evaluated by node as the calling user, in a cage\nwithout "
			"network that writes nothing.\n",
	};
	int r = opts_parse(&usage, argc, argv, &from);

	if (r >= 0)
		return r;
	if (!from)
		return usage_error("whose file is it? right is: mpsup import pm2 FILE", "");
	if (strcmp(from, "pm2") != 0)
		return usage_error("files of pm2 alone are known, not of ", from);
	if (!words[0])
		return usage_error("a file is missing: mpsup import pm2 ecosystem.config.js", "");
	im.rq.path = words[0];
	return import_pm2(&im);
}
