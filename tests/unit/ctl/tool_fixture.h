/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A daemon of paper: the real command table and the real control server, with handlers that answer
 * what a test needs, in a process of its own; and vswitchctl itself, run against it.
 */
#ifndef TESTS_UNIT_CTL_TOOL_FIXTURE_H
#define TESTS_UNIT_CTL_TOOL_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct daemon {
	char dir[64], socket[96];
	pid_t pid;
};

/* Starts it; it answers when this returns. */
void daemon_start(struct daemon *daemon);
void daemon_stop(struct daemon *daemon);

/* One run of the tool. */
struct run {
	int exit_code;
	char *out, *err;
};

/* The tool under test; set by main from its argument. */
extern const char *tool_path;

/* Runs "vswitchctl --socket SOCKET WORDS.." by a shell in the daemon's folder ("$T" is the tool)
 * and waits. */
void run_tool(const struct daemon *daemon, const char *words, struct run *ret_run);
void run_shell(const struct daemon *daemon, const char *script, struct run *ret_run);
void run_free(struct run *run);

#endif
