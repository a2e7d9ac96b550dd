/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on the configuration as a whole; see spec.h.
 */
#include "ctl/spec_priv.h"

static const struct ctl_arg no_args[] = {{0}};

static const struct ctl_arg show_args[] = {
	{.name = "revision",
	 .type = CTL_UINT,
	 .flags = CTL_POS,
	 .min = 0,
	 .max = INT64_MAX,
	 .complete = "revision",
	 .help = "as it was then",
	 .def = "the newest"},
	{0},
};

static const struct ctl_arg set_args[] = {
	{.name = "metrics",
	 .type = CTL_STR,
	 .form = CTL_FORM_ENDPOINT,
	 .metavar = "ADDRESS:PORT",
	 .help = "serve OpenMetrics over HTTP there, or off",
	 .def = "off"},
	{.name = "mac-age",
	 .type = CTL_DURATION,
	 .min = 1000,
	 .max = 86400000,
	 .help = "for switches that do not say otherwise: forget a silent address after so long",
	 .def = "300s"},
	{.name = "log-level",
	 .type = CTL_CHOICE,
	 .choices = "error|warning|info|debug",
	 .help = "what the daemon logs",
	 .def = "info"},
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = "metrics|mac-age|log-level",
	 .help = "options that go back to their defaults"},
	{0},
};

static const struct ctl_arg load_args[] = {
	{.name = "file",
	 .type = CTL_FILE,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .complete = "file",
	 .help = "commands, one a line, as 'config show' prints; - for standard input"},
	{.name = "merge", .type = CTL_FLAG, .help = "add to what there is instead of replacing it"},
	{0},
};

static const struct ctl_arg diff_args[] = {
	{.name = "revision",
	 .type = CTL_UINT,
	 .flags = CTL_POS | CTL_OR,
	 .min = 0,
	 .max = INT64_MAX,
	 .help = "an earlier revision",
	 .def = "the one before"},
	{.name = "file",
	 .type = CTL_FILE,
	 .flags = CTL_POS,
	 .complete = "file",
	 .help = "or a file of commands"},
	{0},
};

static const struct ctl_arg history_args[] = {
	{.name = "limit",
	 .type = CTL_UINT,
	 .min = 1,
	 .max = 100000,
	 .metavar = "N",
	 .help = "at most so many revisions, newest first",
	 .def = "20"},
	{0},
};

static const struct ctl_arg rollback_args[] = {
	{.name = "revision",
	 .type = CTL_UINT,
	 .flags = CTL_POS,
	 .min = 0,
	 .max = INT64_MAX,
	 .complete = "revision",
	 .help = "the revision to go back to",
	 .def = "the one before; while a change waits for its confirmation, the one before that"},
	{0},
};

static const struct ctl_arg check_args[] = {
	{.name = "file",
	 .type = CTL_FILE,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .complete = "file",
	 .help = "commands, one a line; - for standard input"},
	{.name = "merge", .type = CTL_FLAG, .help = "as 'config load --merge' would"},
	{0},
};

static const struct ctl_col change_cols[] = {
	{"op", "CHANGE", CTL_LEFT, CTL_AS_IS, false},
	{"kind", "KIND", CTL_LEFT, CTL_AS_IS, true},
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"command", "COMMAND", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col history_cols[] = {
	{"revision", "REVISION", CTL_RIGHT, CTL_AS_IS, true},
	{"time", "TIME", CTL_LEFT, CTL_AS_TIME, false},
	{"who", "WHO", CTL_LEFT, CTL_AS_IS, false},
	{"command", "COMMAND", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

#define CHANGES_ANSWER                                                                             \
	"\"changes\": [{\"op\": add, remove or change, \"kind\", \"name\", \"before\", "           \
	"\"after\", "                                                                              \
	"\"command\"}]"

const struct ctl_spec ctl_spec_configs[] = {
	{
		.noun = "config",
		.verb = "show",
		.summary = "Print the commands that recreate the configuration",
		.examples = (const char *const[]){"vswitchctl config show > backup.conf",
						  "vswitchctl config show 12", NULL},
		.args = show_args,
		.flags = CTL_DEFAULT | CTL_TEXT,
		.answer = "{\"revision\", \"text\": commands, one a line, \"state\": {kind: {name: "
			  "parameters}}, \"confirm_left\": milliseconds until a change that waits "
			  "for its confirmation is undone, if there is one}",
	},
	{
		.noun = "config",
		.verb = "set",
		.summary = "Change a setting of the whole switch",
		.description = "What is not given is left as it is.",
		.examples = (const char *const[]){"vswitchctl config set --metrics 127.0.0.1:9464",
						  "vswitchctl config set --mac-age 10m", NULL},
		.args = set_args,
		.kind = "settings",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "config",
		.verb = "load",
		.summary = "Replace the configuration by a file of commands",
		.description = "All of the file is one change: it is applied whole or not at all, "
			       "and what is the "
			       "same before and after is not touched. Try it with --check first.",
		.examples =
			(const char *const[]){"vswitchctl config load backup.conf --check",
					      "vswitchctl config load backup.conf --confirm 60s",
					      "vswitchctl config load - --merge < more.conf", NULL},
		.args = load_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "config",
		.verb = "diff",
		.summary = "Show what differs from an earlier revision or a file",
		.examples =
			(const char *const[]){"vswitchctl config diff", "vswitchctl config diff 12",
					      "vswitchctl config diff backup.conf", NULL},
		.args = diff_args,
		.cols = change_cols,
		.rows = "changes",
		.answer = "{" CHANGES_ANSWER "}",
	},
	{
		.noun = "config",
		.verb = "history",
		.summary = "List the changes: when, who, what",
		.examples = (const char *const[]){"vswitchctl config history --limit 5", NULL},
		.args = history_args,
		.cols = history_cols,
		.rows = "history",
		.answer = "{\"revision\": the newest, \"unconfirmed\", \"history\": "
			  "[{\"revision\", \"time\": RFC 3339 text, "
			  "\"who\", \"command\", "
			  "\"changes\": [{\"kind\", \"name\", \"before\", \"after\"}]}]}",
	},
	{
		.noun = "config",
		.verb = "rollback",
		.summary = "Go back to an earlier revision",
		.description = "The way back is a change of its own: it can be rolled back too.",
		.examples = (const char *const[]){"vswitchctl config rollback",
						  "vswitchctl config rollback 12",
						  "vswitchctl config rollback 12 --check", NULL},
		.args = rollback_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "config",
		.verb = "confirm",
		.summary = "Keep a change that was made with --confirm",
		.examples = (const char *const[]){"vswitchctl config confirm", NULL},
		.args = no_args,
		.answer = "{\"revision\"}",
	},
	{
		.noun = "config",
		.verb = "check",
		.summary = "Check a file of commands without loading it",
		.description =
			"Exits with 0 when it could be loaded, and says which line could not.",
		.examples = (const char *const[]){"vswitchctl config check new.conf", NULL},
		.args = check_args,
		.cols = change_cols,
		.rows = "changes",
		.answer = "{" CHANGES_ANSWER "}",
	},
	{0},
};
