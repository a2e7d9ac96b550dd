/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on flow records: IPFIX and sFlow; see spec.h.
 */
#include "ctl/spec_priv.h"

#define IPFIX_ARG CTL_NAMED("name", "ipfix", CTL_REQUIRED, "the exporter")
#define SFLOW_ARG CTL_NAMED("name", "sflow", CTL_REQUIRED, "the exporter")

#define WHERE_ARGS                                                                                 \
	{.name = "switch",                                                                         \
	 .type = CTL_NAME,                                                                         \
	 .complete = "switch",                                                                     \
	 .help = "what comes in by the ports of this switch"},                                     \
	{                                                                                          \
		.name = "tenant", .type = CTL_NAME, .complete = "tenant",                          \
		.help = "what comes in of this tenant; with --switch: there only"                  \
	}

#define COLLECTOR_ARG(more, text)                                                                  \
	{                                                                                          \
		.name = "collector", .type = CTL_LIST, .flags = (more), .metavar = "PLACE",        \
		.min = 1, .max = 8, .help = (text)                                                 \
	}

#define IPFIX_COLLECTORS                                                                           \
	"udp:ADDRESS[:PORT] or tcp:ADDRESS[:PORT], an IPv6 address in brackets; all of them get "  \
	"everything; the port is 4739 unless given"

#define SFLOW_COLLECTORS                                                                           \
	"udp:ADDRESS[:PORT], an IPv6 address in brackets; the port is 6343 unless given"

#define IPFIX_OPTIONS                                                                              \
	{.name = "active",                                                                         \
	 .type = CTL_DURATION,                                                                     \
	 .min = 1000,                                                                              \
	 .max = 86400000,                                                                          \
	 .help = "a flow that goes on is reported this often",                                     \
	 .def = "60s"},                                                                            \
		{.name = "inactive",                                                               \
		 .type = CTL_DURATION,                                                             \
		 .min = 1000,                                                                      \
		 .max = 86400000,                                                                  \
		 .help = "a flow without a packet for so long has ended",                          \
		 .def = "15s"},                                                                    \
		{.name = "max-flows",                                                              \
		 .type = CTL_UINT,                                                                 \
		 .min = 64,                                                                        \
		 .max = 1048576,                                                                   \
		 .metavar = "N",                                                                   \
		 .help = "places for flows in each worker, 170 bytes each; rounded up to a power " \
			 "of two",                                                                 \
		 .def = "65536"},                                                                  \
		{.name = "sample",                                                                 \
		 .type = CTL_UINT,                                                                 \
		 .min = 1,                                                                         \
		 .max = 1000000,                                                                   \
		 .metavar = "N",                                                                   \
		 .help = "count one packet of N, at random",                                       \
		 .def = "1"},                                                                      \
		{.name = "domain-id",                                                              \
		 .type = CTL_UINT,                                                                 \
		 .min = 0,                                                                         \
		 .max = 4294967295,                                                                \
		 .metavar = "N",                                                                   \
		 .help = "the observation domain that records say",                                \
		 .def = "made of the name"},                                                       \
	{                                                                                          \
		.name = "template-refresh", .type = CTL_DURATION, .min = 1000, .max = 86400000,    \
		.help = "by UDP templates are sent again this often; statistics and names "        \
			"always",                                                                  \
		.def = "60s"                                                                       \
	}

