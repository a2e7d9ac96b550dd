/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on OpenFlow groups and meters; see spec.h.
 */
#include "ctl/spec_priv.h"

static const struct ctl_arg group_args[] = {
	CTL_THE_SWITCH("switch"),
	{.name = "group",
	 .type = CTL_STR,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .metavar = "GROUP",
	 .help = "group_id=N,type=TYPE, then bucket=..., as for ovs-ofctl"},
	{0},
};

static const struct ctl_arg group_del_args[] = {
	CTL_THE_SWITCH("switch"),
	{.name = "group",
	 .type = CTL_STR,
	 .flags = CTL_POS,
	 .metavar = "GROUP",
	 .help = "group_id=N",
	 .def = "all of them"},
	{0},
};

static const struct ctl_arg meter_args[] = {
	CTL_THE_SWITCH("switch"),
	{.name = "meter",
	 .type = CTL_STR,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .metavar = "METER",
	 .help = "meter=N,kbps or pktps, then bands=..., as for ovs-ofctl"},
	{0},
};

static const struct ctl_arg meter_del_args[] = {
	CTL_THE_SWITCH("switch"),
	{.name = "meter",
	 .type = CTL_STR,
	 .flags = CTL_POS,
	 .metavar = "METER",
	 .help = "meter=N",
	 .def = "all of them"},
	{0},
};

static const struct ctl_arg switch_args[] = {CTL_THE_SWITCH("switch"), {0}};

static const struct ctl_col group_cols[] = {
	{"used_by", "USED BY", CTL_RIGHT, CTL_AS_COUNT, true},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"age", "AGE", CTL_RIGHT, CTL_AS_AGE, false},
	{"group", "GROUP", CTL_LEFT, CTL_AS_IS, true},
	{0},
};

static const struct ctl_col bucket_cols[] = {
	{"id", "GROUP", CTL_RIGHT, CTL_AS_IS, true},
	{"bucket", "BUCKET", CTL_RIGHT, CTL_AS_IS, true},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"actions", "ACTIONS", CTL_LEFT, CTL_AS_IS, true},
	{0},
};

static const struct ctl_col meter_cols[] = {
	{"flows", "FLOWS", CTL_RIGHT, CTL_AS_COUNT, true},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"age", "AGE", CTL_RIGHT, CTL_AS_AGE, false},
	{"meter", "METER", CTL_LEFT, CTL_AS_IS, true},
	{0},
};

static const struct ctl_col band_cols[] = {
	{"id", "METER", CTL_RIGHT, CTL_AS_IS, true},
	{"band", "BAND", CTL_RIGHT, CTL_AS_IS, true},
	{"type", "TYPE", CTL_LEFT, CTL_AS_IS, true},
	{"rate", "RATE", CTL_RIGHT, CTL_AS_IS, true},
	{"unit", "UNIT", CTL_LEFT, CTL_AS_IS, true},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{0},
};

const struct ctl_spec ctl_spec_groups[] = {
	{
		.noun = "group",
		.verb = "add",
		.summary = "Add a group, for flows to send to",
		.description = "Types: all (a copy by each bucket), select (one bucket for each "
			       "flow, by weight), indirect (the only bucket), ff (the first bucket "
			       "whose port or group lives). Groups are not part of the "
			       "configuration: a restart forgets them.",
		.examples =
			(const char *const[]){
				"vswitchctl group add lan0 'group_id=1,type=select,"
				"bucket=weight:2,actions=web1,bucket=weight:1,actions=web2'",
				"vswitchctl group add lan0 'group_id=2,type=ff,"
				"bucket=watch_port:up1,actions=up1,"
				"bucket=watch_port:up2,actions=up2'",
				NULL},
		.args = group_args,
	},
	{
		.noun = "group",
		.verb = "mod",
		.summary = "Put another group in the place of one",
		.description = "Flows go on with it at once. It counts from zero.",
		.examples = (const char *const[]){"vswitchctl group mod lan0 "
						  "'group_id=1,type=all,bucket=actions=web1'",
						  NULL},
		.args = group_args,
	},
	{
		.noun = "group",
		.verb = "del",
		.summary = "Delete a group, and the flows that use it",
		.examples = (const char *const[]){"vswitchctl group del lan0 group_id=1", NULL},
		.args = group_del_args,
	},
	{
		.noun = "group",
		.verb = "list",
		.summary = "Show groups with what they have counted",
		.examples = (const char *const[]){"vswitchctl group list lan0", NULL},
		.args = switch_args,
		.flags = CTL_DEFAULT,
		.rows = "groups",
		.cols = group_cols,
		.answer = "{\"groups\": [{\"id\", \"used_by\": flows and groups, \"packets\", "
			  "\"bytes\", \"age\": seconds, \"group\": text}]}",
	},
	{
		.noun = "group",
		.verb = "stats",
		.summary = "Show what each bucket has counted",
		.examples = (const char *const[]){"vswitchctl group stats lan0", NULL},
		.args = switch_args,
		.rows = "buckets",
		.cols = bucket_cols,
		.answer = "{\"buckets\": [{\"id\", \"bucket\", \"packets\", \"bytes\", "
			  "\"actions\"}]}",
	},
	{
		.noun = "meter",
		.verb = "add",
		.summary = "Add a meter, for flows to keep to a rate",
		.description =
			"A band takes hold of what is over its rate: drop, or dscp_remark, which "
			"raises the drop precedence of Assured Forwarding by prec_level. Of "
			"several "
			"bands the one of the highest rate that is exceeded does. Without a "
			"burst_size "
			"(kilobits or packets, with the flag burst) a tenth of a second's worth "
			"may "
			"come at once. Meters are not part of the configuration: a restart forgets "
			"them.",
		.examples =
			(const char *const[]){
				"vswitchctl meter add lan0 "
				"'meter=1,kbps,bands=type=drop,rate=100000'",
				"vswitchctl flow add lan0 'in_port=web,actions=meter:1,normal'",
				NULL},
		.args = meter_args,
	},
	{
		.noun = "meter",
		.verb = "mod",
		.summary = "Change a meter while flows use it",
		.examples = (const char *const[]){"vswitchctl meter mod lan0 "
						  "'meter=1,kbps,bands=type=drop,rate=200000'",
						  NULL},
		.args = meter_args,
	},
	{
		.noun = "meter",
		.verb = "del",
		.summary = "Delete a meter, and the flows that use it",
		.examples = (const char *const[]){"vswitchctl meter del lan0 meter=1", NULL},
		.args = meter_del_args,
	},
	{
		.noun = "meter",
		.verb = "list",
		.summary = "Show meters with what came to them",
		.examples = (const char *const[]){"vswitchctl meter list lan0", NULL},
		.args = switch_args,
		.flags = CTL_DEFAULT,
		.rows = "meters",
		.cols = meter_cols,
		.answer = "{\"meters\": [{\"id\", \"flows\", \"packets\", \"bytes\", \"age\": "
			  "seconds, \"meter\": text}]}",
	},
	{
		.noun = "meter",
		.verb = "stats",
		.summary = "Show what each band took hold of",
		.examples = (const char *const[]){"vswitchctl meter stats lan0", NULL},
		.args = switch_args,
		.rows = "bands",
		.cols = band_cols,
		.answer = "{\"bands\": [{\"id\", \"band\", \"type\", \"rate\", \"unit\", "
			  "\"packets\", \"bytes\"}]}",
	},
	{0},
};
