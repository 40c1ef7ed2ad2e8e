/* SPDX-License-Identifier: MIT */
/* roll.c - a pool gets another generation: how it begins, ends, and goes back when one of the
 * new workers does not get ready. roll_step.c is what happens between. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "super/adopt.h"
#include "super/eras.h"
#include "super/life.h"
#include "super/listeners.h"
#include "super/pool.h"
#include "super/prepare.h"
#include "super/roll.h"
#include "super/scale.h"

#define WORDS_BYTES 4096
#define WORDS_LINES 20

static void keep(struct pool_config **in, struct pool_config *conf)
{
	pool_config_ref(conf);
	pool_config_unref(*in);
	*in = conf;
}

static void take_generation(struct pool *p, struct generation *g)
{
	struct pool_config *conf = pool_config_ref(g->left_conf ? g->left_conf : g->conf);

	if (p->gen)
		keep(&p->gen->left_conf, p->conf);
	pool_config_inherit(conf, p->conf); /* its uid, on the way back too */
	pool_config_unref(p->conf);
	p->conf = conf;
	p->gen = g;
	p->cpus = p->conf->cpus;
	listeners_rebase(p);
}

const char *pool_roll_reason(const struct pool *p)
{
	return p->roll.reason ? p->roll.reason : "";
}

PRINTF(2, 3) static void give_reason(struct pool *p, const char *fmt, ...)
{
	va_list ap;

	free(p->roll.reason);
	va_start(ap, fmt);
	if (vasprintf(&p->roll.reason, fmt, ap) < 0)
		p->roll.reason = NULL;
	va_end(ap);
}

static void tell(struct pool *p, const char *result)
{
	struct event ev = { .name = "pool.reload",
			    .pool = p,
			    .slot = -1,
			    .result = result,
			    .text = pool_roll_reason(p) };

	master_event(p->master, &ev);
}

struct generation *pool_serving(const struct pool *p)
{
	return p->rolled_from && !p->roll.back && !p->roll.proved ? p->rolled_from : p->gen;
}

static void forget(struct slot *s)
{
	restarts_reset(&s->restarts);
	s->boot_failures = 0;
}

/* Those that have no worker are born by the new generation at once. */
static void hurry(struct pool *p)
{
	for (unsigned i = 0; i < p->nslots; i++) {
		struct slot *s = p->slots[i];

		forget(s);
		if (!s->current && (s->state == SLOT_FAILED || s->state == SLOT_BACKOFF))
			slot_birth_of(s, p->gen);
	}
}

/* None was ever ready: there is nobody to be kept, and who hangs in its boot is not waited for. */
static void boot_anew(struct pool *p)
{
	for (unsigned i = 0; i < p->nslots; i++) {
		struct slot *s = p->slots[i];

		forget(s);
		if (s->current && s->current->gen != p->gen) {
			s->renew = true; /* slot_died() gives birth */
			life_kill(s->current, REASON_RELOAD);
		} else if (s->state == SLOT_BACKOFF || s->state == SLOT_FAILED) {
			slot_birth(s);
		}
	}
	pool_kick(p);
}

static void roll_reset(struct pool *p)
{
	free(p->roll.words);
	free(p->roll.reason);
	p->roll = (struct roll){ .next = p->roll.next, .generation = p->gen->number };
}

/* Whose addresses are open. */
static void begin(struct pool *p, struct generation *g)
{
	struct generation *old = p->gen;

	take_generation(p, g);
	roll_reset(p);
	p->rolled_from = old;
	eras_begin(p);
	p->phase = POOL_RELOADING;
	p->reason[0] = '\0';
	log_info("pool %s: generation %u takes over", p->conf->name, g->number);
	hurry(p);
	pool_update(p);
	pool_kick(p);
}

void pool_lend_uid(const struct pool *p, struct pool_config *conf)
{
	pool_config_inherit(conf, p->conf);
	if (p->roll.next)
		pool_config_inherit(conf, p->roll.next->conf);
}

static void drop_next(struct pool *p)
{
	if (p->roll.next)
		pool_config_inherit(p->conf, p->roll.next->conf);
	generation_unref(p->roll.next);
	p->roll.next = NULL;
}

