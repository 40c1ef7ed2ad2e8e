/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Through a buffer of its own: what is said now may quote what was said before. */
static void set_words(struct err *e, const char *fmt, va_list ap, const char *more)
{
	char words[sizeof(e->msg)];

	(void)vsnprintf(words, sizeof(words), fmt, ap);
	if (more) {
		strncat(words, ": ", sizeof(words) - strlen(words) - 1);
		strncat(words, more, sizeof(words) - strlen(words) - 1);
	}
	memcpy(e->msg, words, sizeof(words));
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	e->code = code;
	va_start(ap, fmt);
	set_words(e, fmt, ap, NULL);
	va_end(ap);
	return code;
}

int err_sys(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	e->code = code;
	va_start(ap, fmt);
	set_words(e, fmt, ap, strerror(code < 0 ? -code : code));
	va_end(ap);
	return code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char old[sizeof(e->msg)];
	va_list ap;

	memcpy(old, e->msg, sizeof(old));
	va_start(ap, fmt);
	set_words(e, fmt, ap, old);
	va_end(ap);
	return e->code;
}

const char *err_name(int code)
{
	const char *name = strerrorname_np(code < 0 ? -code : code);

	return name ? name : "E?";
}
