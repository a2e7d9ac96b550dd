/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on OpenFlow rules; see spec.h.
 */
#include "ctl/spec_priv.h"

#define TABLE_ARG                                                                                  \
	{                                                                                          \
		.name = "table", .type = CTL_UINT, .min = 0, .max = 253, .metavar = "N",           \
		.help = "only of this table", .def = "all of them"                                 \
	}
#define STRICT_ARG                                                                                 \
	{                                                                                          \
		.name = "strict", .type = CTL_FLAG,                                                \
		.help = "only the flow of exactly this match and priority"                         \
	}

static const struct ctl_arg add_args[] = {
	CTL_THE_SWITCH("switch"),
	{.name = "flow",
	 .type = CTL_STR,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .metavar = "FLOW",
	 .help = "fields=values, then actions=LIST, as for ovs-ofctl"},
	{0},
};

static const struct ctl_arg mod_args[] = {
	CTL_THE_SWITCH("switch"),
	{.name = "flow",
	 .type = CTL_STR,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .metavar = "FLOW",
	 .help = "which flows, then actions=LIST"},
	STRICT_ARG,
	{0},
};

static const struct ctl_arg del_args[] = {
	CTL_THE_SWITCH("switch"),
	{.name = "flow",
	 .type = CTL_STR,
	 .flags = CTL_POS,
	 .metavar = "FLOW",
	 .help = "which flows: fields=values; all that match it or more",
	 .def = "all of them"},
	STRICT_ARG,
	{0},
};

static const struct ctl_arg list_args[] = {
	CTL_THE_SWITCH("switch"),
	{.name = "flow",
	 .type = CTL_STR,
	 .flags = CTL_POS,
	 .metavar = "FLOW",
	 .help = "only these: fields=values",
	 .def = "all of them"},
	TABLE_ARG,
	{.name = "sort",
	 .type = CTL_CHOICE,
	 .choices = "table|packets|bytes|age|idle",
	 .help = "most first; table: as they are looked at",
	 .def = "table"},
	{.name = "raw",
	 .type = CTL_FLAG,
	 .help = "as text that 'flow replace' and 'flow load' read, timeouts and cookies with it"},
	{0},
};

static const struct ctl_arg unused_args[] = {
	CTL_THE_SWITCH("switch"),
	{.name = "flow",
	 .type = CTL_STR,
	 .flags = CTL_POS,
	 .metavar = "FLOW",
	 .help = "only these: fields=values",
	 .def = "all of them"},
	TABLE_ARG,
	{.name = "since",
	 .type = CTL_DURATION,
	 .min = 1,
	 .max = 3650LL * 86400 * 1000,
	 .help = "for so long no packet came to them, and they are there for as long",
	 .def = "1d"},
	{0},
};

static const struct ctl_arg shadowed_args[] = {
	CTL_THE_SWITCH("switch"),
	{.name = "flow",
	 .type = CTL_STR,
	 .flags = CTL_POS,
	 .metavar = "FLOW",
	 .help = "only these: fields=values",
	 .def = "all of them"},
	TABLE_ARG,
	{.name = "from",
	 .type = CTL_UINT,
	 .min = 0,
	 .max = 10000000,
	 .metavar = "N",
	 .help = "not the first N: what 'looked_at' said when it was not all",
	 .def = "0"},
	{0},
};

static const struct ctl_arg load_args[] = {
	CTL_THE_SWITCH("switch"),
	{.name = "file",
	 .type = CTL_FD_IN,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .complete = "file",
	 .help = "flows, one a line, # for comments; - for standard input"},
	{0},
};

static const struct ctl_arg no_args[] = {{0}};

static const struct ctl_col flow_cols[] = {
	{"table", "TABLE", CTL_RIGHT, CTL_AS_IS, true},
	{"priority", "PRIORITY", CTL_RIGHT, CTL_AS_IS, true},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"age", "AGE", CTL_RIGHT, CTL_AS_AGE, false},
	{"idle", "IDLE", CTL_RIGHT, CTL_AS_AGE, false},
	{"match", "MATCH", CTL_LEFT, CTL_AS_IS, true},
	{"actions", "ACTIONS", CTL_LEFT, CTL_AS_IS, true},
	{0},
};

