/* SPDX-License-Identifier: MIT */
/* test_view.c - what a worker sees: the plan as data, then, as root, the real
 * mounts from inside. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "cage/view.h"
#include "cage/view_places.h"
#include "fds.h"
#include "kernel/pidfd.h"

#define NOBODY 65534

static struct {
	struct arena arena;
	struct view view;
	struct view_request req;
	const char *ro[8], *rw[8], *hide[8];
	char *argv[4];
	struct err e;
	char dir[64];	   /* a folder of the test's own, with all below it */
	char path[8][128]; /* names below dir */
	int mold, fds_before;
	struct pidfd child;
	char *said; /* shared with the child: the check that failed */
} fx;

static int start(const char *template)
{
	memset(&fx, 0, sizeof(fx));
	fx.fds_before = count_fds();
	fx.mold = -1;
	fx.child = PIDFD_NONE;
	fx.said = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)snprintf(fx.dir, sizeof(fx.dir), "%s", template);
	if (fx.said == MAP_FAILED || !mkdtemp(fx.dir))
		return -1;
	fx.req = (struct view_request){ .app = true,
					.cwd = "/",
					.ro = fx.ro,
					.rw = fx.rw,
					.hide = fx.hide };
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return start("/tmp/mpsup-view.XXXXXX");
}

/* Not in one of the worker's own places. */
static int setup_srv(void **state)
{
	(void)state;
	return start(geteuid() == 0 ? "/srv/mpsup-view.XXXXXX" : "/tmp/mpsup-view.XXXXXX");
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

static int teardown(void **state)
{
	struct pidfd_exit ex;

	(void)state;
	if (fx.child.fd >= 0) {
		ignore(pidfd_signal(&fx.child, SIGKILL));
		ignore(pidfd_wait(&fx.child));
		ignore(pidfd_reap(&fx.child, &ex));
	}
	fd_close(&fx.mold);
	arena_done(&fx.arena);
	(void)nftw(fx.dir, drop, 16, FTW_DEPTH | FTW_PHYS);
	(void)munmap(fx.said, 4096);
	return count_fds() == fx.fds_before && !have_children() ? 0 : -1;
}

/* dir/name, kept until the test ends. */
static const char *below(unsigned n, const char *name)
{
	(void)snprintf(fx.path[n], sizeof(fx.path[n]), "%s/%s", fx.dir, name);
	return fx.path[n];
}

static const char *folder(unsigned n, const char *name, mode_t mode)
{
	assert_int_equal(mkdir(below(n, name), mode), 0);
	assert_int_equal(chmod(fx.path[n], mode), 0);
	return fx.path[n];
}

static const char *file(unsigned n, const char *name, mode_t mode)
{
	int fd = open(below(n, name), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "text\n", 5), 5);
	assert_int_equal(fchmod(fd, mode), 0);
	fd_close(&fd);
	return fx.path[n];
}

static int plan(void)
{
	return view_plan(&fx.req, &fx.arena, &fx.view, &fx.e);
}

static const struct view_bind *bind_of(const char *path)
{
	for (unsigned i = 0; i < fx.view.nbinds; i++)
		if (strcmp(fx.view.binds[i].path, path) == 0)
			return &fx.view.binds[i];
	return NULL;
}

static void is_shown(const char *path, enum view_mode mode)
{
	const struct view_bind *b = bind_of(path);

	if (!b)
		fail_msg("%s is not in the view", path);
	assert_int_equal(b->mode, mode);
}

/* ---- the plan ---- */

static void parents_come_before_what_is_below(void **state)
{
	(void)state;
	fx.ro[0] = folder(0, "a", 0755);
	fx.rw[0] = folder(1, "a/b", 0755);
	fx.hide[0] = folder(2, "a/b/c", 0755);
	fx.ro[1] = folder(3, "a/b/c/d", 0755);
	assert_int_equal(plan(), 0);
	for (unsigned i = 0; i < fx.view.nbinds; i++)
		for (unsigned k = i + 1; k < fx.view.nbinds; k++) {
			assert_string_not_equal(fx.view.binds[i].path, fx.view.binds[k].path);
			assert_false(view_is_below(fx.view.binds[i].path, fx.view.binds[k].path));
		}
	is_shown(fx.path[0], VIEW_RO);
	is_shown(fx.path[1], VIEW_RW);
	is_shown(fx.path[2], VIEW_HIDE);
	is_shown(fx.path[3], VIEW_RO);
}

