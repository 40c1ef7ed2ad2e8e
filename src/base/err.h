/* SPDX-License-Identifier: MIT */
/* err.h - an error that needs words carries them by value.
 *
 * No malloc: it must work when memory is out. The code is what programs act
 * on, the sentence is for the person who reads the log. */
#ifndef MPSUP_BASE_ERR_H
#define MPSUP_BASE_ERR_H

#include "base/base.h"

struct err {
	int code;      /* -Exxx, or 0 */
	char msg[512]; /* one sentence without a full stop or a newline */
};

/* Fill *e and return code, so that callers write: return err_set(e, -EINVAL, ...); */
PRINTF(3, 4) int err_set(struct err *e, int code, const char *fmt, ...);

/* As err_set(), with ": " and the text of -code appended. */
PRINTF(3, 4) int err_sys(struct err *e, int code, const char *fmt, ...);

/* Put "prefix: " before what *e already says; the code stays. Returns e->code. */
PRINTF(2, 3) int err_wrap(struct err *e, const char *fmt, ...);

/* "ENOENT" for -ENOENT or ENOENT; "E?" for an unknown number. Never NULL. */
const char *err_name(int code);

#endif
