/* SPDX-License-Identifier: MIT */
/* test_render.c - ctl/render: nothing of a worker reaches a terminal unchanged,
 * rows fit, and what is missing or of the wrong type is a dash. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "ctl/connect.h"
#include "ctl/render.h"

typedef void show(const struct render *r, const json_t *o);

/* What show() writes about a JSON text with ' for "; the caller frees it. */
static char *shown(show *fn, const char *json, bool colour)
{
	struct render r = { .colour = colour };
	char *text = strdup(json), *out = NULL;
	size_t len;
	json_t *o;

	assert_non_null(text);
	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	o = json_loads(text, 0, NULL);
	assert_non_null(o);
	r.out = open_memstream(&out, &len);
	assert_non_null(r.out);
	fn(&r, o);
	assert_int_equal(fclose(r.out), 0);
	json_decref(o);
	free(text);
	return out;
}

static void expect(show *fn, const char *json, const char *part)
{
	char *out = shown(fn, json, false);

	if (!strstr(out, part))
		fail_msg("'%s' is not in:\n%s", part, out);
	free(out);
}

static void check_end(const char *json, const char *expected)
{
	char end[RENDER_END_BYTES];
	json_t *o = json_loads(json, 0, NULL);

	assert_non_null(o);
	render_end(o, end);
	assert_string_equal(end, expected);
	json_decref(o);
}

static void ends_in_words(void **state)
{
	(void)state;
	check_end("{\"reason\":\"signal\",\"signal\":9}", "signal 9 (KILL)");
	check_end("{\"reason\":\"signal\",\"signal\":11,\"core_dumped\":true}",
		  "signal 11 (SEGV), core");
	check_end("{\"reason\":\"exit\",\"code\":0}", "code 0");
	check_end("{\"reason\":\"oom\",\"signal\":9}", "oom, signal 9 (KILL)");
	check_end("{\"reason\":\"start\",\"step\":\"drop capabilities\",\"errno\":1}",
		  "start, drop capabilities: EPERM");
	check_end("{\"reason\":\"watchdog\"}", "watchdog");
	check_end("{}", "-");
	check_end("{\"reason\":7,\"signal\":\"x\",\"code\":[],\"step\":{}}", "-");
	check_end("{\"signal\":9999}", "signal 9999 (?)");
	check_end("{\"reason\":\"start\",\"step\":\"x\",\"errno\":99999}", "start, x: failed");
}

static void what_is_missing_is_a_dash(void **state)
{
	(void)state;
	expect(render_status, "{}", "-: mpsup -, master -, up -\n");
	expect(render_status, "{'pools':[{}]}", "protocol -, policy -");
	expect(render_status, "{'pools':[{'workers':[{}]}]}", "   s  -");
	expect(render_status, "{'pools':7,'master':[],'name':{}}", "-: mpsup -");
	expect(render_event, "{}", "-");
	expect(render_log, "{}", "-/spare | \n");
	expect(render_list_line, "{'name':'shop'}", "shop");
}

static const char *const wide =
	"{'name':'s','pools':[{'name':'web','state':'ready','listen':['[::]:3000'],'workers':["
	"{'slot':0,'role':'worker','state':'ready','pid':4194304,'cpus':'0-7,16-23,32-39,48-55',"
	"'uptime_ms':99999999999,'restarts':123456,'memory_bytes':1234567890123,"
	"'cpu_usec':99999999999999,'connections':123456,'status_text':"
	"'\xe5\xa4\x9a\xe8\xbf\x9b\xe7\xa8\x8b\xe5\xa4\x9a\xe8\xbf\x9b\xe7\xa8\x8b"
	"\xe5\xa4\x9a\xe8\xbf\x9b\xe7\xa8\x8b\xe5\xa4\x9a\xe8\xbf\x9b\xe7\xa8\x8b'}]}]}";

static void rows_fit(void **state)
{
	char *out = shown(render_status, wide, false), *rest = out, *line;

	(void)state;
	while ((line = strsep(&rest, "\n"))) {
		unsigned columns = 0;

		/* Each wide character here is three bytes and two columns. */
		for (const char *p = line; *p; p++)
			columns += (*p & 0xc0) != 0x80 ? ((*p & 0x80) ? 2 : 1) : 0;
		assert_in_range(columns, 0, RENDER_COLUMNS);
	}
	free(out);
	expect(render_status, wide, "...");
}

