/* SPDX-License-Identifier: MIT */
#include "config/keys.h"

#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "config/reading.h"

#define I    LEVEL_INSTANCE
#define P    LEVEL_POOL
#define M    LEVEL_LIMITS
#define T    LEVEL_TOTAL
#define R    LEVEL_RESTART
#define L    LEVEL_LOG
#define PL   LEVEL_POOL_LOG
#define C    LEVEL_CONTROL
#define PC   LEVEL_POOL_CONTROL
#define LIVE CHANGE_LIVE
#define ROLL CHANGE_RELOAD
#define HARD CHANGE_RESTART

/* Most keys have no words: their rows end before. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
/* clang-format off */
const struct key keys[] = {
	{ "name", 'n', "name", I, HARD, "NAME", "of the script or command", "name of the instance", take_name, "a to z, 0 to 9 and . _ -, at most 32", SHAPE_ONE },
	{ "config", 'c', "", I, HARD, "FILE", "none", "a file of pools; a NAME alone is /etc/mpsup/NAME.yaml, - is standard input", take_config, "a file", SHAPE_ARGV_ONLY },
	{ "port", 'p', "port", P, ROLL, "N", NULL, "listen on port N of all addresses, IPv4 and IPv6", take_port, "1 to 65535", SHAPE_EACH },
	{ "listen", 0, "listen", P, ROLL, "ADDR:PORT|unix:PATH[,...]", NULL, "listen there; repeatable; unix takes mode= user= group=, all take name=", take_listen, "ADDR:PORT, [ADDR6]:PORT or unix:PATH", SHAPE_EACH },
	{ "backlog", 0, "backlog", P, ROLL, "N", "4096", "length of the accept queue", take_backlog, "1 to 65535", SHAPE_ONE },
	{ "protocol", 0, "protocol", P, ROLL, "NAME", "auto", "how a worker gets the socket: auto, native, node-cluster, node-ipc, systemd, bind", take_protocol, "auto, native, node-cluster, node-ipc, systemd, bind", SHAPE_ONE, words_protocol },
	{ "balance", 0, "balance", P, ROLL, "MODE", "auto", "who gets a connection: shared, reuseport, roundrobin, sticky; auto by the protocol", take_balance, "auto, shared, reuseport, roundrobin, sticky", SHAPE_ONE, words_balance },
	{ "unlisted", 0, "unlisted", P, ROLL, "open|refuse|pass", "refuse; open without any --port", "a port that the program asks for and that was not configured", take_unlisted, "open, refuse or pass", SHAPE_ONE, words_unlisted },
	{ "compat", 0, "compat", P, ROLL, "einhorn,server-starter", "none", "variables of these masters too, for programs of socket activation", take_compat, "einhorn, server-starter, or both with a comma", SHAPE_WORDS, words_compat },
	{ "workers", 'w', "workers", P, LIVE, "N|max|-N", "max", "how many; max is one per CPU, -1 one less", take_workers, "1 to 4096, max, or -N", SHAPE_ONE },
	{ "cpus", 0, "cpus", P, ROLL, "all|physical|numa:N|llc:N|LIST", "all", "CPUs the workers are dealt over", take_cpus, "all, physical, numa:N, llc:N, or a list like 0-3,6", SHAPE_WORDS },
	{ "no-pin", 0, "no_pin", P, ROLL, NULL, NULL, "do not pin workers to their CPUs", take_no_pin, NULL, SHAPE_ONE },
	{ "spares", 0, "spares", P, LIVE, "N", "0", "started and parked; one takes the place of a dead worker at once", take_spares, "0 to 256", SHAPE_ONE },
	{ "parallel", 0, "parallel", P, LIVE, "N", "one per CPU, at least 2", "births at once", take_parallel, "1 to 1024", SHAPE_ONE },
	{ "cwd", 0, "cwd", P, ROLL, "DIR", "here, in a file its folder; / for the built-in worker", "working directory of the workers", take_cwd, "a folder", SHAPE_ONE },
	{ "env", 'e', "env", P, ROLL, "K=V", NULL, "set a variable; repeatable", take_env, "NAME=VALUE", SHAPE_PAIRS },
	{ "env-file", 0, "env_file", P, ROLL, "FILE", NULL, "variables from a file of NAME=VALUE lines", take_env_file, "a readable file", SHAPE_EACH },
	{ "credential", 0, "credential", P, ROLL, "NAME=FILE", NULL, "a secret file for the workers, in $CREDENTIALS_DIRECTORY/NAME; repeatable", take_credential, "NAME=FILE, NAME of letters, digits and . _ -", SHAPE_PAIRS },
	{ "env-inherit", 0, "env_inherit", P, ROLL, "all|none|NAMES", "all; in a file none", "what is taken from mpsup's own environment", take_env_inherit, "all, none or names with commas", SHAPE_WORDS },
	{ "user", 'u', "user", P, ROLL, "USER", "the one who called sudo; else, and in a file, a uid of the pool's own", "user of the workers", take_user, "a name or a number", SHAPE_ONE },
	{ "group", 'g', "group", P, ROLL, "GROUP", "the user's", "group of the workers", take_group, "a name or a number", SHAPE_ONE },
	{ "groups", 0, "groups", P, ROLL, "LIST", "none", "supplementary groups", take_groups, "names or numbers with commas", SHAPE_WORDS },
	{ "policy", 0, "policy", P, ROLL, "NAME|FILE", "by the command", "system calls: generic, node, static, or a file", take_policy, "a policy's name or a file", SHAPE_ONE },
	{ "view", 0, "view", P, ROLL, "app|host", "app", "what the workers see of the file system", take_view, "app or host", SHAPE_ONE, words_view },
	{ "ro", 0, "ro", P, ROLL, "PATH", NULL, "show this too, read-only; repeatable", take_ro, "an absolute path", SHAPE_EACH },
	{ "rw", 0, "rw", P, ROLL, "PATH", NULL, "show this too, writable; repeatable", take_rw, "an absolute path", SHAPE_EACH },
	{ "hide", 0, "hide", P, ROLL, "PATH", NULL, "cover this; repeatable", take_hide, "an absolute path", SHAPE_EACH },
	{ "net", 0, "net", P, ROLL, "host|none", "host", "none: the workers only accept, they connect to nothing", take_net, "host or none", SHAPE_ONE, words_net },
	{ "no-sandbox", 0, "no_sandbox", P, ROLL, "WORD", NULL, "accept a worker without this part of the cage; repeatable", take_no_sandbox, "a word of the cage", SHAPE_WORDS, cage_word_name },
	{ "require", 0, "require", P, ROLL, "all|WORD,...", NULL, "refuse to start without these parts", take_require, "all, or words of the cage", SHAPE_WORDS, cage_word_name, true },
	{ NULL, 0, "command", P, ROLL, "[WORD, ...]", "the built-in worker", "the program and its arguments; on a command line what follows --", take_command, "a list, as [node, server.js]", SHAPE_COMMAND },
	{ "demo", 0, "demo", P, ROLL, NULL, NULL, "built-in worker: serve /crash and /exit too", take_demo, NULL, SHAPE_ONE },
	{ "memory", 0, "memory", M, LIVE, "SIZE", "max", "more than this and the worker is ended whole (memory.max)", take_memory, "a size like 512M, at least 1M, or max", SHAPE_ONE },
	{ "memory-high", 0, "memory_high", M, LIVE, "SIZE", "max", "above this it is slowed down and its memory reclaimed (memory.high)", take_memory_high, "a size like 400M, at least 1M, or max", SHAPE_ONE },
	{ "swap", 0, "swap", M, LIVE, "SIZE", "max", "swap that it may use (memory.swap.max)", take_swap, "a size like 64M, 0, or max", SHAPE_ONE },
	{ "cpu-quota", 0, "cpu_quota", M, LIVE, "CPUS", "max", "CPU time in CPUs, over 100 ms (cpu.max)", take_cpu_quota, "CPUs like 1.5 or 150%, 0.01 to 4096, or max", SHAPE_ONE },
	{ "cpu-weight", 0, "cpu_weight", M, LIVE, "N", "the kernel's 100", "its share when CPUs are short (cpu.weight)", take_cpu_weight, "1 to 10000", SHAPE_ONE },
	{ "pids", 0, "pids", M, LIVE, "N", "1024", "processes and threads of a worker (pids.max)", take_pids, "2 to 4194304, or max", SHAPE_ONE },
	{ "io", 0, "io", M, LIVE, "DEV RATE=N...", NULL, "limit a disk, by a path or MAJ:MIN; rates rbps wbps riops wiops; repeatable (io.max)", take_io, "DEV and rates, as '/var rbps=10M wiops=200'", SHAPE_EACH },
	{ "raw", 0, "raw", M, LIVE, "FILE=VALUE", NULL, "any other file of a worker's cgroup; repeatable", take_raw, "FILE=VALUE, as memory.low=64M, not cgroup.*", SHAPE_PAIRS },
	{ "oom-score-adj", 0, "oom_score_adj", M, ROLL, "N", "mpsup's own, at least 0", "what the kernel ends first when the host is out of memory", take_oom_score_adj, "-1000 to 1000", SHAPE_ONE },
	{ "tmp", 0, "tmp", M, ROLL, "SIZE", "256M", "size of the private /tmp", take_tmp, "a size like 64M, at least 4K", SHAPE_ONE },
	{ "nofile", 0, "nofile", M, ROLL, "N", "65536", "open files of a worker (RLIMIT_NOFILE)", take_nofile, "64 to 1048576", SHAPE_ONE },
	{ NULL, 0, "memory", T, LIVE, "SIZE", "max", "memory of all workers of the pool together: above it one of them is ended whole", take_memory, "a size like 2G, at least 1M, or max", SHAPE_ONE },
	{ NULL, 0, "memory_high", T, LIVE, "SIZE", "max", "above this they are slowed down and their memory reclaimed", take_memory_high, "a size like 2G, at least 1M, or max", SHAPE_ONE },
	{ NULL, 0, "swap", T, LIVE, "SIZE", "max", "swap that they may use", take_swap, "a size like 64M, 0, or max", SHAPE_ONE },
	{ NULL, 0, "cpu_quota", T, LIVE, "CPUS", "max", "CPU time of all of them in CPUs, over 100 ms", take_cpu_quota, "CPUs like 1.5 or 150%, 0.01 to 4096, or max", SHAPE_ONE },
	{ NULL, 0, "cpu_weight", T, LIVE, "N", "the kernel's 100", "the share of the pool when CPUs are short", take_cpu_weight, "1 to 10000", SHAPE_ONE },
	{ NULL, 0, "pids", T, LIVE, "N", "max", "processes and threads of all of them", take_pids, "2 to 4194304, or max", SHAPE_ONE },
	{ NULL, 0, "io", T, LIVE, "DEV RATE=N...", "max", "limit a disk for all of them, as limits.io", take_io, "DEV and rates, as '/var rbps=10M wiops=200'", SHAPE_EACH },
	{ NULL, 0, "raw", T, LIVE, "FILE=VALUE", "none", "any other file of the pool's cgroup", take_raw, "FILE=VALUE, as memory.low=64M, not cgroup.*", SHAPE_PAIRS },
	{ "restart-limit", 0, "limit", R, LIVE, "N/DURATION", "10/60s", "more restarts of a worker than this: it has failed", take_restart_limit, "N/DURATION, as 10/60s, N up to 1000000", SHAPE_ONE },
	{ "boot-limit", 0, "boot_limit", R, LIVE, "N", "5", "starts in a row that never get ready: it has failed", take_boot_limit, "1 to 1000", SHAPE_ONE },
	{ "backoff", 0, "backoff", R, LIVE, "MIN..MAX", "100ms..10s", "wait between restarts, doubling", take_backoff, "MIN..MAX, as 100ms..10s, MIN not above MAX", SHAPE_ONE },
	{ "fatal-exit", 0, "fatal_exit", R, LIVE, "CODES", "none", "exit codes that are not worth a restart", take_fatal_exit, "codes 0 to 255 with commas, or none", SHAPE_WORDS },
	{ "on-failed", 0, "on_failed", R, LIVE, "exit|hold", "exit", "when every worker has failed: exit with 70, or stay", take_on_failed, "exit or hold", SHAPE_ONE, words_on_failed },
	{ "ready", 0, "ready", R, LIVE, "auto|notify|listen|exec|DURATION", "auto", "when a worker of systemd or bind counts as ready", take_ready, "auto, notify, listen, exec, or a duration", SHAPE_ONE, words_ready, true },
	{ "ready-timeout", 0, "ready_timeout", R, LIVE, "DURATION", "30s", "a worker that is not ready by then is ended", take_ready_timeout, "a duration like 30s, 10ms to 400d", SHAPE_ONE },
	{ "surge", 0, "surge", R, LIVE, "N|all", "a quarter of the workers, at least 2", "new workers that boot beside the old ones at once in a reload, and take over together", take_surge, "1 to 4096, or all", SHAPE_ONE, words_surge, true },
	{ "drain-timeout", 0, "drain_timeout", R, LIVE, "DURATION", "60s", "time to finish open connections (at most 30s in a stop)", take_drain_timeout, "a duration like 60s, 0 to 400d", SHAPE_ONE },
	{ "drain", 0, "drain", R, LIVE, "auto|protocol|observe|signal", "auto", "how a worker that leaves ends its connections: its protocol has a word for it, they are watched until they are done, or it gets the stop signal at once", take_drain, "auto, protocol, observe or signal", SHAPE_ONE, words_drain },
	{ "drain-idle", 0, "drain_idle", R, LIVE, "DURATION", "5s", "while they are watched: a connection that rests so long is done", take_drain_idle, "a duration like 5s, 100ms to 400d", SHAPE_ONE },
	{ "stop-timeout", 0, "stop_timeout", R, LIVE, "DURATION", "10s", "from the stop signal to the end by force", take_stop_timeout, "a duration like 10s, 0 to 400d", SHAPE_ONE },
	{ "stop-signal", 0, "stop_signal", R, LIVE, "SIGNAL", "TERM", "what asks a worker to end", take_stop_signal, "a signal like TERM", SHAPE_ONE },
	{ "max-age", 0, "max_age", R, LIVE, "DURATION", "off", "a worker that is older is replaced, hitless; up to a tenth earlier, never two at once", take_max_age, "a duration, 1s to 400d, or off", SHAPE_ONE },
	{ "recycle-memory", 0, "recycle_memory", R, ROLL, "SIZE", "off", "a worker that uses more is replaced, hitless, before limits.memory ends it", take_recycle_memory, "a size like 200M, at least 1M, or off", SHAPE_ONE },
	{ "watchdog", 0, "watchdog", R, LIVE, "DURATION", "off", "a worker that is silent, or whose event loop is blocked, for so long is ended", take_watchdog, "a duration, 100ms to 400d, or off", SHAPE_ONE },
	{ "daemonize", 'd', "daemonize", I, HARD, NULL, NULL, "go to the background when every pool is ready", take_daemonize, NULL, SHAPE_ONE },
	{ "pidfile", 0, "pidfile", I, HARD, "FILE", "none", "the master's pid, for other programs", take_pidfile, "a file", SHAPE_ONE },
	{ "log-file", 0, "file", L, LIVE, "FILE", "standard error; in the background mpsup.log in the instance's log folder", "mpsup's own log", take_log_file, "a file", SHAPE_ONE },
	{ "log-format", 0, "format", L, HARD, "text|json", "text", "form of the log", take_log_format, "text or json", SHAPE_ONE, words_log_format },
	{ "quiet", 'q', "quiet", L, HARD, NULL, NULL, "only warnings and errors", take_quiet, NULL, SHAPE_ONE },
	{ "verbose", 'v', "verbose", L, HARD, NULL, NULL, "more of what happens", take_verbose, NULL, SHAPE_ONE },
	{ NULL, 0, "file", PL, LIVE, "FILE", "the terminal; under systemd the journal; in the background POOL.log in the instance's log folder", "where the lines of the workers go; none: nowhere (mpsup logs has the last ones all the same)", take_pool_log_file, "an absolute path (in a file also one that begins at its folder), or none", SHAPE_ONE },
	{ NULL, 0, "rotate", PL, LIVE, "SIZE", "32M", "a log file that is longer is renamed to FILE.1, that to FILE.2; none: never, for a user of logrotate", take_pool_log_rotate, "a size like 32M, at least 4K, or none", SHAPE_ONE },
	{ NULL, 0, "keep", PL, LIVE, "N", "5", "so many renamed ones are kept", take_pool_log_keep, "0 to 1000", SHAPE_ONE },
	{ NULL, 0, "format", PL, LIVE, "text|json", "the instance's log.format", "form of the lines", take_pool_log_format, "text or json", SHAPE_ONE, words_log_format },
	{ NULL, 0, "rate", PL, LIVE, "N/DURATION", "none", "more lines of a worker than this are dropped, counted and told", take_pool_log_rate, "N/DURATION, as 1000/10s, at least 1/100ms, or none", SHAPE_ONE },
	{ "control-group", 0, "group", C, HARD, "GROUP", "none", "its members may look, stop, start, restart and reset", take_control_group, "a group, or none", SHAPE_ONE },
	{ "view-group", 0, "view_group", C, HARD, "GROUP", "none", "its members may look", take_view_group, "a group, or none", SHAPE_ONE },
	{ NULL, 0, "group", PC, LIVE, "GROUP", "none", "its members may look at this pool, stop, start, restart, reset and scale it", take_pool_control_group, "a group, or none", SHAPE_ONE },
	{ NULL, 0, "view_group", PC, LIVE, "GROUP", "none", "its members may look at this pool", take_pool_view_group, "a group, or none", SHAPE_ONE },
	{ NULL, 0, "parallel", I, HARD, "N", "4 per CPU, at least 8", "births at once over all pools; one that waits for something else than a CPU does not count", take_parallel_all, "1 to 4096", SHAPE_ONE },
	{ "strict", 0, "strict", I, HARD, NULL, NULL, "refuse to start if any pool cannot", take_strict, NULL, SHAPE_ONE },
	{ "set", 0, "set", I, HARD, "KEY=VALUE", NULL, "any key of a pool by its name in a file; repeatable", take_set, "KEY=VALUE, with a key of a pool", SHAPE_ARGV_ONLY },
	{ "help", 'h', "", I, HARD, NULL, NULL, "this text", take_help, NULL, SHAPE_ARGV_ONLY },
	{ "version", 0, "", I, HARD, NULL, NULL, "the version", take_version, NULL, SHAPE_ARGV_ONLY },
};
/* clang-format on */
#pragma GCC diagnostic pop
const size_t keys_count = ARRAY_LEN(keys);

