/* SPDX-License-Identifier: MIT */
/* listen.c - "3000", "127.0.0.1:80", "[::1]:80", "unix:/run/x.sock,mode=0660". */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/parse.h"
#include "config/reading.h"

static uint16_t port_of(const struct listen_spec *s)
{
	/* Both families keep it at the same place. */
	return ((const struct sockaddr_in *)(const void *)&s->addr)->sin_port;
}

static bool is_any(const struct listen_spec *s)
{
	const struct sockaddr_in *a4 = (const void *)&s->addr;
	const struct sockaddr_in6 *a6 = (const void *)&s->addr;

	return s->addr.ss_family == AF_INET ? a4->sin_addr.s_addr == htonl(INADDR_ANY) :
					      IN6_IS_ADDR_UNSPECIFIED(&a6->sin6_addr);
}

/* Does a take what comes in for b? Then the kernel lets only one of them listen. */
static bool covers(const struct listen_spec *a, const struct listen_spec *b)
{
	if (a->addr.ss_family == AF_UNIX || b->addr.ss_family == AF_UNIX ||
	    port_of(a) != port_of(b) || !is_any(a))
		return false;
	return a->addr.ss_family == b->addr.ss_family || a->dual_stack;
}

bool listen_specs_collide(const struct listen_spec *a, const struct listen_spec *b)
{
	return strcmp(a->shown, b->shown) == 0 || covers(a, b) || covers(b, a);
}

static int append(struct reading *rd, const struct key *k, struct listen_spec *s, struct err *e)
{
	struct pool_config *p = rd->p;
	struct listen_spec *more;

	if (!s->shown)
		return err_set(e, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < p->nlistens; i++) {
		const struct listen_spec *o = &p->listens[i];

		if (strcmp(o->shown, s->shown) == 0)
			return reading_wrong(k, e, -EINVAL, "%s is there twice", s->shown);
		if (covers(o, s) || covers(s, o))
			return reading_wrong(k, e, -EINVAL, "%s is part of %s already",
					     covers(o, s) ? s->shown : o->shown,
					     covers(o, s) ? o->shown : s->shown);
	}
	if (p->nlistens == 32)
		return reading_wrong(k, e, -EINVAL, "more than 32 sockets");
	if (!s->name)
		s->name = p->nlistens ? arena_printf(rd->arena, "http%u", p->nlistens + 1) : "http";
	more = arena_alloc(rd->arena, (p->nlistens + 1) * sizeof(*more));
	if (!more || !s->name)
		return err_set(e, -ENOMEM, "out of memory");
	if (p->nlistens)
		memcpy(more, p->listens, p->nlistens * sizeof(*more));
	more[p->nlistens] = *s;
	p->listens = more;
	p->nlistens++;
	return 0;
}

static int port_number(const struct key *k, const char *text, uint16_t *ret, struct err *e)
{
	uint64_t n = 0;

	if (strcmp(text, "0") == 0)
		return reading_wrong(k, e, -EINVAL,
				     "port 0 would be another one at each start; "
				     "right is: 1 to 65535");
	if (strchr(text, ':'))
		return reading_wrong(k, e, -EINVAL,
				     "'%.60s' is no port; right is: 1 to 65535, or --listen %.60s",
				     text, text);
	if (parse_u64(text, 1, 65535, &n) < 0)
		return reading_wrong(k, e, -EINVAL, "'%.40s' is no port; right is: 1 to 65535",
				     text);
	*ret = (uint16_t)n;
	return 0;
}

