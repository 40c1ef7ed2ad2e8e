/* SPDX-License-Identifier: MIT */
/* pm2_keys.c - the one table of what PM2 documents, and of what its dump holds. */
#define _GNU_SOURCE
#include <string.h>
#include <strings.h>

#include "base/nearest.h"
#include "import/pm2_inner.h"

#define LOGS                                                                                       \
	"`mpsup logs` shows what workers write, the journal too under systemd: each line with "    \
	"POOL/SLOT and its time"
#define WATCH	"nothing here watches files yet: `mpsup restart` the pool after a change"
#define MONITOR "PM2's own monitoring: `mpsup status`, `mpsup events` and --json tell what happens"
#define CLOUD	"belongs to PM2's web service"
#define NOTHING "has no meaning here"

/* clang-format off */
const struct pm2_key pm2_keys[] = {
	{ "script", "exec cmd command pm_exec_path", PM2_MAPPED, NULL },
	{ "name", NULL, PM2_MAPPED, NULL },
	{ "cwd", "pm_cwd", PM2_MAPPED, NULL },
	{ "args", NULL, PM2_MAPPED, NULL },
	{ "exec_interpreter", "interpreter", PM2_MAPPED, NULL },
	{ "node_args", "interpreterArgs interpreter_args", PM2_MAPPED, NULL },
	{ "source_map_support", NULL, PM2_MAPPED, NULL },
	{ "exec_mode", NULL, PM2_MAPPED, NULL },
	{ "instances", NULL, PM2_MAPPED, NULL },
	{ "env", NULL, PM2_MAPPED, NULL },
	{ "env_file", NULL, PM2_MAPPED, NULL },
	{ "port", NULL, PM2_MAPPED, NULL },
	{ "increment_var", NULL, PM2_MAPPED, NULL },
	{ "instance_var", NULL, PM2_MAPPED, NULL },
	{ "max_memory_restart", NULL, PM2_MAPPED, NULL },
	{ "max_restarts", NULL, PM2_MAPPED, NULL },
	{ "min_uptime", NULL, PM2_MAPPED, NULL },
	{ "restart_delay", NULL, PM2_MAPPED, NULL },
	{ "exp_backoff_restart_delay", NULL, PM2_MAPPED, NULL },
	{ "autorestart", NULL, PM2_MAPPED, NULL },
	{ "stop_exit_codes", NULL, PM2_MAPPED, NULL },
	{ "kill_timeout", NULL, PM2_MAPPED, NULL },
	{ "listen_timeout", NULL, PM2_MAPPED, NULL },
	{ "wait_ready", NULL, PM2_MAPPED, NULL },
	{ "cron_restart", "cron", PM2_MAPPED, NULL },
	{ "uid", "user", PM2_MAPPED, NULL },
	{ "gid", NULL, PM2_MAPPED, NULL },

	{ "shutdown_with_message", NULL, PM2_WANTED, "no message 'shutdown' comes here: a Node worker is told to disconnect, then gets stop_signal; listen for it with process.on('SIGINT', ...)" },
	{ "watch", NULL, PM2_WANTED, WATCH },
	{ "ignore_watch", NULL, PM2_WANTED, WATCH },
	{ "watch_delay", NULL, PM2_WANTED, WATCH },
	{ "watch_options", NULL, PM2_WANTED, WATCH },
	{ "out_file", "out output out_log pm_out_log_path", PM2_FILLED, LOGS },
	{ "error_file", "error err err_file err_log pm_err_log_path", PM2_FILLED, LOGS },
	{ "log_file", "log pm_log_path", PM2_FILLED, LOGS },
	{ "merge_logs", "combine_logs", PM2_FILLED, LOGS },
	{ "log_date_format", NULL, PM2_WANTED, LOGS },
	{ "log_type", NULL, PM2_WANTED, LOGS },
	{ "time", NULL, PM2_WANTED, LOGS },
	{ "disable_logs", NULL, PM2_FILLED, LOGS },
	{ "pid_file", "pid pm_pid_path", PM2_FILLED, "`mpsup status --json` has the workers' pids; pidfile: at the top of this file is the master's" },
	{ "namespace", NULL, PM2_FILLED, "what belongs together is an instance here: a file of its own, and `mpsup stop INSTANCE:` for all of it" },
	{ "filter_env", NULL, PM2_FILLED, "not needed: nothing of the environment is passed on but what env_inherit names" },
	{ "disable_source_map_support", NULL, PM2_WANTED, "not needed: source maps are off unless node is told --enable-source-maps" },
	{ "force", NULL, PM2_WANTED, "not needed: the same program may be in several pools" },
	{ "execute_command", NULL, PM2_WANTED, "not needed: a command is any program" },
	{ "name_prefix", NULL, PM2_WANTED, "write it into the pool's name" },
	{ "append_env_to_name", NULL, PM2_WANTED, "write it into the pool's name" },
	{ "kill_retry_time", NULL, PM2_FILLED, "not needed: one stop_signal, and after stop_timeout the kernel ends the worker and all that it started" },
	{ "post_update", NULL, PM2_WANTED, CLOUD },
	{ "install_url", NULL, PM2_WANTED, CLOUD },
	{ "io", NULL, PM2_WANTED, CLOUD },
	{ "trace", NULL, PM2_FILLED, MONITOR },
	{ "disable_trace", NULL, PM2_FILLED, MONITOR },
	{ "v8", NULL, PM2_FILLED, MONITOR },
	{ "event_loop_inspector", NULL, PM2_FILLED, MONITOR },
	{ "deep_monitoring", NULL, PM2_FILLED, MONITOR },
	{ "write", NULL, PM2_WANTED, NOTHING },
	{ "windowsHide", NULL, PM2_INNER, NULL },
	{ "username", NULL, PM2_INNER, NULL },

	{ "autostart", NULL, PM2_OPT_OUT, "every pool of a file starts: take it out of the file, or `mpsup stop` it" },
	{ "treekill", NULL, PM2_OPT_OUT, "a worker's end is the end of all that it started, whatever it detached" },
	{ "vizion", NULL, PM2_OPT_OUT, NOTHING },
	{ "pmx", NULL, PM2_OPT_OUT, MONITOR },
	{ "automation", NULL, PM2_OPT_OUT, MONITOR },

	/* Of a dump. */
	{ "pm_id", NULL, PM2_INNER, NULL },
	{ "pm_uptime", NULL, PM2_INNER, NULL },
	{ "status", NULL, PM2_INNER, NULL },
	{ "restart_time", NULL, PM2_INNER, NULL },
	{ "unstable_restarts", NULL, PM2_INNER, NULL },
	{ "created_at", NULL, PM2_INNER, NULL },
	{ "prev_restart_delay", NULL, PM2_INNER, NULL },
	{ "exit_code", NULL, PM2_INNER, NULL },
	{ "km_link", NULL, PM2_INNER, NULL },
	{ "vizion_running", NULL, PM2_INNER, NULL },
	{ "versioning", NULL, PM2_INNER, NULL },
	{ "version", NULL, PM2_INNER, NULL },
	{ "node_version", NULL, PM2_INNER, NULL },
	{ "unique_id", NULL, PM2_INNER, NULL },
	{ "axm_actions", NULL, PM2_INNER, NULL },
	{ "axm_monitor", NULL, PM2_INNER, NULL },
	{ "axm_options", NULL, PM2_INNER, NULL },
	{ "axm_dynamic", NULL, PM2_INNER, NULL },
	{ "_km_monitored", NULL, PM2_INNER, NULL },
	{ "_pm2_version", NULL, PM2_INNER, NULL },
	{ "current_conf", NULL, PM2_INNER, NULL },
	{ "NODE_APP_INSTANCE", NULL, PM2_INNER, NULL },
};
/* clang-format on */
const size_t pm2_keys_count = ARRAY_LEN(pm2_keys);

