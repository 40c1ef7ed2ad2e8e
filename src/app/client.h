/* SPDX-License-Identifier: MIT */
/* client.h - what the client commands have in common: from a target to an
 * answer, from an answer to an exit status. Errors go to stderr here. */
#ifndef MPSUP_APP_CLIENT_H
#define MPSUP_APP_CLIENT_H

#include "ctl/connect.h"
#include "ctl/render.h"

enum client_status {
	CLIENT_OK = 0,
	CLIENT_NO = 1,
	CLIENT_USAGE = 2,
	CLIENT_NONE = 3, /* no such thing, or not running */
	CLIENT_FORBIDDEN = 4,
	CLIENT_TIMEOUT = 124,
};

/* SIGPIPE becomes an error, stdout is written line by line, and is coloured on
 * a terminal unless NO_COLOR is set. */
void client_setup(struct render *ret);

/* All instances of the run folders of this user. 0, or the exit status. */
int client_instances(struct instance_refs *ret);

/* Connect to the instance of a target (NULL: the only one). 0 with *ret open,
 * or the exit status. */
int client_connect(struct remote *ret, const char *target);

/* Complain; returns the exit status that goes with e->code. */
int client_error(const struct err *e);

/* A line of a stream, before the final answer; false ends the reading. */
typedef bool client_line(void *ctx, const json_t *line);

/* Send the request (steals args), hand each line to on_line (may be NULL) until
 * the final one, which goes to *ret_final (may be NULL; the caller's to free).
 * 0 when that says ok, else the exit status, told. -ECONNRESET goes to the
 * caller untold, when the connection ended without a final line. */
int client_ask(struct remote *r, const char *verb, json_t *args, int timeout_ms,
	       client_line *on_line, void *ctx, json_t **ret_final);

/* As client_connect() and client_ask() with a lost connection told too, for
 * commands that ask once. Without a timeout and without ret_final it follows: then the end
 * of the instance is no error. */
int client_run(const char *target, const char *verb, json_t *args, int timeout_ms,
	       client_line *on_line, void *ctx, json_t **ret_final);

/* Print JSON as one line. */
/* Ask, and print what the answer has at this key as JSON. */
int client_run_json(const char *target, const char *verb, const char *key);
void client_print_json(const json_t *o);

/* Last word of a command: status, or 1 when stdout could not be written (a
 * reader that went away is no error). */
int client_finish(int status);

#endif
