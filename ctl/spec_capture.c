/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on captures; see spec.h.
 */
#include "ctl/spec_priv.h"

static const struct ctl_arg start_args[] = {
	{.name = "port",
	 .type = CTL_NAME,
	 .flags = CTL_POS | CTL_REST,
	 .complete = "port",
	 .help = "ports to capture on; all without ports, --switch or --tenant"},
	{.name = "switch",
	 .type = CTL_NAME,
	 .complete = "switch",
	 .help = "on all ports of this switch"},
	{.name = "tenant",
	 .type = CTL_NAME,
	 .complete = "tenant",
	 .help = "on all ports of this tenant"},
	{.name = "stage",
	 .type = CTL_LIST,
	 .choices = "ingress|egress|drop",
	 .help = "where a frame is seen: as it came, as it leaves, as it dies",
	 .def = "ingress,egress"},
	{.name = "filter",
	 .type = CTL_STR,
	 .metavar = "EXPR",
	 .help = "only frames that match this tcpdump expression"},
	{.name = "write",
	 .type = CTL_FD_OUT,
	 .letter = 'w',
	 .metavar = "FILE",
	 .complete = "file",
	 .help = "write pcapng to this file, - for standard output; without it frames are printed"},
	{.name = "force", .type = CTL_FLAG, .help = "overwrite the file if it is there"},
	{.name = "ring",
	 .type = CTL_STR,
	 .form = CTL_FORM_RING,
	 .metavar = "NxSIZE",
	 .help = "keep the last N files of SIZE; FILE_00001.pcapng and on"},
	{.name = "snaplen",
	 .type = CTL_UINT,
	 .min = 14,
	 .max = 262144,
	 .metavar = "BYTES",
	 .help = "keep only the first bytes of each frame",
	 .def = "262144"},
	{.name = "count",
	 .type = CTL_UINT,
	 .letter = 'c',
	 .min = 1,
	 .max = INT64_MAX,
	 .metavar = "N",
	 .help = "stop after so many frames"},
	{.name = "share",
	 .type = CTL_UINT,
	 .min = 1,
	 .max = 100,
	 .metavar = "PERCENT",
	 .help = "at most this share of a core; frames beyond it are counted as lost",
	 .def = "10"},
	{.name = "attach",
	 .type = CTL_FLAG,
	 .help = "stop when the connection that started it closes (the tool does so unless -w "
		 "names a file)"},
	{0},
};

static const struct ctl_arg stop_args[] = {
	{.name = "id",
	 .type = CTL_NAME,
	 .flags = CTL_POS,
	 .complete = "capture",
	 .metavar = "ID",
	 .help = "number of the capture, or all",
	 .def = "the only one"},
	{0},
};

static const struct ctl_arg no_args[] = {{0}};

static const struct ctl_col list_cols[] = {
	{"id", "ID", CTL_RIGHT, CTL_AS_IS, true},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"where", "WHERE", CTL_LEFT, CTL_AS_IS, false},
	{"stage", "STAGE", CTL_LEFT, CTL_AS_IS, false},
	{"filter", "FILTER", CTL_LEFT, CTL_AS_IS, false},
	{"file", "FILE", CTL_LEFT, CTL_AS_IS, false},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"lost", "LOST", CTL_RIGHT, CTL_AS_COUNT, false},
	{"age", "AGE", CTL_RIGHT, CTL_AS_AGE, false},
	{0},
};

const struct ctl_spec ctl_spec_captures[] = {
	{
		.noun = "capture",
		.verb = "start",
		.summary = "Capture frames",
		.description =
			"The file is pcapng with an interface for each port, and can be read while "
			"it grows. "
			"The filter runs as machine code on the cores that forward; a capture "
			"never takes "
			"more than its --share of a core, and none costs nothing.\n\n"
			"With -w FILE the capture runs until 'capture stop'. With -w - it runs "
			"until the "
			"tool ends. Without -w frames are printed by tcpdump until the tool ends.",
		.examples =
			(const char *const[]){
				"vswitchctl capture start web1",
				"vswitchctl capture start web1 web2 --filter 'tcp port 80' -w "
				"web.pcapng",
				"vswitchctl capture start --tenant blue --stage drop",
				"vswitchctl capture start --switch lan0 -w - | tshark -i -",
				"vswitchctl capture start -w ring.pcapng --ring 10x100M",
				NULL,
			},
		.args = start_args,
		.flags = CTL_STREAM,
		.answer = "{\"id\", \"files\": n}; with attach then a stream with one notification "
			  "when the capture "
			  "ends: {\"id\", \"packets\", \"lost\", \"reason\"}",
	},
	{
		.noun = "capture",
		.verb = "stop",
		.summary = "Stop a capture",
		.examples = (const char *const[]){"vswitchctl capture stop 1",
						  "vswitchctl capture stop all", NULL},
		.args = stop_args,
		.cols = list_cols,
		.rows = "captures",
		.answer = "{\"captures\": [as capture list, those that were stopped]}",
	},
	{
		.noun = "capture",
		.verb = "list",
		.summary = "List running captures",
		.examples = (const char *const[]){"vswitchctl capture list -w", NULL},
		.args = no_args,
		.cols = list_cols,
		.rows = "captures",
		.flags = CTL_DEFAULT | CTL_WATCH,
		.answer = "{\"captures\": [{\"id\", \"state\", \"where\": text, \"stage\": "
			  "[stage], \"filter\", "
			  "\"file\", \"packets\", \"bytes\", \"lost\", \"age\": seconds}]}",
	},
	{0},
};