static void the_last_word_on_a_path_wins(void **state)
{
	(void)state;
	fx.ro[0] = fx.rw[0] = folder(0, "a", 0755);
	fx.rw[1] = fx.hide[0] = folder(1, "b", 0755);
	assert_int_equal(plan(), 0);
	is_shown(fx.path[0], VIEW_RW);
	is_shown(fx.path[1], VIEW_HIDE);
}

static void secrets_are_hidden(void **state)
{
	(void)state;
	assert_int_equal(plan(), 0);
	is_shown("/etc", VIEW_RO);
	if (access("/etc/shadow", F_OK) == 0)
		is_shown("/etc/shadow", VIEW_HIDE);
	assert_null(bind_of("/root"));
	assert_null(bind_of("/home"));
	assert_null(bind_of("/"));
}

static void a_cwd_below_tmp_is_put_there_late(void **state)
{
	const struct view_bind *b;

	(void)state;
	fx.req.cwd = folder(0, "app", 0755);
	assert_int_equal(plan(), 0);
	b = bind_of(fx.path[0]);
	assert_non_null(b);
	assert_non_null(b->late_from);
	assert_int_equal(strncmp(b->late_from, VIEW_STORE, strlen(VIEW_STORE)), 0);
	fx.req.cwd = "/tmp"; /* its own: not the host's */
	assert_int_equal(plan(), 0);
	assert_null(bind_of("/tmp"));
	fx.req.cwd = "/";
	assert_int_equal(plan(), 0);
	assert_null(bind_of("/"));
}

static void a_folder_of_a_link_is_shown_with_the_link(void **state)
{
	(void)state;
	(void)folder(0, "v2", 0755);
	fx.req.cwd = below(1, "current");
	assert_int_equal(symlink("v2", fx.path[1]), 0);
	assert_int_equal(plan(), 0);
	is_shown(fx.path[0], VIEW_RO);
	assert_non_null(bind_of(fx.path[1]));
	assert_string_equal(bind_of(fx.path[1])->link_to, fx.path[0]);
}

static void folders_of_absolute_arguments_are_shown(void **state)
{
	static char server[] = "server", flag[] = "--x";

	(void)state;
	(void)folder(0, "conf", 0755);
	fx.argv[0] = server;
	fx.argv[1] = flag;
	fx.argv[2] = strdup(file(1, "conf/a.json", 0644));
	fx.req.argv = fx.argv;
	fx.req.exec_path = "/bin/sh";
	assert_int_equal(plan(), 0);
	is_shown(fx.path[0], VIEW_RO);
	free(fx.argv[2]);
	fx.argv[2] = strdup("/nowhere/at/all"); /* the program will say so itself */
	assert_int_equal(plan(), 0);
	free(fx.argv[2]);
}

/* /tmp/server.js is one file: the rest of the host's /tmp stays outside. */
static void a_file_in_tmp_is_shown_alone(void **state)
{
	char path[] = "/tmp/mpsup-view-file.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	fx.argv[0] = fx.argv[1] = path;
	fx.req.argv = fx.argv;
	fx.req.exec_path = "/bin/sh";
	fd_close(&fd);
	assert_int_equal(plan(), 0);
	(void)unlink(path);
	assert_null(bind_of("/tmp"));
	is_shown(path, VIEW_RO);
	assert_false(bind_of(path)->is_dir);
}

static void what_lies_beside_bin_comes_with_the_command(void **state)
{
	(void)state;
	(void)folder(0, "tool", 0755);
	(void)folder(1, "tool/bin", 0755);
	fx.req.exec_path = file(2, "tool/bin/server", 0755);
	assert_int_equal(plan(), 0);
	is_shown(fx.path[0], VIEW_RO);
	assert_null(bind_of(fx.path[1]));
}

static void refused(const char *words)
{
	int r = plan();

	assert_true(r < 0);
	assert_int_equal(fx.e.code, r);
	if (!strstr(fx.e.msg, words))
		fail_msg("\"%s\" does not say \"%s\"", fx.e.msg, words);
	assert_null(fx.view.binds);
}

static void writable_host_is_refused(void **state)
{
	static const char *const paths[] = { "/",    "/proc", "/proc/sys", "/sys", "/sys/fs/cgroup",
					     "/dev", "/run" };

	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		if (access(paths[i], F_OK) < 0)
			continue;
		fx.rw[0] = paths[i];
		refused("would open the host");
		refused("--rw");
	}
	fx.rw[0] = below(0, "link"); /* a link does not change what it is */
	assert_int_equal(symlink("/proc/sys", fx.path[0]), 0);
	refused("would open the host");
}

