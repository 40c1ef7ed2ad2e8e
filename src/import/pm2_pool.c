/* SPDX-License-Identifier: MIT */
/* pm2_pool.c - one app of PM2 becomes one pool: what is not about its command or its
 * variables, and a word about each key that has no equal here. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "import/pm2_inner.h"

#define PM2_RESTARTS	  16 /* PM2's own, where only one of the two is given */
#define PM2_MIN_UPTIME_MS 1000
#define PM2_BACKOFF_MS	  15000 /* where its exp_backoff_restart_delay ends */
#define OUR_BACKOFF_MS	  10000
#define LIMIT_MAX	  1000000
#define BOOT_MAX	  1000
#define WORKERS_MAX	  4096
#define FAR_MS		  (400ull * 24 * 3600 * 1000)

/* A time of PM2's in one of our keys. false: not given, or told that it is none. */
static bool time_of(struct pm2_pool *p, const char *key, uint64_t *ret_ms)
{
	const json_t *v = pm2_get(p->conf, key);

	if (!v)
		return false;
	if (pm2_time(v, ret_ms) && *ret_ms <= FAR_MS)
		return true;
	pm2_note(p, "%s: no time that PM2 takes; it is left out", key);
	return false;
}

/* ---- how many ---- */

static void put_workers(struct pm2_pool *p)
{
	const json_t *v = pm2_get(p->conf, "instances");
	const char *text = json_string_value(v);
	int64_t n = 1;

	if (p->dumped && p->count > 0)
		n = p->count;
	else if (text && strcmp(text, "max") == 0)
		n = 0;
	else if (v && !pm2_number(v, &n))
		pm2_note(p, "instances: neither a number nor max; one worker is written");
	if (n > WORKERS_MAX || n < -WORKERS_MAX) {
		pm2_note(p, "instances: %" PRId64 " is more than the %d that a pool may have", n,
			 WORKERS_MAX);
		n = WORKERS_MAX;
	}
	if (n == 0)
		pm2_put(p, PART_POOL, "workers", "max");
	else
		pm2_put(p, PART_POOL, "workers", "%" PRId64, n);
}

/* ---- who ---- */

static void put_user(struct pm2_pool *p)
{
	char buf[SCALAR_BYTES];
	const char *user = pm2_scalar(pm2_get(p->conf, "uid"), buf);

	if (user && *user) {
		pm2_put_text(p, PART_POOL, "user", user);
	} else if (p->rq->user) {
		pm2_put_text(p, PART_POOL, "user", p->rq->user);
		pm2_remark(p, "user",
			   "as under PM2; without it the pool has a uid of its own, which is "
			   "safer, and must be able to read the program");
	}
	user = pm2_scalar(pm2_get(p->conf, "gid"), buf);
	if (user && *user)
		pm2_put_text(p, PART_POOL, "group", user);
}

/* ---- limits ---- */

static void put_memory(struct pm2_pool *p)
{
	const json_t *v = pm2_get(p->conf, "max_memory_restart");
	uint64_t bytes;

	if (!v || !pm2_is_on(v))
		return;
	if (!pm2_size(v, &bytes) || bytes < 1u << 20) {
		pm2_note(p, "max_memory_restart: no size of 1M or more that PM2 takes; it is "
			    "left out");
		return;
	}
	if (bytes % (1u << 20) == 0)
		pm2_put(p, PART_LIMITS, "memory", "%" PRIu64 "M", bytes >> 20);
	else
		pm2_put(p, PART_LIMITS, "memory", "%" PRIu64, bytes);
	pm2_remark(p, "max_memory_restart",
		   "PM2 looks now and then, and restarts gently what is above it; "
		   "limits.memory is the kernel's and ends the worker at once when it needs more. "
		   "Write more than that for a program that has short peaks");
}

/* ---- restarts ---- */

/* What PM2 counts are lives shorter than min_uptime in a row; what we count are restarts in
 * a window: so long that so many short lives fit, with the waits between them. */
