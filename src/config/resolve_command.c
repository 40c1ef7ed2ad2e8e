/* SPDX-License-Identifier: MIT */
/* resolve_command.c - the files of a pool: its folder, its command, and whether
 * the worker's uid gets there. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cage/view.h"
#include "cage/view_places.h"
#include "config/config.h"
#include "config/environment.h"
#include "config/resolve.h"

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

int resolve_cwd(struct pool_config *p, struct err *e)
{
	char real[PATH_MAX];
	struct stat st;

	if (!realpath(p->cwd, real) || stat(real, &st) < 0)
		return err_sys(e, -errno, "--cwd %s", p->cwd);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, -ENOTDIR, "--cwd %s: it is not a folder", p->cwd);
	if (access(real, R_OK | X_OK) < 0)
		return err_sys(e, -errno, "--cwd %s", p->cwd);
	p->cwd = arena_strdup(&p->arena, real);
	return p->cwd ? 0 : no_memory(e);
}

/* ---- may the worker's uid? ---- */

static bool by_mode(const struct pool_config *p, const struct stat *st)
{
	/* uid 0 is nobody special without capabilities. */
	if (p->uid == 0 && (p->cage_off & CAGE_BIT(CAGE_CAPS)))
		return S_ISDIR(st->st_mode) || (st->st_mode & 0111);
	if (st->st_uid == p->uid)
		return st->st_mode & S_IXUSR;
	if (st->st_gid == p->gid)
		return st->st_mode & S_IXGRP;
	for (unsigned i = 0; i < p->ngids; i++)
		if (st->st_gid == p->gids[i])
			return st->st_mode & S_IXGRP;
	return st->st_mode & S_IXOTH;
}

/* Execute a file, enter a folder. An access control list may say more than the
 * mode: then the kernel decides, at the birth. */
static bool may(const struct pool_config *p, const char *path, const struct stat *st)
{
	if (geteuid() != 0)
		return access(path, X_OK) == 0;
	return by_mode(p, st) || getxattr(path, "system.posix_acl_access", NULL, 0) > 0;
}

static int refuse(const struct pool_config *p, const char *what, const char *path, const char *at,
		  const struct stat *st, struct err *e)
{
	bool dir = S_ISDIR(st->st_mode);

	return err_set(e, -EACCES,
		       "%s %s: uid %u (%s) may not %s %s (mode %03o, owner %u); chmod it or name "
		       "another --user",
		       what, path, p->uid, p->user_name, dir ? "enter" : "execute",
		       strcmp(at, path) == 0 ? "it" : at, st->st_mode & 0777, st->st_uid);
}

/* Every part of path from the folder `from` on, path itself included. */
static int walk(const struct pool_config *p, const char *what, const char *from, const char *path,
		struct err *e)
{
	size_t at = strlen(from), len = strlen(path);
	char part[PATH_MAX];

	if (len >= sizeof(part))
		return err_set(e, -ENAMETOOLONG, "%s: its path is too long", what);
	while (1) {
		struct stat st;

		(void)snprintf(part, sizeof(part), "%.*s", (int)at, path);
		if (stat(part, &st) < 0)
			return err_sys(e, -errno, "%s %s", what, part);
		if (!may(p, part, &st))
			return refuse(p, what, path, part, &st, e);
		if (at >= len)
			return 0;
		if (at > 1) /* past the slash; "/" is one itself */
			at++;
		at += strcspn(path + at, "/");
	}
}

/* What is above the topmost bind is made by the view, and passable; what is in
 * it is the host's, with the host's modes. NULL: path is not shown. */
static const char *topmost(const struct view *v, const char *path)
{
	const char *best = NULL;

	for (unsigned i = 0; i < v->nbinds; i++) {
		const struct view_bind *b = &v->binds[i];

		if (!b->link_to && b->mode != VIEW_HIDE && view_is_below(path, b->path) &&
		    (!best || strlen(b->path) < strlen(best)))
			best = b->path;
	}
	return best;
}

struct reaching {
	const struct pool_config *p;
	const struct view *v; /* NULL: workers see the file system that we see */
	struct err *e;
};

static int reach(const struct reaching *r, const char *what, const char *path)
{
	const char *own = r->v ? view_own_place(path) : NULL, *from = "/";

	/* /tmp and the like are the worker's own, new and empty. */
	if (own && strcmp(own, path) == 0)
		return 0;
	if (r->v && (r->v->app || own))
		from = topmost(r->v, path);
	if (!from && own)
		return err_set(r->e, -ENOENT,
			       "%s %s: the workers have a %s of their own; --ro or --rw shows it",
			       what, path, own);
	return from ? walk(r->p, what, from, path, r->e) : 0;
}

