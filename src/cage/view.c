/* SPDX-License-Identifier: MIT */
/* view.c - from what a person asked for to an ordered list of binds. */
#define _GNU_SOURCE
#include "cage/view.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cage/view_places.h"

#define BINDS_MAX 256

struct planning {
	struct arena *arena;
	struct view *v;
	struct err *e;
};

bool view_is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	if (n == 1) /* "/" */
		return true;
	return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* The last one wins: --rw inside what is shown read-only, --hide inside that. */
static struct view_bind *find(const struct view *v, const char *path)
{
	for (unsigned i = 0; i < v->nbinds; i++)
		if (strcmp(v->binds[i].path, path) == 0)
			return &v->binds[i];
	return NULL;
}

static int add(struct planning *p, const char *path, enum view_mode mode, const char *why,
	       bool is_dir)
{
	struct view_bind *b = find(p->v, path);

	if (!b && p->v->nbinds == BINDS_MAX)
		return err_set(p->e, -E2BIG, "%s %s: more than %d places in one view", why, path,
			       BINDS_MAX);
	if (!b)
		b = &p->v->binds[p->v->nbinds++];
	*b = (struct view_bind){ .path = arena_strdup(p->arena, path),
				 .mode = mode,
				 .why = why,
				 .is_dir = is_dir };
	return b->path ? 0 : err_set(p->e, -ENOMEM, "out of memory");
}

static int add_link(struct planning *p, const char *path, const char *to)
{
	int r = find(p->v, path) ? 0 : add(p, path, VIEW_RO, "", false);

	if (r == 0)
		find(p->v, path)->link_to = arena_strdup(p->arena, to);
	return r;
}

/* Is it shown already, and not as something that is empty in this view? */
static bool visible(const struct view *v, const char *path)
{
	for (unsigned i = 0; i < v->nbinds; i++)
		if (!v->binds[i].link_to && v->binds[i].mode != VIEW_HIDE &&
		    view_is_below(path, v->binds[i].path))
			return true;
	return false;
}

