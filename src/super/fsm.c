/* SPDX-License-Identifier: MIT */
#include "super/fsm.h"

#include <errno.h>

#include "super/super.h"

/* clang-format off */
static const enum life_state life_moves[LIFE_STATES][LIFE_EVENTS] = {
	[LIFE_NEW]      = { [EV_CLONED] = LIFE_STARTING, [EV_DIED]   = LIFE_DEAD },
	[LIFE_STARTING] = { [EV_PARKED] = LIFE_PARKED,   [EV_READY]  = LIFE_READY,
			    [EV_DRAIN]  = LIFE_DRAINING, [EV_SIGNAL] = LIFE_STOPPING,
			    [EV_KILL]   = LIFE_KILLED,   [EV_DIED]   = LIFE_DEAD },
	[LIFE_PARKED]   = { [EV_HANDED] = LIFE_JOINING,  [EV_SIGNAL] = LIFE_STOPPING,
			    [EV_KILL]   = LIFE_KILLED,   [EV_DIED]   = LIFE_DEAD },
	[LIFE_JOINING]  = { [EV_READY]  = LIFE_READY,    [EV_DRAIN]  = LIFE_DRAINING,
			    [EV_SIGNAL] = LIFE_STOPPING, [EV_KILL]   = LIFE_KILLED,
			    [EV_DIED]   = LIFE_DEAD },
	[LIFE_READY]    = { [EV_DRAIN]  = LIFE_DRAINING, [EV_SIGNAL] = LIFE_STOPPING,
			    [EV_KILL]   = LIFE_KILLED,   [EV_DIED]   = LIFE_DEAD },
	[LIFE_DRAINING] = { [EV_SIGNAL] = LIFE_STOPPING, [EV_KILL]   = LIFE_KILLED,
			    [EV_DIED]   = LIFE_DEAD },
	[LIFE_STOPPING] = { [EV_KILL]   = LIFE_KILLED,   [EV_DIED]   = LIFE_DEAD },
	[LIFE_KILLED]   = { [EV_DIED]   = LIFE_DEAD },
	[LIFE_DEAD]     = { [EV_EMPTY]  = LIFE_GONE },
};

static const enum slot_state slot_moves[SLOT_STATES][SLOT_EVENTS] = {
	[SLOT_STOPPED] = { [SV_BIRTH]   = SLOT_LIVE,    [SV_STOP] = SLOT_STOPPED,
			   [SV_GIVE_UP] = SLOT_FAILED },
	[SLOT_LIVE]    = { [SV_BIRTH]   = SLOT_LIVE,    [SV_WAIT] = SLOT_BACKOFF,
			   [SV_GIVE_UP] = SLOT_FAILED,  [SV_STOP] = SLOT_STOPPED },
	[SLOT_BACKOFF] = { [SV_BIRTH]   = SLOT_LIVE,    [SV_GIVE_UP] = SLOT_FAILED,
			   [SV_STOP]    = SLOT_STOPPED },
	[SLOT_FAILED]  = { [SV_BIRTH]   = SLOT_LIVE,    [SV_STOP] = SLOT_STOPPED },
};
/* clang-format on */

void life_begin(struct life *l)
{
	l->state = LIFE_NEW;
}

void slot_begin(struct slot *s)
{
	s->state = SLOT_STOPPED;
}

int life_step(struct life *l, enum life_event ev)
{
	enum life_state next = life_moves[l->state][ev];

	if (next == LIFE_NONE)
		return -EPERM;
	l->state = next;
	return 0;
}

int slot_step(struct slot *s, enum slot_event ev)
{
	enum slot_state next = slot_moves[s->state][ev];

	if (next == SLOT_NONE)
		return -EPERM;
	s->state = next;
	return 0;
}

const char *life_state_name(enum life_state s)
{
	/* clang-format off */
	static const char *const names[LIFE_STATES] = {
		[LIFE_NONE] = "stopped",     [LIFE_NEW] = "starting",
		[LIFE_STARTING] = "starting", [LIFE_PARKED] = "parked",
		[LIFE_JOINING] = "starting",  [LIFE_READY] = "ready",
		[LIFE_DRAINING] = "draining", [LIFE_STOPPING] = "draining",
		[LIFE_KILLED] = "draining",   [LIFE_DEAD] = "stopped",
		[LIFE_GONE] = "stopped",
	};
	/* clang-format on */

	return names[s];
}

const char *slot_state_name(const struct slot *s)
{
	switch (s->state) {
	case SLOT_LIVE:
		return s->current ? life_state_name(s->current->state) : "starting";
	case SLOT_BACKOFF:
		return "backoff";
	case SLOT_FAILED:
		return "failed";
	default:
		return "stopped";
	}
}