#define SFLOW_OPTIONS                                                                              \
	{.name = "sample",                                                                         \
	 .type = CTL_UINT,                                                                         \
	 .min = 1,                                                                                 \
	 .max = 16777215,                                                                          \
	 .metavar = "N",                                                                           \
	 .help = "take one frame of N, at random",                                                 \
	 .def = "1000"},                                                                           \
		{.name = "header",                                                                 \
		 .type = CTL_UINT,                                                                 \
		 .min = 14,                                                                        \
		 .max = 512,                                                                       \
		 .metavar = "BYTES",                                                               \
		 .help = "so much of a frame's head is in its sample",                             \
		 .def = "128"},                                                                    \
		{.name = "counters",                                                               \
		 .type = CTL_DURATION,                                                             \
		 .min = 0,                                                                         \
		 .max = 86400000,                                                                  \
		 .help = "ports' counters are sent this often, 1s at least; 0: never",             \
		 .def = "20s"},                                                                    \
	{                                                                                          \
		.name = "agent", .type = CTL_STR, .metavar = "ADDRESS",                            \
		.help = "what collectors know this switch by",                                     \
		.def = "our address towards the first collector"                                   \
	}

#define DEFAULTS(choice)                                                                           \
	{                                                                                          \
		.name = "default", .type = CTL_LIST, .metavar = "OPTION", .choices = (choice),     \
		.help = "options that go back to their defaults"                                   \
	}

static const struct ctl_arg ipfix_add_args[] = {
	IPFIX_ARG, WHERE_ARGS, COLLECTOR_ARG(CTL_REQUIRED, IPFIX_COLLECTORS), IPFIX_OPTIONS, {0},
};
static const struct ctl_arg ipfix_set_args[] = {
	IPFIX_ARG,
	WHERE_ARGS,
	COLLECTOR_ARG(0, IPFIX_COLLECTORS),
	IPFIX_OPTIONS,
	DEFAULTS("active|inactive|max-flows|sample|domain-id|template-refresh|switch|tenant"),
	{0},
};
static const struct ctl_arg ipfix_name_args[] = {IPFIX_ARG, {0}};
static const struct ctl_arg ipfix_one_args[] = {
	CTL_NAMED("name", "ipfix", 0, "one exporter; all without it"),
	{0},
};
static const struct ctl_arg flows_args[] = {
	IPFIX_ARG,
	{.name = "limit",
	 .type = CTL_UINT,
	 .min = 1,
	 .max = 1000,
	 .metavar = "N",
	 .help = "at most so many",
	 .def = "20"},
	{.name = "by",
	 .type = CTL_CHOICE,
	 .choices = "bytes|packets|drops|start",
	 .help = "the largest first; start: the newest",
	 .def = "bytes"},
	{0},
};

static const struct ctl_arg sflow_add_args[] = {
	SFLOW_ARG, WHERE_ARGS, COLLECTOR_ARG(CTL_REQUIRED, SFLOW_COLLECTORS), SFLOW_OPTIONS, {0},
};
static const struct ctl_arg sflow_set_args[] = {
	SFLOW_ARG,
	WHERE_ARGS,
	COLLECTOR_ARG(0, SFLOW_COLLECTORS),
	SFLOW_OPTIONS,
	DEFAULTS("sample|header|counters|agent|switch|tenant"),
	{0},
};
static const struct ctl_arg sflow_name_args[] = {SFLOW_ARG, {0}};
static const struct ctl_arg sflow_one_args[] = {
	CTL_NAMED("name", "sflow", 0, "one exporter; all without it"),
	{0},
};

