/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/total.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/text.h"

static int plan(const struct pool *p, struct pool_config *conf, struct leaf_plan *ret,
		struct err *e)
{
	const struct master *m = p->master;
	int r = leaf_plan_make_total(&conf->total, m->cgroup.controllers, &conf->arena, ret, e);

	if (r == -EOPNOTSUPP)
		return err_set(e, r, "%s: %s", e->msg,
			       m->no_limits[0] ? m->no_limits :
						 "this kernel has none, or it was switched off");
	return r;
}

/* The leaves below shall have what they would have without it. */
static int give_on(const struct master *m, int fd)
{
	char list[sizeof(m->cgroup.controllers)], word[40], *save = NULL;
	int r = 0;

	(void)snprintf(list, sizeof(list), "%s", m->cgroup.controllers);
	for (char *w = strtok_r(list, " ", &save); w && r == 0; w = strtok_r(NULL, " ", &save)) {
		(void)snprintf(word, sizeof(word), "+%s", w);
		r = cgroup_write(fd, "cgroup.subtree_control", word);
	}
	return r;
}

int total_open(struct pool *p, struct err *e)
{
	struct master *m = p->master;
	struct total t = { .fd = -1 };
	int r;

	p->total = t;
	if (!limits_any(&p->conf->total))
		return 0;
	if (!m->has_cgroup)
		return err_set(e, -EOPNOTSUPP,
			       "total: the workers have no cgroup of their own here%s%s",
			       m->no_limits[0] ? ": " : "", m->no_limits);
	r = plan(p, p->conf, &t.plan, e);
	if (r < 0)
		return r;
	/* No leaf is called so: those end with a number. */
	(void)snprintf(t.name, sizeof(t.name), "%s.total", p->conf->name);
	r = cgroup_leaf_make(&m->cgroup, t.name, &t.fd);
	if (r < 0)
		return err_sys(e, r, "make the cgroup %s", t.name);
	p->total = t;
	r = leaf_plan_write(&t.plan, t.fd, e);
	if (r == 0) {
		r = give_on(m, t.fd);
		if (r < 0)
			(void)err_sys(e, r, "total: give controllers on below %s", t.name);
	}
	if (r < 0) {
		total_close(p);
		return r;
	}
	p->total.conf = pool_config_ref(p->conf);
	return 0;
}

int total_again(struct pool *p, struct pool_config *conf, int fd, struct err *e)
{
	int r = plan(p, conf, &p->total.plan, e);

	(void)snprintf(p->total.name, sizeof(p->total.name), "%s.total", p->conf->name);
	p->total.fd = fd;
	p->total.conf = pool_config_ref(conf);
	return r;
}

void total_close(struct pool *p)
{
	if (p->total.fd < 0 || !p->total.name[0])
		return;
	fd_close(&p->total.fd);
	/* A leaf that is not gone yet goes with the instance's folder. */
	ignore(cgroup_leaf_remove(&p->master->cgroup, p->total.name));
	pool_config_unref(p->total.conf);
	p->total = (struct total){ .fd = -1 };
}

int total_change(struct pool *p, struct pool_config *conf, struct err *e)
{
	struct leaf_plan next, change;
	struct err ignored;
	int r;

	if (p->total.fd < 0 && !limits_any(&conf->total))
		return 0;
	if (p->total.fd < 0)
		return err_set(e, -EINVAL,
			       "total: the pool was started without, and its workers cannot move: "
			       "write it in the file, and apply");
	r = plan(p, conf, &next, e);
	if (r == 0)
		r = leaf_plan_change(&p->total.plan, &next, &conf->arena, &change);
	if (r == -ENOMEM)
		return err_set(e, r, "out of memory");
	if (r == 0)
		r = leaf_plan_write(&change, p->total.fd, e);
	if (r < 0) {
		ignore(leaf_plan_write(&p->total.plan, p->total.fd, &ignored));
		return r;
	}
	p->total.plan = next;
	pool_config_ref(conf);
	pool_config_unref(p->total.conf);
	p->total.conf = conf;
	return 0;
}

static void read_stat(const struct pool *p, struct cgroup_stat *ret)
{
	*ret = CGROUP_STAT_NONE;
	if (p->total.fd >= 0 && p->total.name[0])
		cgroup_stat_read(p->total.fd, p->master->stat_files, ret);
}

uint64_t total_oom(const struct pool *p)
{
	struct cgroup_stat s;

	read_stat(p, &s);
	return s.oom;
}

uint64_t total_peak(const struct pool *p)
{
	struct cgroup_stat s;

	read_stat(p, &s);
	return s.memory_peak;
}

static uint64_t memory_of(int fd)
{
	char text[32];

	if (fd < 0 || cgroup_read(fd, "memory.current", text, sizeof(text)) < 0)
		return STAT_UNKNOWN;
	return strtoull(text, NULL, 10);
}

uint64_t total_room(const struct pool *p)
{
	const struct limits *all = &p->conf->total;
	uint64_t used;

	if (!(all->asked & LIMIT_BIT(LIMIT_MEMORY)) || !p->total.name[0])
		return UINT64_MAX;
	used = memory_of(p->total.fd);
	if (used == STAT_UNKNOWN)
		return UINT64_MAX;
	return used < all->memory ? all->memory - used : 0;
}

uint64_t total_need(const struct life *l)
{
	uint64_t n = memory_of(l->leaf_fd);

	return n == STAT_UNKNOWN ? 0 : n;
}

void total_doubt(const struct pool_config *c, char *buf, size_t size)
{
	const struct limits *each = &c->limits, *all = &c->total;
	const uint32_t bit = LIMIT_BIT(LIMIT_MEMORY);
	uint64_t sum = (uint64_t)(c->workers > 0 ? c->workers : 0) * each->memory;
	char one[TEXT_SIZE_BYTES], together[TEXT_SIZE_BYTES], most[TEXT_SIZE_BYTES];

	buf[0] = '\0';
	if (!(each->asked & bit) || !(all->asked & bit) || sum <= all->memory)
		return;
	text_size(each->memory, one);
	text_size(sum, together);
	text_size(all->memory, most);
	(void)snprintf(buf, size,
		       "%d workers of limits.memory %s are %s, more than total.memory %s",
		       c->workers, one, together, most);
}
