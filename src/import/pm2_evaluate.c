/* SPDX-License-Identifier: MIT */
/* pm2_evaluate.c - a process file that is a program: node evaluates it in a cage without
 * network, as who calls us, and its values come back as JSON over a pipe of its own.
 * What it does besides is refused: policy/import.yaml, and as root a read-only view. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/text.h"
#include "import/pm2_inner.h"
#include "super/oneshot.h"

#define TIME_MS	     10000
#define MEMORY_BYTES (1024ull << 20) /* of which newer V8 takes 512 MiB for code alone */
#define HEAP	     "--max-old-space-size=256"
#define LINES_MAX    20 /* that are shown of what it prints */

/* argv: the file, and "json" where it is an expression, as PM2 reads one. The answer is
 * {"value": ...}, or {"bad": text, "line": n, "code": "EROFS"}. What the file does to
 * globals is too late for what is kept here. */
static const char program[] =
	"'use strict';"
	"const fs = require('fs'), path = require('path'), url = require('url');"
	"const vm = require('vm'), { stringify } = JSON, exit = process.exit.bind(process);"
	"const [file, form] = process.argv.splice(1, 2), write = fs.writeSync;"
	"process.argv.push(file);"
	"function plain(key, v) {"
	"  return v instanceof RegExp ? v.source : typeof v === 'bigint' ? String(v) : v;"
	"}"
	"function say(answer) {"
	"  const bytes = Buffer.from(answer);"
	"  for (let n = 0; n < bytes.length;) n += write(3, bytes, n, bytes.length - n);"
	"  exit(0);"
	"}"
	"function bad(e) {"
	"  const stack = String(e && e.stack || ''), at = stack.split(path.basename(file) + ':')[1];"
	"  say(stringify({ bad: String(e && e.message !== undefined ?"
	"        (e.name || 'Error') + ': ' + e.message : e).split('\\n')[0].slice(0, 300),"
	"      line: parseInt(at, 10) || 0, code: String(e && e.code || '') }));"
	"}"
	"async function load() {"
	"  if (form === 'json')"
	"    return vm.runInThisContext('(' + fs.readFileSync(file, 'utf8') + ')', file);"
	"  if (!file.endsWith('.mjs'))"
	"    try { return require(file); } catch (e) { if (e.code !== 'ERR_REQUIRE_ESM') throw e; }"
	"  return import(url.pathToFileURL(file).href);"
	"}"
	"process.on('uncaughtException', bad);"
	"load().then(async m => {"
	"  let v = m && m.apps === undefined && m.default !== undefined ? m.default : m;"
	"  v = await v;"
	"  if (typeof v === 'function') throw new TypeError('it exports a function, not apps');"
	"  say(stringify({ value: v }, plain));"
	"}).catch(bad);";

/* ---- what it answers ---- */

static const char *reason_for(const char *code)
{
	static const struct {
		const char *code, *reason;
	} reasons[] = {
		{ "EROFS", "it may read and compute here, and write nothing" },
		{ "EPERM", "it may read and compute here: no programs, no network, no signals" },
		{ "EACCES", "it is evaluated as the user who called, who may not read that" },
		{ "MODULE_NOT_FOUND", "it sees the system and its own folder" },
		{ "ERR_MODULE_NOT_FOUND", "it sees the system and its own folder" },
		{ "ENOENT", "it sees the system and its own folder" },
		{ "ENOTFOUND", "there is no network here" },
		{ "EAI_AGAIN", "there is no network here" },
	};

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (strcmp(reasons[i].code, code) == 0)
			return reasons[i].reason;
	return NULL;
}

static int take_bad(const struct pm2_request *rq, const json_t *answer, struct err *e)
{
	const char *bad = json_string_value(json_object_get(answer, "bad"));
	const char *code = json_string_value(json_object_get(answer, "code"));
	json_int_t line = json_integer_value(json_object_get(answer, "line"));
	const char *reason = code ? reason_for(code) : NULL;
	char *safe = pm2_one_line(bad ? bad : "it exports nothing");
	char at[32] = "";

	if (line > 0)
		(void)snprintf(at, sizeof(at), ":%" JSON_INTEGER_FORMAT, line);
	(void)err_set(e, -EINVAL, "%s%s: %.300s%s%s", rq->path, at, safe ? safe : "",
		      reason ? "; " : "", reason ? reason : "");
	free(safe);
	return e->code;
}

/* Its last words, where they are all that is known. */
static void last_words(const struct oneshot *o, char *buf, size_t size)
{
	char whole[ONESHOT_SAID_BYTES], *line = whole, *nl;

	(void)snprintf(whole, sizeof(whole), "%.*s", (int)o->said_len, o->said);
	while ((nl = strrchr(whole, '\n')) && !nl[1])
		*nl = '\0';
	if (nl)
		line = nl + 1;
	(void)text_safe(line, strlen(line), buf, size);
}

