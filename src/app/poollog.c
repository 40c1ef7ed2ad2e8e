/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "app/poollog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"
#include "ctl/logframe.h"
#include "ctl/lograte.h"
#include "kernel/journal.h"
#include "super/life.h"

#define RETRY_MS 1000 /* until a journal that was not there is tried again */

struct worker_log {
	struct poollog *log;
	unsigned place;
	struct lograte rate;
	struct timer told; /* the end of a window in which lines were dropped */
	int journal_fd;	   /* -1: none yet */
	struct sink journal;
	uint64_t retry_ms;
};

struct poollog {
	const struct poollogs *all;
	struct pool *pool;
	struct pool_config *conf; /* a reference: what it follows; NULL: nothing yet */
	struct logfile file;	  /* also while another could not be opened */
	struct worker_log **workers;
	unsigned nworkers; /* [0] is of the spares, [n + 1] of slot n */
};

/* ---- its file ---- */

static void use(struct poollog *l, struct pool_config *conf)
{
	struct pool_config *old = l->conf;

	l->conf = pool_config_ref(conf);
	l->file.rotate_bytes = conf->log.rotate_bytes;
	l->file.keep = conf->log.keep;
	l->file.said = false;
	pool_config_unref(old);
}

/* "": none. */
static void wanted_path(const struct poollog *l, const struct pool_config *conf,
			char path[PATH_MAX])
{
	path[0] = '\0';
	if (conf->log.file)
		(void)snprintf(path, PATH_MAX, "%s", conf->log.file);
	else if (!conf->log.none && l->all->dir[0])
		(void)snprintf(path, PATH_MAX, "%s/%s.log", l->all->dir, conf->name);
}

/* -errno with a sentence: the old one stays. */
static int follow(struct poollog *l, struct pool_config *conf, struct err *e)
{
	/* The log folder of an instance is the master's own. */
	struct pool_config *owner = conf->log.file ? conf : NULL;
	char path[PATH_MAX];
	int r;

	wanted_path(l, conf, path);
	if (path[0] && l->file.path && strcmp(path, l->file.path) == 0) {
		logfile_set_owner(&l->file, owner);
	} else {
		struct logfile next = LOGFILE_NONE;

		r = path[0] ? logfile_open(&next, l->all->loop, path, owner, e) : 0;
		if (r < 0)
			return r;
		logfile_close(&l->file);
		l->file = next;
	}
	use(l, conf);
	return 0;
}

void poollog_follow(struct pool *p)
{
	struct poollog *l = p->ctx;
	struct err e = { 0 };

	/* Before its world is open its user is not known. */
	if (!l || !p->gen || l->conf == p->conf)
		return;
	if (follow(l, p->conf, &e) == 0)
		return;
	log_error("pool %s: %s; its lines go where they went", p->conf->name, e.msg);
	use(l, p->conf); /* said once */
}

bool poollog_reopen(struct pool *p)
{
	struct poollog *l = p->ctx;
	struct err e = { 0 };

	if (!l || !l->file.path)
		return false;
	if (logfile_reopen(&l->file, &e) < 0)
		log_error("%s; the old file is kept", e.msg);
	return true;
}

/* ---- its workers ---- */

static struct worker_log *worker_new(struct poollog *l, unsigned place);

/* Slots come and go (apply, scale). */
static const struct slot *slot_of(const struct worker_log *w)
{
	const struct pool *p = w->log->pool;

	if (w->place == 0)
		return &p->spare_slot;
	return w->place <= p->nslots_made ? p->slots[w->place - 1] : NULL;
}

static struct worker_log *worker_of(struct poollog *l, const struct slot *slot)
{
	unsigned place = slot == &l->pool->spare_slot ? 0 : slot->index + 1;

	if (place >= l->nworkers) {
		unsigned n = l->nworkers ? l->nworkers : 4;
		struct worker_log **more;

		while (n <= place)
			n *= 2;
		more = realloc(l->workers, n * sizeof(*more));
		if (!more)
			return NULL;
		memset(more + l->nworkers, 0, (n - l->nworkers) * sizeof(*more));
		l->workers = more;
		l->nworkers = n;
	}
	if (!l->workers[place])
		l->workers[place] = worker_new(l, place);
	return l->workers[place];
}

static void close_stream(struct worker_log *w)
{
	if (w->journal_fd < 0)
		return;
	sink_done(&w->journal);
	fd_close(&w->journal_fd);
}

static bool open_stream(struct worker_log *w, const struct slot *slot, uint64_t now)
{
	char name[LIFE_NAME_BYTES];

	if (w->journal_fd >= 0 && !w->journal.broken)
		return true;
	close_stream(w);
	if (now < w->retry_ms)
		return false;
	w->journal_fd = journal_open(w->log->all->journal, slot_name(slot, name));
	if (w->journal_fd < 0) {
		w->journal_fd = -1;
		w->retry_ms = now + RETRY_MS;
		return false;
	}
	sink_init(&w->journal, w->log->all->loop, w->journal_fd);
	return true;
}

