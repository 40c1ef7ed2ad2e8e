/* SPDX-License-Identifier: MIT */
/* test_host.c - what a host is taken for, from trees like / of hosts that we do not have:
 * cgroup modes, why a controller is missing, containers, systemd, security modules. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fds.h"
#include "kernel/controllers.h"
#include "kernel/surroundings.h"
#include "tree.h"

static char dir[64], proc[80], mnt[80], text[SURROUNDINGS_BYTES];
static int fds_before;

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	(void)snprintf(dir, sizeof(dir), "/tmp/test_host.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(proc, sizeof(proc), "%s/proc", dir);
	(void)snprintf(mnt, sizeof(mnt), "%s/cg", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tree_remove(dir);
	return count_fds() == fds_before ? 0 : -1;
}

/* ---- cgroup modes ---- */

#define V2	"41 31 0:38 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate"
#define V1_MEM	"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
#define V1_NAME "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd"
#define V1_NET	"43 31 0:40 / /sys/fs/cgroup/net rw - cgroup cgroup rw,net_cls,net_prio"

static enum cgroup_mode mode_of(const char *mountinfo)
{
	tree_put(dir, mountinfo, "proc/self/mountinfo");
	return controllers_mode(proc);
}

static void modes(void **state)
{
	(void)state;
	assert_int_equal(controllers_mode(proc), CGROUPS_NONE); /* no such file */
	assert_int_equal(mode_of("22 1 8:1 / / rw - ext4 /dev/sda rw"), CGROUPS_NONE);
	assert_int_equal(mode_of(V2), CGROUPS_UNIFIED);
	assert_int_equal(mode_of(V2 "\n" V1_MEM), CGROUPS_HYBRID);
	assert_int_equal(mode_of(V1_MEM), CGROUPS_LEGACY);
	/* Hierarchies that hold no controller of ours take none away. */
	assert_int_equal(mode_of(V1_NAME "\n" V2), CGROUPS_UNIFIED);
	assert_int_equal(mode_of(V1_NET "\n" V2), CGROUPS_UNIFIED);
	assert_int_equal(mode_of(V1_NAME), CGROUPS_NONE);
}

/* ---- why a controller is missing ---- */

#define CGROUPS_HEAD "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"

static enum controller_why why(const char *own, const char *name)
{
	return controllers_why(proc, mnt, own, name, text, sizeof(text));
}

static void why_of_the_kernel(void **state)
{
	(void)state;
	tree_put(dir, "hugetlb", "cg/cgroup.controllers");
	tree_put(dir, CGROUPS_HEAD "memory\t4\t22\t1\nblkio\t7\t1\t1\ncpu\t0\t1\t0\npids\t0\t9\t1",
		 "proc/cgroups");
	assert_int_equal(why("/", "memory"), CONTROLLER_V1);
	assert_int_equal(why("/", "io"), CONTROLLER_V1); /* called blkio there */
	assert_int_equal(why("/", "cpu"), CONTROLLER_OFF);
	assert_int_equal(why("/", "pids"), CONTROLLER_OUTSIDE);
	assert_int_equal(why("/", "misc"), CONTROLLER_NONE);
	assert_string_equal(text, "");
}

static void why_is_hidden(void **state)
{
	(void)state;
	tree_put(dir, "", "cg/cgroup.controllers");
	assert_int_equal(why("/", "memory"), CONTROLLER_OUTSIDE);
	tree_put(dir, "rubbish\nmemory x y z\n\n", "proc/cgroups");
	assert_int_equal(why("/", "memory"), CONTROLLER_NONE);
}

static void why_of_the_tree(void **state)
{
	(void)state;
	tree_put(dir, "cpu memory pids", "cg/cgroup.controllers");
	tree_put(dir, "cpu memory", "cg/user.slice/cgroup.controllers");
	tree_put(dir, "memory", "cg/user.slice/a/cgroup.controllers");
	tree_put(dir, "memory", "cg/user.slice/a/b/cgroup.controllers");
	assert_int_equal(why("/user.slice/a/b", "memory"), CONTROLLER_THERE);
	assert_int_equal(why("/", "pids"), CONTROLLER_THERE);
	assert_int_equal(why("/user.slice/a/b", "cpu"), CONTROLLER_ABOVE);
	assert_string_equal(text, "/user.slice");
	assert_int_equal(why("/user.slice/a/b", "pids"), CONTROLLER_ABOVE);
	assert_string_equal(text, "/");
	/* A name that only begins with it is another. */
	tree_put(dir, "memory2 pids", "cg/user.slice/a/b/cgroup.controllers");
	assert_int_equal(why("/user.slice/a/b", "memory"), CONTROLLER_ABOVE);
	assert_string_equal(text, "/user.slice/a");
}

/* ---- around us ---- */

static bool in_container(void)
{
	return surroundings_container(dir, text, sizeof(text));
}

static void containers(void **state)
{
	(void)state;
	assert_false(in_container());
	assert_string_equal(text, "");
	tree_put(dir, "0::/init.scope", "proc/1/cgroup");
	assert_false(in_container());
	tree_put(dir, "0::/kubepods/besteffort/pod1", "proc/1/cgroup");
	assert_true(in_container());
	assert_non_null(strstr(text, "kubepods"));
	tree_put(dir, "x", ".dockerenv");
	assert_true(in_container());
	assert_non_null(strstr(text, "/.dockerenv"));
	tree_put(dir, "podman", "run/systemd/container");
	assert_true(in_container());
	assert_non_null(strstr(text, "podman"));
}

