/* SPDX-License-Identifier: MIT */
/* bus.c - messages between workers: what each is taken for, and who gets it. */
#define _GNU_SOURCE
#include "super/bus.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "super/life.h"
#include "super/pool.h"

static const char no_memory[] = "no memory for it";

bool bus_hears(const struct life *l)
{
	return l->slot && (l->state == LIFE_READY || l->state == LIFE_DRAINING) &&
	       l->gen->wire->message_before;
}

/* ---- who ---- */

struct route {
	bool all;	  /* of the sender's pool, itself too */
	struct life *one; /* else this one */
};

/* Here, and nowhere else, is it said which pools may be written to. */
static bool may_write_to(const struct pool *from, const struct pool *to)
{
	return from == to;
}

/* The number that the program itself has from getpid(2); no sibling has it too. */
static struct life *by_pid(const struct pool *p, json_int_t pid)
{
	for (unsigned i = 0; i < p->nslots; i++) {
		struct slot *s = p->slots[i];

		if (s->current && bus_hears(s->current) &&
		    (s->current->inner_pid ? s->current->inner_pid : s->current->pid) == pid)
			return s->current;
		list_each(it, &s->beside) {
			struct life *l = container_of(it, struct life, node);

			if (bus_hears(l) && (l->inner_pid ? l->inner_pid : l->pid) == pid)
				return l;
		}
	}
	return NULL;
}

static bool is_candidate(const struct slot *s, const struct life *from)
{
	return s->current && s->current != from && s->current->state == LIFE_READY &&
	       bus_hears(s->current);
}