int pool_roll(struct pool *p, struct generation *g, struct err *e)
{
	struct generation *old = p->gen;
	int r = p->rolled_from ? 0 : listeners_join(p, g, e);

	if (r < 0) {
		generation_unref(g);
		return r;
	}
	p->generation = g->number;
	if (p->rolled_from) {
		/* Remembered once: what was to come next is not wanted any more. */
		drop_next(p);
		p->roll.next = g;
		log_info("pool %s: generation %u follows when generation %u has", p->conf->name,
			 g->number, p->roll.generation);
		return 0;
	}
	if (p->gen && p->ever_ready && p->phase != POOL_STOPPED && p->phase != POOL_FAILED &&
	    !p->draining) {
		keep(&p->gen->file_conf, p->file_conf);
		begin(p, g);
		return 0;
	}
	take_generation(p, g);
	generation_unref(old); /* there is nothing to go back to */
	listeners_retire(p);
	roll_reset(p);
	if (p->phase == POOL_FAILED && pool_begin(p, -1, e) < 0)
		log_error("pool %s: %s", p->conf->name, e->msg);
	if (p->phase == POOL_STARTING && !p->draining)
		boot_anew(p);
	return 0;
}

int pool_renew(struct pool *p, struct err *e)
{
	struct pool_config *conf = NULL;
	struct generation *g = NULL, *old = p->gen;
	int r;

	if (!p->gen || p->rolled_from || p->retiring || p->pending)
		return 0;
	r = pool_config_changed(p->conf, NULL, 0, &conf, e);
	if (r < 0)
		return r;
	pool_config_inherit(conf, p->conf);
	r = config_resolve_pool(p->master->config, conf, e);
	if (r == 0)
		r = generation_make(p->master, conf, p->generation + 1, &g, e);
	if (r < 0 || conf->protocol != p->conf->protocol || conf->balance != p->conf->balance) {
		pool_config_inherit(p->conf, conf);
		pool_config_place(conf, e);
		generation_unref(g); /* other sockets: what is there has to do */
		pool_config_unref(conf);
		return r;
	}
	pool_config_unref(conf);
	r = listeners_join(p, g, e);
	if (r < 0) {
		pool_config_inherit(p->conf, g->conf);
		generation_unref(g);
		return r;
	}
	p->generation = g->number;
	take_generation(p, g);
	generation_unref(old);
	return 0;
}

static void drop(struct pool *p)
{
	timer_clear(&p->master->loop, &p->roll_timer);
	generation_unref(p->rolled_from);
	p->rolled_from = NULL;
	eras_end(p);
	listeners_retire(p);
}

void pool_end_roll(struct pool *p)
{
	drop_next(p);
	if (!p->rolled_from)
		return;
	if (!p->roll.failed)
		give_reason(p, "it was stopped before generation %u had taken over",
			    p->roll.generation);
	p->roll.failed = true;
	drop(p);
}

/* ---- and back ---- */

static void add_words(void *ctx, const char *line)
{
	char *words = ctx;
	size_t n = strlen(words);

	(void)snprintf(words + n, WORDS_BYTES - n, "%s\n", line);
}

static void keep_words(struct pool *p, const struct slot *s, uint64_t number)
{
	free(p->roll.words);
	p->roll.words = calloc(1, WORDS_BYTES);
	if (p->roll.words)
		output_tail(s, number, WORDS_LINES, add_words, p->roll.words);
}

static void print_words(const struct pool *p)
{
	for (const char *at = p->roll.words; at && *at;) {
		size_t n = strcspn(at, "\n");

		log_error("pool %s:   %.*s", p->conf->name, (int)n, at);
		at += n + (at[n] == '\n');
	}
}

/* What has taken over goes back; it was served by the old one before, and is again. */
void roll_back(struct pool *p, const struct slot *s, uint64_t number, const char *cause)
{
	struct generation *bad = p->gen;

	give_reason(p, "generation %u was rolled back: %s/%u %s", bad->number, p->conf->name,
		    s->index, cause);
	keep_words(p, s, number);
	log_error("pool %s: %s; generation %u stays%s", p->conf->name, pool_roll_reason(p),
		  p->rolled_from->number,
		  p->roll.words && *p->roll.words ? "; its last words:" : "");
	print_words(p);
	take_generation(p, p->rolled_from);
	/* What the file wants is not what runs: the next apply tries again. */
	if (p->gen->file_conf)
		pool_keep_file_conf(p, p->gen->file_conf);
	p->rolled_from = bad;
	p->roll.back = p->roll.failed = true;
	eras_turn(p);
	(void)snprintf(p->reason, sizeof(p->reason), "%s", pool_roll_reason(p));
	for (unsigned i = 0; i < p->nslots; i++) {
		struct slot *o = p->slots[i];

		forget(o);
		slot_end_twin(o, REASON_RELOAD);
		if (!o->current && slot_is_wanted(o))
			slot_birth(o);
	}
}