static int add_system(struct planning *p)
{
	for (unsigned i = 0; view_system_places[i]; i++) {
		const char *path = view_system_places[i];
		char link[PATH_MAX];
		struct stat st;
		ssize_t n;
		int r;

		if (lstat(path, &st) < 0)
			continue;
		n = S_ISLNK(st.st_mode) ? readlink(path, link, sizeof(link) - 1) : -1;
		if (n > 0) {
			link[n] = '\0';
			r = add_link(p, path, link);
		} else {
			r = add(p, path, VIEW_RO, "", S_ISDIR(st.st_mode));
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* What name resolution and logging need of /run, where it is. */
static int add_services(struct planning *p)
{
	char target[PATH_MAX];
	struct stat st;

	for (unsigned i = 0; view_service_places[i]; i++)
		if (stat(view_service_places[i], &st) == 0) {
			int r = add(p, view_service_places[i], VIEW_RO, "", S_ISDIR(st.st_mode));

			if (r < 0)
				return r;
		}
	if (realpath("/etc/resolv.conf", target) && !visible(p->v, target))
		return add(p, target, VIEW_RO, "", false);
	return 0;
}

static int add_hidden(struct planning *p)
{
	for (unsigned i = 0; view_hidden_places[i]; i++) {
		struct stat st;
		int r;

		if (lstat(view_hidden_places[i], &st) < 0 || S_ISLNK(st.st_mode))
			continue;
		r = add(p, view_hidden_places[i], VIEW_HIDE, "", S_ISDIR(st.st_mode));
		if (r < 0)
			return r;
	}
	return 0;
}

/* A path that a person wrote, or the command: shown where it is, and under the
 * name it was written with when that leads through a symlink. */
static int show(struct planning *p, const char *path, const char *why)
{
	char real[PATH_MAX];
	struct stat st;
	int r = 0;

	if (!realpath(path, real) || stat(real, &st) < 0)
		return err_sys(p->e, -errno, "%s %s", why, path);
	if (strcmp(real, "/") != 0 && !visible(p->v, real))
		r = add(p, real, VIEW_RO, why, S_ISDIR(st.st_mode));
	if (r == 0 && strcmp(real, path) != 0 && lstat(path, &st) == 0 && S_ISLNK(st.st_mode) &&
	    !visible(p->v, path))
		r = add_link(p, path, real);
	return r;
}

/* A home that is shown since the program runs there: its keys are not the program's. */
static int hide_keys_of_homes(struct planning *p)
{
	unsigned n = p->v->nbinds;

	for (unsigned i = 0; i < n; i++) {
		const char *home = p->v->binds[i].path;

		if (!view_is_home(home) || p->v->binds[i].mode == VIEW_HIDE)
			continue;
		for (unsigned k = 0; view_home_keys[k]; k++) {
			const char *path = arena_printf(p->arena, "%s/%s", home, view_home_keys[k]);
			struct stat st;
			int r;

			if (!path)
				return err_set(p->e, -ENOMEM, "out of memory");
			if (lstat(path, &st) < 0 || S_ISLNK(st.st_mode) || find(p->v, path))
				continue;
			r = add(p, path, VIEW_HIDE, "", S_ISDIR(st.st_mode));
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* /opt/app/bin/server and /root/.nvm/versions/node/v20/bin/node need what is
 * beside bin; a program straight in a home does not open the home. */
static int show_prefix(struct planning *p, const char *file)
{
	char real[PATH_MAX], *slash, *up;

	if (!realpath(file, real))
		return err_sys(p->e, -errno, "command %s", file);
	slash = strrchr(real, '/');
	*slash = '\0';
	up = strrchr(real, '/');
	if (up &&
	    (strcmp(up, "/bin") == 0 || strcmp(up, "/sbin") == 0 || strcmp(up, "/shims") == 0)) {
		*up = '\0';
		if (view_stays_empty(*real ? real : "/"))
			*up = '/';
	}
	return *real ? show(p, real, "command") : 0;
}

static int show_command(struct planning *p, const struct view_request *req)
{
	char folder[PATH_MAX], *slash;
	int r;

	if (!req->exec_path)
		return 0;
	r = show_prefix(p, req->exec_path);
	/* The name it was called by may be a link from elsewhere. */
	if (r == 0 && !visible(p->v, req->exec_path) && strlen(req->exec_path) < sizeof(folder)) {
		memcpy(folder, req->exec_path, strlen(req->exec_path) + 1);
		slash = strrchr(folder, '/');
		if (slash && slash != folder) {
			*slash = '\0';
			r = show(p, folder, "command");
		}
	}
	return r;
}

static int show_arguments(struct planning *p, char *const *argv)
{
	for (int i = 1; argv && argv[0] && argv[i]; i++) {
		char real[PATH_MAX], *slash;
		struct stat st;
		int r;

		if (argv[i][0] != '/' || !realpath(argv[i], real) || stat(real, &st) < 0)
			continue; /* not there: the program will say so itself */
		if (view_is_below(real, "/proc") || view_is_below(real, "/sys") ||
		    view_is_below(real, "/dev"))
			continue;
		slash = strrchr(real, '/');
		if (!S_ISDIR(st.st_mode) && slash != real) {
			*slash = '\0';
			if (view_stays_empty(real))
				*slash =
					'/'; /* /tmp/x.js, /root/x.js: the file, not all beside it */
		}
		if (strcmp(real, "/") == 0 ||
		    (view_own_place(real) && strcmp(view_own_place(real), real) == 0))
			continue;
		r = show(p, real, "argument");
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_asked(struct planning *p, const char **paths, enum view_mode mode, const char *why)
{
	for (unsigned i = 0; paths && paths[i]; i++) {
		char real[PATH_MAX];
		struct stat st;
		int r;

		if (!realpath(paths[i], real) || stat(real, &st) < 0)
			return err_sys(p->e, -errno, "%s %s", why, paths[i]);
		if (mode == VIEW_RW && (strcmp(real, "/") == 0 || view_is_below(real, "/proc") ||
					view_is_below(real, "/sys") ||
					view_is_below(real, "/dev") || strcmp(real, "/run") == 0))
			return err_set(p->e, -EINVAL,
				       "%s %s: this would open the host; name a folder of data",
				       why, paths[i]);
		r = add(p, real, mode, why, S_ISDIR(st.st_mode));
		if (r < 0)
			return r;
	}
	return 0;
}

static int by_depth(const void *a, const void *b)
{
	const struct view_bind *x = a, *y = b;
	size_t nx = strlen(x->path), ny = strlen(y->path);

	if (nx != ny)
		return nx < ny ? -1 : 1;
	return strcmp(x->path, y->path);
}

static int settle_late(struct planning *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->v->nbinds; i++) {
		struct view_bind *b = &p->v->binds[i];

		if (b->link_to || b->mode == VIEW_HIDE || !view_own_place(b->path))
			continue;
		b->late_from = arena_printf(p->arena, VIEW_STORE "/late%u", n++);
		if (!b->late_from)
			return err_set(p->e, -ENOMEM, "out of memory");
	}
	return 0;
}

/* What all of it comes to. */
static int add_all(struct planning *p, const struct view_request *req)
{
	int r = 0;

	if (req->app) {
		r = add_system(p);
		if (r == 0)
			r = show_command(p, req);
		if (r == 0 && !view_cwd_is_own(req->cwd))
			r = show(p, req->cwd, "--cwd");
		if (r == 0)
			r = show_arguments(p, req->argv);
	}
	if (r == 0)
		r = add_services(p);
	if (r == 0)
		r = add_hidden(p);
	if (r == 0 && req->app)
		r = hide_keys_of_homes(p);
	if (r == 0)
		r = add_asked(p, req->ro, VIEW_RO, "--ro");
	if (r == 0)
		r = add_asked(p, req->rw, VIEW_RW, "--rw");
	if (r == 0)
		r = add_asked(p, req->hide, VIEW_HIDE, "--hide");
	return r;
}

int view_plan(const struct view_request *req, struct arena *arena, struct view *ret_view,
	      struct err *e)
{
	struct view_bind *binds = calloc(BINDS_MAX, sizeof(*binds));
	struct view v = { .app = req->app, .binds = binds };
	struct planning p = { .arena = arena, .v = &v, .e = e };
	int r = binds ? add_all(&p, req) : err_set(e, -ENOMEM, "out of memory");

	/* Kept as long as the generation: no more than there are. */
	v.binds = r == 0 ? arena_alloc(arena, (v.nbinds + 1) * sizeof(*v.binds)) : NULL;
	if (v.binds && v.nbinds)
		memcpy(v.binds, binds, v.nbinds * sizeof(*v.binds));
	free(binds);
	if (r == 0 && !v.binds)
		r = err_set(e, -ENOMEM, "out of memory");
	if (r < 0)
		return r;
	qsort(v.binds, v.nbinds, sizeof(*v.binds), by_depth);
	r = settle_late(&p);
	if (r == 0 && view_plan_pins(req, arena, &v) < 0)
		r = err_set(e, -ENOMEM, "out of memory");
	if (r == 0)
		*ret_view = v;
	return r;
}