static const char *const planned[] = {
	"metrics", "seccomp-profile", "state", "root", "connect",
	"userns",  "keep-cap",	      "core",  "kill", "watch",
};

static const char *const level_folder[LEVELS] = {
	[LEVEL_CONTROL] = "control.", [LEVEL_POOL_CONTROL] = "control.",
	[LEVEL_LOG] = "log.",	      [LEVEL_LIMITS] = "limits.",
	[LEVEL_TOTAL] = "total.",     [LEVEL_RESTART] = "restart.",
	[LEVEL_POOL_LOG] = "log.",
};

const char *keys_folder(enum key_level level)
{
	return level_folder[level] ? level_folder[level] : "";
}

static int is(const char *a, const char *name, size_t len)
{
	return a && strlen(a) == len && strncmp(a, name, len) == 0;
}

/* "limit", or "restart.limit" as a file nests it. */
static int is_key(const struct key *k, const char *name, size_t len)
{
	const char *folder = keys_folder(k->level);
	size_t n = strlen(folder);

	if (n && len > n && strncmp(folder, name, n) == 0)
		return is(k->key, name + n, len - n);
	return is(k->key, name, len);
}

const struct key *keys_find(const char *name, size_t len, int by_key)
{
	for (size_t i = 0; i < keys_count; i++)
		if (by_key ? keys_is_pool(&keys[i]) && is_key(&keys[i], name, len) :
			     is(keys[i].option, name, len))
			return &keys[i];
	return NULL;
}