void pool_roll_failed(struct pool *p, struct slot *s, const struct life *l, const struct death *d)
{
	char cause[256], text[300];

	death_cause(d, cause, sizeof(cause));
	if (!p->roll.back) {
		(void)snprintf(text, sizeof(text), "%s: %s",
			       l->was_ready ? "died before the old one had left" :
					      "never got ready",
			       cause);
		roll_back(p, s, l->number, text);
		return;
	}
	/* Back at any price: what it was before the reload got ready once. */
	log_error("pool %s: %s/%u of generation %u did not get ready again: %s", p->conf->name,
		  p->conf->name, s->index, p->gen->number, cause);
	if (s->current && s->current->gen != p->gen) {
		s->renew = true;
		life_stop(s->current, REASON_RELOAD);
	}
}

bool pool_roll_hangs_on(const struct slot *s, const struct life *l)
{
	const struct pool *p = s->pool;

	if (!p->rolled_from || p->roll.back || l->gen != p->gen || !l->was_ready || l->asked)
		return false;
	list_each(it, &s->beside)
		if (container_of(it, struct life, node)->gen == p->rolled_from)
			return true;
	return false;
}

bool pool_roll_lost(struct slot *s, struct life *l, const struct death *d)
{
	const struct pool *p = s->pool;
	/* In a slot that had nobody: the next one there would be of the old generation, and
	 * both would be tried in turn for ever. */
	bool never_ready = p->rolled_from && !p->roll.back && l->gen == p->gen && !l->was_ready &&
			   !l->from_spare && !life_was_unwanted(l);

	if (!never_ready && !pool_roll_hangs_on(s, l))
		return false;
	pool_roll_failed(s->pool, s, l, d);
	return true;
}

/* As many as it wants, and what a person has set meanwhile. */
static void settle(struct pool *p)
{
	struct err e;
	int r = pool_set_again(p, &e);

	if (r == 0 && (unsigned)p->conf->workers != pool_count_places(p))
		r = pool_resize(p, (unsigned)p->conf->workers, &e);
	if (r < 0)
		log_error("pool %s: %s", p->conf->name, e.msg);
}

/* It was asked for while another one took over. */
static void begin_next(struct pool *p, struct generation *g)
{
	struct err e = { 0 };

	if (listeners_join(p, g, &e) == 0) {
		begin(p, g);
		return;
	}
	roll_reset(p);
	p->roll.generation = g->number;
	p->roll.failed = true;
	give_reason(p, "generation %u was rolled back: %s", g->number, e.msg);
	log_error("pool %s: %s; generation %u stays", p->conf->name, pool_roll_reason(p),
		  p->gen->number);
	pool_config_inherit(p->conf, g->conf);
	if (p->gen->file_conf)
		pool_keep_file_conf(p, p->gen->file_conf);
	generation_unref(g);
	tell(p, "rolled_back");
}

void roll_finish(struct pool *p)
{
	struct generation *next = p->roll.next;

	drop(p);
	p->roll.next = NULL;
	if (p->roll.failed)
		log_info("pool %s: generation %u serves as before", p->conf->name, p->gen->number);
	else
		log_info("pool %s: generation %u has taken over", p->conf->name, p->gen->number);
	tell(p, p->roll.failed ? "rolled_back" : "ok");
	p->phase = POOL_STARTING; /* until pool_update() has looked */
	settle(p);
	if (next)
		begin_next(p, next);
}

void roll_failed_slot(struct pool *p, struct slot *s)
{
	char cause[256] = "it did not start", text[300];

	/* It had failed by what was before. */
	if (s->deaths[0] && s->deaths[0]->generation != p->gen->number) {
		forget(s);
		slot_birth_of(s, p->gen);
		return;
	}
	if (s->deaths[0])
		death_cause(s->deaths[0], cause, sizeof(cause));
	(void)snprintf(text, sizeof(text), "never got ready: %s", cause);
	roll_back(p, s, s->deaths[0] ? s->deaths[0]->life : 0, text);
}