/* The next of words with blanks between; NULL: none is left. */
static const char *next_word(const char **words, size_t *ret_len)
{
	const char *word = *words ? *words + strspn(*words, " ") : "";

	*ret_len = strcspn(word, " ");
	*words = word + *ret_len;
	return *ret_len ? word : NULL;
}

static bool is_alias(const struct pm2_key *k, const char *name)
{
	const char *rest = k->aliases, *word;
	size_t len;

	while ((word = next_word(&rest, &len)))
		if (strlen(name) == len && strncmp(word, name, len) == 0)
			return true;
	return false;
}

const struct pm2_key *pm2_key_find(const char *name)
{
	for (size_t i = 0; i < pm2_keys_count; i++)
		if (strcmp(pm2_keys[i].name, name) == 0 || is_alias(&pm2_keys[i], name))
			return &pm2_keys[i];
	return NULL;
}

const char *pm2_key_nearest(const char *name)
{
	const char *words[ARRAY_LEN(pm2_keys) + 1];
	size_t n = 0;

	for (size_t i = 0; i < pm2_keys_count; i++)
		if (pm2_keys[i].does != PM2_INNER)
			words[n++] = pm2_keys[i].name;
	words[n] = NULL;
	return nearest_word(name, words);
}

const json_t *pm2_get(const json_t *conf, const char *name)
{
	const struct pm2_key *k = pm2_key_find(name);
	const json_t *v = json_object_get(conf, name);
	const char *rest = k ? k->aliases : NULL, *word;
	char alias[40];
	size_t len;

	while ((!v || json_is_null(v)) && (word = next_word(&rest, &len))) {
		(void)snprintf(alias, sizeof(alias), "%.*s", (int)len, word);
		v = json_object_get(conf, alias);
	}
	return json_is_null(v) ? NULL : v;
}

bool pm2_is_on(const json_t *v)
{
	if (json_is_string(v))
		return *json_string_value(v) && strcasecmp(json_string_value(v), "false") != 0;
	if (json_is_number(v))
		return json_number_value(v) != 0;
	if (json_is_array(v))
		return json_array_size(v) > 0;
	return v && !json_is_null(v) && !json_is_false(v);
}
