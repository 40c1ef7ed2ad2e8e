/* SPDX-License-Identifier: MIT */
/* carried.c - the master itself, and what pools and lives share: configurations, filters,
 * generations. */
#define _GNU_SOURCE
#include "super/carried.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "config/carried.h"
#include "super/births.h"
#include "super/filters.h"
#include "super/leaf.h"
#include "super/life.h"
#include "super/pin.h"
#include "super/pool.h"
#include "super/prepare.h"

/* ---- what is shared ---- */

/* Its number; new: it is the last one now, and to be written. */
static unsigned number_of(struct carried *c, struct carried_table *t, void *what, bool *ret_new)
{
	void **more;

	*ret_new = false;
	for (unsigned i = 0; i < t->n; i++)
		if (t->list[i] == what)
			return i;
	if ((t->n & (t->n - 1)) == 0) {
		more = realloc(t->list, (t->n ? 2 * t->n : 1) * sizeof(*more));
		if (!more) {
			image_fail(&c->im, "out of memory");
			return 0;
		}
		t->list = more;
	}
	t->list[t->n] = what;
	*ret_new = true;
	return t->n++;
}

static void *of_number(struct carried *c, const struct carried_table *t, const json_t *o,
		       const char *name)
{
	const json_t *v = json_object_get(o, name);
	json_int_t n = json_integer_value(v);

	if (!v)
		return NULL;
	if (n >= 0 && n < t->n && t->list[n])
		return t->list[n];
	image_fail(&c->im, "%s: there is no number %lld", name, (long long)n);
	return NULL;
}

void carried_put_conf(struct carried *c, json_t *o, const char *name, struct pool_config *p)
{
	bool is_new;
	unsigned n;

	if (!p)
		return;
	n = number_of(c, &c->confs, p, &is_new);
	if (is_new)
		pool_config_put(&c->im, image_add(&c->im, c->confs.array), p);
	image_put_json(&c->im, o, name, json_integer(n));
}

struct pool_config *carried_get_conf(struct carried *c, const json_t *o, const char *name)
{
	return of_number(c, &c->confs, o, name);
}

static const struct field filter_fields[] = {
	FIELD(TEXT, filter, policy),
	FIELD(NUM, filter, wants_ask),
	FIELD(NUM, filter, asks),
	FIELD(NUM, filter, flags),
};

static void put_filter(struct carried *c, json_t *o, struct filter *f)
{
	bool is_new;
	unsigned n = number_of(c, &c->filters, f, &is_new);

	if (is_new) {
		json_t *to = image_add(&c->im, c->filters.array);

		image_put(&c->im, to, filter_fields, ARRAY_LEN(filter_fields), f);
		image_put_bytes(&c->im, to, "insns", f->insns, f->len * sizeof(*f->insns));
	}
	image_put_json(&c->im, o, "filter", json_integer(n));
}

static void get_filter(struct carried *c, const json_t *o)
{
	size_t len;
	const void *insns = image_get_bytes(&c->im, o, "insns", &len);
	struct filter *f = calloc(1, sizeof(*f));
	bool is_new;

	if (f)
		f->insns = malloc(len + 1);
	if (!f || !f->insns || !insns || len % sizeof(*f->insns) ||
	    len / sizeof(*f->insns) > BPF_MAXINSNS) {
		image_fail(&c->im, "a filter of %zu bytes", len);
		if (f)
			free(f->insns);
		free(f);
		return;
	}
	memcpy(f->insns, insns, len);
	f->len = (unsigned short)(len / sizeof(*f->insns));
	image_get(&c->im, o, filter_fields, ARRAY_LEN(filter_fields), f);
	filter_add(c->m, f);
	(void)number_of(c, &c->filters, f, &is_new);
}

static const struct field bind_fields[] = {
	FIELD(KEPT, view_bind, path),	 FIELD(NUM, view_bind, mode),
	FIELD(KEPT, view_bind, link_to), FIELD(KEPT, view_bind, why),
	FIELD(NUM, view_bind, is_dir),	 FIELD(KEPT, view_bind, late_from),
};

static const struct field pin_fields[] = {
	FIELD(KEPT, view_pin, path),
	FIELD(NUM, view_pin, copy),
};

static const struct field view_fields[] = {
	FIELD(NUM, view, app),		 FIELD(NUM, view, tmp_bytes),
	FIELD(NUM, view, own_cgroup),	 FIELD(NUM, view, own_pid),
	FIELD(NUM, view, uid),		 FIELD(NUM, view, gid),
	FIELD(CHARS, view, tmp_options), FIELD(CHARS, view, run_options),
};