static const struct ctl_col shadowed_cols[] = {
	{"table", "TABLE", CTL_RIGHT, CTL_AS_IS, true},
	{"priority", "PRIORITY", CTL_RIGHT, CTL_AS_IS, true},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"match", "MATCH", CTL_LEFT, CTL_AS_IS, true},
	{"actions", "ACTIONS", CTL_LEFT, CTL_AS_IS, true},
	{"why", "WHY", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col stats_cols[] = {
	{"entries", "cached flows", CTL_LEFT, CTL_AS_COUNT, false},
	{"hits", "packets found", CTL_LEFT, CTL_AS_COUNT, false},
	{"misses", "packets translated", CTL_LEFT, CTL_AS_COUNT, false},
	{"probes_per_packet", "probes a packet", CTL_LEFT, CTL_AS_IS, false},
	{"inserted", "inserted", CTL_LEFT, CTL_AS_COUNT, false},
	{"refused", "refused", CTL_LEFT, CTL_AS_COUNT, false},
	{"expired", "expired", CTL_LEFT, CTL_AS_COUNT, false},
	{"invalidated", "invalidated by changes", CTL_LEFT, CTL_AS_COUNT, false},
	{0},
};

const struct ctl_spec ctl_spec_flows[] = {
	{
		.noun = "flow",
		.verb = "add",
		.summary = "Add a flow to a switch",
		.description = "A switch starts with the one rule NORMAL: it learns. Flows are "
			       "looked at first when "
			       "their priority is higher (32768 unless given). When the command "
			       "returns, packets "
			       "follow the new flow. Flows are not part of the configuration: a "
			       "restart forgets them.",
		.examples =
			(const char *const[]){
				"vswitchctl flow add lan0 'in_port=web,tcp,tp_dst=80,actions=db'",
				"vswitchctl flow add lan0 "
				"'priority=10,ip,nw_dst=10.0.0.0/8,actions=drop'",
				NULL},
		.args = add_args,
	},
	{
		.noun = "flow",
		.verb = "mod",
		.summary = "Change what flows do",
		.examples = (const char *const[]){"vswitchctl flow mod lan0 'tcp,actions=normal'",
						  NULL},
		.args = mod_args,
	},
	{
		.noun = "flow",
		.verb = "del",
		.summary = "Delete flows",
		.description = "With no flow, all of them: then the switch drops everything.",
		.examples = (const char *const[]){"vswitchctl flow del lan0 'tcp,tp_dst=80'", NULL},
		.args = del_args,
	},
	{
		.noun = "flow",
		.verb = "load",
		.summary = "Add all flows of a file, or none of them",
		.answer = "{\"flows\": n}",
		.examples = (const char *const[]){"vswitchctl flow load lan0 acl.flows", NULL},
		.args = load_args,
	},
	{
		.noun = "flow",
		.verb = "replace",
		.summary = "Make the flows of a file the only ones, at once",
		.answer = "{\"flows\": n}",
		.examples = (const char *const[]){"vswitchctl flow replace lan0 acl.flows", NULL},
		.args = load_args,
	},
	{
		.noun = "flow",
		.verb = "list",
		.summary = "Show flows with what they have counted",
		.description = "Flows are not part of the configuration. To keep them, write them "
			       "to a file with --raw and give it to 'flow replace' when the daemon "
			       "is up again.",
		.examples =
			(const char *const[]){"vswitchctl flow list lan0",
					      "vswitchctl flow list lan0 tcp --sort packets",
					      "vswitchctl flow list lan0 --raw > lan0.flows", NULL},
		.args = list_args,
		.flags = CTL_DEFAULT | CTL_TEXT,
		.rows = "flows",
		.cols = flow_cols,
		.answer = "{\"flows\": [{\"table\", \"priority\", \"match\", \"actions\", "
			  "\"cookie\", \"packets\", \"bytes\", \"idle_timeout\", "
			  "\"hard_timeout\": seconds, \"age\", \"idle\": seconds, once used}], "
			  "\"text\": with --raw}",
	},
	{
		.noun = "flow",
		.verb = "unused",
		.summary = "Find flows that no packet used for long, or never",
		.description = "Those that are there for at least as long are shown, longest idle "
			       "first.",
		.examples = (const char *const[]){"vswitchctl flow unused lan0 --since 7d", NULL},
		.args = unused_args,
		.rows = "flows",
		.cols = flow_cols,
		.answer = "{\"flows\": as of flow.list}",
	},
	{
		.noun = "flow",
		.verb = "shadowed",
		.summary = "Find flows that no packet can come to",
		.description =
			"Flows of higher priority in their table take all of their packets, "
			"one of them or several together; or no goto_table leads to their "
			"table. One command looks for a fifth of a second, at some hundred "
			"thousand flows, so that the daemon has time for others; where the "
			"answer's 'all' is false, --from goes on. A flow that would take more "
			"than 4096 searches is not shown.",
		.examples = (const char *const[]){"vswitchctl flow shadowed lan0", NULL},
		.args = shadowed_args,
		.rows = "flows",
		.cols = shadowed_cols,
		.answer = "{\"flows\": [as of flow.list, and \"why\"], \"looked_at\": n, "
			  "\"all\": true}",
	},
	{
		.noun = "flow",
		.verb = "stats",
		.summary = "Show how the flow cache does",
		.examples = (const char *const[]){"vswitchctl flow stats", NULL},
		.args = no_args,
		.cols = stats_cols,
		.answer = "{\"entries\", \"hits\", \"misses\", \"inserted\", \"refused\", "
			  "\"expired\", \"invalidated\", \"probes\", \"probes_per_packet\"}",
	},
	{0},
};
