/* SPDX-License-Identifier: MIT */
/* fsm.h - the two state tables; fsm.c is the only file that writes a state. */
#ifndef MPSUP_SUPER_FSM_H
#define MPSUP_SUPER_FSM_H

#include "base/base.h"

struct life;
struct slot;

enum life_state {
	LIFE_NONE, /* in the table: no such move */
	LIFE_NEW,
	LIFE_STARTING, /* cloned, not ready */
	LIFE_PARKED,   /* a spare that waits for a socket */
	LIFE_JOINING,  /* a spare that was handed one */
	LIFE_READY,
	LIFE_DRAINING, /* was asked, or said, to finish and leave */
	LIFE_STOPPING, /* was sent the stop signal */
	LIFE_KILLED,   /* its leaf was killed */
	LIFE_DEAD,     /* certified; its leaf may not be empty yet */
	LIFE_GONE,
	LIFE_STATES
};

/* clang-format off */
enum life_event {
	EV_CLONED, EV_PARKED, EV_HANDED, EV_READY, EV_DRAIN, EV_SIGNAL, EV_KILL, EV_DIED, EV_EMPTY,
	LIFE_EVENTS
};
/* clang-format on */

enum slot_state {
	SLOT_NONE,
	SLOT_STOPPED, /* nothing there, nothing wanted yet */
	SLOT_LIVE,    /* has a current life */
	SLOT_BACKOFF, /* waits for its next start */
	SLOT_FAILED,  /* past its limit */
	SLOT_STATES
};

enum slot_event { SV_BIRTH, SV_WAIT, SV_GIVE_UP, SV_STOP, SLOT_EVENTS };

/* The states that a new life and a new slot begin with. */
void life_begin(struct life *l);
void slot_begin(struct slot *s);

/* 0 and the new state, or -EPERM and nothing: an event that does not belong to
 * the state (a second READY, a suicide while draining) is not an error of ours. */
int life_step(struct life *l, enum life_event ev);
int slot_step(struct slot *s, enum slot_event ev);

/* The contract's words: starting ready parked draining backoff failed stopped. */
const char *life_state_name(enum life_state s);
const char *slot_state_name(const struct slot *s);

#endif
