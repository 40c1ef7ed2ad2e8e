/* SPDX-License-Identifier: MIT */
/* parse.c - the master's words. Strict where a number or a count is wrong, deaf
 * to keys it does not know: those are for later versions. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/lib.h"

int mpsup_parse_line(char **text, char **ret_key, char **ret_value)
{
	char *line = *text, *end, *eq;

	if (*line == '\0')
		return 0;
	end = strchr(line, '\n');
	*text = end ? end + 1 : line + strlen(line);
	if (end)
		*end = '\0';
	eq = strchr(line, '=');
	if (!eq || eq == line)
		return -EPROTO;
	*eq = '\0';
	*ret_key = line;
	*ret_value = eq + 1;
	return 1;
}

int mpsup_parse_number(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;

	if (*s == '\0')
		return -EPROTO;
	for (; *s; s++) {
		unsigned digit = (unsigned)(*s - '0');

		if (*s < '0' || *s > '9' || n > max / 10 || n * 10 > max - digit)
			return -EPROTO;
		n = n * 10 + digit;
	}
	*ret = n;
	return 0;
}

enum number { SLOT, GENERATION, WORKERS, HOST_PID, LISTEN_FDS, WATCHDOG_USEC, DISPATCH, NUMBERS };

static const struct {
	const char *key;
	uint64_t max;
	bool needed;
} numbers[NUMBERS] = {
	[SLOT] = { "SLOT", UINT_MAX, true },
	[GENERATION] = { "GENERATION", UINT_MAX, true },
	[WORKERS] = { "WORKERS", UINT_MAX, true },
	[HOST_PID] = { "HOST_PID", INT_MAX, false },
	[LISTEN_FDS] = { "LISTEN_FDS", MPSUP_LISTENERS_MAX, true },
	[WATCHDOG_USEC] = { "WATCHDOG_USEC", UINT64_MAX, false },
	[DISPATCH] = { "DISPATCH", 1, false },
};

struct words {
	uint64_t n[NUMBERS];
	bool has[NUMBERS];
	char *pool, *names;
};

/* A key said twice is a fault: one of the two would be a surprise. */
static int take_word(struct words *w, const char *key, char *value)
{
	char **text = strcmp(key, "POOL") == 0		 ? &w->pool :
		      strcmp(key, "LISTEN_FDNAMES") == 0 ? &w->names :
							   NULL;

	if (text) {
		if (*text)
			return -EPROTO;
		*text = value;
		return 0;
	}
	for (int i = 0; i < NUMBERS; i++) {
		if (strcmp(key, numbers[i].key) != 0)
			continue;
		if (w->has[i])
			return -EPROTO;
		w->has[i] = true;
		return mpsup_parse_number(value, numbers[i].max, &w->n[i]);
	}
	return 0;
}

static int read_words(char *text, struct words *w)
{
	char *key, *value;
	int r;

	while ((r = mpsup_parse_line(&text, &key, &value)) > 0) {
		r = take_word(w, key, value);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	for (int i = 0; i < NUMBERS; i++)
		if (numbers[i].needed && !w->has[i])
			return -EPROTO;
	if (!w->pool || w->n[WORKERS] == 0 || w->n[SLOT] >= w->n[WORKERS])
		return -EPROTO;
	return 0;
}

/* With DISPATCH=1 the names alone tell how many there are. */
static int count_listeners(struct mpsup_hello *h, const struct words *w, unsigned nfds)
{
	h->dispatch = w->n[DISPATCH] == 1;
	h->nlisteners = nfds;
	if (w->n[LISTEN_FDS] != nfds || (h->dispatch && nfds > 0))
		return -EPROTO;
	if (!h->dispatch || !w->names || *w->names == '\0')
		return 0;
	h->nlisteners = 1;
	for (const char *p = w->names; *p; p++)
		h->nlisteners += *p == ':';
	return h->nlisteners > MPSUP_LISTENERS_MAX ? -EPROTO : 0;
}

/* "a:b" names exactly two; without the line all are "unknown", as in sd_listen_fds(3). */
static int name_listeners(struct mpsup_hello *h, char *names)
{
	unsigned n = 0;

	if (!names) {
		for (; n < h->nlisteners; n++)
			h->listeners[n].name = "unknown";
		return 0;
	}
	if (h->nlisteners == 0)
		return *names ? -EPROTO : 0;
	for (char *colon; names; names = colon) {
		if (n == h->nlisteners)
			return -EPROTO;
		colon = strchr(names, ':');
		if (colon)
			*colon++ = '\0';
		h->listeners[n++].name = names;
	}
	return n == h->nlisteners ? 0 : -EPROTO;
}

int mpsup_parse_hello(struct mpsup *m, struct mpsup_datagram *d)
{
	struct words w = { .pool = NULL };
	struct mpsup_hello h = { .pool = NULL };
	int r;

	if (m->greeted || d->len > LIB_HELLO_MAX)
		return -EPROTO;
	memcpy(m->hello_text, d->text, d->len + 1);
	r = read_words(m->hello_text, &w);
	if (r < 0)
		return r;
	r = count_listeners(&h, &w, d->nfds);
	if (r < 0)
		return r;
	r = name_listeners(&h, w.names);
	if (r < 0)
		return r;
	h.pool = w.pool;
	h.slot = (unsigned)w.n[SLOT];
	h.generation = (unsigned)w.n[GENERATION];
	h.workers = (unsigned)w.n[WORKERS];
	h.host_pid = (int)w.n[HOST_PID];
	h.watchdog_usec = w.n[WATCHDOG_USEC];
	for (unsigned i = 0; i < h.nlisteners; i++)
		h.listeners[i].fd = h.dispatch ? -1 : d->fds[i];
	d->nfds = 0;
	m->hello = h;
	m->greeted = true;
	return 0;
}

int mpsup_parse_connection(char *text, uint64_t *ret_number, uint64_t *ret_listener)
{
	uint64_t number = 0, listener = 0;
	bool has_number = false, has_listener = false;
	char *key, *value;
	int r;

	while ((r = mpsup_parse_line(&text, &key, &value)) > 0) {
		bool is_number = strcmp(key, "CONNECTION") == 0;
		bool *has = is_number ? &has_number : &has_listener;

		if (!is_number && strcmp(key, "LISTENER") != 0)
			continue;
		if (*has ||
		    mpsup_parse_number(value, UINT64_MAX, is_number ? &number : &listener) < 0)
			return -EPROTO;
		*has = true;
	}
	if (r < 0 || !has_number || !has_listener)
		return -EPROTO;
	*ret_number = number;
	*ret_listener = listener;
	return 0;
}

int mpsup_parse_drain(char *text, uint64_t *ret_usec)
{
	char *key, *value;
	bool told = false;
	uint64_t usec = 0;
	int r;

	while ((r = mpsup_parse_line(&text, &key, &value)) > 0) {
		if (strcmp(key, "TIMEOUT_USEC") != 0)
			continue;
		if (told || mpsup_parse_number(value, UINT64_MAX, &usec) < 0)
			return -EPROTO;
		told = true;
	}
	if (r < 0 || !told)
		return -EPROTO;
	*ret_usec = usec;
	return 0;
}