const struct key *keys_find_at(enum key_level level, const char *name)
{
	for (size_t i = 0; i < keys_count; i++)
		if (keys[i].level == level && keys[i].shape != SHAPE_ARGV_ONLY &&
		    strcmp(keys[i].key, name) == 0)
			return &keys[i];
	return NULL;
}

const struct key *keys_find_any(bool of_pool, const char *name)
{
	const struct key *k = NULL;

	for (enum key_level l = 0; l < LEVELS && !k; l++)
		if (keys_level_is_pool(l) == of_pool)
			k = keys_find_at(l, name);
	return k;
}

const struct key *keys_find_letter(char letter)
{
	for (size_t i = 0; i < keys_count; i++)
		if (keys[i].letter && keys[i].letter == letter)
			return &keys[i];
	return NULL;
}

int keys_is_planned(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(planned); i++)
		if (is(planned[i], name, len))
			return 1;
	return 0;
}

const char *keys_nearest(const char *name, int by_key)
{
	const char *names[ARRAY_LEN(keys) + 1];
	size_t n = 0;

	for (size_t i = 0; i < keys_count; i++)
		if (by_key ? keys_is_pool(&keys[i]) : keys[i].option != NULL)
			names[n++] = by_key ? keys[i].key : keys[i].option;
	names[n] = NULL;
	return nearest_word(name, names);
}

bool keys_level_is_pool(enum key_level level)
{
	return level >= LEVEL_POOL;
}

int keys_is_pool(const struct key *k)
{
	return keys_level_is_pool(k->level);
}

const struct key *keys_in_words_of_file(char *text, size_t size)
{
	const struct key *first = NULL;
	char *p = text;

	while ((p = strstr(p, "--"))) {
		size_t len = strspn(p + 2, "abcdefghijklmnopqrstuvwxyz_.-"), n, rest;
		const struct key *k = keys_find(p + 2, len, 0);

		char name[96];

		/* One that has no option of its own: "--total.memory". */
		if (!k && strncmp(p + 2, "total.", 6) == 0)
			k = keys_find(p + 2, len, 1);

		if (!k || !*k->key || (p > text && p[-1] != ' ' && p[-1] != '\'')) {
			p += 2 + len;
			continue;
		}
		n = (size_t)snprintf(name, sizeof(name), "%s%s", keys_folder(k->level), k->key);
		rest = strlen(p + 2 + len) + 1;
		if ((size_t)(p - text) + n + rest > size)
			break;
		memmove(p + n, p + 2 + len, rest);
		memcpy(p, name, n);
		p += n;
		if (!first)
			first = k;
	}
	return first;
}
