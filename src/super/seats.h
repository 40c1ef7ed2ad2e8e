/* SPDX-License-Identifier: MIT */
/* seats.h - one socket each, watched and repaired. Between seats.c, listeners.c and
 * binds.c. */
#ifndef MPSUP_SUPER_SEATS_H
#define MPSUP_SUPER_SEATS_H

#include "kernel/listener.h"
#include "kernel/sockfile.h"
#include "super/super.h"

void seat_init(struct seat *s, struct listener *l, enum listener_form form);
/* Bind it (unix: listen too). It joins the others of its form that are open. */
MUST_CHECK int seat_hold(struct seat *s, struct err *e);
/* Listen, and see to it that it stays so. Harmless when it does. */
MUST_CHECK int seat_listen(struct seat *s, struct err *e);
/* Close it; the last of its group takes its number. Harmless when closed. */
void seat_close(struct seat *s);
/* Its socket, open and listening as it is, for somebody else; -1: it does not listen. */
int seat_release(struct seat *s);
/* Who waits there and who comes is refused; the address stays ours (a unix socket's is
 * the file, which goes). Until seat_listen(). Harmless when it does not listen. */
void seat_silence(struct seat *s);
/* Make this closed one what another of its form is, with all who wait there; the other
 * one is closed then. */
MUST_CHECK int seat_adopt(struct seat *s, struct seat *from);
/* Would the next master take it out of our starter's hands, with who waits in its queue? */
bool seat_can_be_kept(const struct seat *s);
void seat_restore(struct seat *s);
/* One that listens: see to it that it stays so. Of seat_listen(), and of an upgrade. */
MUST_CHECK int seat_watch(struct seat *s);
/* Tell dispatch_accept() of connections that wait, or no more. */
void seat_accept(struct seat *s, bool on);

/* A path leads from `from` (NULL: from nowhere) to s now. Logs what cannot be done. */
void seat_point(struct seat *s, struct seat *from);
/* A path leads to s no more, and to nobody; a .socket unit's does. */
void seat_hide(struct seat *s);

/* One socket for each place, in a group that is steered. */
static inline bool listener_is_group(const struct listener *l)
{
	return l->nseats > 1 && l->spec.addr.ss_family != AF_UNIX;
}

/* One for all, but for those of another generation in a reload: eras.c. */
static inline bool listener_is_path(const struct listener *l)
{
	return l->nseats > 1 && l->spec.addr.ss_family == AF_UNIX;
}

/* The one that this worker has or would have; NULL: there is none of this form. */
struct seat *listener_seat_of(const struct listener *l, enum listener_form form,
			      const struct life *of);

/* Slot of a seat; 0 for a shared one. */
unsigned seat_index(const struct seat *s);
struct listener_spec seat_spec(const struct listener *l, enum listener_form form);

#define each_seat(s, l, f)                                                                         \
	for (struct seat *s = (l)->seats[f]; s && s < (l)->seats[f] + (l)->nseats; s++)

#endif