static const struct ctl_col list_cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"where", "OF", CTL_LEFT, CTL_AS_IS, false},
	{"collectors", "COLLECTORS", CTL_LEFT, CTL_AS_IS, false},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"ports", "PORTS", CTL_RIGHT, CTL_AS_IS, false},
	{"flows", "FLOWS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"records", "RECORDS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"missed_packets", "MISSED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"lost", "LOST", CTL_RIGHT, CTL_AS_COUNT, false},
	{0},
};
static const struct ctl_col sflow_list_cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"where", "OF", CTL_LEFT, CTL_AS_IS, false},
	{"collectors", "COLLECTORS", CTL_LEFT, CTL_AS_IS, false},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"ports", "PORTS", CTL_RIGHT, CTL_AS_IS, false},
	{"sample", "1 OF", CTL_RIGHT, CTL_AS_COUNT, false},
	{"samples", "SAMPLES", CTL_RIGHT, CTL_AS_COUNT, false},
	{"counter_samples", "COUNTERS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"dropped", "DROPPED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"lost", "LOST", CTL_RIGHT, CTL_AS_COUNT, false},
	{0},
};
static const struct ctl_col stats_cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"flows", "FLOWS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"flows_max", "PLACES", CTL_RIGHT, CTL_AS_IS, false},
	{"memory", "MEMORY", CTL_RIGHT, CTL_AS_MEMORY, false},
	{"made", "BEGUN", CTL_RIGHT, CTL_AS_COUNT, false},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"missed_packets", "MISSED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"records", "RECORDS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"messages", "MESSAGES", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"lost", "LOST", CTL_RIGHT, CTL_AS_COUNT, false},
	{0},
};
static const struct ctl_col sflow_stats_cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"samples", "SAMPLES", CTL_RIGHT, CTL_AS_COUNT, false},
	{"counter_samples", "COUNTERS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"messages", "DATAGRAMS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"dropped", "DROPPED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"lost", "LOST", CTL_RIGHT, CTL_AS_COUNT, false},
	{0},
};
static const struct ctl_col show_cols[] = {
	{"name", "name", CTL_LEFT, CTL_AS_IS, true},
	{"where", "of", CTL_LEFT, CTL_AS_IS, false},
	{"seen", "ports", CTL_LEFT, CTL_AS_IS, false},
	{"domain_id", "observation domain", CTL_LEFT, CTL_AS_IS, false},
	{"active", "active timeout", CTL_LEFT, CTL_AS_DURATION, false},
	{"inactive", "inactive timeout", CTL_LEFT, CTL_AS_DURATION, false},
	{"template_refresh", "templates again after", CTL_LEFT, CTL_AS_DURATION, false},
	{"sample", "one packet of", CTL_LEFT, CTL_AS_IS, false},
	{"header", "bytes of a head", CTL_LEFT, CTL_AS_IS, false},
	{"counters", "counters every", CTL_LEFT, CTL_AS_DURATION, false},
	{"flows", "flows now", CTL_LEFT, CTL_AS_COUNT, false},
	{"flows_max", "places", CTL_LEFT, CTL_AS_COUNT, false},
	{"memory", "memory", CTL_LEFT, CTL_AS_MEMORY, false},
	{"records", "records", CTL_LEFT, CTL_AS_COUNT, false},
	{"missed_packets", "packets missed", CTL_LEFT, CTL_AS_COUNT, false},
	{"unknown_drops", "drops of nobody's flow", CTL_LEFT, CTL_AS_COUNT, false},
	{"samples", "samples", CTL_LEFT, CTL_AS_COUNT, false},
	{"counter_samples", "counter samples", CTL_LEFT, CTL_AS_COUNT, false},
	{"dropped", "samples dropped", CTL_LEFT, CTL_AS_COUNT, false},
	{"lost", "lost", CTL_LEFT, CTL_AS_COUNT, false},
	{0},
};
static const struct ctl_col collector_cols[] = {
	{"collector", "COLLECTOR", CTL_LEFT, CTL_AS_IS, true},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"since", "SINCE", CTL_RIGHT, CTL_AS_AGE, false},
	{"sessions", "SESSIONS", CTL_RIGHT, CTL_AS_IS, false},
	{"messages", "MESSAGES", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"lost_messages", "LOST", CTL_RIGHT, CTL_AS_COUNT, false},
	{"error", "LAST ERROR", CTL_LEFT, CTL_AS_IS, false},
	{0},
};
static const struct ctl_part show_parts[] = {
	{"collectors", "collectors", collector_cols},
	{0},
};
static const struct ctl_col flow_cols[] = {
	{"src", "FROM", CTL_LEFT, CTL_AS_IS, true},
	{"sport", "PORT", CTL_RIGHT, CTL_AS_IS, true},
	{"dst", "TO", CTL_LEFT, CTL_AS_IS, true},
	{"dport", "PORT", CTL_RIGHT, CTL_AS_IS, true},
	{"proto", "PROTO", CTL_LEFT, CTL_AS_IS, true},
	{"vlan", "VLAN", CTL_RIGHT, CTL_AS_IS, true},
	{"in", "IN", CTL_LEFT, CTL_AS_IS, true},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"back_packets", "BACK", CTL_RIGHT, CTL_AS_COUNT, false},
	{"back_bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"dropped", "DROPPED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"reason", "REASON", CTL_LEFT, CTL_AS_IS, false},
	{"age", "AGE", CTL_RIGHT, CTL_AS_AGE, false},
	{"idle", "IDLE", CTL_RIGHT, CTL_AS_AGE, false},
	{0},
};