static int without_answer(const struct pm2_request *rq, const struct oneshot *o, struct err *e)
{
	char said[160] = "", end[64] = "";

	if (o->too_long)
		return err_set(e, -E2BIG, "%s: what it exports is longer than %u MiB", rq->path,
			       PM2_FILE_MAX >> 20);
	if (o->too_late)
		return err_set(e, -ETIMEDOUT,
			       "%s: it had not come to its end after %d s: a loop, or it waits for "
			       "something that does not come",
			       rq->path, TIME_MS / 1000);
	/* How V8 ends where there is no memory. */
	if (o->sig == SIGABRT || o->sig == SIGTRAP || o->sig == SIGILL || o->sig == SIGSEGV)
		return err_set(e, -EINVAL,
			       "%s: node broke off, most likely for memory: it may have 256 MiB",
			       rq->path);
	if (o->sig)
		(void)snprintf(end, sizeof(end), " by signal %d", o->sig);
	else if (o->known)
		(void)snprintf(end, sizeof(end), " with exit status %d", o->code);
	last_words(o, said, sizeof(said));
	return err_set(e, -EINVAL, "%s: it ended%s before it had exported anything%s%s%s", rq->path,
		       end, *said ? ": \"" : "", said, *said ? "\"" : "");
}

static int take_answer(const struct pm2_request *rq, const struct oneshot *o, json_t **ret_root,
		       struct err *e)
{
	json_error_t je;
	json_t *answer, *value;
	int r = 0;

	if (o->too_long || o->too_late || o->answer_len == 0)
		return without_answer(rq, o, e);
	answer = json_loadb(o->answer, o->answer_len, 0, &je);
	if (!answer)
		return err_set(e, -EINVAL,
			       "%s: what came of it is not JSON: does it write to descriptor 3, or "
			       "has it a NUL in a text?",
			       rq->path);
	value = json_object_get(answer, "value");
	if (value)
		*ret_root = json_incref(value);
	else
		r = take_bad(rq, answer, e);
	json_decref(answer);
	return r;
}

static void say_printed(const struct pm2_request *rq, const struct oneshot *o, FILE *notes)
{
	char text[ONESHOT_SAID_BYTES], safe[TEXT_SHORT_BYTES], *rest = text, *line;
	unsigned n = 0;

	(void)snprintf(text, sizeof(text), "%.*s", (int)o->said_len, o->said);
	while ((line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		if (n++ == LINES_MAX) {
			(void)fprintf(notes, "%s printed more than that\n", rq->path);
			return;
		}
		(void)text_safe(line, strlen(line), safe, sizeof(safe));
		(void)fprintf(notes, "%s printed: %s\n", rq->path, safe);
	}
}

/* ---- the cage ---- */

static bool sudo_called(void)
{
	const char *text = getenv("SUDO_UID");
	uint64_t uid;

	return text && parse_u64(text, 1, UINT32_MAX - 1, &uid) == 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Options of `run` that would do without a part of the cage are none of ours. */
static int refused(const struct pm2_request *rq, struct err *e)
{
	char *cut = strstr(e->msg, "; --no-sandbox"), *dashes = strstr(e->msg, "--cwd: ");
	bool no_node = e->code == -ENOENT && strstr(e->msg, "node");

	if (cut)
		*cut = '\0';
	if (dashes)
		memmove(dashes, dashes + 7, strlen(dashes + 7) + 1);
	if (no_node)
		return err_set(e, -ENOENT,
			       "%s is JavaScript, and there is no node in PATH%s to evaluate it: "
			       "`apt-get install nodejs`, or make values of it where there is one: "
			       "node -p 'JSON.stringify(require(\"./%.60s\"))' > ecosystem.json",
			       rq->path, sudo_called() ? ", which sudo may have changed," : "",
			       base_name(rq->path));
	return err_wrap(e, "%s cannot be evaluated", rq->path);
}

int pm2_evaluate(const struct pm2_request *rq, bool as_json, json_t **ret_root, FILE *notes,
		 struct err *e)
{
	bool as_root = geteuid() == 0 && !sudo_called();
	const char *words[] = {
		as_root ? "--user=0" : "--tmp=1M",
		"--tmp=1M",
		"--name=import",
		"--net=none",
		"--no-pin",
		"--workers=1",
		"--policy=import",
		"--env=NODE_OPTIONS=",
		"--cwd",
		rq->dir,
		"--",
		"node",
		HEAP,
		"-e",
		program,
		rq->real,
		as_json ? "json" : "module",
	};
	char *argv[ARRAY_LEN(words) + 1] = { NULL };
	CLEANUP(oneshot_done)
	struct oneshot o = {
		.argc = (int)ARRAY_LEN(words),
		.argv = argv,
		.timeout_ms = TIME_MS,
		.data_bytes = MEMORY_BYTES,
		.answer_max = PM2_FILE_MAX,
	};
	int r;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		argv[i] = (char *)(uintptr_t)words[i];
	r = oneshot_run(&o, e);
	if (r < 0)
		return refused(rq, e);
	if (!o.caged && !as_json)
		(void)fprintf(notes,
			      "%s is evaluated without namespaces, which need root; its system "
			      "calls are filtered: no network, no writing, no other programs\n",
			      base_name(rq->path));
	r = take_answer(rq, &o, ret_root, e);
	if (r == 0)
		say_printed(rq, &o, notes);
	return r;
}
