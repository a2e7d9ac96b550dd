/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The parts of vswitchctl: the options that every command takes, help in its forms, completion, and
 * the commands that are more than one call.  One thread; main.c wires.
 */
#ifndef CTL_TOOL_H
#define CTL_TOOL_H

#include "ctl/base/err.h"
#include "ctl/spec.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

struct ctl_client;

/* What was said before or beside the command's own arguments. */
struct ctl_tool {
	const char *socket;
	int timeout_ms;
	bool json, check, help, version, watch;
	unsigned interval_ms; /* of --watch */
	uint64_t confirm_ms;
	struct ctl_client *client; /* NULL until the first call */
};

void ctl_tool_init(struct ctl_tool *tool);
void ctl_tool_fini(struct ctl_tool *tool);

/* The options themselves, for help and completion; ended by .name == NULL. */
const struct ctl_arg *ctl_tool_options(void);

/* Takes the tool's options out of argv[0..argc): up to the first other word when 'spec' is NULL,
 * else all that are not the command's own.  Returns how many words are left (in front), or -EINVAL.
 */
int ctl_tool_take_options(struct ctl_tool *tool, const struct ctl_spec *spec, int argc, char **argv,
			  struct err *err);

/* The command that 'words' name: NOUN VERB, or NOUN alone.  Sets how many words that took.  -EINVAL
 * (slug "usage"). */
int ctl_tool_find(int argc, char *const argv[], const struct ctl_spec **ret_spec, int *ret_n_words,
		  struct err *err);

/* One call, connecting first if need be.  'fd' goes with it unless it is negative. */
int ctl_tool_call(struct ctl_tool *tool, const struct ctl_spec *spec, const json_t *params, int fd,
		  json_t **ret_answer, struct err *err);
/* Prints the error as the tool's options say; returns the exit code. */
int ctl_tool_fail(const struct ctl_tool *tool, const struct err *err);
void ctl_tool_print_json(const json_t *json, bool one_line);

/* Runs a command to its end; returns the exit code. */
int ctl_tool_watch(struct ctl_tool *tool, const struct ctl_spec *spec, const json_t *params);
int ctl_tool_stream(struct ctl_tool *tool, const struct ctl_spec *spec, const json_t *params);
int ctl_tool_capture(struct ctl_tool *tool, const struct ctl_spec *spec, json_t *params);
/* capture_frame.c: where a flow is "pcap:FILE#N", frame N of that file takes its place. */
int ctl_tool_take_frame(json_t *params, struct err *err);
int ctl_tool_console(struct ctl_tool *tool, const struct ctl_spec *spec, const json_t *params);
int ctl_tool_connect(struct ctl_tool *tool, const struct ctl_spec *spec, const json_t *params);
/* map_dump.c: page after page. */
int ctl_tool_map_dump(struct ctl_tool *tool, const struct ctl_spec *spec, json_t *params);
int ctl_tool_disk(struct ctl_tool *tool, const struct ctl_spec *spec, const json_t *params);
int ctl_tool_doctor(struct ctl_tool *tool, const struct ctl_spec *spec, const json_t *params);

/* ^C and SIGTERM set ctl_tool_stopped instead of killing; returns whether it has come. */
void ctl_tool_catch_stop(void);
bool ctl_tool_stopped(void);

/* Help.  'width' is the terminal's, 0: 80. */
void ctl_help_all(FILE *f);
int ctl_help_noun(FILE *f, const char *noun); /* -ENOENT: no such noun */
void ctl_help_command(FILE *f, const struct ctl_spec *spec);
void ctl_help_man(FILE *f);
void ctl_help_markdown(FILE *f);
/* "port add SWITCH NAME --kind KIND [OPTION]..." */
void ctl_help_synopsis(FILE *f, const struct ctl_spec *spec);
/* What there is to say about an argument in one sentence: help, choices if asked for, range,
 * default.  The caller frees. */
char *ctl_help_details(const struct ctl_arg *arg, bool choices);

/* Completion: words[0..n) stand behind "vswitchctl", the last is to be completed.  Calls 'live' for
 * names of a kind (see ctl_arg.complete); 'put' gets each candidate, or ":file" when the shell
 * should complete file names. */
struct ctl_completer {
	void (*live)(struct ctl_completer *c, const char *kind, const char *prefix);
	void (*put)(struct ctl_completer *c, const char *candidate);
	void *ctx;
};
void ctl_complete(struct ctl_completer *c, int n, char *const words[]);
/* 'vswitchctl complete LINE', a command line up to the cursor: prints the candidates for its last
 * word, one a line. */
int ctl_tool_complete(struct ctl_tool *tool, const char *line);

#endif
