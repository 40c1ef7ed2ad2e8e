/* SPDX-License-Identifier: MIT */
/* opts.h - the few options of a client command, and its --help, from one table. */
#ifndef MPSUP_APP_OPTS_H
#define MPSUP_APP_OPTS_H

#include <stdbool.h>

struct opt {
	char letter;	  /* 0: none */
	const char *name; /* without the dashes */
	const char *arg;  /* what its value is called; NULL: a switch */
	const char *help;
	bool *on;		    /* of a switch */
	unsigned long long *number; /* of a value: a whole number */
	const char **value;	    /* of a value: any text */
};

struct usage {
	const char *verb;
	const char *args;   /* "[TARGET]", or "" for none; at most one is taken */
	const char **words; /* those that may follow it, of max_words; NULL: none */
	unsigned max_words;
	bool numbers;		/* "-1" is a word */
	const char *text;	/* sentences below the first line, each ended by \n */
	const struct opt *opts; /* ends with a NULL name */
};

/* Read argv (what follows the verb) into the table's places and *ret_target,
 * which is NULL when none was given. Returns -1 to go on, else the exit status:
 * 0 after --help, 2 after a complaint on stderr. Words that were not there are NULL. */
int opts_parse(const struct usage *u, int argc, char **argv, const char **ret_target);

#endif
