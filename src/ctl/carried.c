/* SPDX-License-Identifier: MIT */
/* carried.c - the control socket, its clients and the events in an image of the master: who
 * follows events or waits for something does not notice an upgrade. */
#define _GNU_SOURCE
#include "ctl/carried.h"

#include <stdlib.h>
#include <string.h>

static const struct field ctl_fields[] = {
	FIELD(FD, ctl, fd),
	FIELD(CHARS, ctl, path),
	FIELD(NUM, ctl, seq),
	FIELD(NUM, ctl, reserved),
};

static const struct field event_fields[] = {
	FIELD(NUM, ctl_event, seq),
	FIELD(INT, ctl_event, time_ms),
	FIELD(CHARS, ctl_event, pool),
};

static const struct field client_fields[] = {
	FIELD(INT, ctl_client, pid),	      FIELD(NUM, ctl_client, uid),
	FIELD(NUM, ctl_client, gid),	      FIELD(NUM, ctl_client, rights),
	FIELD(NUM, ctl_client, closing),      FIELD(NUM, ctl_client, want_events),
	FIELD(NUM, ctl_client, want_logs),    FIELD(NUM, ctl_client, logs_err_only),
	FIELD(NUM, ctl_client, want_stop),    FIELD(NUM, ctl_client, only_waits),
	FIELD(INT, ctl_client, log_slot),     FIELD(INT, ctl_client, stop_slot),
	FIELD(NUM, ctl_client, want_ready),   FIELD(INT, ctl_client, ready_slot),
	FIELD(NUM, ctl_client, ready_after),  FIELD(NUM, ctl_client, by_twin),
	FIELD(NUM, ctl_client, want_applied), FIELD(NUM, ctl_client, apply_failed),
	FIELD(NUM, ctl_client, reload),	      FIELD(NUM, ctl_client, want_drained),
	FIELD(NUM, ctl_client, want_upgrade),
};

static void put_pool(struct image *im, json_t *o, const char *name, const struct pool *p)
{
	if (p)
		image_put_json(im, o, name, json_string(p->conf->name));
}

static void put_client(struct image *im, json_t *o, const struct ctl_client *cl)
{
	image_put_fd(im, o, "fd", cl->fd);
	image_put(im, o, client_fields, ARRAY_LEN(client_fields), cl);
	put_pool(im, o, "log_pool", cl->log_pool);
	put_pool(im, o, "stop_pool", cl->stop_pool);
	put_pool(im, o, "event_pool", cl->event_pool);
	put_pool(im, o, "ready_pool", cl->ready_pool);
	image_put_bytes(im, o, "in", cl->in, cl->in_len);
	image_put_bytes(im, o, "out", cl->out, cl->out_len);
	if (cl->refused)
		image_put_json(im, o, "refused", json_incref(cl->refused));
	if (cl->touched)
		image_put_json(im, o, "touched", json_incref(cl->touched));
}

void ctl_put(struct image *im, json_t *o, const struct ctl *c)
{
	json_t *events = image_array(im, o, "events"), *clients = image_array(im, o, "clients");

	image_put(im, o, ctl_fields, ARRAY_LEN(ctl_fields), c);
	list_each(it, &c->events) {
		const struct ctl_event *e = container_of(it, struct ctl_event, node);
		json_t *to = image_add(im, events);

		image_put(im, to, event_fields, ARRAY_LEN(event_fields), e);
		image_put_bytes(im, to, "line", e->line, e->len);
	}
	list_each(it, &c->clients)
		put_client(im, image_add(im, clients), container_of(it, struct ctl_client, node));
}

static void get_event(struct image *im, const json_t *o, struct ctl *c)
{
	struct ctl_event was = { 0 };
	size_t len;
	const char *line = image_get_bytes(im, o, "line", &len);

	image_get(im, o, event_fields, ARRAY_LEN(event_fields), &was);
	if (line)
		eventlog_add_again(c, &was, line, len);
}

static const struct pool *get_pool(const struct ctl *c, const json_t *o, const char *name)
{
	const char *called = json_string_value(json_object_get(o, name));

	for (unsigned i = 0; called && i < c->master->npools; i++)
		if (strcmp(c->master->pools[i]->conf->name, called) == 0)
			return c->master->pools[i];
	return NULL;
}

/* One that cannot be had again is let go: it asks once more. */
static void get_client(struct image *im, const json_t *o, struct ctl *c)
{
	int fd = image_get_fd(im, o, "fd");
	struct ctl_client *cl = fd < 0 ? NULL : client_new(c, fd);
	size_t in_len, out_len;
	const char *in = image_get_bytes(im, o, "in", &in_len);
	const char *out = image_get_bytes(im, o, "out", &out_len);

	if (!cl)
		return;
	image_get(im, o, client_fields, ARRAY_LEN(client_fields), cl);
	cl->log_pool = get_pool(c, o, "log_pool");
	cl->stop_pool = get_pool(c, o, "stop_pool");
	cl->event_pool = get_pool(c, o, "event_pool");
	cl->ready_pool = get_pool(c, o, "ready_pool");
	if (json_object_get(o, "refused"))
		cl->refused = json_deep_copy(json_object_get(o, "refused"));
	if (json_object_get(o, "touched"))
		cl->touched = json_deep_copy(json_object_get(o, "touched"));
	if (in && in_len < CTL_LINE_MAX) {
		memcpy(cl->in, in, in_len);
		cl->in_len = in_len;
	}
	if (out)
		client_append(cl, out, out_len);
	if (cl->fd >= 0)
		client_flush(cl);
}

int ctl_get(struct image *im, const json_t *o, struct ctl *c, struct master *m, struct err *e)
{
	const json_t *events = json_object_get(o, "events");
	const json_t *clients = json_object_get(o, "clients");
	int r;

	ctl_init(c, m);
	image_get(im, o, ctl_fields, ARRAY_LEN(ctl_fields), c);
	r = image_result(im, e);
	if (r < 0 || im->check)
		return r;
	r = ctl_watch(c, e);
	for (size_t i = 0; r == 0 && i < json_array_size(events); i++)
		get_event(im, json_array_get(events, i), c);
	for (size_t i = 0; r == 0 && i < json_array_size(clients); i++)
		get_client(im, json_array_get(clients, i), c);
	return r;
}
