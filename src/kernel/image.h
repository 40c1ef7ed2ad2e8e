/* SPDX-License-Identifier: MIT */
/* image.h - what a process knows, on its way through exec(2) to the program that follows
 * it: a sealed memfd with one JSON object and the raw bytes that it names, and the
 * descriptors that stay open. systemd's daemon-reexec does the same (manager-serialize.c).
 *
 * A struct goes both ways by one table of its fields: what is not in the image keeps the
 * value it had, so that an older image can be read, and what nobody asks for is passed
 * over, so that a newer one can.
 *
 * Layer: kernel. Never logs. The first thing that goes wrong is kept, and is the result
 * of the whole (image_result()): nobody needs to look before the end. */
#ifndef MPSUP_KERNEL_IMAGE_H
#define MPSUP_KERNEL_IMAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"
#include "kernel/loop.h"

#define IMAGE_FORMAT 1 /* of the whole; a greater one is refused */

struct image {
	json_t *root; /* owned */
	char *bytes;  /* owned: raw bytes, named by their place */
	size_t len, size;
	int *fds; /* borrowed: those that stay open */
	unsigned nfds;
	bool check;	     /* it is only tried: the descriptors are not there */
	struct arena *arena; /* of FIELD_KEPT texts that are read */
	struct loop *loop;   /* of timers that are read */
	struct err err;	     /* the first that went wrong */
};

enum field_type {
	FIELD_NUM,   /* an unsigned number or enum of 1, 2, 4 or 8 bytes, or a bool */
	FIELD_INT,   /* a signed one of 4 or 8 bytes */
	FIELD_CHARS, /* char[]: a text of its own */
	FIELD_TEXT,  /* char *: from malloc(3), or NULL */
	FIELD_KEPT,  /* const char *: in image->arena, or NULL */
	FIELD_RAW,   /* any bytes: a socket address, a set of CPUs */
	FIELD_FD,    /* a descriptor that goes along, or -1 */
	FIELD_TIMER, /* struct timer, initialised: when it is due, if it is armed */
};

struct field {
	const char *name;
	enum field_type type;
	size_t offset, size;
	bool is_bool; /* any number but 0 is true */
};
#define FIELD(type_, of, member)                                                                   \
	{                                                                                          \
#member, FIELD_##type_, offsetof(struct of, member),                               \
			sizeof(((struct of *)0)->member),                                          \
			__builtin_types_compatible_p(__typeof__(&((struct of *)0)->member),        \
						     bool *)                                       \
	}

void image_init(struct image *im); /* to write */
void image_done(struct image *im);
PRINTF(2, 3) void image_fail(struct image *im, const char *fmt, ...);
/* 0, or -errno with the first sentence. */
MUST_CHECK int image_result(const struct image *im, struct err *e);

/* The fields of `of` into o, or out of it. */
void image_put(struct image *im, json_t *o, const struct field *f, size_t n, const void *of);
void image_get(struct image *im, const json_t *o, const struct field *f, size_t n, void *of);

/* One value by its name. */
void image_put_json(struct image *im, json_t *o, const char *name, json_t *value); /* steals */
void image_put_fd(struct image *im, json_t *o, const char *name, int fd);
int image_get_fd(struct image *im, const json_t *o, const char *name); /* -1: none, or check */
void image_put_bytes(struct image *im, json_t *o, const char *name, const void *data, size_t len);
/* Borrowed, of the image; NULL: none. */
const void *image_get_bytes(struct image *im, const json_t *o, const char *name, size_t *ret_len);
json_t *image_array(struct image *im, json_t *o, const char *name); /* a new one; borrowed */
json_t *image_add(struct image *im, json_t *array); /* a new object, its last; borrowed */

/* Into a sealed memfd, CLOEXEC as everything. */
MUST_CHECK int image_write(struct image *im, int *ret_fd, struct err *e);
/* Out of it. -EINVAL: it is none, or of a later format. */
MUST_CHECK int image_read(struct image *im, int fd, struct err *e);
/* Let go along what was put: without CLOEXEC; or (false) not. */
void image_pass(const struct image *im, bool on);

#endif