static void put_limit(struct pm2_pool *p, uint64_t wait_ms)
{
	uint64_t uptime_ms = PM2_MIN_UPTIME_MS, window;
	int64_t n = PM2_RESTARTS;
	const json_t *v = pm2_get(p->conf, "max_restarts");
	char buf[TIME_BYTES];
	bool has_uptime = time_of(p, "min_uptime", &uptime_ms);

	if (v && (!pm2_number(v, &n) || n < 0 || n > LIMIT_MAX)) {
		pm2_note(p, "max_restarts: no number from 0 to %d; it is left out", LIMIT_MAX);
		v = NULL;
		n = PM2_RESTARTS;
	}
	if (!v && !has_uptime)
		return;
	/* Whole seconds, and no overflow: n is at most a million, FAR_MS 35 bits. */
	window = (uint64_t)(n > 0 ? n : 1) * (uptime_ms + wait_ms);
	window = (window + 999) / 1000 * 1000;
	if (window > FAR_MS)
		window = FAR_MS;
	pm2_put(p, PART_RESTART, "limit", "%" PRId64 "/%s", n,
		pm2_time_text(window ? window : 1000, buf));
	pm2_put(p, PART_RESTART, "boot_limit", "%" PRId64, n < 1 ? 1 : n > BOOT_MAX ? BOOT_MAX : n);
	pm2_remark(p, "max_restarts, min_uptime",
		   "PM2 counts short lives in a row, mpsup restarts in a window; the first "
		   "respawn comes at once");
}

/* The longest wait between two restarts. */
static uint64_t put_backoff(struct pm2_pool *p)
{
	uint64_t delay, most;
	char a[TIME_BYTES], b[TIME_BYTES];

	if (time_of(p, "exp_backoff_restart_delay", &delay) && delay > 0)
		most = delay > PM2_BACKOFF_MS ? delay : PM2_BACKOFF_MS;
	else if (time_of(p, "restart_delay", &delay) && delay > 0)
		most = delay;
	else
		return OUR_BACKOFF_MS;
	pm2_put(p, PART_RESTART, "backoff", "%s..%s", pm2_time_text(delay, a),
		pm2_time_text(most, b));
	return most;
}

static void put_once(struct pm2_pool *p)
{
	pm2_put(p, PART_RESTART, "limit", "0/400d");
	pm2_put(p, PART_RESTART, "boot_limit", "1");
	pm2_put(p, PART_RESTART, "on_failed", "hold");
	pm2_remark(p, "autorestart",
		   "off: a worker that ends is not started again. It is then shown as failed, "
		   "also after exit status 0; `mpsup restart` runs it once more");
}

static void put_fatal(struct pm2_pool *p)
{
	const json_t *v = pm2_get(p->conf, "stop_exit_codes"), *item;
	json_t *codes = json_is_array(v) ? json_copy((json_t *)(uintptr_t)v) :
					   json_pack("[O]", v ? v : json_null());
	char text[4 * 256 + 1] = "";
	size_t i, used = 0;
	int64_t n;

	json_array_foreach(codes, i, item)
	{
		if (!v)
			break;
		if (!pm2_number(item, &n) || n < 0 || n > 255)
			pm2_note(p, "stop_exit_codes: codes are 0 to 255; another is left out");
		else if (used + 5 < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%d",
						 used ? ", " : "", (int)n);
	}
	json_decref(codes);
	if (used)
		pm2_put(p, PART_RESTART, "fatal_exit", "[%s]", text);
}

static void put_restart(struct pm2_pool *p)
{
	const json_t *autorestart = pm2_get(p->conf, "autorestart");
	uint64_t ms, wait_ms = put_backoff(p);
	char buf[TIME_BYTES];

	if (autorestart && !pm2_is_on(autorestart))
		put_once(p);
	else
		put_limit(p, wait_ms);
	put_fatal(p);
	/* PM2's signal: programs wait for this one to end well. */
	pm2_put(p, PART_RESTART, "stop_signal", "INT");
	if (time_of(p, "kill_timeout", &ms))
		pm2_put(p, PART_RESTART, "stop_timeout", "%s", pm2_time_text(ms, buf));
	if (time_of(p, "listen_timeout", &ms))
		pm2_put(p, PART_RESTART, "ready_timeout", "%s",
			pm2_time_text(ms < 10 ? 10 : ms, buf));
}

/* ---- readiness ---- */

/* A program that may never listen: PM2 takes it as started when it is alive, and so do we.
 * By its bind() it can listen all the same. */
