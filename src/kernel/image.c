/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define MAGIC	  "mpsup image\n"
#define BYTES_MAX (1u << 30)

struct head {
	char magic[sizeof(MAGIC) - 1];
	uint32_t format;
	uint64_t json_len, len;
};

void image_init(struct image *im)
{
	*im = (struct image){ .root = json_object() };
	if (!im->root)
		image_fail(im, "out of memory");
}

void image_done(struct image *im)
{
	json_decref(im->root);
	free(im->bytes);
	free(im->fds);
	*im = (struct image){ 0 };
}

void image_fail(struct image *im, const char *fmt, ...)
{
	va_list ap;

	if (im->err.code)
		return;
	im->err.code = -EINVAL;
	va_start(ap, fmt);
	(void)vsnprintf(im->err.msg, sizeof(im->err.msg), fmt, ap);
	va_end(ap);
}

int image_result(const struct image *im, struct err *e)
{
	if (im->err.code)
		*e = im->err;
	return im->err.code;
}

/* ---- one value ---- */

void image_put_json(struct image *im, json_t *o, const char *name, json_t *value)
{
	if (json_object_set_new(o, name, value) < 0)
		image_fail(im, "out of memory");
}

json_t *image_array(struct image *im, json_t *o, const char *name)
{
	json_t *array = json_array();

	image_put_json(im, o, name, array);
	return array;
}

json_t *image_add(struct image *im, json_t *array)
{
	json_t *o = json_object();

	if (json_array_append_new(array, o) < 0)
		image_fail(im, "out of memory");
	return o;
}

void image_put_fd(struct image *im, json_t *o, const char *name, int fd)
{
	int *more;

	image_put_json(im, o, name, json_integer(fd));
	if (fd < 0)
		return;
	if ((im->nfds & (im->nfds - 1)) == 0) {
		more = realloc(im->fds, (im->nfds ? 2 * im->nfds : 1) * sizeof(*more));
		if (!more) {
			image_fail(im, "out of memory");
			return;
		}
		im->fds = more;
	}
	im->fds[im->nfds++] = fd;
}

int image_get_fd(struct image *im, const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);
	int fd = v ? (int)json_integer_value(v) : -1;

	if (fd < 0 || im->check)
		return -1;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		image_fail(im, "%s: descriptor %d did not come along", name, fd);
		return -1;
	}
	return fd;
}

void image_put_bytes(struct image *im, json_t *o, const char *name, const void *data, size_t len)
{
	size_t size = im->size ? im->size : 4096;
	char *more;

	if (len == 0)
		return;
	while (size < im->len + len)
		size *= 2;
	more = size > im->size ? realloc(im->bytes, size) : im->bytes;
	if (!more || size > BYTES_MAX) {
		image_fail(im, "out of memory");
		return;
	}
	im->bytes = more;
	im->size = size;
	memcpy(im->bytes + im->len, data, len);
	image_put_json(im, o, name, json_pack("[I,I]", (json_int_t)im->len, (json_int_t)len));
	im->len += len;
}

const void *image_get_bytes(struct image *im, const json_t *o, const char *name, size_t *ret_len)
{
	const json_t *v = json_object_get(o, name);
	json_int_t at, len;

	*ret_len = 0;
	if (!v)
		return NULL;
	at = json_integer_value(json_array_get(v, 0));
	len = json_integer_value(json_array_get(v, 1));
	if (at < 0 || len < 0 || (size_t)at > im->len || (size_t)len > im->len - (size_t)at) {
		image_fail(im, "%s: bytes %lld at %lld are not in the image", name, (long long)len,
			   (long long)at);
		return NULL;
	}
	*ret_len = (size_t)len;
	return im->bytes + at;
}

/* ---- fields ---- */

static uint64_t number(const void *at, size_t size)
{
	uint8_t b;
	uint16_t h;
	uint32_t w;
	uint64_t d;

	switch (size) {
	case 1:
		memcpy(&b, at, 1);
		return b;
	case 2:
		memcpy(&h, at, 2);
		return h;
	case 4:
		memcpy(&w, at, 4);
		return w;
	default:
		memcpy(&d, at, 8);
		return d;
	}
}

