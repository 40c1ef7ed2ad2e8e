/* SPDX-License-Identifier: MIT */
/* mpsup-scope NAME - ask systemd for a transient scope of its parent's own.
 *
 * On a host that systemd rules, a part of the cgroup tree may be used only when
 * systemd gave it away (systemd's CGROUP_DELEGATION). A service does that with
 * Delegate=yes; for a master that was started by hand this program asks for a
 * scope with the master in it. A program of its own, because libsystemd would
 * cost the master a third of its memory for one call.
 *
 * Exit 0: the parent is in mpsup-NAME.scope. Else one sentence is printed. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

#define MANAGER	    "org.freedesktop.systemd1"
#define MANAGER_OBJ "/org/freedesktop/systemd1"
#define MANAGER_IF  "org.freedesktop.systemd1.Manager"
#define WAIT_USEC   (8u * 1000 * 1000)
#define UNIT_BYTES  128

struct job {
	const char *path; /* of the job that we wait for; NULL: not known yet */
	bool done;
	char result[32];
};

PRINTF(1, 2) static int say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	return 1;
}

/* Root talks to systemd itself, as systemctl does: a host may have no bus daemon. */
static int connect_private(sd_bus **ret)
{
	sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	if (r >= 0)
		r = sd_bus_set_address(bus, "unix:path=/run/systemd/private");
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r < 0) {
		sd_bus_unref(bus);
		return r;
	}
	*ret = bus;
	return 0;
}

static int connect_manager(sd_bus **ret)
{
	if (geteuid() != 0)
		return sd_bus_open_user(ret);
	return connect_private(ret) == 0 ? 0 : sd_bus_open_system(ret);
}

static int on_removed(sd_bus_message *m, void *userdata, sd_bus_error *e)
{
	struct job *j = userdata;
	const char *path, *unit, *result;
	uint32_t id;

	(void)e;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	if (!j->path || strcmp(j->path, path) != 0)
		return 0;
	j->done = true;
	(void)snprintf(j->result, sizeof(j->result), "%s", result);
	return 0;
}

static int append_properties(sd_bus_message *m, const char *name, uint32_t pid)
{
	char text[UNIT_BYTES];

	(void)snprintf(text, sizeof(text), "mpsup: workers of %s", name);
	/* Without a limit of tasks for all: each worker's leaf has its own. */
	return sd_bus_message_append(m, "a(sv)", 5, "Description", "s", text, "Delegate", "b", 1,
				     "PIDs", "au", 1, pid, "CollectMode", "s", "inactive-or-failed",
				     "TasksMax", "t", UINT64_MAX);
}

static int start(sd_bus *bus, const char *unit, const char *name, uint32_t pid,
		 sd_bus_message **ret_reply, sd_bus_error *e)
{
	sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(bus, &m, MANAGER, MANAGER_OBJ, MANAGER_IF,
					       "StartTransientUnit");

	if (r >= 0)
		r = sd_bus_message_append(m, "ss", unit, "fail");
	if (r >= 0)
		r = append_properties(m, name, pid);
	if (r >= 0)
		r = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (r >= 0)
		r = sd_bus_call(bus, m, WAIT_USEC, e, ret_reply);
	sd_bus_message_unref(m);
	return r;
}

static uint64_t now_usec(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* The call only queues a job; the parent is moved when it has run. */
static int wait_job(sd_bus *bus, struct job *j)
{
	uint64_t end = now_usec() + WAIT_USEC;

	while (!j->done) {
		uint64_t now = now_usec();
		int r = sd_bus_process(bus, NULL);

		if (r < 0)
			return r;
		if (r > 0)
			continue;
		if (now >= end)
			return -ETIMEDOUT;
		r = sd_bus_wait(bus, end - now);
		if (r < 0)
			return r;
	}
	return 0;
}

static int ask(sd_bus *bus, const char *name)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	struct job job = { .path = NULL };
	uint32_t pid = (uint32_t)getppid();
	char unit[UNIT_BYTES];
	int r = sd_bus_match_signal(bus, NULL, NULL, MANAGER_OBJ, MANAGER_IF, "JobRemoved",
				    on_removed, &job);

	if (r >= 0) /* on the private connection all is told anyway, and this is refused */
		(void)sd_bus_call_method(bus, MANAGER, MANAGER_OBJ, MANAGER_IF, "Subscribe", NULL,
					 NULL, NULL);
	(void)snprintf(unit, sizeof(unit), "mpsup-%s.scope", name);
	if (r >= 0)
		r = start(bus, unit, name, pid, &reply, &e);
	if (r == -EEXIST || sd_bus_error_has_name(&e, "org.freedesktop.systemd1.UnitExists")) {
		/* Another instance of that name, under another MPSUP_ROOT. */
		(void)snprintf(unit, sizeof(unit), "mpsup-%s-%u.scope", name, pid);
		sd_bus_error_free(&e);
		r = start(bus, unit, name, pid, &reply, &e);
	}
	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &job.path);
	if (r >= 0)
		r = wait_job(bus, &job);
	if (r < 0)
		r = say("systemd gives no scope: %s", e.message ? e.message : strerror(-r));
	else if (strcmp(job.result, "done") != 0)
		r = say("systemd gives no scope: its job ended with '%s'", job.result);
	else
		r = 0;
	sd_bus_error_free(&e);
	sd_bus_message_unref(reply);
	return r;
}

int main(int argc, char **argv)
{
	sd_bus *bus = NULL;
	int r;

	if (argc != 2)
		return say("usage: mpsup-scope NAME (started by mpsup itself)");
	r = connect_manager(&bus);
	if (r < 0)
		return say("systemd cannot be asked for a scope: %s", strerror(-r));
	r = ask(bus, argv[1]);
	sd_bus_unref(bus);
	return r;
}
