/* SPDX-License-Identifier: MIT */
/* config.c - a configuration as an object: its defaults, its references, the sentence
 * with its place. */
#define _GNU_SOURCE
#include "config/config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/reading.h"
#include "config/uid.h"

/* clang-format off */
const char *const cage_word_name[CAGE_WORDS + 1] = {
	[CAGE_PID] = "pid",	      [CAGE_MOUNT] = "mount",	  [CAGE_IPC] = "ipc",
	[CAGE_UTS] = "uts",	      [CAGE_CGROUP] = "cgroup",	  [CAGE_NET] = "net",
	[CAGE_USER] = "user",	      [CAGE_UID] = "uid",	  [CAGE_GROUPS] = "groups",
	[CAGE_CAPS] = "caps",	      [CAGE_NNP] = "nnp",	  [CAGE_SECCOMP] = "seccomp",
	[CAGE_VIEW] = "view",	      [CAGE_LANDLOCK] = "landlock", [CAGE_PIN] = "pin",
	[CAGE_FDS] = "fds",	      [CAGE_RLIMITS] = "rlimits", [CAGE_ENV] = "env",
};
/* clang-format on */

int cage_word_find(const char *word, size_t len)
{
	for (int i = 0; i < CAGE_WORDS; i++)
		if (strlen(cage_word_name[i]) == len && strncmp(cage_word_name[i], word, len) == 0)
			return i;
	return -1;
}

static const char *const no_paths[] = { NULL };

struct config *config_new(void)
{
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->refs = 1;
	c->log_level = LOG_L_INFO;
	c->control_gid = c->view_gid = (gid_t)-1;
	return c;
}

struct pool_config *pool_config_new(void)
{
	struct pool_config *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct pool_config){
		.refs = 1,
		.name = "web",
		.uid_lock_fd = -1,
		.control_gid = (gid_t)-1,
		.view_gid = (gid_t)-1,
		.backlog = 4096,
		.pin = true,
		.ro = (const char **)(uintptr_t)no_paths,
		.rw = (const char **)(uintptr_t)no_paths,
		.hide = (const char **)(uintptr_t)no_paths,
		.tmp_bytes = 256u << 20,
		.log = { .rotate_bytes = LOG_ROTATE_BYTES, .keep = LOG_KEEP },
		.limits = { .pids = LIMIT_PIDS_DEFAULT },
		.restart_limit = { 10, 60000 },
		.boot_limit = 5,
		.backoff_min_ms = 100,
		.backoff_max_ms = 10000,
		.ready_timeout_ms = 30000,
		.drain_timeout_ms = 60000,
		.drain_idle_ms = 5000,
		.stop_timeout_ms = 10000,
		.stop_signal = SIGTERM,
	};
	return p;
}

int config_add_pool(struct config *c, struct pool_config *p)
{
	struct pool_config **more;

	/* Powers of two: two hundred pools are not copied two hundred times. */
	if ((c->npools & (c->npools - 1)) == 0) {
		more = arena_alloc(&c->arena, (c->npools ? 2 * c->npools : 1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		if (c->npools)
			memcpy(more, c->pools, c->npools * sizeof(*more));
		c->pools = more;
	}
	c->pools[c->npools++] = p;
	return 0;
}

struct config *config_ref(struct config *c)
{
	c->refs++;
	return c;
}

void config_unref(struct config *c)
{
	if (!c || --c->refs > 0)
		return;
	for (unsigned i = 0; i < c->npools; i++)
		pool_config_unref(c->pools[i]);
	arena_done(&c->arena);
	free(c);
}

struct pool_config *pool_config_ref(struct pool_config *p)
{
	p->refs++;
	return p;
}

void pool_config_unref(struct pool_config *p)
{
	if (!p || --p->refs > 0)
		return;
	uid_release(&p->uid_lock_fd, p->uid);
	arena_done(&p->arena);
	free(p);
}

void pool_config_inherit(struct pool_config *to, struct pool_config *from)
{
	if (to == from || to->uid_lock_fd >= 0 || from->uid_lock_fd < 0 || to->user)
		return;
	to->uid_lock_fd = from->uid_lock_fd;
	to->uid = from->uid;
	from->uid_lock_fd = -1;
}

void pool_config_place(const struct pool_config *p, struct err *e)
{
	unsigned line = p->line, column = p->column;
	const char *file = p->file;
	const struct key *k;

	if (!p->file)
		return;
	k = keys_in_words_of_file(e->msg, sizeof(e->msg));
	if (!k && strncmp(e->msg, "command ", 8) == 0)
		k = keys_find_at(LEVEL_POOL, "command");
	if (!k && strncmp(e->msg, "log.file", 8) == 0)
		k = keys_find_at(LEVEL_POOL_LOG, "file");
	for (unsigned i = 0; k && i < p->given.n; i++)
		if (p->given.list[i].key == k && p->given.list[i].file) {
			file = p->given.list[i].file;
			line = p->given.list[i].line;
			column = p->given.list[i].column;
		}
	(void)err_wrap(e, "%s:%u:%u", file, line, column);
}

void complaints_done(struct complaints *cs)
{
	arena_done(&cs->arena);
	*cs = (struct complaints){ 0 };
}
