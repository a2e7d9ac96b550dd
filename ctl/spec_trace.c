/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands that say what becomes of a frame; see spec.h.
 */
#include "ctl/spec_priv.h"

#define FRAME_ARGS                                                                                 \
	{.name = "port",                                                                           \
	 .type = CTL_NAME,                                                                         \
	 .flags = CTL_POS | CTL_REQUIRED,                                                          \
	 .complete = "port",                                                                       \
	 .help = "where the frame comes in"},                                                      \
		{.name = "flow",                                                                   \
		 .type = CTL_STR,                                                                  \
		 .flags = CTL_POS,                                                                 \
		 .metavar = "FLOW",                                                                \
		 .help = "the frame: fields=values as in flows, its bytes as hexadecimal digits, " \
			 "or pcap:FILE#N for frame N of a capture file",                           \
		 .def = "a frame that is not IP"},                                                 \
	{                                                                                          \
		.name = "frame", .type = CTL_FILE, .complete = "file",                             \
		.help = "a file with the frame's bytes as hexadecimal digits, instead of FLOW; "   \
			"- for standard input"                                                     \
	}

static const struct ctl_arg trace_args[] = {
	FRAME_ARGS,
	{.name = "cost",
	 .type = CTL_FLAG,
	 .help = "look into the cores' caches, and measure each stage in cycles",
	 .def = "yes"},
	{0},
};

static const struct ctl_arg why_args[] = {FRAME_ARGS, {0}};

const struct ctl_spec ctl_spec_traces[] = {
	{
		.noun = "trace",
		.verb = "run",
		.summary = "Show what becomes of a frame: each stage, table, rule, and its cost",
		.description =
			"The frame is carried by the code that carries all frames, on a copy of "
			"the "
			"switch: nothing is sent, learned or counted. What FLOW leaves open is "
			"filled in: addresses, ports, TTL 64, right checksums. The FILE of pcap: "
			"is "
			"read by the tool. Cycles are the median of many runs with everything in "
			"the processor's caches.",
		.examples =
			(const char *const[]){
				"vswitchctl trace web1 "
				"tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_dst=80",
				"vswitchctl trace web1 'dl_dst=02:00:00:00:00:02,dl_vlan=5'",
				"vswitchctl trace web1 pcap:web1.pcapng#3", NULL},
		.args = trace_args,
		.flags = CTL_DEFAULT | CTL_TEXT | CTL_ALONE,
		.answer = "{\"text\", \"fate\", \"because\", \"note\": if a VF has the frame, "
			  "\"edge\": \"admitted\" or a drop's reason, \"vlan\", \"tables\": "
			  "[{\"table\", \"rule\": if one fits, "
			  "\"cookie\", \"cycles\"}], \"events\": [{\"what\": \"sent\", "
			  "\"dropped\", \"lost\", \"found\" or \"flooded\", \"port\", \"reason\", "
			  "\"vlan\", \"size\", \"bytes\": digits}], \"cycles\": {\"edge\", "
			  "\"key\", \"cache\", \"translate\", \"first\", \"next\", \"burst\"}}",
	},
	{
		.noun = "why",
		.verb = "run",
		.summary = "Say in two lines what becomes of a frame, and because of what",
		.description = "The short form of 'trace'.",
		.examples = (const char *const[]){"vswitchctl why web1 "
						  "udp,nw_dst=10.0.0.53,tp_dst=53",
						  "vswitchctl why web1 pcap:web1.pcapng#3", NULL},
		.args = why_args,
		.flags = CTL_DEFAULT | CTL_TEXT | CTL_ALONE,
		.answer = "{\"text\", \"fate\", \"because\", \"note\": if a VF has the frame}",
	},
	{0},
};
