/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/carried.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/carried.h"
#include "kernel/image.h"

static const struct field instance_fields[] = {
	FIELD(CHARS, instance, run_dir),
	FIELD(CHARS, instance, dir),
	FIELD(FD, instance, lock_fd),
};

static const struct field pidfile_fields[] = {
	FIELD(CHARS, pidfile, path),
	FIELD(FD, pidfile, fd),
};

static const struct field upgrade_fields[] = {
	FIELD(CHARS, upgrade, path),
	FIELD(NUM, upgrade, asked_ms),
};

static const struct field state_fields[] = {
	FIELD(NUM, state, saved_ms),
	FIELD(NUM, state, changed),
	FIELD(NUM, state, refused),
	FIELD(NUM, state, said),
};

static json_t *object_of(struct image *im, json_t *o, const char *name)
{
	json_t *a = json_object();

	image_put_json(im, o, name, a);
	return a;
}

static void put_state(struct image *im, json_t *o, const struct state *s)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	bool whole = false;

	image_put(im, o, state_fields, ARRAY_LEN(state_fields), s);
	if (f) {
		kept_write(&s->kept, clock_real_ms(), f);
		whole = !ferror(f);
		whole = fclose(f) == 0 && whole;
	}
	if (!whole)
		image_fail(im, "out of memory");
	else
		image_put_bytes(im, o, "kept", text, len);
	free(text);
}

void state_get(struct image *im, struct state *s, struct master *m)
{
	const json_t *o = json_object_get(json_object_get(im->root, "app"), "state");
	struct err e = { 0 };
	const char *text;
	size_t len;

	state_init(s, m);
	if (!o && !im->check) /* an older image: what the disk has is better than nothing */
		state_open(s, m);
	image_get(im, o, state_fields, ARRAY_LEN(state_fields), s);
	text = image_get_bytes(im, o, "kept", &len);
	if (text && kept_parse(text, len, &s->kept, &e) < 0)
		image_fail(im, "what is kept of usage: %s", e.msg);
}

int run_put(struct run *run, struct carried *c, int *ret_fd, struct err *e)
{
	json_t *o;

	master_put(c, &run->master);
	ctl_put(&c->im, object_of(&c->im, c->im.root, "ctl"), &run->ctl);
	o = object_of(&c->im, c->im.root, "app");
	image_put(&c->im, object_of(&c->im, o, "instance"), instance_fields,
		  ARRAY_LEN(instance_fields), &run->instance);
	image_put(&c->im, object_of(&c->im, o, "pidfile"), pidfile_fields,
		  ARRAY_LEN(pidfile_fields), &run->pidfile);
	image_put(&c->im, object_of(&c->im, o, "upgrade"), upgrade_fields,
		  ARRAY_LEN(upgrade_fields), &run->upgrade);
	put_state(&c->im, object_of(&c->im, o, "state"), &run->state);
	if (run->shown.own.fd >= 0) {
		image_put_bytes(&c->im, o, "log_path", run->shown.own.path,
				strlen(run->shown.own.path) + 1);
		image_put_fd(&c->im, o, "log", run->shown.own.fd);
	}
	image_put_json(&c->im, o, "terminal", json_boolean(run->shown.terminal));
	image_put_json(&c->im, o, "from", json_string(MPSUP_VERSION));
	return image_write(&c->im, ret_fd, e);
}

int run_get(struct run *run, struct carried *c, struct run_before *ret, struct err *e)
{
	const json_t *o = json_object_get(c->im.root, "app");
	size_t len;

	image_get(&c->im, json_object_get(o, "instance"), instance_fields,
		  ARRAY_LEN(instance_fields), &run->instance);
	image_get(&c->im, json_object_get(o, "pidfile"), pidfile_fields, ARRAY_LEN(pidfile_fields),
		  &run->pidfile);
	image_get(&c->im, json_object_get(o, "upgrade"), upgrade_fields, ARRAY_LEN(upgrade_fields),
		  &run->upgrade);
	ret->log_path = image_get_bytes(&c->im, o, "log_path", &len);
	if (ret->log_path && (len == 0 || ret->log_path[len - 1]))
		image_fail(&c->im, "log_path: not a text");
	ret->log_fd = ret->log_path ? image_get_fd(&c->im, o, "log") : -1;
	ret->terminal = json_is_true(json_object_get(o, "terminal"));
	ret->from = json_string_value(json_object_get(o, "from"));
	if (!ret->from)
		ret->from = "?";
	return image_result(&c->im, e);
}