static void paths_that_are_not_there_are_named(void **state)
{
	(void)state;
	fx.ro[0] = below(0, "nothing");
	refused("--ro");
	refused("nothing");
	fx.ro[0] = NULL;
	fx.rw[0] = fx.path[0];
	refused("--rw");
	fx.rw[0] = NULL;
	fx.hide[0] = fx.path[0];
	refused("--hide");
	fx.hide[0] = NULL;
	fx.req.cwd = fx.path[0];
	refused("--cwd");
}

static void too_many_places_are_refused(void **state)
{
	static const char *many[300];
	static char names[300][80];

	(void)state;
	for (unsigned i = 0; i < 299; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "%s/%u", fx.dir, i);
		assert_int_equal(mkdir(names[i], 0755), 0);
		many[i] = names[i];
	}
	fx.req.ro = many;
	refused("more than 256 places");
}

/* ---- from inside ---- */

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			(void)snprintf(fx.said, 4096, "%s (%s)", #what, strerror(errno));          \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

static bool opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return false;
	fd_close(&fd);
	return true;
}

static bool refuses(const char *path, int flags, int error)
{
	return !opens(path, flags) && errno == error;
}

static unsigned entries(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	for (struct dirent *e; d && (e = readdir(d));)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	if (d)
		closedir(d);
	return n;
}

static int enter(void)
{
	CHECK(view_enter(fx.mold) == 0);
	CHECK((errno = -view_mount_proc(&fx.view)) == 0);
	CHECK((errno = -view_mount_own(&fx.view)) == 0);
	CHECK((errno = -view_mount_cgroup(&fx.view)) == 0);
	return 0;
}

static void inside(int (*body)(void))
{
	struct pidfd_exit ex;
	int r;

	if (geteuid() != 0)
		skip();
	assert_int_equal(plan(), 0);
	fx.view.own_pid = true;
	fx.view.tmp_bytes = 1u << 20;
	fx.view.uid = fx.view.gid = NOBODY;
	r = view_build_mold(&fx.view, &fx.mold, &fx.e);
	if (r == -EOPNOTSUPP)
		skip();
	assert_int_equal(r, 0);
	r = pidfd_clone(CLONE_NEWPID | CLONE_NEWNS, -1, &fx.child);
	if (r == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(enter() || body() ? 1 : 0);
	}
	assert_int_equal(r, 1);
	assert_int_equal(pidfd_wait(&fx.child), 0);
	assert_int_equal(pidfd_reap(&fx.child, &ex), 1);
	assert_string_equal(fx.said, "");
	assert_false(ex.by_signal);
	assert_int_equal(ex.code, 0);
}

static int look_around(void)
{
	struct stat st;

	CHECK(opens("/usr/bin/env", O_RDONLY));
	CHECK(refuses("/usr/bin/x", O_CREAT | O_WRONLY, EROFS));
	CHECK(refuses("/x", O_CREAT | O_WRONLY, EROFS));
	CHECK(refuses("/etc/passwd", O_WRONLY, EROFS));
	CHECK(entries("/root") == 0 && entries("/home") == 0 && entries("/srv") == 0);
	CHECK(access(fx.dir, F_OK) < 0);
	CHECK(stat("/etc/shadow", &st) < 0 || st.st_size == 0);
	CHECK(entries("/etc/ssl/private") == 0);
	CHECK(getpid() == 1 && access("/proc/1/status", F_OK) == 0 && access("/proc/2", F_OK) < 0);
	CHECK(refuses("/proc/sys/kernel/core_pattern", O_WRONLY, EROFS));
	CHECK(refuses("/proc/sysrq-trigger", O_WRONLY, EROFS) || errno == ENOENT);
	CHECK(stat("/proc/kcore", &st) < 0 || st.st_size == 0);
	CHECK(opens("/dev/null", O_WRONLY) && opens("/dev/urandom", O_RDONLY));
	CHECK(refuses("/dev/x", O_CREAT | O_WRONLY, EROFS));
	CHECK(access("/dev/kmsg", F_OK) < 0 && access("/dev/mem", F_OK) < 0);
	CHECK(entries("/sys/firmware") == 0);
	CHECK(refuses("/sys/kernel/mm/transparent_hugepage/enabled", O_WRONLY, EROFS) ||
	      errno == ENOENT);
	return 0;
}

static void the_app_view_shows_the_system_and_nothing_else(void **state)
{
	(void)state;
	inside(look_around);
}

