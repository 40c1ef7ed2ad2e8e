/* SPDX-License-Identifier: MIT */
/* pages.c - what the built-in worker answers. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "builtin/worker.h"

#define SLOW_MAX_MS 600000u

static enum MHD_Result answer(const struct worker *w, struct request *req, unsigned status,
			      const char *text)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result sent;

	if (!r)
		return MHD_NO;
	(void)MHD_add_response_header(r, "Content-Type", "text/plain; charset=utf-8");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(r, "Allow", "GET, HEAD");
	if (w->draining)
		(void)MHD_add_response_header(r, "Connection", "close");
	sent = MHD_queue_response(req->mhd, status, r);
	MHD_destroy_response(r);
	return sent;
}

static enum MHD_Result page_root(struct worker *w, struct request *req)
{
	char host_pid[16] = "-"; /* the master did not tell */
	char text[256];

	if (w->hello->host_pid > 0)
		(void)snprintf(host_pid, sizeof(host_pid), "%d", w->hello->host_pid);
	(void)snprintf(text, sizeof(text),
		       "I am worker, pid:%d, ppid:%d\n"
		       "slot:%u host-pid:%s generation:%u cpu:%d\n",
		       (int)w->pid, (int)w->parent, w->hello->slot, host_pid, w->hello->generation,
		       sched_getcpu());
	return answer(w, req, MHD_HTTP_OK, text);
}

static enum MHD_Result page_healthz(struct worker *w, struct request *req)
{
	return answer(w, req, MHD_HTTP_OK, "ok\n");
}

/* Digits only, 0 to max; false also when the argument is missing. */
static bool read_argument(struct request *req, const char *key, unsigned max, unsigned *ret)
{
	const char *s = MHD_lookup_connection_value(req->mhd, MHD_GET_ARGUMENT_KIND, key);
	unsigned n = 0;

	if (!s || !*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		n = n * 10 + (unsigned)(*s - '0');
		if (n > max)
			return false;
	}
	*ret = n;
	return true;
}

static enum MHD_Result page_slow(struct worker *w, struct request *req)
{
	unsigned ms;
	char text[64];

	if (!read_argument(req, "ms", SLOW_MAX_MS, &ms))
		return answer(w, req, MHD_HTTP_BAD_REQUEST,
			      "/slow?ms=N takes a number of milliseconds from 0 to 600000\n");
	if (ms > 0 && req->due_ms == 0) {
		req->due_ms = now_ms() + ms;
		req->next = w->slow;
		w->slow = req;
		MHD_suspend_connection(req->mhd);
		return MHD_YES;
	}
	(void)snprintf(text, sizeof(text), "waited %u ms\n", ms);
	return answer(w, req, MHD_HTTP_OK, text);
}

static enum MHD_Result page_crash(struct worker *w, struct request *req)
{
	(void)w;
	(void)req;
	(void)raise(SIGSEGV);
	abort(); /* a PID 1 is spared by its own signals, but not by this */
}

static enum MHD_Result page_exit(struct worker *w, struct request *req)
{
	unsigned code;

	if (!read_argument(req, "code", 255, &code))
		return answer(w, req, MHD_HTTP_BAD_REQUEST,
			      "/exit?code=N takes an exit status from 0 to 255\n");
	_exit((int)code);
}

static const struct {
	const char *path;
	bool demo; /* only with --demo */
	enum MHD_Result (*answer)(struct worker *w, struct request *req);
} pages[] = {
	{ "/", false, page_root },     { "/healthz", false, page_healthz },
	{ "/slow", false, page_slow }, { "/crash", true, page_crash },
	{ "/exit", true, page_exit },
};

enum MHD_Result pages_answer(struct worker *w, struct request *req, const char *path,
			     const char *method)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (strcmp(path, pages[i].path) != 0 || (pages[i].demo && !w->demo))
			continue;
		if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
			return answer(w, req, MHD_HTTP_METHOD_NOT_ALLOWED,
				      "only GET and HEAD are understood here\n");
		return pages[i].answer(w, req);
	}
	return answer(w, req, MHD_HTTP_NOT_FOUND, "there is no such page\n");
}