void poollog_worker_gone(struct pool *p, int slot)
{
	struct poollog *l = p->ctx;
	unsigned place = slot < 0 ? 0 : (unsigned)slot + 1;

	if (l && place < l->nworkers && l->workers[place])
		close_stream(l->workers[place]);
}

/* ---- lines ---- */

static enum log_format format_of(const struct poollog *l)
{
	return l->conf && l->conf->log.format_given ? l->conf->log.format : l->all->format;
}

static void to_file(struct poollog *l, const struct logline *line)
{
	char text[LOGFRAME_BYTES];
	size_t n = format_of(l) == LOG_F_JSON ? logframe_json(line, text) :
						logframe_timed(line, text);

	logfile_write(&l->file, text, n);
}

/* The journal has the time and the name already. false: it is not there. */
static bool to_journal(struct worker_log *w, const struct logline *line)
{
	int priority = line->is_err ? JOURNAL_WARNING : JOURNAL_INFO;
	char safe[LOGFRAME_BYTES], text[LOGFRAME_BYTES + JOURNAL_MORE];
	size_t n;

	if (format_of(w->log) == LOG_F_JSON)
		n = logframe_json(line, safe) - 1;
	else
		n = text_safe(line->text, line->len, safe, sizeof(safe));
	n = journal_line(priority, safe, n, text);
	/* The second time: a journald that was started again may have left the stream. */
	for (int i = 0; i < 2; i++) {
		if (!open_stream(w, line->slot, clock_boot_ms()))
			return false;
		sink_write(&w->journal, text, n);
		if (!w->journal.broken)
			return true;
	}
	return false;
}

static void put(struct poollog *l, struct worker_log *w, const struct logline *line)
{
	if (l->conf && l->conf->log.none)
		return;
	if (l->file.fd >= 0)
		to_file(l, line);
	if (l->conf && l->conf->log.file && l->file.fd >= 0)
		return;
	if (l->file.fd >= 0 || !l->all->journal || !w || !to_journal(w, line))
		l->all->to_terminal(l->all->ctx, line, format_of(l));
}

static void tell_dropped(struct worker_log *w)
{
	const struct pool_log *conf = &w->log->conf->log;
	char text[160], window[TEXT_DURATION_BYTES];
	struct logline line = { .slot = slot_of(w),
				.time_ms = clock_real_ms(),
				.is_err = true,
				.text = text };

	timer_clear(w->log->all->loop, &w->told);
	if (w->rate.dropped == 0 || !line.slot)
		return;
	text_duration(conf->rate_ms, window);
	line.len = (size_t)snprintf(text, sizeof(text),
				    "mpsup: %lu line%s dropped: more than log.rate's %u in %s",
				    w->rate.dropped, w->rate.dropped == 1 ? "" : "s", conf->rate,
				    window);
	w->rate.dropped = 0;
	put(w->log, w, &line);
}

static void on_window(struct timer *t)
{
	tell_dropped(container_of(t, struct worker_log, told));
}

static bool passes(struct poollog *l, struct worker_log *w)
{
	const struct pool_log *conf = &l->conf->log;
	uint64_t now;

	if (conf->rate == 0 && w->rate.dropped == 0)
		return true;
	now = clock_boot_ms();
	if (w->rate.dropped > 0 && now >= w->rate.until_ms)
		tell_dropped(w);
	if (lograte_passes(&w->rate, conf->rate, conf->rate_ms, now))
		return true;
	if (!w->told.armed)
		timer_set(l->all->loop, &w->told, w->rate.until_ms);
	return false;
}

void poollog_line(const struct logline *line)
{
	struct pool *p = line->slot->pool;
	struct poollog *l = p->ctx;
	struct worker_log *w;

	if (!l)
		return;
	poollog_follow(p);
	w = worker_of(l, line->slot);
	if (!w || !l->conf || passes(l, w))
		put(l, w, line);
}

/* ---- coming and going ---- */

static struct worker_log *worker_new(struct poollog *l, unsigned place)
{
	struct worker_log *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct worker_log){ .log = l, .place = place, .journal_fd = -1 };
	sink_init(&w->journal, l->all->loop, -1);
	timer_init(&w->told, on_window);
	return w;
}

int poollog_add(const struct poollogs *all, struct pool *p, struct err *e)
{
	struct poollog *l = calloc(1, sizeof(*l));

	if (!l)
		return err_set(e, -ENOMEM, "out of memory");
	*l = (struct poollog){ .all = all, .pool = p, .file = LOGFILE_NONE };
	p->ctx = l;
	return 0;
}

void poollog_drop(struct pool *p)
{
	struct poollog *l = p->ctx;

	if (!l)
		return;
	for (unsigned i = 0; i < l->nworkers; i++) {
		struct worker_log *w = l->workers[i];

		if (!w)
			continue;
		tell_dropped(w);
		close_stream(w);
		free(w);
	}
	free(l->workers);
	logfile_close(&l->file);
	pool_config_unref(l->conf);
	free(l);
	p->ctx = NULL;
}
