/* SPDX-License-Identifier: MIT */
/* reading.h - what the options table writes into: a configuration in the making. */
#ifndef MPSUP_CONFIG_READING_H
#define MPSUP_CONFIG_READING_H

#include "config/config.h"
#include "config/keys.h"

struct reading {
	struct config *c;
	struct pool_config *p;
	bool no_ports; /* no --port or --listen so far */
	bool quiet, verbose, backlog_set;
	bool help, version; /* asked for instead of a run */
};

/* take*.c: one function a type or special case, named in the table. */
#define TAKE(name)                                                                                 \
	int take_##name(struct reading *rd, const struct key *k, const char *value, struct err *e)
TAKE(name);
TAKE(port);
TAKE(listen);
TAKE(backlog);
TAKE(cwd);
TAKE(env);
TAKE(env_file);
TAKE(env_inherit);
TAKE(cpus);
TAKE(workers);
TAKE(no_pin);
TAKE(parallel);
TAKE(spares);
TAKE(user);
TAKE(group);
TAKE(groups);
TAKE(protocol);
TAKE(balance);
TAKE(unlisted);
TAKE(compat);
TAKE(ready);
TAKE(view);
TAKE(ro);
TAKE(rw);
TAKE(hide);
TAKE(policy);
TAKE(net);
TAKE(no_sandbox);
TAKE(require);
TAKE(tmp);
TAKE(nofile);
TAKE(memory);
TAKE(memory_high);
TAKE(swap);
TAKE(cpu_quota);
TAKE(cpu_weight);
TAKE(pids);
TAKE(io);
TAKE(raw);
TAKE(oom_score_adj);
TAKE(restart_limit);
TAKE(boot_limit);
TAKE(backoff);
TAKE(on_failed);
TAKE(fatal_exit);
TAKE(ready_timeout);
TAKE(drain_timeout);
TAKE(stop_timeout);
TAKE(stop_signal);
TAKE(watchdog);
TAKE(daemonize);
TAKE(pidfile);
TAKE(log_format);
TAKE(log_file);
TAKE(quiet);
TAKE(verbose);
TAKE(control_group);
TAKE(view_group);
TAKE(demo);
TAKE(strict);
TAKE(set);
TAKE(help);
TAKE(version);

/* "--port: '99999' ...". Returns code. */
PRINTF(4, 5) int reading_wrong(const struct key *k, struct err *e, int code, const char *fmt, ...);

/* The common error, from a parse function's -EINVAL, -ERANGE or -ENOMEM. */
int reading_not_right(const struct key *k, const char *value, int why, struct err *e);
int reading_no_memory(struct err *e);
/* One word of a NULL-terminated list; -EINVAL with the nearest one. */
MUST_CHECK int reading_one_of(const struct key *k, const char *value, const char *const *words,
			      int *ret, struct err *e);
MUST_CHECK int reading_number(const struct key *k, const char *value, uint64_t min, uint64_t max,
			      uint64_t *ret, struct err *e);
MUST_CHECK int reading_duration(const struct key *k, const char *value, uint64_t min_ms,
				uint64_t *ret, struct err *e);
/* Words with commas into a NULL-terminated list of at least one. */
MUST_CHECK int reading_words(struct reading *rd, const char ***list, const struct key *k,
			     const char *value, struct err *e);
MUST_CHECK int reading_text(struct reading *rd, const char **to, const struct key *k,
			    const char *value, struct err *e);

/* Append to NULL-terminated or counted lists in the arena. */
MUST_CHECK int reading_append_text(struct reading *rd, const char ***list, const char *text);
MUST_CHECK int reading_append_env(struct reading *rd, const char *name, const char *value);
/* envfile.c */
MUST_CHECK int reading_env_file(struct reading *rd, const char *path, struct err *e);
/* listen.c */
MUST_CHECK int reading_add_listen(struct reading *rd, const struct key *k, const char *text,
				  struct err *e);
MUST_CHECK int reading_add_port(struct reading *rd, const struct key *k, const char *text,
				struct err *e);

#endif