static void put_view(struct carried *c, json_t *o, const struct view *v)
{
	json_t *binds = json_array(), *pins = json_array();

	image_put(&c->im, o, view_fields, ARRAY_LEN(view_fields), v);
	image_put_json(&c->im, o, "binds", binds);
	for (unsigned i = 0; i < v->nbinds; i++)
		image_put(&c->im, image_add(&c->im, binds), bind_fields, ARRAY_LEN(bind_fields),
			  &v->binds[i]);
	image_put_json(&c->im, o, "pins", pins);
	for (unsigned i = 0; i < v->npins; i++)
		image_put(&c->im, image_add(&c->im, pins), pin_fields, ARRAY_LEN(pin_fields),
			  &v->pins[i]);
}

static void get_view(struct carried *c, const json_t *o, struct arena *a, struct view *v)
{
	const json_t *binds = json_object_get(o, "binds"), *pins = json_object_get(o, "pins");
	size_t n = json_array_size(binds);

	c->im.arena = a;
	image_get(&c->im, o, view_fields, ARRAY_LEN(view_fields), v);
	v->binds = arena_alloc(a, (n + 1) * sizeof(*v->binds));
	if (!v->binds) {
		image_fail(&c->im, "out of memory");
		return;
	}
	for (; v->nbinds < n; v->nbinds++) {
		image_get(&c->im, json_array_get(binds, v->nbinds), bind_fields,
			  ARRAY_LEN(bind_fields), &v->binds[v->nbinds]);
		if (!v->binds[v->nbinds].path)
			image_fail(&c->im, "a place of a view without a path");
	}
	for (; v->npins < json_array_size(pins) && v->npins < VIEW_PINS_MAX; v->npins++) {
		image_get(&c->im, json_array_get(pins, v->npins), pin_fields, ARRAY_LEN(pin_fields),
			  &v->pins[v->npins]);
		if (!v->pins[v->npins].path)
			image_fail(&c->im, "a pinned file without a path");
	}
}

static void write_generation(struct carried *c, json_t *o, struct generation *g)
{
	image_put_json(&c->im, o, "number", json_integer(g->number));
	carried_put_conf(c, o, "conf", g->conf);
	carried_put_conf(c, o, "plan_conf", g->plan_conf);
	image_put_json(&c->im, o, "words", json_integer(g->cage.words));
	image_put_json(&c->im, o, "preloads", json_boolean(g->cage.preloads));
	image_put_fd(&c->im, o, "mold", g->cage.mold_fd);
	if (g->policy_name)
		image_put_bytes(&c->im, o, "policy", g->policy_name, strlen(g->policy_name) + 1);
	if (g->filter)
		put_filter(c, o, g->filter);
	if (g->cage.mold_fd >= 0) {
		json_t *view = json_object();

		image_put_json(&c->im, o, "view", view);
		put_view(c, view, &g->cage.view);
	}
}

void carried_put_generation(struct carried *c, json_t *o, struct generation *g)
{
	bool is_new;
	unsigned n = number_of(c, &c->generations, g, &is_new);

	if (is_new)
		write_generation(c, image_add(&c->im, c->generations.array), g);
	image_put_json(&c->im, o, "gen", json_integer(n));
}

struct generation *carried_get_generation(struct carried *c, const json_t *o)
{
	return of_number(c, &c->generations, o, "gen");
}

static void get_generation(struct carried *c, const json_t *o)
{
	struct pool_config *conf = carried_get_conf(c, o, "conf");
	struct pool_config *plan_conf = carried_get_conf(c, o, "plan_conf");
	unsigned number = (unsigned)json_integer_value(json_object_get(o, "number"));
	struct generation_carried was = { .mold_fd = -1 };
	const json_t *view = json_object_get(o, "view");
	struct generation *g = NULL;
	struct err e = { 0 };
	const char *policy;
	bool is_new;
	size_t len;

	if (!conf) {
		image_fail(&c->im, "a generation without a configuration");
		return;
	}
	was.words = (uint32_t)json_integer_value(json_object_get(o, "words"));
	was.preloads = json_is_true(json_object_get(o, "preloads"));
	was.filter = of_number(c, &c->filters, o, "filter");
	policy = image_get_bytes(&c->im, o, "policy", &len);
	if (policy && len > 0)
		was.policy_name = arena_strndup(&conf->arena, policy, len - 1);
	if (view)
		get_view(c, view, &conf->arena, &was.view);
	was.mold_fd = image_get_fd(&c->im, o, "mold");
	if (was.filter)
		(void)filter_ref(was.filter);
	was.plan_conf = plan_conf;
	if (generation_again(c->m, conf, number, &was, &g, &e) < 0) {
		image_fail(&c->im, "pool %s: %s", conf->name, e.msg);
		return;
	}
	(void)number_of(c, &c->generations, g, &is_new);
}

