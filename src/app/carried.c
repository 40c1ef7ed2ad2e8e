/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/carried.h"

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

static json_t *object_of(struct image *im, json_t *o, const char *name)
{
	json_t *a = json_object();

	image_put_json(im, o, name, a);
	return a;
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
	image_put_json(&c->im, o, "terminal", json_boolean(run->shown.terminal));
	image_put_json(&c->im, o, "from", json_string(MPSUP_VERSION));
	return image_write(&c->im, ret_fd, e);
}

int run_get(struct run *run, struct carried *c, struct run_before *ret, struct err *e)
{
	const json_t *o = json_object_get(c->im.root, "app");

	image_get(&c->im, json_object_get(o, "instance"), instance_fields,
		  ARRAY_LEN(instance_fields), &run->instance);
	image_get(&c->im, json_object_get(o, "pidfile"), pidfile_fields, ARRAY_LEN(pidfile_fields),
		  &run->pidfile);
	image_get(&c->im, json_object_get(o, "upgrade"), upgrade_fields, ARRAY_LEN(upgrade_fields),
		  &run->upgrade);
	ret->terminal = json_is_true(json_object_get(o, "terminal"));
	ret->from = json_string_value(json_object_get(o, "from"));
	if (!ret->from)
		ret->from = "?";
	return image_result(&c->im, e);
}
