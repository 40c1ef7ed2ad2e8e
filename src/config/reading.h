/* SPDX-License-Identifier: MIT */
/* reading.h - what the options table writes into: a configuration in the making. */
#ifndef MPSUP_CONFIG_READING_H
#define MPSUP_CONFIG_READING_H

#include "config/config.h"
#include "config/keys.h"

struct reading {
	struct config *c;
	struct pool_config *p; /* NULL: keys of a pool have no place */
	struct arena *arena;   /* of the one that takes the value */
	struct limits *limits; /* p's, or its total */
	struct given at;       /* file, line and column of what is taken; file NULL: an option */
	const char *dir;       /* what paths of a file are relative to; NULL: they stay */
	bool quiet, verbose;
	bool again;	    /* values that were taken before: no file is read for them */
	bool help, version; /* asked for instead of a run */
};

/* One value of a key, as written: checked, taken, and kept in `given`. A flag has none. */
MUST_CHECK int reading_take(struct reading *rd, const struct key *k, const char *value,
			    struct err *e);
/* What contradicts what in a pool whose values were all taken. */
MUST_CHECK int reading_check_pool(const struct pool_config *p, struct err *e);
/* Defaults that depend on other keys of the text: cwd, ... */
MUST_CHECK int reading_finish_pool(struct reading *rd, struct err *e);
/* Another one of the same values, whose files are not read: pool_config_put() has what was
 * in them. -errno with a sentence: what was right is not any more. */
MUST_CHECK int pool_config_again(const struct pool_config *was, struct pool_config **ret,
				 struct err *e);
struct pool_config *pool_config_new(void); /* with the defaults; NULL: no memory */
struct config *config_new(void);
MUST_CHECK int config_add_pool(struct config *c, struct pool_config *p);
/* From words to config, without what a file or several pools are checked for: options.c */
MUST_CHECK int reading_take_argv(struct reading *rd, int argc, char **argv, struct err *e);
/* An absolute path of it, in the arena; NULL: no memory. */
const char *reading_path(struct reading *rd, const char *path);
/* The current folder; "/" when it cannot be told. NULL: no memory. */
const char *reading_here(struct arena *a);

/* The words of a key, with NULL at the end, in the order of its enum; each in the file of its
 * take function. */
extern const char *const words_protocol[],
	*const words_balance[],
		*const words_unlisted[],
			*const words_compat[],
				*const words_ready[],
					*const words_drain[],
						*const words_surge[],
							*const words_view[],
								*const words_net[],
									*const words_on_failed[],
										*const words_log_format
											[];

/* take*.c: one function a type or special case, named in the table. */
#define TAKE(name)                                                                                 \
	int take_##name(struct reading *rd, const struct key *k, const char *value, struct err *e)
TAKE(name);
TAKE(config);
TAKE(command);
TAKE(port);
TAKE(listen);
TAKE(backlog);
TAKE(cwd);
TAKE(env);
TAKE(env_file);
TAKE(credential);
TAKE(env_inherit);
TAKE(cpus);
TAKE(workers);
TAKE(no_pin);
TAKE(parallel);
TAKE(parallel_all);
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
TAKE(drain);
TAKE(drain_idle);
TAKE(surge);
TAKE(drain_timeout);
TAKE(max_age);
TAKE(recycle_memory);
TAKE(stop_timeout);
TAKE(stop_signal);
TAKE(watchdog);
TAKE(daemonize);
TAKE(pidfile);
TAKE(log_format);
TAKE(log_file);
TAKE(pool_log_file);
TAKE(pool_log_rotate);
TAKE(pool_log_keep);
TAKE(pool_log_format);
TAKE(pool_log_rate);
TAKE(quiet);
TAKE(verbose);
TAKE(control_group);
TAKE(view_group);
TAKE(pool_control_group);
TAKE(pool_view_group);
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
/* Which of the key's words it is; -EINVAL with the nearest one. */
MUST_CHECK int reading_one_of(const struct key *k, const char *value, int *ret, struct err *e);
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
