/* SPDX-License-Identifier: MIT */
/* test_logs.c - log files that are bounded and lose nothing, rates, lines for the journal. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "config/logplace.h"
#include "config/trusted.h"
#include "ctl/logfile.h"
#include "ctl/lograte.h"
#include "fds.h"
#include "kernel/journal.h"

static struct {
	char dir[64], path[128];
	struct loop loop;
	struct logfile f;
	struct rlimit fsize;
	int fds_before;
} fx;

static int setup(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	fx.f = LOGFILE_NONE;
	fx.fds_before = count_fds();
	(void)snprintf(fx.dir, sizeof(fx.dir), "/tmp/mpsup-logs.XXXXXX");
	(void)signal(SIGXFSZ, SIG_IGN);
	if (!mkdtemp(fx.dir) || loop_init(&fx.loop) < 0 || getrlimit(RLIMIT_FSIZE, &fx.fsize) < 0)
		return -1;
	(void)snprintf(fx.path, sizeof(fx.path), "%s/web.log", fx.dir);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	(void)setrlimit(RLIMIT_FSIZE, &fx.fsize);
	logfile_close(&fx.f);
	loop_done(&fx.loop);
	(void)snprintf(command, sizeof(command), "rm -rf %s", fx.dir);
	return system(command) == 0 && count_fds() == fx.fds_before ? 0 : -1;
}

static void open_log(uint64_t rotate_bytes, unsigned keep)
{
	struct err e;

	if (logfile_open(&fx.f, &fx.loop, fx.path, NULL, &e) < 0)
		fail_msg("%s", e.msg);
	fx.f.rotate_bytes = rotate_bytes;
	fx.f.keep = keep;
}

static void put(const char *line)
{
	logfile_write(&fx.f, line, strlen(line));
}

/* What FILE or FILE.number holds; NULL: it is not there. */
static const char *holds(unsigned number)
{
	static char text[8192];
	char path[192];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), number ? "%s.%u" : "%s", fx.path, number);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

static void a_full_file_is_renamed(void **state)
{
	(void)state;
	open_log(12, 2);
	put("one 1\n");
	put("two 2\n"); /* exactly full */
	assert_null(holds(1));
	put("three\n");
	assert_string_equal(holds(0), "three\n");
	assert_string_equal(holds(1), "one 1\ntwo 2\n");
	put("a line longer than all of it\n"); /* is in one file all the same */
	assert_string_equal(holds(0), "a line longer than all of it\n");
	put("five\n");
	assert_string_equal(holds(0), "five\n");
	assert_string_equal(holds(1), "a line longer than all of it\n");
	assert_string_equal(holds(2), "three\n");
	assert_null(holds(3));
}

static void what_was_there_counts(void **state)
{
	(void)state;
	open_log(12, 1);
	put("0123456789\n");
	logfile_close(&fx.f);
	open_log(12, 1);
	put("new\n");
	assert_string_equal(holds(0), "new\n");
	assert_string_equal(holds(1), "0123456789\n");
}

static void none_are_kept(void **state)
{
	(void)state;
	open_log(8, 0);
	put("one 1\n");
	put("two 2\n");
	assert_string_equal(holds(0), "two 2\n");
	assert_null(holds(1));
}

static void without_a_bound_nothing_is_renamed(void **state)
{
	(void)state;
	open_log(0, 5);
	for (int i = 0; i < 100; i++)
		put("some words that are long\n");
	assert_int_equal(strlen(holds(0)), 2500);
	assert_null(holds(1));
}

static void what_cannot_be_renamed_grows_on(void **state)
{
	char folder[192];

	(void)state;
	(void)snprintf(folder, sizeof(folder), "%s.1", fx.path);
	assert_int_equal(mkdir(folder, 0755), 0);
	open_log(12, 1);
	put("0123456789\n");
	put("9876543210\n");
	assert_true(fx.f.said);
	assert_string_equal(holds(0), "0123456789\n9876543210\n");
	assert_int_equal(rmdir(folder), 0);
	put("a\n");
	assert_string_equal(holds(0), "a\n"); /* tried again once it was full again */
}

static void reopened_after_logrotate(void **state)
{
	char away[192];
	struct err e;

	(void)state;
	open_log(0, 0);
	put("before\n");
	(void)snprintf(away, sizeof(away), "%s.1", fx.path);
	assert_int_equal(rename(fx.path, away), 0);
	put("still\n");
	assert_int_equal(logfile_reopen(&fx.f, &e), 0);
	put("after\n");
	assert_string_equal(holds(1), "before\nstill\n");
	assert_string_equal(holds(0), "after\n");
	/* Somebody put a link there: the old file is kept. */
	assert_int_equal(unlink(fx.path), 0);
	assert_int_equal(symlink("/dev/null", fx.path), 0);
	assert_int_equal(logfile_reopen(&fx.f, &e), -ELOOP);
	put("lost to nobody\n");
	assert_int_equal(fx.f.lost, 0);
}

