/* SPDX-License-Identifier: MIT */
/* carried.h - what belongs to the floor app in an image of the master (kernel/image.h), and
 * the whole of one. */
#ifndef MPSUP_APP_CARRIED_H
#define MPSUP_APP_CARRIED_H

#include "app/run.h"
#include "super/carried.h"

/* What a program that was tried says of itself, before its version: no other would. */
#define UPGRADE_CAN "mpsup can go on: "

/* All of it, into a sealed memfd; *c is to be given back with carried_done() either way. */
MUST_CHECK int run_put(struct run *run, struct carried *c, int *ret_fd, struct err *e);

struct run_before {
	bool terminal;	      /* lines go to it */
	const char *from;     /* version of the program that wrote it; borrowed of the image */
	const char *log_path; /* of our own words; borrowed as well */
	int log_fd;	      /* -1: there was none */
};
/* This floor's alone, before the others'. */
MUST_CHECK int run_get(struct run *run, struct carried *c, struct run_before *ret, struct err *e);
/* What state.json will say, which its disk need not have yet: pools that are gone, too. */
void state_get(struct image *im, struct state *s, struct master *m);

#endif
