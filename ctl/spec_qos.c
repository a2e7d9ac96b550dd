/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on bandwidth; see spec.h.
 */
#include "ctl/spec_qos.h"

#include "ctl/spec_priv.h"

#define TENANT_ARG(text)                                                                           \
	{                                                                                          \
		.name = "tenant", .type = CTL_NAME, .complete = "tenant", .help = (text)           \
	}

static const struct ctl_arg set_args[] = {
	CTL_THE_PORT("port"),
	CTL_QOS_PORT_OPTIONS(""),
	TENANT_ARG("the part of this tenant, of what leaves by the uplink PORT and, --to-max, "
		   "of what is sent to its machines on the switch"),
	CTL_QOS_RATE("max", "with --tenant: the most of the uplink that it gets", "no limit"),
	CTL_QOS_RATE("min", "with --tenant: so much of the uplink is guaranteed to it", "none"),
	{.name = "weight",
	 .type = CTL_UINT,
	 .min = 1,
	 .max = 65535,
	 .metavar = "N",
	 .help = "with --tenant: its share of what guarantees leave",
	 .def = "1"},
	CTL_QOS_BURST("burst", "with --tenant: may be sent at once above --max",
		      "a millisecond's worth"),
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = CTL_QOS_PORT_OPTION_NAMES("") "|max|min|weight|burst",
	 .help = "options that go back to their defaults"},
	{0},
};

static const struct ctl_arg clear_args[] = {
	CTL_THE_PORT("port"),
	TENANT_ARG("only what was said of this tenant there"),
	{.name = "all", .type = CTL_FLAG, .help = "also what was said of tenants there"},
	{0},
};

static const struct ctl_arg list_args[] = {
	CTL_ONE_PORT("port"),
	{.name = "switch", .type = CTL_NAME, .complete = "switch", .help = "of this switch"},
	TENANT_ARG("of this tenant"),
	{0},
};

static const struct ctl_arg show_args[] = {CTL_THE_PORT("port"), {0}};
static const struct ctl_arg stats_args[] = {CTL_ONE_PORT("port"), {0}};

static const struct ctl_col list_cols[] = {
	{"port", "PORT", CTL_LEFT, CTL_AS_IS, true},
	{"tenant", "TENANT", CTL_LEFT, CTL_AS_IS, true},
	{"switch", "SWITCH", CTL_LEFT, CTL_AS_IS, false},
	{"to_max", "TO MAX", CTL_RIGHT, CTL_AS_RATE, false},
	{"from_max", "FROM MAX", CTL_RIGHT, CTL_AS_RATE, false},
	{"from_min", "FROM MIN", CTL_RIGHT, CTL_AS_RATE, false},
	{"to_min", "TO MIN", CTL_RIGHT, CTL_AS_RATE, false},
	{"to_weight", "TO WEIGHT", CTL_RIGHT, CTL_AS_IS, false},
	{"from_weight", "WEIGHT", CTL_RIGHT, CTL_AS_IS, false},
	{"max", "MAX", CTL_RIGHT, CTL_AS_RATE, false},
	{"min", "MIN", CTL_RIGHT, CTL_AS_RATE, false},
	{"priority", "PRIORITY", CTL_LEFT, CTL_AS_IS, false},
	{"note", "NOTE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col stats_cols[] = {
	{"port", "PORT", CTL_LEFT, CTL_AS_IS, true},
	{"class", "CLASS", CTL_LEFT, CTL_AS_IS, true},
	{"rate_now", "NOW", CTL_RIGHT, CTL_AS_RATE, false},
	{"max", "MAX", CTL_RIGHT, CTL_AS_RATE, false},
	{"min", "MIN", CTL_RIGHT, CTL_AS_RATE, false},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"drops", "DROPS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"marks", "MARKS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"delay_mean_us", "MEAN us", CTL_RIGHT, CTL_AS_IS, false},
	{"delay_max_us", "MAX us", CTL_RIGHT, CTL_AS_IS, false},
	{"waiting", "WAITING", CTL_RIGHT, CTL_AS_COUNT, false},
	{0},
};