static void first_process(void **state)
{
	static const char env[] = "PATH=/bin\0xcontainer=no\0container=lxc\0HOME=/";
	char path[128];
	FILE *f;

	(void)state;
	tree_put(dir, "x", "proc/1/environ");
	(void)snprintf(path, sizeof(path), "%s/proc/1/environ", dir);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(env, 1, sizeof(env) - 1, f), sizeof(env) - 1);
	assert_int_equal(fclose(f), 0);
	assert_true(in_container());
	assert_non_null(strstr(text, "container=lxc"));
	tree_put(dir, "PATH=/bin", "proc/1/environ");
	assert_false(in_container());
}

static void service_manager(void **state)
{
	unsigned version = 7;

	(void)state;
	assert_false(surroundings_systemd(dir, &version));
	assert_int_equal(version, 0);
	tree_put(dir, "x", "usr/lib/systemd/libsystemd-shared-252.so");
	tree_put(dir, "x", "usr/lib/systemd/libsystemd-core-999.so");
	assert_false(surroundings_systemd(dir, &version)); /* installed, and does not run */
	assert_int_equal(version, 252);
	tree_put(dir, "x", "run/systemd/system/x");
	tree_put(dir, "x", "usr/lib/systemd/libsystemd-shared-257.9-1.so");
	assert_true(surroundings_systemd(dir, &version));
	assert_int_equal(version, 257);
}

static void user_namespaces(void **state)
{
	(void)state;
	assert_false(surroundings_mapped(dir, text, sizeof(text)));
	tree_put(dir, "         0          0 4294967295", "proc/self/uid_map");
	assert_false(surroundings_mapped(dir, text, sizeof(text)));
	tree_put(dir, "         0     100000      65536", "proc/self/uid_map");
	assert_true(surroundings_mapped(dir, text, sizeof(text)));
	assert_string_equal(text, "0 100000 65536");

	surroundings_userns(dir, text, sizeof(text));
	assert_string_equal(text, "");
	tree_put(dir, "15000", "proc/sys/user/max_user_namespaces");
	tree_put(dir, "1", "proc/sys/kernel/unprivileged_userns_clone");
	tree_put(dir, "0", "proc/sys/kernel/apparmor_restrict_unprivileged_userns");
	surroundings_userns(dir, text, sizeof(text));
	assert_string_equal(text, "");
	tree_put(dir, "1", "proc/sys/kernel/apparmor_restrict_unprivileged_userns");
	surroundings_userns(dir, text, sizeof(text));
	assert_string_equal(text, "kernel.apparmor_restrict_unprivileged_userns is 1");
	tree_put(dir, "0", "proc/sys/kernel/unprivileged_userns_clone");
	surroundings_userns(dir, text, sizeof(text));
	assert_string_equal(text, "kernel.unprivileged_userns_clone is 0");
	tree_put(dir, "0", "proc/sys/user/max_user_namespaces");
	surroundings_userns(dir, text, sizeof(text));
	assert_string_equal(text, "user.max_user_namespaces is 0");
}

static void security_modules(void **state)
{
	(void)state;
	assert_int_equal(surroundings_selinux(dir), LSM_NONE);
	tree_put(dir, "0", "sys/fs/selinux/enforce");
	assert_int_equal(surroundings_selinux(dir), LSM_LOOSE);
	tree_put(dir, "1", "sys/fs/selinux/enforce");
	assert_int_equal(surroundings_selinux(dir), LSM_STRICT);

	assert_int_equal(surroundings_apparmor(dir, text, sizeof(text)), LSM_NONE);
	tree_put(dir, "N", "sys/module/apparmor/parameters/enabled");
	tree_put(dir, "docker-default (enforce)", "proc/self/attr/current");
	assert_int_equal(surroundings_apparmor(dir, text, sizeof(text)), LSM_NONE);
	tree_put(dir, "Y", "sys/module/apparmor/parameters/enabled");
	assert_int_equal(surroundings_apparmor(dir, text, sizeof(text)), LSM_STRICT);
	assert_string_equal(text, "docker-default (enforce)");
	tree_put(dir, "unconfined", "proc/self/attr/apparmor/current");
	assert_int_equal(surroundings_apparmor(dir, text, sizeof(text)), LSM_LOOSE);
}

/* What is read is somebody else's: nothing of it reaches past the buffer. */
static void bounds(void **state)
{
	char big[4096], small[16];
	uint64_t n = 5;

	(void)state;
	memset(big, 'k', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	tree_put(dir, big, "run/systemd/container");
	tree_put(dir, big, "proc/self/uid_map");
	tree_put(dir, big, "proc/number");
	assert_true(surroundings_container(dir, small, sizeof(small)));
	assert_int_equal(strlen(small), sizeof(small) - 1);
	assert_true(surroundings_mapped(dir, small, sizeof(small)));
	assert_false(surroundings_number(dir, "/proc/number", &n));
	tree_put(dir, "-1", "proc/number");
	assert_false(surroundings_number(dir, "/proc/number", &n));
	assert_int_equal(n, 5);
	tree_put(dir, "4096\tx", "proc/number");
	assert_true(surroundings_number(dir, "/proc/number", &n));
	assert_int_equal(n, 4096);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(modes),	    T(why_of_the_kernel), T(why_is_hidden),
		T(why_of_the_tree), T(containers),	  T(first_process),
		T(service_manager), T(user_namespaces),	  T(security_modules),
		T(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
