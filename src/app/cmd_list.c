/* SPDX-License-Identifier: MIT */
/* cmd_list.c - `mpsup list`: the instances that run. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "app/client.h"
#include "app/cmd.h"
#include "app/opts.h"
#include "base/text.h"

/* Its status object, the caller's; NULL with *e filled. */
static json_t *ask_status(const struct instance_ref *ref, struct err *e)
{
	struct instance_ref one = *ref;
	const struct instance_refs refs = { &one, 1 };
	struct remote r = REMOTE_NONE;
	json_t *final = NULL, *status = NULL;
	const char *why;

	if (remote_open(&r, &refs, e) == 0 && remote_ask(&r, "status", NULL, e) == 0 &&
	    remote_next(&r, CONNECT_WAIT_MS, &final, e) == 0) {
		status = json_incref(json_object_get(final, "status"));
		why = json_string_value(json_object_get(final, "error"));
		if (!status)
			(void)err_set(e, -EACCES, "%s", why ? why : "no answer");
	}
	json_decref(final);
	remote_close(&r);
	return status;
}

/* The part of a status that a list has. */
static json_t *brief(const struct instance_ref *ref, const json_t *status)
{
	json_t *pools = json_array(), *pool;
	size_t i;

	json_array_foreach(json_object_get(status, "pools"), i, pool)(void) json_array_append_new(
		pools,
		json_pack("{s:O?, s:O?, s:O?, s:i}", "name", json_object_get(pool, "name"), "state",
			  json_object_get(pool, "state"), "listen", json_object_get(pool, "listen"),
			  "workers", (int)json_array_size(json_object_get(pool, "workers"))));
	return json_pack("{s:s, s:O?, s:O?, s:s, s:o}", "name", ref->name, "version",
			 json_object_get(status, "version"), "master",
			 json_object_get(status, "master"), "socket", ref->path, "pools", pools);
}

static void show_silent(const char *name, const struct err *e)
{
	char safe_name[INSTANCE_NAME_MAX * 4], safe[sizeof(e->msg)];

	(void)text_safe(name, strlen(name), safe_name, sizeof(safe_name));
	(void)text_safe(e->msg, strlen(e->msg), safe, sizeof(safe));
	(void)printf("%-24s  %s\n", safe_name, safe);
}

static void show_all(const struct render *render, const struct instance_refs *refs)
{
	if (refs->n == 0)
		(void)puts("no instance of mpsup is running here");
	else
		render_list_head(render);
	for (size_t i = 0; i < refs->n; i++) {
		struct err e = { 0 };
		json_t *status = ask_status(&refs->refs[i], &e);

		if (status)
			render_list_line(render, status);
		else
			show_silent(refs->refs[i].name, &e);
		json_decref(status);
	}
}

static void print_all(const struct instance_refs *refs)
{
	json_t *all = json_array();

	for (size_t i = 0; i < refs->n; i++) {
		struct err e = { 0 };
		json_t *status = ask_status(&refs->refs[i], &e);

		(void)json_array_append_new(all, brief(&refs->refs[i], status));
		json_decref(status);
	}
	client_print_json(all);
	json_decref(all);
}

/* As the master's names are: a shell completes with it. */
static bool is_name(const char *s)
{
	return s && *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-")];
}

/* All that a verb can be told to, for completion: what cannot be asked is left out. */
static void print_targets(const char *instance, const json_t *status)
{
	const char *colon = *instance ? ":" : "";
	json_t *pool, *worker;
	size_t i, k;

	json_array_foreach(json_object_get(status, "pools"), i, pool)
	{
		const char *name = json_string_value(json_object_get(pool, "name"));

		if (!is_name(name))
			continue;
		(void)printf("%s%s%s\n", instance, colon, name);
		json_array_foreach(json_object_get(pool, "workers"), k, worker)
		{
			const char *role = json_string_value(json_object_get(worker, "role"));

			if (role && strcmp(role, "worker") == 0)
				(void)printf(
					"%s%s%s/%d\n", instance, colon, name,
					(int)json_integer_value(json_object_get(worker, "slot")));
		}
	}
}

static void print_all_targets(const struct instance_refs *refs)
{
	for (size_t i = 0; i < refs->n; i++) {
		struct err e = { 0 };
		json_t *status = ask_status(&refs->refs[i], &e);

		if (status && is_name(refs->refs[i].name)) {
			(void)printf("%s:\n", refs->refs[i].name);
			print_targets(refs->refs[i].name, status);
			if (refs->n == 1)
				print_targets("", status);
		}
		json_decref(status);
	}
}

int cmd_list(int argc, char **argv)
{
	bool as_json = false, targets = false;
	const struct opt opts[] = {
		{ .name = "json", .help = "one JSON array, for scripts", .on = &as_json },
		{ .name = "targets", .help = "every TARGET there is, one a line", .on = &targets },
		{ 0 },
	};
	const struct usage usage = {
		.verb = "list",
		.args = "",
		.opts = opts,
		.text = "Show the instances that run: yours, and root's where you may look.\n",
	};
	struct instance_refs refs;
	struct render render;
	const char *target;
	int r = opts_parse(&usage, argc, argv, &target);

	if (r >= 0)
		return r;
	client_setup(&render);
	r = client_instances(&refs);
	if (r != 0)
		return r;
	if (targets)
		print_all_targets(&refs);
	else if (as_json)
		print_all(&refs);
	else
		show_all(&render, &refs);
	instances_done(&refs);
	return client_finish(CLIENT_OK);
}