/* ---- the master ---- */

static const struct field master_fields[] = {
	FIELD(NUM, master, has_cgroup),	 FIELD(NUM, master, stat_files),
	FIELD(CHARS, master, no_limits), FIELD(NUM, master, clones_given),
	FIELD(NUM, master, born),	 FIELD(NUM, master, started_ms),
	FIELD(NUM, master, announced),	 FIELD(INT, master, exit_code),
	FIELD(RAW, master, pins.limit),	 FIELD(NUM, master, pins.limited),
	FIELD(NUM, master, stopping),
};

static const struct field cgroup_fields[] = {
	FIELD(FD, cgroup_root, mount_fd),	FIELD(FD, cgroup_root, base_fd),
	FIELD(CHARS, cgroup_root, mount),	FIELD(CHARS, cgroup_root, own),
	FIELD(NUM, cgroup_root, above),		FIELD(CHARS, cgroup_root, path),
	FIELD(CHARS, cgroup_root, controllers), FIELD(NUM, cgroup_root, moved),
};

static const struct field inherited_fields[] = {
	FIELD(FD, inherited_fd, fd),
	FIELD(NUM, inherited_fd, stored),
};

static json_t *object_of(struct image *im, json_t *o, const char *name)
{
	json_t *a = json_object();

	image_put_json(im, o, name, a);
	return a;
}

void master_put(struct carried *c, struct master *m)
{
	json_t *o, *list;

	*c = (struct carried){ .m = m };
	image_init(&c->im);
	c->confs.array = image_array(&c->im, c->im.root, "confs");
	c->filters.array = image_array(&c->im, c->im.root, "filters");
	c->generations.array = image_array(&c->im, c->im.root, "generations");
	config_put(&c->im, object_of(&c->im, c->im.root, "config"), m->config);
	o = object_of(&c->im, c->im.root, "master");
	image_put(&c->im, o, master_fields, ARRAY_LEN(master_fields), m);
	image_put(&c->im, object_of(&c->im, o, "cgroup"), cgroup_fields, ARRAY_LEN(cgroup_fields),
		  &m->cgroup);
	list = image_array(&c->im, o, "inherited");
	for (unsigned i = 0; i < m->inherited.n; i++)
		image_put(&c->im, image_add(&c->im, list), inherited_fields,
			  ARRAY_LEN(inherited_fields), &m->inherited.list[i]);
	list = image_array(&c->im, c->im.root, "pools");
	for (unsigned i = 0; i < m->npools; i++)
		carried_put_pool(c, image_add(&c->im, list), m->pools[i]);
}

static void get_inherited(struct carried *c, const json_t *list)
{
	struct inherited *in = &c->m->inherited;
	size_t n = json_array_size(list);

	*in = (struct inherited){ .list = calloc(n + 1, sizeof(*in->list)) };
	if (!in->list) {
		image_fail(&c->im, "out of memory");
		return;
	}
	for (; in->n < n; in->n++) {
		in->list[in->n].fd = -1;
		image_get(&c->im, json_array_get(list, in->n), inherited_fields,
			  ARRAY_LEN(inherited_fields), &in->list[in->n]);
	}
}

static void get_shared(struct carried *c)
{
	const json_t *root = c->im.root, *list = json_object_get(root, "confs");
	bool is_new;

	for (size_t i = 0; i < json_array_size(list) && !c->im.err.code; i++) {
		struct pool_config *p = pool_config_get(&c->im, json_array_get(list, i));

		if (p)
			(void)number_of(c, &c->confs, p, &is_new);
	}
	list = json_object_get(root, "filters");
	for (size_t i = 0; i < json_array_size(list) && !c->im.err.code; i++)
		get_filter(c, json_array_get(list, i));
	list = json_object_get(root, "generations");
	for (size_t i = 0; i < json_array_size(list) && !c->im.err.code; i++)
		get_generation(c, json_array_get(list, i));
}

