/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on OpenFlow rules; see spec.h.
 */
#include "ctl/spec_priv.h"

#define SWITCH_ARG                                                                                 \
	{                                                                                          \
		.name = "switch", .type = CTL_NAME, .flags = CTL_POS | CTL_REQUIRED,               \
		.complete = "switch", .help = "the switch"                                         \
	}
#define STRICT_ARG                                                                                 \
	{                                                                                          \
		.name = "strict", .type = CTL_FLAG,                                                \
		.help = "only the flow of exactly this match and priority"                         \
	}

static const struct ctl_arg add_args[] = {
	SWITCH_ARG,
	{.name = "flow",
	 .type = CTL_STR,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .metavar = "FLOW",
	 .help = "fields=values, then actions=LIST, as for ovs-ofctl"},
	{0},
};

static const struct ctl_arg mod_args[] = {
	SWITCH_ARG,
	{.name = "flow",
	 .type = CTL_STR,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .metavar = "FLOW",
	 .help = "which flows, then actions=LIST"},
	STRICT_ARG,
	{0},
};

static const struct ctl_arg del_args[] = {
	SWITCH_ARG,
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
	SWITCH_ARG,
	{.name = "flow",
	 .type = CTL_STR,
	 .flags = CTL_POS,
	 .metavar = "FLOW",
	 .help = "only these: fields=values",
	 .def = "all of them"},
	{0},
};

static const struct ctl_arg load_args[] = {
	SWITCH_ARG,
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
		.examples = (const char *const[]){"vswitchctl flow list lan0",
						  "vswitchctl flow list lan0 tcp", NULL},
		.args = list_args,
		.flags = CTL_DEFAULT,
		.rows = "flows",
		.cols = flow_cols,
		.answer = "{\"flows\": [{\"table\", \"priority\", \"match\", \"actions\", "
			  "\"cookie\", \"packets\", \"bytes\", \"idle_timeout\", "
			  "\"hard_timeout\": seconds, \"age\", \"idle\": seconds, once used}]}",
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