static void full_disk(uint64_t bytes)
{
	const struct rlimit rl = { .rlim_cur = bytes, .rlim_max = fx.fsize.rlim_max };

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &rl), 0);
}

static void a_full_disk_is_told_when_it_has_room(void **state)
{
	(void)state;
	open_log(0, 0);
	put("one\n");
	full_disk(6);
	put("torn\n"); /* two bytes of it are written */
	put("lost\n");
	assert_string_equal(holds(0), "one\nto");
	(void)setrlimit(RLIMIT_FSIZE, &fx.fsize);
	put("there\n");
	assert_string_equal(holds(0), "one\nto\nmpsup: 2 lines lost: File too large\nthere\n");
}

static void a_fifo_is_not_waited_for(void **state)
{
	struct pool_config p = { .refs = 1 };
	struct err e;

	(void)state;
	assert_int_equal(mkfifo(fx.path, 0600), 0);
	assert_int_equal(logfile_open(&fx.f, &fx.loop, fx.path, NULL, &e), -ENXIO);
	assert_int_equal(logplace_open(&p, fx.path, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "regular"));
	assert_int_equal(logplace_check(&p, fx.path, &e), -EINVAL);
}

/* ---- places ---- */

static bool collide(const char *a, const char *b)
{
	const struct pool_log x = { .file = a, .rotate_bytes = 1, .keep = 5 };
	const struct pool_log y = { .file = b, .rotate_bytes = 1, .keep = 5 };

	return logplace_collide(&x, &y);
}

static void files_that_two_cannot_have(void **state)
{
	const struct pool_log forever = { .file = "/a", .rotate_bytes = 0, .keep = 5 };
	const struct pool_log other = { .file = "/a.1", .rotate_bytes = 0, .keep = 5 };

	(void)state;
	assert_true(collide("/a", "/a"));
	assert_true(collide("/a", "/a.1"));
	assert_true(collide("/a.5", "/a"));
	assert_false(collide("/a", "/a.6"));
	assert_false(collide("/a", "/a.0"));
	assert_false(collide("/a", "/a.1x"));
	assert_false(collide("/a", "/ab"));
	assert_false(collide("/a", NULL));
	assert_false(logplace_collide(&forever, &other));
}

static void folders_that_root_alone_can_change(void **state)
{
	char other[PATH_MAX] = "", path[128], theirs[128], link[160];

	(void)state;
	assert_true(trusted_folder("/", other));
	assert_true(trusted_folder("/usr/bin", other));
	assert_false(trusted_folder("/tmp", other));
	assert_string_equal(other, "/tmp");
	assert_false(trusted_folder("/no/such", other));
	assert_false(trusted_folder("/etc/passwd", NULL));
	/* mkdtemp's is ours alone; below a sticky folder that is enough for root. */
	assert_int_equal(trusted_folder(fx.dir, other), geteuid() == 0);
	assert_int_equal(chmod(fx.dir, 0777), 0);
	assert_false(trusted_folder(fx.dir, other));
	assert_string_equal(other, fx.dir);
	/* Who owns a link says where it leads, though it leads to root's. */
	(void)snprintf(path, sizeof(path), "%s/way", fx.dir);
	assert_int_equal(symlink("/usr/bin", path), 0);
	assert_false(trusted_folder(path, other));
	if (geteuid() != 0)
		return;
	assert_int_equal(chmod(fx.dir, 0755), 0);
	assert_true(trusted_folder(path, other));
	assert_int_equal(unlink(path), 0);
	/* Also in the middle of the way: ours, theirs, root's. */
	(void)snprintf(theirs, sizeof(theirs), "%s/theirs", fx.dir);
	(void)snprintf(link, sizeof(link), "%s/link", theirs);
	assert_int_equal(mkdir(theirs, 0755), 0);
	assert_int_equal(symlink("/usr/bin", link), 0);
	assert_int_equal(symlink("theirs/../theirs/link", path), 0);
	assert_true(trusted_folder(path, other));
	assert_int_equal(chown(theirs, 65534, 65534), 0);
	assert_false(trusted_folder(path, other));
	assert_string_equal(other, theirs);
	/* Going round in circles. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("way", path), 0);
	assert_false(trusted_folder(path, other));
}

static void what_is_wrong_is_said_before(void **state)
{
	struct pool_config p = { .refs = 1, .uid = geteuid(), .gid = getegid() };
	char path[128];
	struct err e;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/no/such.log", fx.dir);
	assert_int_equal(logplace_check(&p, path, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "mkdir -p"));
	assert_int_equal(logplace_check(&p, fx.dir, &e), -EISDIR);
	assert_int_equal(symlink("/dev/null", fx.path), 0);
	assert_int_equal(logplace_check(&p, fx.path, &e), -ELOOP);
	assert_non_null(strstr(e.msg, "link"));
	assert_int_equal(unlink(fx.path), 0);
	assert_int_equal(logplace_check(&p, fx.path, &e), 0);
	assert_int_equal(access(fx.path, F_OK), -1); /* nothing is made */
}