static const struct ctl_col show_cols[] = {
	{"port", "port", CTL_LEFT, CTL_AS_IS, true},
	{"switch", "switch", CTL_LEFT, CTL_AS_IS, false},
	{"kind", "kind", CTL_LEFT, CTL_AS_IS, false},
	{"to_max", "to it, at most", CTL_LEFT, CTL_AS_RATE, false},
	{"from_max", "from it, at most", CTL_LEFT, CTL_AS_RATE, false},
	{"from_min", "of the uplinks, at least", CTL_LEFT, CTL_AS_RATE, false},
	{"from_weight", "weight there", CTL_LEFT, CTL_AS_IS, false},
	{"to_min", "of its tenant's rate, at least", CTL_LEFT, CTL_AS_RATE, false},
	{"to_weight", "weight in that", CTL_LEFT, CTL_AS_IS, false},
	{"delay_us", "aims at a delay of (us)", CTL_LEFT, CTL_AS_IS, false},
	{"limit", "frames that may wait", CTL_LEFT, CTL_AS_COUNT, false},
	{"ecn", "marks ECN", CTL_LEFT, CTL_AS_IS, false},
	{"priority", "first", CTL_LEFT, CTL_AS_IS, false},
	{"trust", "believes its marks", CTL_LEFT, CTL_AS_IS, false},
	{"mark_dscp", "sets DSCP", CTL_LEFT, CTL_AS_IS, false},
	{"mark_pcp", "sets priority in tags", CTL_LEFT, CTL_AS_IS, false},
	{"over", "overloaded", CTL_LEFT, CTL_AS_IS, false},
	{"note", "note", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col tenant_cols[] = {
	{"tenant", "TENANT", CTL_LEFT, CTL_AS_IS, true},
	{"max", "MAX", CTL_RIGHT, CTL_AS_RATE, false},
	{"min", "MIN", CTL_RIGHT, CTL_AS_RATE, false},
	{"weight", "WEIGHT", CTL_RIGHT, CTL_AS_IS, false},
	{"to_max", "TO MAX", CTL_RIGHT, CTL_AS_RATE, false},
	{"note", "NOTE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_part show_parts[] = {
	{"tenants", "tenants", tenant_cols},
	{"classes", "classes", stats_cols},
	{0},
};

#define LIST_ROW                                                                                   \
	"\"port\", \"tenant\": or \"\", \"switch\", \"to_max\": bits a second or null, "           \
	"\"to_burst\", \"to_min\", \"to_weight\", \"from_max\", \"from_burst\", \"from_min\", "    \
	"\"from_weight\", "                                                                        \
	"\"delay_us\", "                                                                           \
	"\"limit\", \"ecn\", \"priority\", \"trust\", \"mark_dscp\", \"mark_pcp\", \"note\"; of "  \
	"a "                                                                                       \
	"tenant \"max\", \"min\", \"weight\", \"burst\", \"to_max\", \"to_burst\" instead"

#define STATS_ROW                                                                                  \
	"\"port\", \"class\": \"from\", \"to\", \"to: priority\", \"to: queue 3\", \"to: tenant "  \
	"blue\", \"to: from web1\", \"to tenant blue\" of an uplink, \"rate_now\": bits a "        \
	"second, \"max\", \"min\", \"packets\", "                                                  \
	"\"bytes\": on the wire, \"drops\", \"marks\", \"delay_mean_us\", \"delay_max_us\", "      \
	"\"waiting\""

const struct ctl_spec ctl_spec_qoses[] = {
	{
		.noun = "qos",
		.verb = "set",
		.summary = "Set the bandwidth of a port, or of a tenant on an uplink",
		.description =
			"'to' is what the switch sends to the machine (or wire) behind the port, "
			"'from' what comes from there. --to-max queues and paces; --from-max lets "
			"the sender wait. --from-min and --from-weight say what a port gets of the "
			"switch's uplinks (ports of kind phys) when they are full; an uplink's "
			"rate is its --to-max, else its link's speed. With --tenant, --to-max is "
			"about all that is sent to the tenant's machines on the switch of the "
			"uplink, from wherever it came; they share it as their --to-min and "
			"--to-weight say. Rates count frames as they "
			"are on the wire of an Ethernet, 24 bytes more than the frame without its "
			"checksum.",
		.examples =
			(const char *const[]){
				"vswitchctl qos set web1 --to-max 200M --from-max 100M",
				"vswitchctl qos set uplink0 --to-max 10G --priority-dscp 46 "
				"--priority-max 500M",
				"vswitchctl qos set web1 --from-min 50M --from-weight 3",
				"vswitchctl qos set uplink0 --tenant blue --max 5G --min 1G",
				"vswitchctl qos set uplink0 --tenant blue --to-max 2G",
				"vswitchctl qos set web1 --to-min 500M --to-weight 3",
				"vswitchctl qos set web1 --default from-max", NULL},
		.args = set_args,
		.kind = "qos",
		.key = "port tenant",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "qos",
		.verb = "clear",
		.summary = "Take a port's bandwidth settings away",
		.examples =
			(const char *const[]){"vswitchctl qos clear web1",
					      "vswitchctl qos clear uplink0 --tenant blue", NULL},
		.args = clear_args,
		.removes = "qos",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "qos",
		.verb = "list",
		.summary = "List what is set of bandwidth",
		.examples = (const char *const[]){"vswitchctl qos list",
						  "vswitchctl qos list --switch lan0", NULL},
		.args = list_args,
		.cols = list_cols,
		.rows = "qos",
		.flags = CTL_DEFAULT,
		.answer = "{\"qos\": [{" LIST_ROW "}]}",
	},
	{
		.noun = "qos",
		.verb = "show",
		.summary = "Show a port's bandwidth: what is set, and what its queues do",
		.examples = (const char *const[]){"vswitchctl qos show web1",
						  "vswitchctl qos show uplink0 -w", NULL},
		.args = show_args,
		.cols = show_cols,
		.parts = show_parts,
		.flags = CTL_WATCH,
		.answer = "{" LIST_ROW ", \"kind\", \"over\": does it drop, or hold back, now, "
			  "\"tenants\": [as rows of qos list], \"classes\": [as rows of qos "
			  "stats]}",
	},
	{
		.noun = "qos",
		.verb = "stats",
		.summary = "Show rates, drops, marks and delays of shaped ports and their classes",
		.examples = (const char *const[]){"vswitchctl qos stats web1",
						  "vswitchctl qos stats -w", NULL},
		.args = stats_args,
		.cols = stats_cols,
		.rows = "classes",
		.flags = CTL_WATCH,
		.answer = "{\"classes\": [{" STATS_ROW "}]}",
	},
	{0},
};
