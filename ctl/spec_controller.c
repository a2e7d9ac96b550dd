/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on OpenFlow controllers; see spec.h.
 */
#include "ctl/spec_priv.h"

#define FILE_ARG(arg, text)                                                                        \
	{                                                                                          \
		.name = (arg), .type = CTL_STR, .form = CTL_FORM_PATH, .metavar = "FILE",          \
		.complete = "file", .help = (text)                                                 \
	}

static const struct ctl_arg add_args[] = {
	CTL_THE_SWITCH("switch"),
	{.name = "target",
	 .type = CTL_STR,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .help = "tcp:HOST:PORT, tls:HOST:PORT, unix:PATH; to listen: ptcp:PORT[:ADDRESS], "
		 "ptls:PORT[:ADDRESS], punix:PATH"},
	FILE_ARG("ca", "TLS: who signed the controllers' certificates"),
	FILE_ARG("cert", "TLS: the switch's certificate"),
	FILE_ARG("key", "TLS: its key"),
	{.name = "probe",
	 .type = CTL_DURATION,
	 .min = 1000,
	 .max = 3600000,
	 .help = "ask a silent controller after so long; after three times that it is lost",
	 .def = "5s"},
	{.name = "aux",
	 .type = CTL_UINT,
	 .min = 0,
	 .max = 8,
	 .metavar = "N",
	 .help = "auxiliary connections to a target that the switch connects to, for packets",
	 .def = "0"},
	{.name = "insecure",
	 .type = CTL_FLAG,
	 .help = "let others than this host connect without TLS"},
	{0},
};

static const struct ctl_arg remove_args[] = {
	CTL_THE_SWITCH("switch"),
	{.name = "target",
	 .type = CTL_STR,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .help = "the target, as it was added"},
	{0},
};

static const struct ctl_arg list_args[] = {
	CTL_ONE_SWITCH("switch"),
	{0},
};

static const struct ctl_col list_cols[] = {
	{"switch", "SWITCH", CTL_LEFT, CTL_AS_IS, true},
	{"target", "TARGET", CTL_LEFT, CTL_AS_IS, true},
	{"peer", "PEER", CTL_LEFT, CTL_AS_IS, true},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"aux", "AUX", CTL_RIGHT, CTL_AS_IS, true},
	{"role", "ROLE", CTL_LEFT, CTL_AS_IS, false},
	{"since", "SINCE", CTL_RIGHT, CTL_AS_AGE, false},
	{"rx_messages", "IN", CTL_RIGHT, CTL_AS_COUNT, false},
	{"tx_messages", "OUT", CTL_RIGHT, CTL_AS_COUNT, false},
	{"dropped", "DROPPED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"error", "LAST ERROR", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

const struct ctl_spec ctl_spec_controllers[] = {
	{
		.noun = "controller",
		.verb = "add",
		.summary = "Let an OpenFlow controller program a switch",
		.description =
			"The switch connects to the controller, and again when the connection is "
			"lost; "
			"or it listens, on the loopback address unless told otherwise. HOST is an "
			"address, in brackets when it is of IPv6; the port is 6653 unless given. "
			"Each "
			"switch also has a management socket for tools, SWITCH.mgmt beside the "
			"control socket: ovs-ofctl -O OpenFlow13 show unix:/run/vswitch/lan0.mgmt",
		.examples =
			(const char *const[]){
				"vswitchctl controller add lan0 tcp:10.0.0.5:6653",
				"vswitchctl controller add lan0 tls:10.0.0.5 --ca "
				"/etc/vswitch/ca.pem "
				"--cert /etc/vswitch/sw.pem --key /etc/vswitch/sw-key.pem",
				"vswitchctl controller add lan0 ptcp:6653", NULL},
		.args = add_args,
		.kind = "controller",
		.key = "switch target",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "controller",
		.verb = "remove",
		.summary = "Part with a controller",
		.examples = (const char *const[]){"vswitchctl controller remove lan0 "
						  "tcp:10.0.0.5:6653",
						  NULL},
		.args = remove_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "controller",
		.verb = "list",
		.summary = "List controllers and their connections",
		.examples = (const char *const[]){"vswitchctl controller list",
						  "vswitchctl controller list lan0", NULL},
		.args = list_args,
		.cols = list_cols,
		.rows = "controllers",
		.flags = CTL_DEFAULT | CTL_WATCH,
		.answer = "{\"controllers\": [{\"switch\", \"target\", \"peer\", \"aux\": id of an "
			  "auxiliary connection or null, \"state\": "
			  "connected, hello, connecting, waiting or listening, \"role\": equal, "
			  "master or slave, \"since\": s, \"rx_messages\", \"tx_messages\", "
			  "\"dropped\", \"error\"}]}",
	},
	{0},
};