#define STATE "\"state\": open, connecting, waiting or failing, the worst of its collectors"
#define COUNTS                                                                                     \
	"\"flows\", \"flows_max\", \"memory\": bytes, \"made\", \"packets\", \"missed_packets\", " \
	"\"missed_bytes\", \"unknown_drops\", \"records\", \"messages\", \"bytes\", \"lost\""
#define SFLOW_COUNTS                                                                               \
	"\"samples\", \"counter_samples\", \"messages\", \"bytes\", \"dropped\", \"lost\""
#define PARTS                                                                                      \
	"\"seen\": [port], \"collectors\": [{\"collector\", \"state\", \"since\": s, "             \
	"\"sessions\", \"messages\", \"bytes\", \"lost_messages\", \"lost_bytes\", \"error\"}]"

const struct ctl_spec ctl_spec_flowrecs[] = {
	{
		.noun = "ipfix",
		.verb = "add",
		.summary = "Export flow records of a switch or a tenant (IPFIX)",
		.description =
			"Workers add up every packet that comes in: who with whom, how much, what "
			"was dropped and why. Both directions of a conversation are one record "
			"(RFC 5103). Collectors are reached through the host's own network, the "
			"namespace of vswitchd; one that is away is tried again and again, and "
			"what it missed is counted.",
		.examples = (const char *const[]){"vswitchctl ipfix add acct --switch lan0 "
						  "--collector udp:10.0.0.9:4739",
						  "vswitchctl ipfix add blue --tenant blue "
						  "--collector tcp:[fd00::9] --active 5m",
						  NULL},
		.args = ipfix_add_args,
		.kind = "ipfix",
		.key = "name",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "ipfix",
		.verb = "set",
		.summary = "Change an exporter of flow records while frames flow",
		.description = "--collector replaces all that there were; those that stay keep "
			       "their sessions.",
		.examples =
			(const char *const[]){"vswitchctl ipfix set acct --active 30s",
					      "vswitchctl ipfix set acct --default sample", NULL},
		.args = ipfix_set_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "ipfix",
		.verb = "remove",
		.summary = "Remove an exporter; what it has counted is sent first",
		.examples = (const char *const[]){"vswitchctl ipfix remove acct", NULL},
		.args = ipfix_name_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "ipfix",
		.verb = "list",
		.summary = "List exporters of flow records",
		.examples = (const char *const[]){"vswitchctl ipfix list", NULL},
		.args = ipfix_one_args,
		.cols = list_cols,
		.rows = "exporters",
		.flags = CTL_DEFAULT | CTL_WATCH,
		.answer = "{\"exporters\": [{\"name\", \"where\", \"collectors\": [place], " STATE
			  ", \"ports\": how many, " COUNTS "}]}",
	},
	{
		.noun = "ipfix",
		.verb = "show",
		.summary = "Show an exporter and its collectors",
		.examples = (const char *const[]){"vswitchctl ipfix show acct", NULL},
		.args = ipfix_name_args,
		.cols = show_cols,
		.parts = show_parts,
		.answer = "{\"name\", \"where\", " STATE ", \"domain_id\", \"active\": ms, "
			  "\"inactive\", \"template_refresh\", \"sample\", " COUNTS ", " PARTS "}",
	},
	{
		.noun = "ipfix",
		.verb = "stats",
		.summary = "Show the counters of exporters, or their rates with -w",
		.examples = (const char *const[]){"vswitchctl ipfix stats -w", NULL},
		.args = ipfix_one_args,
		.cols = stats_cols,
		.rows = "exporters",
		.flags = CTL_WATCH,
		.answer = "{\"exporters\": [{\"name\", " COUNTS "}]}",
	},
	{
		.noun = "ipfix",
		.verb = "flows",
		.summary = "Show the flows that an exporter counts now, the largest first",
		.description = "Both directions of a conversation are one line, counted since its "
			       "first packet; BACK is what answered.",
		.examples =
			(const char *const[]){"vswitchctl ipfix flows acct",
					      "vswitchctl ipfix flows acct --by drops -w", NULL},
		.args = flows_args,
		.cols = flow_cols,
		.rows = "flows",
		.flags = CTL_WATCH,
		.answer = "{\"flows\": [{\"src\", \"sport\", \"dst\", \"dport\", \"proto\", "
			  "\"vlan\", \"tenant\", \"in\": port, \"out\": port or null, \"packets\", "
			  "\"bytes\", \"back_packets\", \"back_bytes\", \"dropped\", \"reason\", "
			  "\"tcp_flags\", \"age\": s, \"idle\": s}], \"total\": conversations}",
	},
	{
		.noun = "sflow",
		.verb = "add",
		.summary = "Send samples of frames and ports' counters (sFlow 5)",
		.description =
			"One frame of --sample that comes in is sent with its head, and the "
			"counters of each port now and then. Collectors are reached through the "
			"host's own network, the namespace of vswitchd.",
		.examples = (const char *const[]){"vswitchctl sflow add look --switch lan0 "
						  "--collector udp:10.0.0.9 --sample 1000",
						  NULL},
		.args = sflow_add_args,
		.kind = "sflow",
		.key = "name",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "sflow",
		.verb = "set",
		.summary = "Change an exporter of samples while frames flow",
		.examples = (const char *const[]){"vswitchctl sflow set look --sample 100", NULL},
		.args = sflow_set_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "sflow",
		.verb = "remove",
		.summary = "Remove an exporter of samples",
		.examples = (const char *const[]){"vswitchctl sflow remove look", NULL},
		.args = sflow_name_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "sflow",
		.verb = "list",
		.summary = "List exporters of samples",
		.examples = (const char *const[]){"vswitchctl sflow list", NULL},
		.args = sflow_one_args,
		.cols = sflow_list_cols,
		.rows = "exporters",
		.flags = CTL_DEFAULT | CTL_WATCH,
		.answer = "{\"exporters\": [{\"name\", \"where\", \"collectors\": [place], " STATE
			  ", \"ports\": how many, \"sample\", " SFLOW_COUNTS "}]}",
	},
	{
		.noun = "sflow",
		.verb = "show",
		.summary = "Show an exporter of samples and its collectors",
		.examples = (const char *const[]){"vswitchctl sflow show look", NULL},
		.args = sflow_name_args,
		.cols = show_cols,
		.parts = show_parts,
		.answer = "{\"name\", \"where\", " STATE ", \"sample\", \"header\", \"counters\": "
			  "ms, " SFLOW_COUNTS ", " PARTS "}",
	},
	{
		.noun = "sflow",
		.verb = "stats",
		.summary = "Show the counters of exporters of samples, or their rates with -w",
		.examples = (const char *const[]){"vswitchctl sflow stats -w", NULL},
		.args = sflow_one_args,
		.cols = sflow_stats_cols,
		.rows = "exporters",
		.flags = CTL_WATCH,
		.answer = "{\"exporters\": [{\"name\", " SFLOW_COUNTS "}]}",
	},
	{0},
};
