/* SPDX-License-Identifier: MIT */
/* lib.h - the inside of libmpsup: one object, allocated whole. */
#ifndef MPSUP_LIB_LIB_H
#define MPSUP_LIB_LIB_H

#include <stdbool.h>

#include "mpsup.h"

#define LIB_HELLO_MAX	 4096		    /* bytes of a HELLO datagram */
#define LIB_DATAGRAM_MAX (64 * 1024 + 1024) /* bytes of any datagram to a worker */

struct mpsup {
	int fd;
	bool greeted;
	bool sends_back; /* takes no connections */
	bool owes;	 /* an answer that the channel had no room for */
	char owed[40];
	struct mpsup_hello hello;
	char hello_text[LIB_HELLO_MAX + 1]; /* what hello's strings point into */
	char buf[LIB_DATAGRAM_MAX + 1];
};

/* One datagram as it came. The descriptors are the holder's. */
struct mpsup_datagram {
	char *text; /* terminated, no zero byte inside */
	size_t len;
	int fds[MPSUP_LISTENERS_MAX];
	unsigned nfds;
};

/* 1: *d is filled; 0: end of file; -EAGAIN; -EPROTO: too long, too many
 * descriptors, a zero byte (all descriptors closed); other -errno. */
int mpsup_datagram_receive(struct mpsup *m, struct mpsup_datagram *d);
void mpsup_datagram_close_fds(struct mpsup_datagram *d);

/* All parsers write to their text. 0, or -EPROTO with nothing kept. */

/* Fill m->hello and m->greeted; takes over d's descriptors on success. */
int mpsup_parse_hello(struct mpsup *m, struct mpsup_datagram *d);
int mpsup_parse_drain(char *text, uint64_t *ret_usec);
int mpsup_parse_connection(char *text, uint64_t *ret_number, uint64_t *ret_listener);

/* Cut the next KEY=VALUE line off *text. 1: a line; 0: no more; -EPROTO. */
int mpsup_parse_line(char **text, char **ret_key, char **ret_value);

/* Digits only, at most max. 0 or -EPROTO. */
int mpsup_parse_number(const char *s, uint64_t max, uint64_t *ret);

#endif