static json_t *signed_number(const void *at, size_t size)
{
	int32_t w;
	int64_t d;

	if (size == 4) {
		memcpy(&w, at, 4);
		return json_integer(w);
	}
	memcpy(&d, at, 8);
	return json_integer(d);
}

static void put_text(struct image *im, json_t *o, const char *name, const char *s)
{
	if (s) /* any bytes: a path need not be UTF-8 */
		image_put_bytes(im, o, name, s, strlen(s) + 1);
}

static void put_timer(struct image *im, json_t *o, const char *name, const struct timer *t)
{
	if (t->armed)
		image_put_json(im, o, name, json_integer((json_int_t)t->at_ms));
}

static void put_one(struct image *im, json_t *o, const struct field *f, const void *of)
{
	const void *at = (const char *)of + f->offset;

	switch (f->type) {
	case FIELD_NUM:
		/* All 64 bits, as the signed number that has them. */
		image_put_json(im, o, f->name, json_integer((json_int_t)number(at, f->size)));
		break;
	case FIELD_INT:
		image_put_json(im, o, f->name, signed_number(at, f->size));
		break;
	case FIELD_CHARS:
		put_text(im, o, f->name, at);
		break;
	case FIELD_TEXT:
	case FIELD_KEPT:
		put_text(im, o, f->name, *(const char *const *)at);
		break;
	case FIELD_RAW:
		image_put_bytes(im, o, f->name, at, f->size);
		break;
	case FIELD_FD:
		image_put_fd(im, o, f->name, *(const int *)at);
		break;
	case FIELD_TIMER:
		put_timer(im, o, f->name, at);
		break;
	}
}

void image_put(struct image *im, json_t *o, const struct field *f, size_t n, const void *of)
{
	for (size_t i = 0; i < n; i++)
		put_one(im, o, &f[i], of);
}

static void set_number(void *at, size_t size, json_int_t n)
{
	uint8_t b = (uint8_t)n;
	uint16_t h = (uint16_t)n;
	uint32_t w = (uint32_t)n;
	uint64_t d = (uint64_t)n;
	const void *from = size == 1 ? (const void *)&b :
			   size == 2 ? (const void *)&h :
			   size == 4 ? (const void *)&w :
				       (const void *)&d;

	memcpy(at, from, size);
}

/* With its NUL; NULL: none, or not so. */
static const char *text_of(struct image *im, const json_t *o, const struct field *f)
{
	size_t len;
	const char *s = image_get_bytes(im, o, f->name, &len);

	if (!s)
		return NULL;
	if (len == 0 || s[len - 1] != '\0') {
		image_fail(im, "%s: not a text", f->name);
		return NULL;
	}
	return s;
}

static void get_text(struct image *im, const json_t *o, const struct field *f, void *at)
{
	const char *s = text_of(im, o, f);

	if (!s)
		return;
	if (f->type == FIELD_CHARS) {
		(void)snprintf(at, f->size, "%s", s);
		return;
	}
	if (f->type == FIELD_TEXT)
		free(*(char **)at);
	*(char **)at = f->type == FIELD_TEXT ? strdup(s) : arena_strdup(im->arena, s);
	if (!*(char **)at)
		image_fail(im, "out of memory");
}

static void get_raw(struct image *im, const json_t *o, const struct field *f, void *at)
{
	size_t len;
	const void *data = image_get_bytes(im, o, f->name, &len);

	if (data && len != f->size)
		image_fail(im, "%s: %zu bytes instead of %zu", f->name, len, f->size);
	else if (data)
		memcpy(at, data, len);
}

