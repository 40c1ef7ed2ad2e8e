/* SPDX-License-Identifier: MIT */
/* listeners_want.c - an address that a program asks for, against those that the pool
 * has (traps 7): never wider than asked for, never a port that nobody gave. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/err.h"
#include "super/life_sockets.h"
#include "super/listeners.h"
#include "super/seats.h"

/* An address of either family, mapped ones as IPv4. */
struct place {
	bool inet, v6, any;
	uint16_t port; /* host order */
	struct in6_addr addr;
};

static struct place place_of(const struct sockaddr_storage *a)
{
	const struct sockaddr_in *in = (const void *)a;
	const struct sockaddr_in6 *in6 = (const void *)a;
	struct place p = { 0 };

	if (a->ss_family == AF_INET) {
		p.inet = true;
		p.port = ntohs(in->sin_port);
		p.any = in->sin_addr.s_addr == htonl(INADDR_ANY);
		p.addr.s6_addr[10] = p.addr.s6_addr[11] = 0xff;
		memcpy(&p.addr.s6_addr[12], &in->sin_addr, 4);
	} else if (a->ss_family == AF_INET6) {
		p.inet = true;
		p.port = ntohs(in6->sin6_port);
		p.addr = in6->sin6_addr;
		p.v6 = !IN6_IS_ADDR_V4MAPPED(&p.addr);
		p.any = IN6_IS_ADDR_UNSPECIFIED(&p.addr) ||
			(!p.v6 && memcmp(&p.addr.s6_addr[12], "\0\0\0\0", 4) == 0);
	}
	return p;
}

static bool same_path(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_un *ua = (const void *)a, *ub = (const void *)b;

	return a->ss_family == AF_UNIX && b->ss_family == AF_UNIX && ua->sun_path[0] == '/' &&
	       strncmp(ua->sun_path, ub->sun_path, sizeof(ua->sun_path)) == 0;
}

/* Does what listens there fit a caller who asked for w? */
static bool fits(const struct listener *l, const struct listen_want *w)
{
	struct place have = place_of(&l->spec.addr), want = place_of(&w->addr);

	if (!have.inet || !want.inet)
		return same_path(&l->spec.addr, &w->addr);
	if (have.port != want.port)
		return false;
	if (!want.any)
		return !have.any && memcmp(&have.addr, &want.addr, sizeof(want.addr)) == 0;
	/* All addresses take what is configured, though narrower; a program of IPv4
	 * alone cannot read an IPv6 peer. */
	return w->narrow_is_fine || want.v6 || !have.v6 || l->spec.dual_stack;
}

static const char *written(const struct sockaddr_storage *a, char *buf, size_t size)
{
	struct place p = place_of(a);
	char addr[INET6_ADDRSTRLEN] = "";

	if (p.any)
		(void)snprintf(buf, size, "%u", p.port);
	else if (p.v6 && inet_ntop(AF_INET6, &p.addr, addr, sizeof(addr)))
		(void)snprintf(buf, size, "[%s]:%u", addr, p.port);
	else if (inet_ntop(AF_INET, &p.addr.s6_addr[12], addr, sizeof(addr)))
		(void)snprintf(buf, size, "%s:%u", addr, p.port);
	return buf;
}

static int refuse(const struct pool *p, const struct listen_want *w, struct err *e)
{
	struct place want = place_of(&w->addr);
	char asked[80], given[160] = "";
	size_t n = 0;

	written(&w->addr, asked, sizeof(asked));
	each_listener(l, p)
	{
		struct place have = place_of(&l->spec.addr);

		if (listener_is_leaving(l))
			continue;
		if (have.inet && have.port == want.port && !want.any && have.any)
			return err_set(e, -EADDRINUSE,
				       "app listens on %s, but --port %u listens on all addresses; "
				       "use --listen %s",
				       asked, want.port, asked);
		if (n < sizeof(given))
			n += (size_t)snprintf(given + n, sizeof(given) - n, "%s%s", n ? ", " : "",
					      have.any ? l->spec.text : l->spec.shown);
	}
	return err_set(e, -EADDRINUSE,
		       "app listens on %s, mpsup was given %s; --listen %s gives it that too, "
		       "--unlisted pass lets it open its own",
		       asked, n ? given : "no port", asked);
}

static int open_unlisted(struct pool *p, const struct listen_want *w, struct listener **ret,
			 struct err *e)
{
	struct place want = place_of(&w->addr);
	struct listen_spec spec = { .name = "unlisted",
				    .addr = w->addr,
				    .addr_len = w->addr_len,
				    .dual_stack = want.v6 && want.any && !w->v6only,
				    .uid = (uid_t)-1,
				    .gid = (gid_t)-1 };
	char addr[INET6_ADDRSTRLEN] = "", *shown = NULL;
	unsigned had = 0;
	const void *raw = want.v6 ? (const void *)&want.addr : &want.addr.s6_addr[12];
	struct listener *l;
	int r;

