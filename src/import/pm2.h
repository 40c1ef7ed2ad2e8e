/* SPDX-License-Identifier: MIT */
/* pm2.h - a process file of PM2 becomes a file of pools.
 *
 * Layer: import. -Exxx with a sentence; what a person should know of the result goes to
 * a stream of notes, a line each. Everything in such a file is a stranger's text. */
#ifndef MPSUP_IMPORT_PM2_H
#define MPSUP_IMPORT_PM2_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/base.h"
#include "base/err.h"

#define PM2_FILE_MAX (4u << 20)
#define PM2_APPS_MAX 4096 /* as many pools as a file may have */

struct pm2_request {
	const char *path; /* as a person wrote it */
	const char *real; /* absolute, no symlink in it */
	const char *dir;  /* its folder */
	const char *env;  /* --env: env_NAME is laid over env; NULL: env alone */
	const char *user; /* who runs it under PM2: user of pools that name none; NULL: root */
};

/* How a file is written, by its name. */
enum pm2_form { PM2_JSON, PM2_YAML, PM2_JS };

/* -EINVAL: a name that says nothing. */
MUST_CHECK int pm2_form_of(const char *path, enum pm2_form *ret, struct err *e);

/* Read rq->path, whatever its form. *ret_root is new. The file is JavaScript, or JSON as
 * only JavaScript reads it: it is evaluated in a cage (pm2_evaluate.c). */
MUST_CHECK int pm2_read(const struct pm2_request *rq, json_t **ret_root, FILE *notes,
			struct err *e);
/* The same of text that is read already: JSON, or YAML from fd. */
MUST_CHECK int pm2_parse_json(const char *text, size_t len, const char *path, json_t **ret_root,
			      struct err *e);
MUST_CHECK int pm2_parse_yaml(int fd, const char *path, json_t **ret_root, struct err *e);

/* Evaluate rq->real by node in a cage. as_json: it is read as PM2 reads a .json. */
MUST_CHECK int pm2_evaluate(const struct pm2_request *rq, bool as_json, json_t **ret_root,
			    FILE *notes, struct err *e);

/* Write the pools. -EINVAL: it is none of PM2's, or a key has a value that is none. */
MUST_CHECK int pm2_write(const json_t *root, const struct pm2_request *rq, FILE *out, FILE *notes,
			 struct err *e);

#endif
