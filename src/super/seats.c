/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "super/seats.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "kernel/scm.h"
#include "super/dispatch.h"
#include "super/eras.h"
#include "super/listeners.h"

#define REVIVE_AT_ONCE	20 /* times in a second; after that every REVIVE_PAUSE_MS */
#define REVIVE_PAUSE_MS 20

struct listener_spec seat_spec(const struct listener *l, enum listener_form form)
{
	const struct listen_spec *s = &l->spec;
	struct listener_spec spec = {
		.shown = s->shown,
		.addr = s->addr,
		.addr_len = s->addr_len,
		.dual_stack = s->dual_stack && form == FORM_CONFIGURED,
		.backlog = l->pool->conf->backlog,
		.has_mode = s->has_mode,
		.mode = s->mode,
		.uid = s->uid,
		.gid = s->gid,
	};

	if (form == FORM_V4) {
		const struct sockaddr_in6 *in6 = (const void *)&s->addr;
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = in6->sin6_port };

		memset(&spec.addr, 0, sizeof(spec.addr));
		memcpy(&spec.addr, &in, sizeof(in));
		spec.addr_len = sizeof(in);
	}
	return spec;
}

unsigned seat_index(const struct seat *s)
{
	return (unsigned)(s - s->listener->seats[s->form]);
}

static struct loop *loop_of(const struct seat *s)
{
	return &s->listener->pool->master->loop;
}

static uint64_t now(const struct seat *s)
{
	return s->listener->pool->master->world->now_ms();
}

/* One line a second, however often. */
static bool may_say(struct listener *l)
{
	uint64_t now = l->pool->master->world->now_ms();

	if (now - l->said_ms < 1000)
		return false;
	l->said_ms = now;
	return true;
}

static bool is_listening(int fd)
{
	int on = 0;
	socklen_t len = sizeof(on);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on;
}

/* The last takes its number, as in reuseport_detach_sock(). */
static void leave_group(struct seat *s)
{
	struct listener *l = s->listener;

	if (!s->listens || s->out)
		return;
	s->out = true;
	l->nmembers[s->form]--;
	each_seat(o, l, s->form) if (o->listens && !o->out && o->rank == l->nmembers[s->form])
		o->rank = s->rank;
}

static void join_group(struct seat *s)
{
	s->out = false;
	s->rank = s->listener->nmembers[s->form]++;
}

/* The kernel has taken it out of the group, and it comes back as the last. Others may have
 * left before it; their own events follow, and nobody can say in which order they left. */
static void rejoin(struct seat *s)
{
	each_seat(o, s->listener, s->form) if (o->listens && o != s && !is_listening(o->fd))
		leave_group(o);
	join_group(s);
	s->listener->pool->steer_anew = true;
	listeners_steer(s->listener->pool);
}

static void revive(struct seat *s)
{
	struct listener *l = s->listener;
	const char *pool = l->pool->conf->name, *shown = l->spec.shown;
	int r = listener_revive(s->fd, l->pool->conf->backlog);

	leave_group(s);
	if (now(s) - s->window_ms >= 1000) {
		s->window_ms = now(s);
		s->in_window = 0;
	}
	if (r == 0)
		rejoin(s);
	l->revived++;
	s->in_window++;
	if (r == 0 && may_say(l))
		log_warn(
			"%s: a worker shut down the %slistener %s (%u times so far); it listens again",
			pool, listener_is_group(l) ? "" : "shared ", shown, l->revived);
	if (r == 0 && s->in_window < REVIVE_AT_ONCE)
		return;
	if (r < 0 && may_say(l))
		log_error("%s: a worker made the listener %s unusable: %s; tried again", pool,
			  shown, strerror(-r));
	/* Not looked at for a moment: a worker in a loop must not have the master in one. */
	source_remove(loop_of(s), &s->src);
	timer_set(loop_of(s), &s->again, now(s) + REVIVE_PAUSE_MS);
}

static void on_event(struct source *src, uint32_t events)
{
	struct seat *s = container_of(src, struct seat, src);

	if (events & ~(uint32_t)EPOLLIN)
		revive(s);
	else
		dispatch_accept(s);
}

/* HUP is told without being asked for: a shutdown. A listener is never writable;
 * a socket that was made to connect is. */