/* Spread, not secrecy: the sender's number and count are different each time. */
static uint64_t dice(const struct life *from)
{
	uint64_t z = (from->number << 32) + from->bus.sent + UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static struct life *another(const struct life *from)
{
	const struct pool *p = from->pool;
	unsigned n = 0, nth;

	for (unsigned i = 0; i < p->nslots; i++)
		n += is_candidate(p->slots[i], from);
	if (n == 0)
		return NULL;
	nth = (unsigned)(dice(from) % n);
	for (unsigned i = 0; i < p->nslots; i++)
		if (is_candidate(p->slots[i], from) && nth-- == 0)
			return p->slots[i]->current;
	return NULL;
}

static struct pool *pool_named(struct master *m, const char *name, size_t len)
{
	for (unsigned i = 0; i < m->npools; i++)
		if (strlen(m->pools[i]->conf->name) == len &&
		    strncmp(m->pools[i]->conf->name, name, len) == 0)
			return m->pools[i];
	return NULL;
}

static const char *find_slot(const struct life *from, const char *word, struct route *r)
{
	const char *slash = strrchr(word, '/');
	struct pool *p = pool_named(from->master, word, (size_t)(slash - word));
	uint64_t index;

	if (!p)
		return "there is no such pool";
	if (!may_write_to(from->pool, p))
		return "a worker writes to its own pool; to others where the file says messages:";
	if (parse_u64(slash + 1, 0, p->nslots - 1, &index) < 0)
		return "the pool has no such slot";
	r->one = p->slots[index]->current;
	return r->one && bus_hears(r->one) ? NULL : "no worker is ready there";
}

static const char *find_pid(const struct life *from, json_int_t pid, struct route *r)
{
	r->one = by_pid(from->pool, pid);
	return r->one ? NULL : "no worker of its pool that is ready has this pid";
}

/* NULL, or why nobody gets it. */
static const char *find(const struct life *from, const json_t *to, struct route *r)
{
	const char *word = json_string_value(to);
	uint64_t pid;

	if (json_is_integer(to))
		return find_pid(from, json_integer_value(to), r);
	if (!word || strlen(word) != json_string_length(to))
		return "its address is no word, POOL/SLOT or pid";
	if (strcmp(word, "app") == 0) {
		r->all = true;
		return from->gen->wire->message_before ? NULL : "its pool cannot be told any";
	}
	if (strcmp(word, "random") == 0) {
		r->one = another(from);
		return r->one ? NULL : "no other worker of its pool is ready";
	}
	if (strcmp(word, "agent") == 0 || strncmp(word, "agent/", 6) == 0)
		return "its pool has no such agent";
	if (parse_u64(word, 1, INT_MAX, &pid) == 0)
		return find_pid(from, (json_int_t)pid, r);
	if (strchr(word, '/'))
		return find_slot(from, word, r);
	return "its address is no word, POOL/SLOT or pid";
}

/* ---- what ---- */

/* Of well-formed JSON. */
static unsigned depth_of(const char *json)
{
	unsigned depth = 0, most = 0;
	bool in_string = false;

	for (const char *p = json; *p; p++) {
		if (in_string && *p == '\\' && p[1])
			p++;
		else if (*p == '"')
			in_string = !in_string;
		else if (!in_string && (*p == '{' || *p == '['))
			most = ++depth > most ? depth : most;
		else if (!in_string && (*p == '}' || *p == ']'))
			depth--;
	}
	return most;
}

/* Only what is meant for others, and who it is from: no word of the protocols, Node's
 * cmd among them, and nobody else's name can be forged. */
static char *rewrite(const struct life *from, const json_t *msg)
{
	static const char *const kept[] = { "action", "data" };
	char name[LIFE_NAME_BYTES], *text = NULL;
	json_t *o = json_object();

	for (unsigned i = 0; o && i < ARRAY_LEN(kept); i++) {
		json_t *value = json_object_get(msg, kept[i]);

		if (value && json_object_set(o, kept[i], value) < 0)
			goto out;
	}
	if (o && json_object_set_new(o, "from", json_string(life_name(from, name))) == 0)
		text = json_dumps(o, JSON_COMPACT);
out:
	json_decref(o);
	return text;
}

static const char *make_packet(const struct life *from, const struct wire *wire, const json_t *msg,
			       struct packet **ret)
{
	char *text = rewrite(from, msg);
	const char *why = NULL;
	size_t len;

	if (!text)
		return no_memory;
	len = strlen(text);
	if (len > BUS_TEXT_MAX) /* 0.1 becomes 0.10000000000000001 */
		why = "it is longer than 64 KiB with all digits of its numbers";
	else if (depth_of(text) > BUS_DEPTH_MAX)
		why = "it is nested more than 64 levels deep";
	else if (!(*ret = packet_new(wire->message_before, text, len, wire->message_after)))
		why = no_memory;
	free(text);
	return why;
}

/* ---- and so ---- */

static struct event message_event(const struct life *from, const char *safe)
{
	return (struct event){ .name = "worker.message",
			       .pool = from->pool,
			       .life = from,
			       .text = safe,
			       .slot = from->slot ? (int)from->slot->index : -1 };
}

static void target_text(const json_t *to, char out[TEXT_SHORT_BYTES + 1])
{
	if (json_is_integer(to))
		(void)snprintf(out, TEXT_SHORT_BYTES + 1, "%" JSON_INTEGER_FORMAT,
			       json_integer_value(to));
	else
		(void)text_safe(json_is_string(to) ? json_string_value(to) : "",
				json_string_length(to), out, TEXT_SHORT_BYTES + 1);
}

/* Not lost silently: an event each, a line once. */
static void undelivered(struct life *from, const json_t *to, const char *safe, const char *why)
{
	struct event ev = message_event(from, safe);
	char name[LIFE_NAME_BYTES], target[TEXT_SHORT_BYTES + 1];

	from->bus.undelivered++;
	target_text(to, target);
	ev.target = target;
	ev.result = why;
	master_event(from->master, &ev);
	if (!from->bus.said_undelivered)
		log_warn("%s (pid %d): its message to \"%s\" is not delivered: %s (more of them: "
			 "see events)",
			 life_name(from, name), (int)from->pid, target, why);
	from->bus.said_undelivered = true;
}

static unsigned post_to_all(struct life *from, struct packet *p)
{
	struct pool *pool = from->pool;
	unsigned n = 0;

	for (unsigned i = 0; i < pool->nslots; i++) {
		struct slot *s = pool->slots[i];

		if (s->current && bus_hears(s->current))
			n += bus_post(from, s->current, p) != -EPIPE;
		list_each(it, &s->beside) {
			struct life *l = container_of(it, struct life, node);

			if (bus_hears(l))
				n += bus_post(from, l, p) != -EPIPE;
		}
	}
	return n;
}

static const char *post(struct life *from, const struct route *r, struct packet *p)
{
	if (r->all && post_to_all(from, p) == 0)
		return "no worker of its pool is ready";
	if (r->one && bus_post(from, r->one, p) == -EPIPE)
		return "it has closed its channel";
	from->bus.sent++;
	bus_hold_if_full(from, r->one);
	return NULL;
}

void bus_message(struct life *from, const json_t *msg, const char *text, size_t len)
{
	const json_t *to = json_object_get(msg, "to");
	const char *word = json_string_value(to);
	char safe[TEXT_SHORT_BYTES + 1];
	struct route r = { .all = false };
	struct packet *p = NULL;
	const char *why;

	(void)text_safe(text, len, safe, sizeof(safe));
	if (from->channel.messages_in_window >= CHANNEL_MESSAGES)
		bus_say_fast(from);
	if (!to || (word && strcmp(word, "master") == 0 && json_string_length(to) == 6)) {
		struct event ev = message_event(from, safe);

		from->bus.sent++;
		master_event(from->master, &ev);
		return;
	}
	why = find(from, to, &r);
	if (!why)
		why = make_packet(from, (r.one ? r.one : from)->gen->wire, msg, &p);
	if (!why)
		why = post(from, &r, p);
	if (why)
		undelivered(from, to, safe, why);
	packet_unref(p);
}

int bus_tell(struct life *to, const char *json)
{
	const struct wire *wire = to->gen->wire;
	struct packet *p;
	int r;

	if (!wire->message_before)
		return -EOPNOTSUPP;
	p = packet_new(wire->message_before, json, strlen(json), wire->message_after);
	r = p ? to->master->world->post(to, p) : -ENOMEM;
	packet_unref(p);
	return r;
}

void bus_pool_ready(struct pool *p)
{
	for (unsigned i = 0; i < p->nslots; i++) {
		struct life *l = p->slots[i]->current;

		if (!l || l->state != LIFE_READY || l->bus.knows_pool_ready)
			continue;
		/* One that has closed its channel, or cannot be told, does not miss it. */
		l->bus.knows_pool_ready = true;
		ignore(bus_tell(l, "{\"action\":\"pool-ready\"}"));
	}
}
