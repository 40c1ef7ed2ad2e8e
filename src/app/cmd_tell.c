/* SPDX-License-Identifier: MIT */
/* cmd_tell.c - `mpsup signal`, `send`, `reopen`: something is told to workers, or to the
 * master. */
#define _GNU_SOURCE
#include <stdio.h>

#include "app/client.h"
#include "app/cmd.h"
#include "app/opts.h"

static int tell(const char *target, const char *verb, json_t *args, const char *done)
{
	json_t *final = NULL;
	long long n;
	int r = client_run(target, verb, args, CONNECT_WAIT_MS, NULL, NULL, &final);

	if (r != 0)
		return r;
	n = json_integer_value(json_object_get(final, "workers"));
	if (n > 0)
		(void)printf("%s %lld worker%s\n", done, n, n == 1 ? "" : "s");
	else
		(void)printf("%s\n", done);
	json_decref(final);
	return client_finish(CLIENT_OK);
}

int cmd_signal(int argc, char **argv)
{
	static const struct opt opts[] = { { 0 } };
	const char *sig = NULL;
	const struct usage usage = {
		.verb = "signal",
		.args = "TARGET SIGNAL",
		.opts = opts,
		.words = &sig,
		.max_words = 1,
		.text = "Send a signal (USR1, TERM, 15) to the process of a worker, or of all "
			"workers of a pool.\nOne that ends by it is replaced, as always.\n",
	};
	struct render render;
	const char *target;
	int r = opts_parse(&usage, argc, argv, &target);

	if (r >= 0)
		return r;
	client_setup(&render);
	if (!target || !sig) {
		(void)fprintf(stderr, "mpsup signal: a target and a signal are needed: "
				      "mpsup signal web/0 USR1\n");
		return CLIENT_USAGE;
	}
	return tell(target, "signal", json_pack("{s:s}", "signal", sig), "signalled");
}

int cmd_send(int argc, char **argv)
{
	static const struct opt opts[] = { { 0 } };
	const char *text = NULL;
	const struct usage usage = {
		.verb = "send",
		.args = "TARGET MESSAGE",
		.opts = opts,
		.words = &text,
		.max_words = 1,
		.text = "Send a message to a worker, or to all workers of a pool. A JSON object "
			"arrives as it is, with\n\"from\": \"master\"; anything else as {\"action\": "
			"\"message\", \"data\": MESSAGE, ...}.\n",
	};
	struct render render;
	const char *target;
	json_t *message;
	int r = opts_parse(&usage, argc, argv, &target);

	if (r >= 0)
		return r;
	client_setup(&render);
	if (!target || !text) {
		(void)fprintf(stderr, "mpsup send: a target and a message are needed: "
				      "mpsup send web '{\"action\": \"flush\"}'\n");
		return CLIENT_USAGE;
	}
	message = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	if (!message)
		message = json_string(text);
	if (!message) {
		(void)fprintf(stderr, "mpsup send: the message is not UTF-8\n");
		return CLIENT_USAGE;
	}
	return tell(target, "send", json_pack("{s:o}", "message", message), "sent to");
}

int cmd_reopen(int argc, char **argv)
{
	static const struct opt opts[] = { { 0 } };
	const struct usage usage = {
		.verb = "reopen",
		.args = "[INSTANCE:]",
		.opts = opts,
		.text = "Open the log files again, after somebody has renamed them (as USR1 "
			"does).\n",
	};
	struct render render;
	const char *target;
	int r = opts_parse(&usage, argc, argv, &target);

	if (r >= 0)
		return r;
	client_setup(&render);
	return tell(target, "reopen", NULL, "reopened");
}