static int reach_both(const struct reaching *r)
{
	const struct pool_config *p = r->p;
	char real[PATH_MAX];
	int n = 0;

	if (p->exec_path && !realpath(p->exec_path, real))
		return err_sys(r->e, -errno, "command %s", p->exec_path);
	if (p->exec_path)
		n = reach(r, "command", real);
	return n < 0 ? n : reach(r, "--cwd", p->cwd);
}

int resolve_reach(const struct pool_config *p, struct err *e)
{
	const struct view_request req = {
		.app = p->view == VIEW_KIND_APP,
		.cwd = p->cwd,
		.argv = p->command,
		.exec_path = p->exec_path,
		.ro = p->ro,
		.rw = p->rw,
		.hide = p->hide,
	};
	struct reaching reaching = { .p = p, .e = e };
	struct arena arena = { 0 };
	struct view v;
	int r;

	if (geteuid() != 0 || (p->cage_off & (CAGE_BIT(CAGE_VIEW) | CAGE_BIT(CAGE_MOUNT))))
		return reach_both(&reaching);
	r = view_plan(&req, &arena, &v, e);
	reaching.v = &v;
	if (r == 0)
		r = reach_both(&reaching);
	arena_done(&arena);
	return r;
}

/* ---- which file ---- */

static const char *worker_path(const struct pool_config *p)
{
	const char *path = getenv("PATH");

	for (unsigned i = 0; i < p->nenv; i++)
		if (strcmp(p->env[i].name, "PATH") == 0)
			path = p->env[i].value;
	return path && *path ? path : ENVIRONMENT_PATH;
}

static int check_file(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(e, -errno, "command %s", path);
	if (S_ISDIR(st.st_mode))
		return err_set(e, -EISDIR, "command %s: it is a folder", path);
	if (!(st.st_mode & 0111))
		return err_set(e, -EACCES,
			       "command %s: it is not executable (mode %03o); chmod +x, or "
			       "name its interpreter",
			       path, st.st_mode & 0777);
	return 0;
}

/* "#!/usr/bin/foo": a missing interpreter is ENOENT of a file that is there. */
static int check_interpreter(const char *path, struct err *e)
{
	char line[256] = "";
	FILE *f = fopen(path, "re");
	char *end, *name;

	if (!f)
		return 0; /* executable and not readable: no script */
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	(void)fclose(f);
	if (strncmp(line, "#!", 2) != 0)
		return 0;
	name = line + 2 + strspn(line + 2, " \t");
	end = name + strcspn(name, " \t\n");
	*end = '\0';
	/* The kernel takes it for a part of the name. */
	if (end > name && end[-1] == '\r')
		return err_set(e, -ENOENT,
			       "command %s: its first line ends in CR LF, as Windows writes; "
			       "sed -i 's/\\r$//' mends it",
			       path);
	if (access(name, X_OK) < 0)
		return err_sys(e, -errno, "command %s: its first line names %s", path, name);
	return 0;
}

/* As execvp(3): what may not be run is passed by, and named if nothing else is there. */
static int find_in_path(struct pool_config *p, struct err *e)
{
	const char *dirs = worker_path(p), *cmd = p->command[0];
	char path[PATH_MAX], refused[PATH_MAX] = "";

	while (1) {
		size_t n = strcspn(dirs, ":");
		bool relative = n == 0 || dirs[0] != '/';
		struct stat st;
		int len = snprintf(path, sizeof(path), "%s%s%.*s%s%s", relative ? p->cwd : "",
				   relative ? "/" : "", (int)n, dirs, n ? "/" : "", cmd);

		if (len < (int)sizeof(path) && stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
			if (may(p, path, &st)) {
				p->exec_path = arena_strdup(&p->arena, path);
				return p->exec_path ? 0 : no_memory(e);
			}
			if (!*refused)
				memcpy(refused, path, (size_t)len + 1);
		}
		if (!dirs[n])
			break;
		dirs += n + 1;
	}
	if (!*refused)
		return err_set(e, -ENOENT, "command '%.100s' is not found in PATH", cmd);
	p->exec_path = arena_strdup(&p->arena, refused);
	return p->exec_path ? 0 : no_memory(e);
}

int resolve_command(struct pool_config *p, struct err *e)
{
	const char *cmd;
	int r = 0;

	if (!p->command)
		return 0;
	cmd = p->command[0];
	if (!strchr(cmd, '/'))
		r = find_in_path(p, e);
	else
		p->exec_path = cmd[0] == '/' ? cmd : arena_printf(&p->arena, "%s/%s", p->cwd, cmd);
	if (r < 0)
		return r;
	if (!p->exec_path)
		return no_memory(e);
	r = check_file(p->exec_path, e);
	return r < 0 ? r : check_interpreter(p->exec_path, e);
}
