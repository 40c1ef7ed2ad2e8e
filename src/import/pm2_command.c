/* SPDX-License-Identifier: MIT */
/* pm2_command.c - script, interpreter and their arguments become a command line. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "config/show.h"
#include "import/pm2_inner.h"

/* What PM2 runs a script with, by the end of its name. */
static const struct {
	const char *end, *program;
} by_end[] = {
	{ ".js", "node" },	 { ".cjs", "node" }, { ".mjs", "node" }, { ".py", "python3" },
	{ ".sh", "bash" },	 { ".rb", "ruby" },  { ".php", "php" },	 { ".pl", "perl" },
	{ ".coffee", "coffee" }, { ".ls", "lsc" },   { ".ts", "bun" },	 { ".tsx", "bun" },
};

struct line {
	const char *cwd, *script, *interpreter; /* interpreter NULL: none is named */
	char *cwd_owned, *script_owned;
};

static void line_done(struct line *l)
{
	free(l->cwd_owned);
	free(l->script_owned);
}

char *pm2_absolute(const char *dir, const char *path)
{
	char *whole = NULL;
	size_t n;

	while (strncmp(path, "./", 2) == 0)
		path += 2 + strspn(path + 2, "/");
	if (strcmp(path, ".") == 0)
		path = "";
	if (asprintf(&whole, "%s%s%s", path[0] == '/' ? "" : dir,
		     path[0] == '/' || !*path ? "" : "/", path) < 0)
		return NULL;
	n = strlen(whole);
	while (n > 1 && whole[n - 1] == '/')
		whole[--n] = '\0';
	return whole;
}

/* A text without an end to its name: PM2 gives it to node unless it is a binary, and a
 * line that names its program makes it one that starts by itself. */
static bool starts_by_itself(const char *path)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char head[512];
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));

	if (n < 0) /* a folder, or nobody knows */
		return errno != EISDIR;
	return n < 2 || strncmp(head, "#!", 2) == 0 || memchr(head, '\0', (size_t)n);
}

static const char *interpreter_of(const struct line *l)
{
	const char *base = strrchr(l->script, '/'), *end;
	char *path;
	bool alone;

	end = strrchr(base ? base : l->script, '.');
	for (size_t i = 0; end && i < ARRAY_LEN(by_end); i++)
		if (strcmp(by_end[i].end, end) == 0)
			return by_end[i].program;
	path = pm2_absolute(l->cwd, l->script);
	/* No such file: a program of PATH, as npm. */
	alone = !path || access(path, F_OK) < 0 || starts_by_itself(path);
	free(path);
	return alone ? NULL : "node";
}

static bool is_node(const char *interpreter)
{
	const char *base = interpreter ? strrchr(interpreter, '/') : NULL;

	base = base ? base + 1 : interpreter;
	return base && (strcmp(base, "node") == 0 || strcmp(base, "nodejs") == 0);
}

static void add(json_t *command, const char *word)
{
	ignore(json_array_append_new(command, json_string(word)));
}

static void add_all(struct pm2_pool *p, json_t *command, const char *key)
{
	const json_t *v = pm2_get(p->conf, key);
	json_t *words = pm2_words(v);

	if (words)
		ignore(json_array_extend(command, words));
	else
		pm2_note(p, "%s: neither a text nor a list of texts; it is left out", key);
	json_decref(words);
}

static const char *named_interpreter(struct pm2_pool *p)
{
	const char *named = json_string_value(pm2_get(p->conf, "exec_interpreter"));

	if (!named || !*named)
		return NULL;
	if (strncmp(named, "node@", 5) == 0) {
		pm2_remark(p, "interpreter",
			   "PM2 took %s from nvm; write that version's path in place of node",
			   named);
		return "node";
	}
	return named;
}

static void fill(struct pm2_pool *p, const struct line *l, struct pm2_run *run)
{
	const char *named = named_interpreter(p), *with;

	/* PM2's own rule: a script with blanks in it is a line for a shell. */
	if (strchr(l->script, ' ')) {
		add(run->command, "bash");
		add(run->command, "-c");
		add(run->command, l->script);
		if (pm2_is_on(pm2_get(p->conf, "args")))
			pm2_remark(p, "args", "PM2 leaves them out where script is a command line");
		return;
	}
	with = named ? named : interpreter_of(l);
	if (named && strcmp(named, "none") == 0)
		with = NULL;
	run->node = is_node(with);
	if (!named && with && strcmp(with, "bun") == 0)
		pm2_remark(p, "script",
			   "TypeScript is run by bun, as by PM2; a newer node can too");
	if (with)
		add(run->command, with);
	if (with && run->node && json_is_true(pm2_get(p->conf, "source_map_support")))
		add(run->command, "--enable-source-maps");
	if (with)
		add_all(p, run->command, "node_args");
	else if (pm2_is_on(pm2_get(p->conf, "node_args")))
		pm2_remark(p, "node_args", "there is no interpreter that they could be for");
	add(run->command, l->script);
	add_all(p, run->command, "args");
}

static bool mode_is_cluster(struct pm2_pool *p, const struct pm2_run *run)
{
	const char *mode = json_string_value(pm2_get(p->conf, "exec_mode"));

	if (!mode) /* PM2's rule: a number of instances is one of a cluster, for Node */
		return run->node && pm2_get(p->conf, "instances");
	if (strncmp(mode, "cluster", 7) == 0 && !run->node)
		pm2_remark(p, "exec_mode",
			   "'%s' is Node's alone at PM2; here every program's workers share their "
			   "port",
			   mode);
	return strncmp(mode, "cluster", 7) == 0 && run->node;
}

static void put_line(struct pm2_pool *p, const struct line *l, const struct pm2_run *run)
{
	FILE *to = p->part[PART_POOL];
	const json_t *word;
	size_t i;

	pm2_put_text(p, PART_POOL, "cwd", l->cwd);
	(void)fputs("    command: [", to);
	json_array_foreach(run->command, i, word)
	{
		(void)fputs(i ? ", " : "", to);
		config_put_text(to, json_string_value(word));
	}
	(void)fputs("]\n", to);
}

/* Below its folder it is shorter, and moves with that. */
static const char *below(const char *script, const char *cwd)
{
	size_t n = strlen(cwd);

	if (n > 1 && strncmp(script, cwd, n) == 0 && script[n] == '/' && script[n + 1])
		return script + n + 1;
	return script;
}

int pm2_put_command(struct pm2_pool *p, struct pm2_run *ret, struct err *e)
{
	CLEANUP(line_done) struct line l = { 0 };
	const char *cwd = json_string_value(pm2_get(p->conf, "cwd"));
	const char *script = json_string_value(pm2_get(p->conf, "script"));
	char *theirs = pm2_one_line(p->theirs);
	int r = 0;

	if (!script || !*script)
		r = err_set(e, -EINVAL, "%s: app '%.60s' has no script", p->rq->path,
			    theirs ? theirs : "");
	free(theirs);
	if (r < 0)
		return r;
	l.cwd = l.cwd_owned = pm2_absolute(p->rq->dir, cwd ? cwd : ".");
	ret->command = json_array();
	if (!l.cwd || !ret->command)
		return err_set(e, -ENOMEM, "out of memory");
	if (script[0] == '~' && script[1] == '/')
		pm2_note(p, "script: ~ is not a folder here: write its whole path");
	l.script = below(script, l.cwd);
	fill(p, &l, ret);
	ret->cluster = mode_is_cluster(p, ret);
	put_line(p, &l, ret);
	return 0;
}