static int write_own_places(void)
{
	static const char *const own[] = { "/tmp/mpsup-view-x", "/var/tmp/x", "/dev/shm/x",
					   "/run/x" };
	static char mb[2 << 20]; /* two */
	struct stat st;
	int fd;

	for (unsigned i = 0; i < 4; i++)
		CHECK(opens(own[i], O_CREAT | O_EXCL | O_WRONLY));
	CHECK(stat("/tmp", &st) == 0 && (st.st_mode & 07777) == 01777);
	CHECK(stat("/run", &st) == 0 && st.st_uid == NOBODY);
	CHECK(mknod("/tmp/null", S_IFCHR | 0666, makedev(1, 3)) == 0);
	CHECK(refuses("/tmp/null", O_RDONLY, EACCES)); /* nodev */
	fd = open("/tmp/big", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, mb, sizeof(mb)) < (ssize_t)sizeof(mb)); /* --tmp is its end */
	CHECK(open("/dev/ptmx", O_RDWR | O_CLOEXEC | O_NOCTTY) >= 0);
	return 0;
}

static void own_places_are_writable_bounded_and_private(void **state)
{
	char path[] = "/tmp/mpsup-view-seen.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	fd_close(&fd);
	(void)unlink(path);
	inside(write_own_places);
	assert_true(access("/dev/shm/x", F_OK) < 0);
	assert_true(access("/tmp/big", F_OK) < 0);
}

static int as_nobody(const char *cwd)
{
	CHECK(setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0);
	CHECK(chdir(cwd) == 0);
	CHECK(opens("server.js", O_RDONLY));
	CHECK(refuses("server.js", O_WRONLY, EROFS) || errno == EACCES);
	CHECK(refuses("new", O_CREAT | O_WRONLY, EROFS));
	return 0;
}

static int use_cwd(void)
{
	return as_nobody(fx.req.cwd);
}

/* Its parents are made anew in the view: who may enter them does not matter. */
static void a_cwd_in_a_0700_folder_can_be_entered(void **state)
{
	(void)state;
	(void)folder(0, "home", 0700);
	fx.req.cwd = folder(1, "home/app", 0755);
	(void)file(2, "home/app/server.js", 0644);
	(void)file(3, "home/secret", 0644);
	inside(use_cwd);
}

static int beside_cwd(void)
{
	CHECK(chdir(fx.req.cwd) == 0);
	CHECK(access(fx.path[3], F_OK) < 0);
	CHECK(entries(fx.path[0]) == 1);
	return 0;
}

static void what_lies_beside_the_cwd_is_not_shown(void **state)
{
	(void)state;
	(void)folder(0, "home", 0700);
	fx.req.cwd = folder(1, "home/app", 0755);
	(void)file(3, "home/secret", 0644);
	inside(beside_cwd);
}

static void a_cwd_below_tmp_is_there(void **state)
{
	(void)state;
	fx.req.cwd = folder(0, "app", 0755);
	(void)file(1, "app/server.js", 0644);
	inside(use_cwd);
}

static int walk_links(void)
{
	char buf[256];

	CHECK(chdir(fx.path[1]) == 0 && opens("server.js", O_RDONLY));
	CHECK(readlink(fx.path[1], buf, sizeof(buf)) > 0);
	CHECK(access("/bin/sh", X_OK) == 0);
	return 0;
}

static void symlinks_stay_symlinks(void **state)
{
	(void)state;
	(void)folder(0, "v2", 0755);
	(void)file(2, "v2/server.js", 0644);
	fx.req.cwd = below(1, "current");
	assert_int_equal(symlink("v2", fx.path[1]), 0);
	inside(walk_links);
}

static int use_asked(void)
{
	char name[256];

	CHECK(refuses(fx.path[5], O_WRONLY, EROFS));
	(void)snprintf(name, sizeof(name), "%s/new", fx.path[1]);
	CHECK(opens(name, O_CREAT | O_WRONLY));
	(void)snprintf(name, sizeof(name), "%s/new", fx.path[0]);
	CHECK(refuses(name, O_CREAT | O_WRONLY, EROFS));
	CHECK(entries(fx.path[2]) == 0);
	(void)snprintf(name, sizeof(name), "%s/new", fx.path[2]);
	CHECK(refuses(name, O_CREAT | O_WRONLY, EROFS));
	CHECK(opens(fx.path[4], O_RDONLY)); /* there, and empty */
	CHECK(entries(fx.path[0]) == 4);
	return 0;
}

static int empty_file(void)
{
	struct stat st;

	CHECK(stat(fx.path[4], &st) == 0 && st.st_size == 0);
	return use_asked();
}

