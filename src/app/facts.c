/* SPDX-License-Identifier: MIT */
/* facts.c - the list of facts, and the one that settles it: a birth. */
#define _GNU_SOURCE
#include "app/facts.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/text.h"
#include "super/companions.h"
#include "super/prepare.h"
#include "super/trial.h"

struct fact *fact_add(struct host_facts *h, const char *name, enum verdict v, const char *fmt, ...)
{
	static struct fact spill; /* one too many is a mistake of ours, not a crash */
	struct fact *f = h->n < FACTS_MAX ? &h->facts[h->n++] : &spill;
	char text[sizeof(f->found)];
	va_list ap;

	*f = (struct fact){ .name = name, .verdict = v };
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)text_safe(text, strlen(text), f->found, sizeof(f->found));
	return f;
}

void fact_missing(struct fact *f, const char *lost, const char *help)
{
	(void)snprintf(f->lost, sizeof(f->lost), "%s", lost);
	(void)snprintf(f->help, sizeof(f->help), "%s", help);
}

enum verdict fact_verdict(const struct master *m)
{
	return m->root ? FACT_PROBLEM : FACT_NOTE;
}

static void companions(struct host_facts *h)
{
	static const char *const names[] = { "mpsup-init", "mpsup-worker" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_FD int fd = -1;
		struct err e = { 0 };

		if (companion_open(names[i], &fd, &e) < 0)
			fact_missing(fact_add(h, names[i], FACT_PROBLEM, "%s", e.msg),
				     "every start",
				     "install mpsup whole (make install), in a "
				     "folder that this user may enter");
		else
			(void)fact_add(h, names[i], FACT_OK, "there");
	}
}

/* ---- the birth ---- */

/* As of `mpsup --port N`, but for a uid of its own, which a check may not take. */
static int default_generation(struct master *m, struct config **ret_config, struct generation **ret,
			      struct err *e)
{
	char *argv[] = { (char[]){ "--name" }, (char[]){ "check" }, (char[]){ "--port=1" } };
	struct pool_config *conf;
	char ask = 0;
	int r = config_from_argv(ARRAY_LEN(argv), argv, NULL, ret_config, &ask, e);

	if (r < 0)
		return r;
	conf = (*ret_config)->pools[0];
	conf->uid_lock_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	conf->uid = FACTS_UID;
	r = config_resolve_pool(*ret_config, conf, e);
	if (r == 0)
		r = generation_make(m, conf, 1, ret, e);
	fd_close(&conf->uid_lock_fd);
	return r;
}

void facts_birth(struct host_facts *h, struct master *m)
{
	struct generation *g = NULL;
	struct config *config = NULL;
	struct err e = { 0 };
	unsigned word = CAGE_WORDS;
	struct fact *f;
	int r;

	if (m->init_fd < 0 || m->worker_exe_fd < 0)
		return; /* said already */
	r = default_generation(m, &config, &g, &e);
	if (r == 0)
		r = trial_birth(m, g, &word, &e);
	if (r == 0) {
		(void)fact_add(h, "a worker", FACT_OK, "one was born, in %s, and ended",
			       !m->root	     ? "the cage that an ordinary user has" :
			       m->has_cgroup ? "its whole cage" :
					       "its cage but for a leaf of its own");
	} else {
		f = fact_add(h, "a worker", FACT_PROBLEM, "%s", e.msg);
		fact_missing(f, "every start as it is by default",
			     word < CAGE_WORDS ? "see what is missing above; --no-sandbox with "
						 "that word does without" :
						 "see what is missing above");
		if (word < CAGE_WORDS) {
			f->words = CAGE_BIT(word);
			h->had &= ~CAGE_BIT(word);
		} else if (host_facts_problems(h, 0) > 1) {
			/* Its cause has words of its own; left out with them, so is this. */
			for (unsigned i = 0; i + 1 < h->n; i++)
				if (h->facts[i].verdict == FACT_PROBLEM)
					f->words |= h->facts[i].words;
		}
	}
	generation_unref(g);
	config_unref(config);
}

/* ---- all ---- */

void host_facts_gather(struct host_facts *h, struct master *m, const struct err *no_cgroup)
{
	*h = (struct host_facts){ .had = CAGE_BIT(CAGE_FDS) | CAGE_BIT(CAGE_RLIMITS) |
					 CAGE_BIT(CAGE_ENV) };
	facts_around(h, m);
	companions(h);
	facts_cage(h, m);
	facts_filters(h, m);
	facts_cgroups(h, m, no_cgroup);
	facts_numbers(h);
	facts_birth(h, m);
	if (!m->root) { /* prepare.c leaves them out, whatever the host would give */
		h->only_root = CAGE_ROOT_WORDS;
		h->had &= ~CAGE_ROOT_WORDS;
	}
}

bool host_facts_is_problem(const struct fact *f, uint32_t left_out)
{
	return f->verdict == FACT_PROBLEM && (f->words == 0 || (f->words & ~left_out));
}

unsigned host_facts_problems(const struct host_facts *h, uint32_t left_out)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->n; i++)
		n += host_facts_is_problem(&h->facts[i], left_out);
	return n;
}