static uint32_t wanted(const struct seat *s)
{
	return EPOLLOUT | (s->accepts ? (uint32_t)EPOLLIN : 0u);
}

int seat_watch(struct seat *s)
{
	return source_add(loop_of(s), &s->src, s->fd, wanted(s), on_event);
}

void seat_accept(struct seat *s, bool on)
{
	if (!s->listens || s->accepts == on)
		return;
	s->accepts = on;
	/* Not watched just now: it will be, for this. */
	if (s->src.live && source_mod(loop_of(s), &s->src, wanted(s)) < 0)
		s->accepts = !on;
}

static void on_again(struct timer *t)
{
	struct seat *s = container_of(t, struct seat, again);

	/* While it was not watched it may have been shut down once more. */
	if (!is_listening(s->fd))
		leave_group(s);
	if (listener_revive(s->fd, s->listener->pool->conf->backlog) < 0 || seat_watch(s) < 0)
		timer_set(loop_of(s), t, now(s) + 10 * REVIVE_PAUSE_MS);
	else if (s->out)
		rejoin(s);
}

void seat_init(struct seat *s, struct listener *l, enum listener_form form)
{
	*s = (struct seat){ .listener = l, .form = form, .fd = -1, .src = SOURCE_NONE };
	timer_init(&s->again, on_again);
}

static bool has_open_sibling(const struct seat *s)
{
	each_seat(o, s->listener, s->form) if (o != s && o->fd >= 0) return true;
	return false;
}

/* Programs that open their socket themselves decide its form, and this one has it. */
static bool has_its_form(const struct seat *s)
{
	enum protocol proto = s->listener->pool->conf->protocol;

	return s->form == FORM_CONFIGURED && proto != PROTO_BIND && proto != PROTO_AUTO;
}

/* Those of a group would come back without the order in which the kernel has them. */
bool seat_can_be_kept(const struct seat *s)
{
	return s->listens && !s->lent && !s->aside && !listener_is_group(s->listener) &&
	       has_its_form(s);
}

/* That it is closed also of one whose pool has another protocol by now. */
static void tell_starter(const struct seat *s, bool listens)
{
	struct master *m = s->listener->pool->master;
	bool shared = s->listens && !s->lent && !s->aside && !listener_is_group(s->listener);

	if (m->on_socket && (listens ? seat_can_be_kept(s) : shared))
		m->on_socket(m, s, listens);
}

static int take_inherited(struct seat *s, const struct listener_spec *spec)
{
	struct pool *p = s->listener->pool;
	bool stored = false, shared = !listener_is_group(s->listener);
	int fd = -1;

	if (spec->join || s->aside || !has_its_form(s))
		return -1;
	if (shared)
		fd = inherited_take(&p->kept, spec, true, &stored);
	if (fd < 0)
		fd = inherited_take(&p->master->inherited, spec, shared, &stored);
	s->lent = fd >= 0 && !stored;
	return fd;
}

/* Of ours, what has the address otherwise: an earlier master's, or configuration's. */
static bool clear_the_way(const struct seat *s, const struct listener_spec *spec)
{
	struct pool *p = s->listener->pool;
	bool kept = inherited_clear(&p->kept, spec);

	return inherited_clear(&p->master->inherited, spec) || kept;
}

static int open_or_hold(const struct seat *s, const struct listener_spec *spec, int *ret_fd,
			struct err *e)
{
	if (s->aside)
		return sockfile_open(spec, seat_index(s), seat_index(path_seat(s->listener)),
				     ret_fd, e);
	if (spec->addr.ss_family != AF_UNIX)
		return listener_hold(spec, ret_fd, e);
	return listener_open(spec, ret_fd, e);
}