/* ---- rate ---- */

static void a_window_has_so_many(void **state)
{
	struct lograte r = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(lograte_passes(&r, 3, 100, 1000));
	assert_false(lograte_passes(&r, 3, 100, 1000));
	assert_false(lograte_passes(&r, 3, 100, 1099));
	assert_int_equal(r.dropped, 2);
	assert_int_equal(r.until_ms, 1100);
	assert_true(lograte_passes(&r, 3, 100, 1100));
	assert_int_equal(r.dropped, 2); /* the caller tells */
	assert_int_equal(r.until_ms, 1200);
	assert_true(lograte_passes(&r, 0, 0, 1100));
}

/* ---- the journal ---- */

static const char *line_of(const char *text)
{
	static char out[128];
	size_t n = journal_line(JOURNAL_INFO, text, strlen(text), out);

	assert_true(n <= strlen(text) + JOURNAL_MORE);
	out[n] = '\0';
	return out;
}

static void lines_for_the_journal(void **state)
{
	(void)state;
	assert_string_equal(line_of("hello"), "<6>hello\n");
	assert_string_equal(line_of(""), "<6>\n");
	assert_string_equal(line_of("<3>bad"), "<3>bad\n");
	assert_string_equal(line_of("<3>"), "<3>\n");
	assert_string_equal(line_of("<30>daemon's"), "<30>daemon's\n");
	/* Not to every terminal of the host, however it is written. */
	assert_string_equal(line_of("<0>all"), "<1>all\n");
	assert_string_equal(line_of("<00>all"), "<1>all\n");
	assert_string_equal(line_of("<000>all"), "<1>all\n");
	assert_string_equal(line_of("<24>all"), "<1>all\n");
	/* None of them a priority. */
	assert_string_equal(line_of("<html>"), "<6><html>\n");
	assert_string_equal(line_of("<>"), "<6><>\n");
	assert_string_equal(line_of("<>x"), "<6><>x\n");
	assert_string_equal(line_of("<1234>x"), "<6><1234>x\n");
	assert_string_equal(line_of("<12"), "<6><12\n");
	assert_string_equal(line_of(" <3>x"), "<6> <3>x\n");
}

static void a_stream_begins_with_its_header(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char got[256] = "";
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd, other;

	(void)state;
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s/stdout", fx.dir);
	assert_int_equal(journal_open(a.sun_path, "web/3"), -ENOENT);
	assert_int_equal(bind(listener, (const struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(journal_open(a.sun_path, "web/3"), -ECONNREFUSED);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(journal_open(a.sun_path, "web\n/3"), -EINVAL);
	fd = journal_open(a.sun_path, "web/3");
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(read(other, got, sizeof(got) - 1) > 0);
	assert_string_equal(got, "web/3\n\n6\n1\n0\n0\n0\n");
	(void)close(fd);
	(void)close(other);
	(void)close(listener);
}

static void the_journals_descriptor_is_known(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char name[64];
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
	assert_false(journal_has(fd));
	(void)snprintf(name, sizeof(name), "%llu:%llu", (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	assert_int_equal(setenv("JOURNAL_STREAM", name, 1), 0);
	assert_true(journal_has(fd));
	assert_int_equal(setenv("JOURNAL_STREAM", "1:2", 1), 0);
	assert_false(journal_has(fd));
	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
	(void)close(fd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_full_file_is_renamed),
		T(what_was_there_counts),
		T(none_are_kept),
		T(without_a_bound_nothing_is_renamed),
		T(what_cannot_be_renamed_grows_on),
		T(reopened_after_logrotate),
		T(a_full_disk_is_told_when_it_has_room),
		T(a_fifo_is_not_waited_for),
		T(files_that_two_cannot_have),
		T(folders_that_root_alone_can_change),
		T(what_is_wrong_is_said_before),
		T(a_window_has_so_many),
		T(lines_for_the_journal),
		T(a_stream_begins_with_its_header),
		T(the_journals_descriptor_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