static void a_terminal_is_safe(void **state)
{
	static const char *const status =
		"{'name':'\\u001b[2J','pools':[{'name':'\\u001b]0;x\\u0007','state':'\\u202e',"
		"'reason':'a\\nb','listen':['\\u001b'],'workers':[{'slot':0,'state':'ready',"
		"'status_text':'\\u001b[31m','cpus':'\\u009b','certificates':[{'reason':"
		"'\\u001b','hint':'\\u001bc'}]}]}]}";
	static const char *const event =
		"{'event':'\\u001b','pool':'\\u001b','time':'\\u001b','\\u001b':'\\u001b',"
		"'more':{'\\u001b':'\\u009b'},'text':'\\r'}";
	static const char *const log = "{'pool':'\\u001b','slot':1,'line':'\\u001b[1m\\r\\n'}";
	static const struct {
		show *fn;
		const char *json;
	} all[] = {
		{ render_status, status },
		{ render_list_line, status },
		{ render_event, event },
		{ render_log, log },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		char *out = shown(all[i].fn, all[i].json, false);

		for (const char *p = out; *p; p++)
			assert_true((*p >= ' ' && *p < 0x7f) || *p == '\n');
		free(out);
	}
	expect(render_log, log, "\\x1b/1 | \\x1b[1m\\x0d\\x0a\n");
}

static void colour_ends_where_it_began(void **state)
{
	static const char *const one = "{'name':'s','pools':[{'name':'web','state':'failed',"
				       "'workers':[{'slot':0,'state':'ready'}]}]}";
	char *out = shown(render_status, one, true);
	size_t on = 0, off = 0;

	(void)state;
	for (const char *p = out; (p = strchr(p, '\033')); p++) {
		if (strncmp(p, "\033[0m", 4) == 0)
			off++;
		else
			on++;
	}
	assert_int_equal(on, off);
	assert_non_null(strstr(out, "\033[31mfailed\033[0m"));
	free(out);
	out = shown(render_status, one, false);
	assert_null(strchr(out, '\033'));
	free(out);
}

static void certificates_are_told(void **state)
{
	(void)state;
	expect(render_status, "{'pools':[{'name':'web','workers':[{'slot':3,'certificates':[]}]}]}",
	       "web/3 has never ended");
	expect(render_status,
	       "{'pools':[{'name':'web','workers':[{'slot':3,'certificates':[{'reason':'exit',"
	       "'code':1,'hint':'--rw /srv/shop/uploads would allow it'}]}]}]}",
	       "\n      --rw /srv/shop/uploads would allow it\n");
}

static void events_in_a_line(void **state)
{
	(void)state;
	expect(render_event,
	       "{'seq':7,'time':'T','event':'worker.exit','pool':'web','slot':2,'pid':99,"
	       "'reason':'signal','signal':9,'code':null,'ready':false,'uptime_ms':190}",
	       "web/2       pid 99  signal 9 (KILL) after 190 ms, never ready\n");
	expect(render_event,
	       "{'event':'worker.respawn','pool':'web','slot':2,'delay_ms':100,'from':'cold'}",
	       "delay_ms=100  from=cold\n");
	expect(render_event, "{'event':'worker.parked','pool':'web','slot':null}", "web/spare");
	expect(render_event, "{'event':'pool.ready','pool':'web','slot':null}", "web ");
}

/* ---- targets ---- */

static int target(const char *text, const char *instance, const char *rest)
{
	struct remote r = REMOTE_NONE;
	struct err e = { 0 };
	int n = remote_target(&r, text, &e);

	if (n == 0) {
		assert_string_equal(r.instance, instance);
		assert_string_equal(r.target, rest);
	} else {
		assert_true(e.msg[0]);
	}
	return n;
}

static void targets(void **state)
{
	char big[400];

	(void)state;
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(target(NULL, "", ""), 0);
	assert_int_equal(target("web", "", "web"), 0);
	assert_int_equal(target("web/3", "", "web/3"), 0);
	assert_int_equal(target("shop:", "shop", ""), 0);
	assert_int_equal(target("shop:web/3", "shop", "web/3"), 0);
	assert_int_equal(target(":web", NULL, NULL), -EINVAL);
	assert_int_equal(target("../x:web", NULL, NULL), -EINVAL);
	assert_int_equal(target("a/b:web", NULL, NULL), -EINVAL);
	assert_int_equal(target(big, NULL, NULL), -EINVAL);
}

static void one_instance_is_enough(void **state)
{
	struct instance_ref two[2] = { { .name = "api" }, { .name = "shop" } };
	const struct instance_refs both = { two, 2 }, none = { NULL, 0 };
	struct remote r = REMOTE_NONE;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(remote_open(&r, &none, &e), -ENOENT);
	assert_int_equal(remote_open(&r, &both, &e), -ENOTUNIQ);
	assert_non_null(strstr(e.msg, "api: shop:"));
	(void)snprintf(r.instance, sizeof(r.instance), "nobody");
	assert_int_equal(remote_open(&r, &both, &e), -ENOENT);
	remote_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_in_words),
		cmocka_unit_test(what_is_missing_is_a_dash),
		cmocka_unit_test(rows_fit),
		cmocka_unit_test(a_terminal_is_safe),
		cmocka_unit_test(colour_ends_where_it_began),
		cmocka_unit_test(certificates_are_told),
		cmocka_unit_test(events_in_a_line),
		cmocka_unit_test(targets),
		cmocka_unit_test(one_instance_is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