int seat_hold(struct seat *s, struct err *e)
{
	struct listener_spec spec = seat_spec(s->listener, s->form);
	struct stat st;
	AUTO_FD int fd = -1;
	int r;

	if (s->fd >= 0)
		return 0;
	spec.join = has_open_sibling(s);
	fd = take_inherited(s, &spec);
	r = fd >= 0 ? 0 : open_or_hold(s, &spec, &fd, e);
	if (r == -EADDRINUSE && !s->aside && clear_the_way(s, &spec))
		r = open_or_hold(s, &spec, &fd, e);
	if (r < 0)
		return r;
	if (listener_is_group(s->listener) && !spec.join)
		r = listener_lead(fd);
	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r < 0)
		return err_sys(e, r, "%s", spec.shown);
	if (!s->aside)
		sockfile_clean(&spec); /* of a master that was killed: the path is ours now */
	s->inode = st.st_ino;
	s->fd = fd_take(&fd);
	return 0;
}

int seat_listen(struct seat *s, struct err *e)
{
	struct listener *l = s->listener;
	struct listener_spec spec = seat_spec(l, s->form);
	int r;

	if (s->listens)
		return 0;
	r = seat_hold(s, e);
	if (r == 0 && spec.addr.ss_family != AF_UNIX)
		r = listener_start(s->fd, &spec, e);
	if (r < 0)
		return r;
	join_group(s);
	s->listens = true;
	l->nlistening[s->form]++;
	s->silent = false;
	r = seat_watch(s);
	if (r < 0)
		return err_sys(e, r, "watch %s", spec.shown);
	tell_starter(s, true);
	return 0;
}

static void unwatch(struct seat *s)
{
	timer_clear(loop_of(s), &s->again);
	source_remove(loop_of(s), &s->src);
}

static void listens_no_more(struct seat *s)
{
	if (!s->listens)
		return;
	leave_group(s);
	s->listens = s->accepts = s->out = false;
	s->listener->nlistening[s->form]--;
}

void seat_close(struct seat *s)
{
	struct listener_spec spec = seat_spec(s->listener, s->form);

	s->silent = false;
	if (s->fd < 0)
		return;
	unwatch(s);
	if (s->lent) {
		inherited_give(&s->listener->pool->master->inherited, &s->fd);
		listens_no_more(s);
		return;
	}
	tell_starter(s, false);
	if (s->aside)
		sockfile_remove(&spec, seat_index(s));
	else
		listener_unlink(&spec);
	/* A worker may hold it too: shut down, it leaves the group and its queue hears. */
	scm_close(&s->fd);
	listens_no_more(s);
	s->aside = false;
}

int seat_release(struct seat *s)
{
	if (!s->listens)
		return -1;
	unwatch(s);
	tell_starter(s, false);
	listens_no_more(s);
	return fd_take(&s->fd);
}

void seat_silence(struct seat *s)
{
	bool aside = s->aside;

	if (!s->listens || s->lent)
		return;
	if (s->listener->spec.addr.ss_family == AF_UNIX) {
		seat_close(s); /* shut down, it would never listen again */
		if (aside)
			return;
	} else {
		unwatch(s);
		tell_starter(s, false);
		(void)shutdown(s->fd, SHUT_RDWR);
		listens_no_more(s);
	}
	s->silent = true;
}

int seat_adopt(struct seat *s, struct seat *from)
{
	struct timer again = s->again;

	unwatch(from);
	*s = *from;
	s->again = again;
	s->src = SOURCE_NONE;
	seat_init(from, from->listener, from->form);
	return s->listens ? seat_watch(s) : 0;
}

void seat_point(struct seat *s, struct seat *from)
{
	struct listener_spec spec = seat_spec(s->listener, s->form);
	struct err e;

	if (sockfile_point(&spec, seat_index(s), &e) < 0) {
		log_error("%s: %s", s->listener->pool->conf->name, e.msg);
		return;
	}
	if (from) {
		tell_starter(from, false);
		from->aside = true;
	}
	s->aside = false;
	tell_starter(s, true);
}

void seat_hide(struct seat *s)
{
	struct listener_spec spec = seat_spec(s->listener, s->form);
	struct err e;

	if (s->lent)
		return;
	if (sockfile_hide(&spec, seat_index(s), &e) < 0) {
		log_error("%s: %s", s->listener->pool->conf->name, e.msg);
		return;
	}
	tell_starter(s, false);
	s->aside = true;
}

void seat_restore(struct seat *s)
{
	if (s->fd >= 0 && s->listens)
		listener_restore(s->fd, s->listener->pool->conf->backlog,
				 s->listener->pool->gen->wire->sock_type != 0);
}