	each_listener(other, p) had += other->owned != NULL;
	if (had == UNLISTED_MAX)
		return err_set(e, -EADDRINUSE,
			       "app listens on more than %d addresses that mpsup was not given",
			       UNLISTED_MAX);
	(void)inet_ntop(want.v6 ? AF_INET6 : AF_INET, raw, addr, sizeof(addr));
	if (asprintf(&shown, want.v6 ? "[%s]:%u" : "%s:%u", addr, want.port) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	spec.text = spec.shown = shown;
	l = listener_add(p, &spec, LISTENER_ANYWHERE);
	if (!l) {
		free(shown);
		return err_set(e, -ENOMEM, "out of memory");
	}
	l->owned = shown;
	r = listener_begin(l, p->conf->protocol == PROTO_NODE_CLUSTER, 0, (unsigned)p->nslots_made,
			   e);
	if (r < 0)
		listener_remove(l);
	else
		*ret = l;
	return r;
}

/* Its own; else what a sibling has asked for, or another generation was given. */
static struct listener *find(const struct life *who, const struct listen_want *w)
{
	for (unsigned i = 0; i < who->sockets.n; i++)
		if (fits(who->sockets.on[i], w))
			return who->sockets.on[i];
	each_listener(l, who->pool)
	{
		bool may = l->owned || who->pool->conf->unlisted == UNLISTED_OPEN;

		if (may && fits(l, w))
			return l;
	}
	return NULL;
}

int listeners_find(const struct life *who, const struct listen_want *w, struct listener **ret,
		   struct err *e)
{
	struct pool *p = who->pool;
	struct listener *found = find(who, w);
	struct place want = place_of(&w->addr);

	if (found) {
		if (listener_is_leaving(found) && who->gen == p->gen)
			found->stale = false; /* not the configuration's any more, but its own */
		*ret = found;
		return 0;
	}
	/* Port 0 is one of its own, and so is a socket in its own files. */
	if (!want.inet || want.port == 0)
		return -ENOENT;
	if (p->conf->unlisted == UNLISTED_PASS && !w->narrow_is_fine)
		return -ENOENT;
	if (p->conf->unlisted == UNLISTED_REFUSE)
		return refuse(p, w, e);
	return open_unlisted(p, w, ret, e);
}

static enum listener_form form_of(const struct listener *l, const struct listen_want *w)
{
	if (!l->spec.dual_stack || l->no_v6)
		return FORM_CONFIGURED;
	if (w->addr.ss_family == AF_INET)
		return FORM_V4;
	return w->v6only ? FORM_V6ONLY : FORM_CONFIGURED;
}

static uint64_t bit_of(const struct life *who, const struct listener *l)
{
	int number = life_sockets_number(who, l);

	return number < 0 ? 0 : 1ull << number;
}

/* Both would be asked for by the same client. */
static bool collide(enum listener_form a, enum listener_form b)
{
	return a != b && (a == FORM_CONFIGURED || b == FORM_CONFIGURED);
}

/* The first bind(2) decides; what no living program has taken makes room. */
static int make_room(struct listener *l, enum listener_form form, const struct life *who,
		     struct err *e)
{
	bool fixed = l->pool->conf->protocol == PROTO_NODE_CLUSTER;

	for (unsigned f = 0; f < FORMS; f++) {
		unsigned mine = ((who->binding.taken[f] | who->binding.kept[f]) & bit_of(who, l)) !=
				0;

		if (!collide(form, f))
			continue;
		if (l->users[f] > mine || (fixed && l->nlistening[f] > 0))
			return err_set(e, -EADDRINUSE,
				       "app listens on %s for %s, while others of the pool have it "
				       "for %s",
				       l->spec.shown, form == FORM_V4 ? "IPv4 alone" : "IPv6",
				       f == FORM_V4 ? "IPv4 alone" : "IPv4 and IPv6");
		/* What is held and does not listen is in nobody's way. */
		if (l->nlistening[f] > 0 || f != FORM_V4)
			listener_close_form(l, f);
	}
	return 0;
}

int listeners_take(struct listener *l, const struct listen_want *w, struct life *who, int *ret_fd,
		   struct err *e)
{
	enum listener_form form = form_of(l, w);
	struct seat *s;
	int r = make_room(l, form, who, e);

	if (r < 0)
		return r;
	r = life_sockets_add(who, l);
	if (r >= 0)
		r = listener_seat(l, form, who, &s);
	if (r < 0)
		return err_sys(e, r, "%s", l->spec.shown);
	r = seat_hold(s, e);
	if (r < 0)
		return r;
	if (!((who->binding.taken[form] | who->binding.kept[form]) & bit_of(who, l)))
		l->users[form]++;
	who->binding.taken[form] |= bit_of(who, l);
	*ret_fd = s->fd;
	return 0;
}

void listeners_keep(struct life *l)
{
	const int *fds = l->has_sockets ? life_sockets_fds(l) : NULL;

	for (unsigned f = 0; f < FORMS; f++)
		if (!fds || l->binding.taken[f])
			return;
	for (unsigned i = 0; i < life_sockets_configured(l); i++) {
		struct listener *on = life_sockets_of(l, i);

		for (unsigned f = 0; f < FORMS; f++)
			each_seat(s, on, f)
			{
				if (s->fd < 0 || s->fd != fds[i])
					continue;
				l->binding.kept[f] |= bit_of(l, on);
				on->users[f]++;
			}
	}
}

int listeners_started(struct pool *p, uint64_t inode, struct listener **ret, struct err *e)
{
	each_listener(l, p) for (unsigned f = 0; f < FORMS; f++) each_seat(s, l, f)
	{
		if (s->fd < 0 || s->inode != inode)
			continue;
		*ret = l;
		return listener_start_seat(s, e);
	}
	return -ENOENT;
}

void listeners_leave(struct life *l)
{
	for (unsigned i = 0; i < l->sockets.n; i++)
		for (unsigned f = 0; f < FORMS; f++)
			if ((l->binding.taken[f] | l->binding.kept[f]) & (1ull << i))
				l->sockets.on[i]->users[f]--;
	memset(&l->binding.taken, 0, sizeof(l->binding.taken));
	memset(&l->binding.kept, 0, sizeof(l->binding.kept));
}