void master_get(struct carried *c, struct master *m)
{
	const json_t *root = c->im.root, *o = json_object_get(root, "master");
	const json_t *list = json_object_get(root, "pools");
	struct err e = { 0 };

	c->m = m;
	c->im.loop = &m->loop;
	m->config = config_get(&c->im, json_object_get(root, "config"));
	if (!m->config)
		return;
	image_get(&c->im, o, master_fields, ARRAY_LEN(master_fields), m);
	image_get(&c->im, json_object_get(o, "cgroup"), cgroup_fields, ARRAY_LEN(cgroup_fields),
		  &m->cgroup);
	get_inherited(c, json_object_get(o, "inherited"));
	if (prepare_master_again(m, &e) < 0)
		image_fail(&c->im, "%s", e.msg);
	births_open(m);
	get_shared(c);
	for (size_t i = 0; i < json_array_size(list) && !c->im.err.code; i++)
		carried_get_pool(c, json_array_get(list, i));
	/* Births that follow have greater numbers than all that were. */
	image_get(&c->im, o, master_fields, ARRAY_LEN(master_fields), m);
}

void carried_done(struct carried *c)
{
	bool own = c->im.loop; /* what was read is held by who uses it */

	for (unsigned i = 0; own && i < c->generations.n; i++)
		generation_unref(c->generations.list[i]);
	for (unsigned i = 0; own && i < c->filters.n; i++)
		filter_unref(c->filters.list[i]);
	for (unsigned i = 0; own && i < c->confs.n; i++)
		pool_config_unref(c->confs.list[i]);
	free(c->confs.list);
	free(c->filters.list);
	free(c->generations.list);
	image_done(&c->im);
	*c = (struct carried){ 0 };
}

/* ---- quiet ---- */

/* Who calls at its EINHORN_SOCK_PATH is not waited for: it could call for ever, and all that
 * can be said there is said by a worker that is ready. The exec hangs up. */
static bool life_is_busy(const struct life *l, char *what, size_t size)
{
	char name[LIFE_NAME_BYTES];
	const char *does = NULL;

	if (l->in_birth || l->state == LIFE_NEW || l->state == LIFE_STARTING ||
	    l->state == LIFE_JOINING)
		does = "is starting";
	else if (l->lost || l->certified || l->state == LIFE_STOPPING || l->state >= LIFE_KILLED)
		does = "is ending";
	else if (l->slot && l->slot->twin == l)
		does = "is starting";
	else if (!list_empty(&l->bus.waiters) || !list_empty(&l->bus.waits))
		does = "has messages that are not read yet";
	if (does)
		(void)snprintf(what, size, "%s (pid %d) %s", life_name(l, name), (int)l->pid, does);
	return does;
}

static bool slot_is_busy(const struct slot *s, char *what, size_t size)
{
	if (s->current && life_is_busy(s->current, what, size))
		return true;
	list_each(it, &s->beside)
		if (life_is_busy(container_of(it, struct life, node), what, size))
			return true;
	return false;
}

static bool pool_is_busy(const struct pool *p, char *what, size_t size)
{
	const char *does = NULL;

	for (unsigned i = 0; i < p->nslots_made; i++)
		if (slot_is_busy(p->slots[i], what, size))
			return true;
	list_each(it, &p->spares)
		if (life_is_busy(container_of(it, struct life, node), what, size))
			return true;
	if (p->rolled_from || p->roll.next)
		does = "is being reloaded";
	else if (p->retiring || p->later.armed)
		does = "is going";
	else if (p->waits_for_address && p->phase == POOL_STARTING)
		does = "waits for another's address";
	else if (!list_empty(&p->waits_for_birth))
		does = "waits until others have started";
	else if (!list_empty(&p->held_for_all))
		does = "has messages that are not read yet";
	if (does)
		(void)snprintf(what, size, "pool %s %s", p->conf->name, does);
	return does;
}

void master_busy(const struct master *m, char *what, size_t size)
{
	what[0] = '\0';
	for (unsigned i = 0; i < m->npools; i++)
		if (pool_is_busy(m->pools[i], what, size))
			return;
	/* Their structs outlive them until their leaves are empty. */
	for (unsigned i = 0; i < m->npools; i++) {
		const struct pool *p = m->pools[i];
		unsigned n = 0;

		for (unsigned k = 0; k < p->nslots_made; k++) {
			n += p->slots[k]->current != NULL;
			list_each(it, &p->slots[k]->beside)
				n++;
		}
		list_each(it, &p->spares)
			n++;
		if (p->lives > n)
			(void)snprintf(what, size, "pool %s has workers that are ending",
				       p->conf->name);
	}
}
