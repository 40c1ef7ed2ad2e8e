/* SPDX-License-Identifier: MIT */
/* words.h - sd_notify(3)'s vocabulary, as KEY=VALUE lines in one datagram. Private to
 * wire/. */
#ifndef MPSUP_WIRE_WORDS_H
#define MPSUP_WIRE_WORDS_H

#include <stdbool.h>

#include "wire/wire.h"

#define WORDS_NOTE_MAX 4096 /* bytes of one datagram that is no MESSAGE= */

/* NULL, or what is wrong with it: zero bytes, lines without a key, too many. */
const char *words_check(const char *buf, size_t len);
/* Tell up what it says; buf[len] is 0 and buf is written to. Unknown keys are passed
 * by. own: libmpsup's further words (PARKED, SUICIDE, ACCEPTED, REFUSED, MESSAGE) are understood. */
void words_say(struct channel *ch, char *buf, bool own);

/* systemd.c: one datagram of a NOTIFY_SOCKET. */
int systemd_input(struct channel *ch);

#endif