static void put_readiness(struct pm2_pool *p, const struct pm2_run *run, unsigned port)
{
	bool says_ready = pm2_is_on(pm2_get(p->conf, "wait_ready"));

	if (says_ready && run->node)
		pm2_remark(p, "wait_ready",
			   "ready is who listens, process.send('ready') is not waited for; "
			   "restart.ready_timeout says how long");
	if (port)
		return;
	if (run->cluster || (says_ready && run->node)) {
		pm2_remark(p, "port",
			   "PM2's file does not say where it listens: what it asks for is opened "
			   "then. `port: N` here opens it before, and refuses others");
		return;
	}
	if (run->node)
		pm2_put(p, PART_POOL, "protocol", "bind");
	pm2_put(p, PART_RESTART, "ready", "1s");
	pm2_remark(p, "port",
		   "no PORT is named, so it may be a program that never listens: it is ready when "
		   "it has been alive for 1 s, as under PM2. For a server write port: N, and take "
		   "restart.ready%s out",
		   run->node ? " and protocol" : "");
}

/* ---- all the other keys ---- */

/* Keys with the same advice are told together. */
static void put_advice(struct pm2_pool *p, const char *advice, bool *told)
{
	char names[400] = "";
	size_t used = 0;

	for (size_t i = 0; i < pm2_keys_count; i++) {
		const struct pm2_key *k = &pm2_keys[i];

		if (told[i] || strcmp(k->advice, advice) != 0)
			continue;
		told[i] = true;
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
					 used ? ", " : "", k->name);
	}
	pm2_remark(p, names, "%s", advice);
}

static void put_others(struct pm2_pool *p)
{
	bool told[128] = { 0 };

	_Static_assert(ARRAY_LEN(told) >= 100, "one for each key");
	for (size_t i = 0; i < pm2_keys_count && i < ARRAY_LEN(told); i++) {
		const struct pm2_key *k = &pm2_keys[i];
		const json_t *v = pm2_get(p->conf, k->name);

		told[i] = !k->advice || !v || (p->dumped && k->does == PM2_FILLED) ||
			  pm2_is_on(v) == (k->does == PM2_OPT_OUT);
	}
	for (size_t i = 0; i < pm2_keys_count && i < ARRAY_LEN(told); i++)
		if (!told[i])
			put_advice(p, pm2_keys[i].advice, told);
}

/* In the file and on the terminal: what nobody knows may be what matters. */
static void put_unknown(struct pm2_pool *p)
{
	const json_t *env = json_object_get(p->conf, "env");
	const char *key, *near;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)p->conf, key, v)
	{
		if (pm2_key_find(key) || (strncmp(key, "env_", 4) == 0 && !json_is_string(v)))
			continue;
		/* PM2 writes the variables beside its keys, too. */
		if (p->dumped && (json_object_get(env, key) || strncmp(key, "axm_", 4) == 0 ||
				  strncmp(key, "_km_", 4) == 0))
			continue;
		near = pm2_key_nearest(key);
		pm2_note(p, "'%.60s' is none of PM2's keys and is left out%s%s%s", key,
			 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
		pm2_remark(p, key, "none of PM2's keys, left out");
	}
}

static void put_schedule(struct pm2_pool *p)
{
	char buf[SCALAR_BYTES];
	const json_t *v = pm2_get(p->conf, "cron_restart");
	const char *cron = pm2_scalar(v, buf);

	if (cron && pm2_is_on(v) && strcmp(cron, "0") != 0)
		pm2_remark(p, "cron_restart",
			   "mpsup has no schedule yet; a line for cron meanwhile: "
			   "%s mpsup restart %s",
			   cron, p->name);
}

int pm2_put_pool(struct pm2_pool *p, struct err *e)
{
	struct pm2_run run = { 0 };
	unsigned port = 0;
	int r = pm2_put_command(p, &run, e);

	if (r == 0) {
		put_workers(p);
		put_user(p);
		r = pm2_put_env(p, &port, e);
	}
	if (r == 0) {
		put_readiness(p, &run, port);
		put_memory(p);
		put_restart(p);
		put_schedule(p);
		put_others(p);
		put_unknown(p);
	}
	json_decref(run.command);
	return r;
}
