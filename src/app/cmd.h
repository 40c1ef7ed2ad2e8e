/* SPDX-License-Identifier: MIT */
/* cmd.h - the verbs of the command line, one file each (cmd_NAME.c).
 *
 * argc and argv are what follows the verb: for `mpsup stop web` the verb stop
 * gets argc 1 and argv[0] "web". Returns the exit status. Each prints its own
 * --help. */
#ifndef MPSUP_APP_CMD_H
#define MPSUP_APP_CMD_H

#include <stddef.h>

struct cmd {
	const char *name;
	const char *summary; /* half a line for the overview */
	int (*fn)(int argc, char **argv);
};

/* Ends with a NULL name; in the order of the overview. */
extern const struct cmd cmds[];

int cmd_run(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_logs(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_upgrade(int argc, char **argv);
int cmd_restart(int argc, char **argv);
int cmd_start(int argc, char **argv);
int cmd_reset(int argc, char **argv);
int cmd_apply(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_scale(int argc, char **argv);
int cmd_set(int argc, char **argv);
int cmd_signal(int argc, char **argv);
int cmd_send(int argc, char **argv);
int cmd_wait(int argc, char **argv);
int cmd_reopen(int argc, char **argv);

/* NULL when there is no such verb. */
const struct cmd *cmd_find(const char *name);

#endif