static void get_one(struct image *im, const json_t *o, const struct field *f, void *of)
{
	void *at = (char *)of + f->offset;
	const json_t *v = json_object_get(o, f->name);

	if (!v)
		return;
	switch (f->type) {
	case FIELD_NUM:
	case FIELD_INT:
		set_number(at, f->size,
			   f->is_bool ? json_integer_value(v) != 0 : json_integer_value(v));
		break;
	case FIELD_CHARS:
	case FIELD_TEXT:
	case FIELD_KEPT:
		get_text(im, o, f, at);
		break;
	case FIELD_RAW:
		get_raw(im, o, f, at);
		break;
	case FIELD_FD:
		*(int *)at = image_get_fd(im, o, f->name);
		break;
	case FIELD_TIMER:
		if (im->loop)
			timer_set(im->loop, at, (uint64_t)json_integer_value(v));
		break;
	}
}

void image_get(struct image *im, const json_t *o, const struct field *f, size_t n, void *of)
{
	for (size_t i = 0; i < n; i++)
		get_one(im, o, &f[i], of);
}

/* ---- the whole ---- */

static int write_all(int fd, const void *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0)
			return -errno;
		data = (const char *)data + n;
		len -= (size_t)n;
	}
	return 0;
}

int image_write(struct image *im, int *ret_fd, struct err *e)
{
	struct head h = { .format = IMAGE_FORMAT, .len = im->len };
	AUTO_FD int fd = -1;
	char *text;
	int r = image_result(im, e);

	if (r < 0)
		return r;
	text = json_dumps(im->root, JSON_COMPACT);
	if (!text)
		return err_set(e, -ENOMEM, "out of memory");
	h.json_len = strlen(text);
	memcpy(h.magic, MAGIC, sizeof(h.magic));
	fd = memfd_create("mpsup-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		r = -errno;
	if (r == 0)
		r = write_all(fd, &h, sizeof(h));
	if (r == 0)
		r = write_all(fd, text, h.json_len);
	if (r == 0)
		r = write_all(fd, im->bytes, im->len);
	free(text);
	if (r == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		r = -errno;
	if (r < 0)
		return err_sys(e, r, "write the image");
	*ret_fd = fd_take(&fd);
	return 0;
}

static bool is_head(const struct head *h, uint64_t size)
{
	return memcmp(h->magic, MAGIC, sizeof(h->magic)) == 0 && h->len <= BYTES_MAX &&
	       h->json_len <= BYTES_MAX && sizeof(*h) + h->json_len + h->len == size;
}

int image_read(struct image *im, int fd, struct err *e)
{
	const struct head *h;
	json_error_t why;
	struct stat st;
	char *map;

	*im = (struct image){ 0 };
	if (fstat(fd, &st) < 0)
		return err_sys(e, -errno, "the image");
	if ((uint64_t)st.st_size < sizeof(*h))
		return err_set(e, -EINVAL, "this is no image");
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return err_sys(e, -errno, "the image");
	h = (const void *)map;
	if (!is_head(h, (uint64_t)st.st_size)) {
		(void)err_set(e, -EINVAL, "this is no image");
	} else if (h->format > IMAGE_FORMAT) {
		(void)err_set(e, -EINVAL, "the image has format %u, and %u is known", h->format,
			      IMAGE_FORMAT);
	} else {
		im->root = json_loadb(map + sizeof(*h), h->json_len, 0, &why);
		im->bytes = malloc(h->len + 1);
		im->len = h->len;
		if (im->bytes)
			memcpy(im->bytes, map + sizeof(*h) + h->json_len, h->len);
		if (!im->root || !im->bytes)
			(void)err_set(e, -EINVAL, "the image: %s",
				      im->root ? "no memory" : why.text);
	}
	(void)munmap(map, (size_t)st.st_size);
	if (im->root && im->bytes)
		return 0;
	image_done(im);
	return e->code;
}

void image_pass(const struct image *im, bool on)
{
	for (unsigned i = 0; i < im->nfds; i++)
		ignore(fcntl(im->fds[i], F_SETFD, on ? 0 : FD_CLOEXEC));
}