int reading_add_port(struct reading *rd, const struct key *k, const char *text, struct err *e)
{
	struct listen_spec s = { .dual_stack = true, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	struct sockaddr_in6 *a = (struct sockaddr_in6 *)(void *)&s.addr;
	uint16_t port;
	int r = port_number(k, text, &port, e);

	if (r < 0)
		return r;
	a->sin6_family = AF_INET6;
	a->sin6_port = htons(port);
	s.addr_len = sizeof(*a);
	s.text = arena_strdup(rd->arena, text);
	s.shown = arena_printf(rd->arena, "[::]:%u", port);
	return append(rd, k, &s, e);
}

static int unix_address(struct reading *rd, const struct key *k, const char *path,
			struct listen_spec *s, struct err *e)
{
	struct sockaddr_un *a = (struct sockaddr_un *)(void *)&s->addr;
	size_t n = strlen(path);

	if (path[0] != '/')
		return reading_wrong(k, e, -EINVAL, "unix:%s is not an absolute path", path);
	if (n >= sizeof(a->sun_path))
		return reading_wrong(k, e, -EINVAL, "unix:%s is longer than %zu bytes", path,
				     sizeof(a->sun_path) - 1);
	a->sun_family = AF_UNIX;
	memcpy(a->sun_path, path, n + 1);
	s->addr_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	s->shown = arena_printf(rd->arena, "unix:%s", path);
	return 0;
}

static int inet_address(struct reading *rd, const struct key *k, char *text, struct listen_spec *s,
			struct err *e)
{
	struct sockaddr_in *a4 = (struct sockaddr_in *)(void *)&s->addr;
	struct sockaddr_in6 *a6 = (struct sockaddr_in6 *)(void *)&s->addr;
	char *colon = strrchr(text, ':'), *host = text, plain[INET6_ADDRSTRLEN];
	uint16_t port;
	int r;

	if (!colon && strspn(text, "0123456789") == strlen(text))
		return reading_wrong(k, e, -EINVAL,
				     "'%.40s' has no address; right is: --port %.40s for all of "
				     "them, or 127.0.0.1:%.40s",
				     text, text, text);
	if (!colon)
		return reading_wrong(k, e, -EINVAL, "'%.80s' has no port; right is: %s", text,
				     k->form);
	r = port_number(k, colon + 1, &port, e);
	if (r < 0)
		return r;
	*colon = '\0';
	if (host[0] == '[' && colon > host + 1 && colon[-1] == ']') {
		colon[-1] = '\0';
		host++;
		a6->sin6_family = AF_INET6;
		a6->sin6_port = htons(port);
		s->addr_len = sizeof(*a6);
		if (inet_pton(AF_INET6, host, &a6->sin6_addr) != 1)
			return reading_wrong(k, e, -EINVAL, "'%.80s' is no IPv6 address", host);
		/* One spelling, so that the same address is seen to be the same. */
		(void)inet_ntop(AF_INET6, &a6->sin6_addr, plain, sizeof(plain));
		s->shown = arena_printf(rd->arena, "[%s]:%u", plain, port);
		return 0;
	}
	a4->sin_family = AF_INET;
	a4->sin_port = htons(port);
	s->addr_len = sizeof(*a4);
	if (inet_pton(AF_INET, strcmp(host, "*") == 0 ? "0.0.0.0" : host, &a4->sin_addr) != 1)
		return reading_wrong(k, e, -EINVAL,
				     "'%.80s' is no address (IPv6 goes in brackets, names "
				     "are not looked up); right is: %s",
				     host, k->form);
	s->shown = arena_printf(rd->arena, "%s:%u", strcmp(host, "*") ? host : "0.0.0.0", port);
	return 0;
}

static int suffix(struct reading *rd, const struct key *k, const char *text, struct listen_spec *s,
		  struct err *e)
{
	bool is_unix = s->addr.ss_family == AF_UNIX;

	if (strncmp(text, "name=", 5) == 0) {
		if (!text[5] || strchr(text + 5, ':') || strlen(text + 5) > 255)
			return reading_wrong(k, e, -EINVAL, "'%.40s': a name has no ':'", text);
		s->name = arena_strdup(rd->arena, text + 5);
		return 0;
	}
	if (is_unix && strncmp(text, "mode=", 5) == 0) {
		size_t n = strlen(text + 5);

		if (n < 1 || n > 4 || strspn(text + 5, "01234567") != n ||
		    (n == 4 && text[5] != '0'))
			return reading_wrong(k, e, -EINVAL, "'%.40s': a mode is like 0660", text);
		s->mode = (mode_t)strtoul(text + 5, NULL, 8);
		s->has_mode = true;
		return 0;
	}
	if (is_unix && strncmp(text, "user=", 5) == 0 && text[5]) {
		s->user = arena_strdup(rd->arena, text + 5);
		return 0;
	}
	if (is_unix && strncmp(text, "group=", 6) == 0 && text[6]) {
		s->group = arena_strdup(rd->arena, text + 6);
		return 0;
	}
	return reading_wrong(k, e, -EINVAL, "'%.40s' is not known here; right is: name=%s", text,
			     is_unix ? ", mode=, user=, group=" : "");
}

int reading_add_listen(struct reading *rd, const struct key *k, const char *text, struct err *e)
{
	struct listen_spec s = { .text = arena_strdup(rd->arena, text),
				 .uid = (uid_t)-1,
				 .gid = (gid_t)-1 };
	char *copy = arena_strdup(rd->arena, text), *save = NULL, *part;
	int r;

	if (!copy || !s.text)
		return err_set(e, -ENOMEM, "out of memory");
	part = strtok_r(copy, ",", &save);
	if (!part)
		return reading_wrong(k, e, -EINVAL, "nothing is there; right is: %s", k->form);
	r = strncmp(part, "unix:", 5) == 0 ? unix_address(rd, k, part + 5, &s, e) :
					     inet_address(rd, k, part, &s, e);
	while (r == 0 && (part = strtok_r(NULL, ",", &save)))
		r = suffix(rd, k, part, &s, e);
	return r < 0 ? r : append(rd, k, &s, e);
}