static void asked_tree(void)
{
	char name[256];

	fx.ro[0] = folder(0, "a", 0755);
	fx.rw[0] = folder(1, "a/data", 0755);
	fx.hide[0] = folder(2, "a/secret", 0755);
	(void)file(3, "a/secret/key", 0644);
	fx.hide[1] = file(4, "a/hidden", 0644);
	(void)file(5, "a/code", 0644);
	inside(empty_file);
	(void)snprintf(name, sizeof(name), "%s/new", fx.path[1]);
	assert_int_equal(access(name, F_OK), 0); /* it is the host's folder */
}

static void ro_rw_and_hide_are_as_asked(void **state)
{
	(void)state;
	asked_tree();
}

static void they_are_in_the_host_view_too(void **state)
{
	(void)state;
	fx.req.app = false;
	asked_tree();
}

static int look_around_the_host(void)
{
	CHECK(opens("/etc/passwd", O_RDONLY));
	CHECK(refuses("/etc/passwd", O_WRONLY, EROFS));
	CHECK(refuses(fx.path[0], O_WRONLY, EROFS));
	CHECK(opens("/tmp/mpsup-view-x", O_CREAT | O_WRONLY));
	CHECK(mount("none", "/mnt", "tmpfs", 0, NULL) == 0 || errno == ENOENT);
	return 0;
}

static void the_host_view_is_read_only(void **state)
{
	(void)state;
	fx.req.app = false;
	(void)file(0, "file", 0644);
	inside(look_around_the_host);
	assert_true(access("/tmp/mpsup-view-x", F_OK) < 0);
}

/* The mold is of its time: what the host mounts or replaces later stays outside. */
static int sees_the_old(void)
{
	CHECK(opens("server.js", O_RDONLY) == false);
	CHECK(chdir(fx.req.cwd) == 0 && opens("server.js", O_RDONLY));
	return 0;
}

static void a_generation_keeps_its_folder(void **state)
{
	struct pidfd_exit ex;
	int r;

	(void)state;
	if (geteuid() != 0)
		skip();
	fx.req.cwd = folder(0, "app", 0755);
	(void)file(1, "app/server.js", 0644);
	assert_int_equal(plan(), 0);
	fx.view.own_pid = true;
	fx.view.tmp_bytes = 1u << 20;
	r = view_build_mold(&fx.view, &fx.mold, &fx.e);
	if (r == -EOPNOTSUPP)
		skip();
	assert_int_equal(r, 0);
	assert_int_equal(rename(fx.path[0], below(2, "old")), 0);
	assert_int_equal(mkdir(fx.path[0], 0755), 0);
	r = pidfd_clone(CLONE_NEWPID | CLONE_NEWNS, -1, &fx.child);
	if (r == 0)
		_exit(enter() || sees_the_old() ? 1 : 0);
	assert_int_equal(r, 1);
	assert_int_equal(pidfd_wait(&fx.child), 0);
	assert_int_equal(pidfd_reap(&fx.child, &ex), 1);
	assert_string_equal(fx.said, "");
}

static void a_path_that_went_is_named(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	fx.ro[0] = folder(0, "gone", 0755);
	assert_int_equal(plan(), 0);
	assert_int_equal(rmdir(fx.path[0]), 0);
	assert_int_equal(view_build_mold(&fx.view, &fx.mold, &fx.e), -ENOENT);
	assert_non_null(strstr(fx.e.msg, "--ro"));
	assert_non_null(strstr(fx.e.msg, fx.path[0]));
	assert_int_equal(fx.mold, -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define S(f) cmocka_unit_test_setup_teardown(f, setup_srv, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(parents_come_before_what_is_below),
		T(the_last_word_on_a_path_wins),
		T(secrets_are_hidden),
		T(a_cwd_below_tmp_is_put_there_late),
		T(a_folder_of_a_link_is_shown_with_the_link),
		T(folders_of_absolute_arguments_are_shown),
		T(a_file_in_tmp_is_shown_alone),
		T(what_lies_beside_bin_comes_with_the_command),
		T(writable_host_is_refused),
		T(paths_that_are_not_there_are_named),
		T(too_many_places_are_refused),
		S(the_app_view_shows_the_system_and_nothing_else),
		S(own_places_are_writable_bounded_and_private),
		S(a_cwd_in_a_0700_folder_can_be_entered),
		S(what_lies_beside_the_cwd_is_not_shown),
		T(a_cwd_below_tmp_is_there),
		S(symlinks_stay_symlinks),
		T(symlinks_stay_symlinks),
		S(ro_rw_and_hide_are_as_asked),
		T(ro_rw_and_hide_are_as_asked),
		S(they_are_in_the_host_view_too),
		T(they_are_in_the_host_view_too),
		S(the_host_view_is_read_only),
		S(a_generation_keeps_its_folder),
		S(a_path_that_went_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
