/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on switches; see spec.h.
 */
#include "ctl/spec_priv.h"

/* What may change later; 'switch add' and 'switch set' both take it. */
#define SWITCH_OPTIONS                                                                             \
	{.name = "mac-age",                                                                        \
	 .type = CTL_DURATION,                                                                     \
	 .min = 1000,                                                                              \
	 .max = 86400000,                                                                          \
	 .help = "forget a learned address that sent nothing for so long",                         \
	 .def = "300s, or 'config set --mac-age'"},                                                \
		{.name = "mac-limit",                                                              \
		 .type = CTL_UINT,                                                                 \
		 .max = 1048576,                                                                   \
		 .min = 0,                                                                         \
		 .metavar = "N",                                                                   \
		 .help = "most addresses learned on the switch, 0 for no limit of its own",        \
		 .def = "0"},                                                                      \
		{.name = "loop-guard",                                                             \
		 .type = CTL_ONOFF,                                                                \
		 .help = "hold a port that a loop is proved on",                                   \
		 .def = "on"},                                                                     \
		{.name = "fail-mode",                                                              \
		 .type = CTL_CHOICE,                                                               \
		 .choices = "standalone|secure",                                                   \
		 .help = "while no controller is there: learn by itself, or go on by the rules",   \
		 .def = "standalone"},                                                             \
		{.name = "controller-limit",                                                       \
		 .type = CTL_UINT,                                                                 \
		 .min = 1,                                                                         \
		 .max = 1000000,                                                                   \
		 .metavar = "N",                                                                   \
		 .help = "most packets a second that each port may send to controllers",           \
		 .def = "5000"},                                                                   \
	{                                                                                          \
		.name = "datapath-id", .type = CTL_STR, .metavar = "HEX",                          \
		.help = "what controllers know the switch by, 1 to 16 hexadecimal digits",         \
		.def = "made of the host's identity and the switch's name"                         \
	}

static const struct ctl_arg add_args[] = {
	{.name = "name",
	 .type = CTL_NAME,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .help = "name of the switch"},
	{.name = "type",
	 .type = CTL_CHOICE,
	 .flags = CTL_REQUIRED | CTL_DEVICE,
	 .choices = "external|internal|private",
	 .help = "who is on it: VMs and a wire; VMs and the host; VMs only"},
	SWITCH_OPTIONS,
	{0},
};

static const struct ctl_arg set_args[] = {
	CTL_THE_SWITCH("name"),
	SWITCH_OPTIONS,
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = "mac-age|mac-limit|loop-guard|fail-mode|datapath-id|controller-limit",
	 .help = "options that go back to their defaults"},
	{0},
};

static const struct ctl_arg remove_args[] = {
	CTL_THE_SWITCH("name"),
	{.name = "with-ports",
	 .type = CTL_FLAG,
	 .help = "remove its ports too; without it a switch with ports stays"},
	{0},
};

static const struct ctl_arg no_args[] = {{0}};

static const struct ctl_arg show_args[] = {
	CTL_THE_SWITCH("name"),
	{.name = "pipeline",
	 .type = CTL_FLAG,
	 .help = "also the steps a frame takes, in their order"},
	{0},
};

static const struct ctl_arg verify_args[] = {
	CTL_ONE_SWITCH("name"),
	{0},
};

static const struct ctl_col list_cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"type", "TYPE", CTL_LEFT, CTL_AS_IS, false},
	{"n_ports", "PORTS", CTL_RIGHT, CTL_AS_IS, false},
	{"n_up", "UP", CTL_RIGHT, CTL_AS_IS, false},
	{"n_tenants", "TENANTS", CTL_RIGHT, CTL_AS_IS, false},
	{"n_macs", "MACS", CTL_RIGHT, CTL_AS_IS, false},
	{"uplinks", "UPLINK", CTL_LEFT, CTL_AS_IS, false},
	{"note", "NOTE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col show_cols[] = {
	{"name", "name", CTL_LEFT, CTL_AS_IS, true},
	{"type", "type", CTL_LEFT, CTL_AS_IS, false},
	{"uplinks", "uplinks", CTL_LEFT, CTL_AS_IS, false},
	{"tenants", "tenants", CTL_LEFT, CTL_AS_IS, false},
	{"mac_age", "mac age", CTL_LEFT, CTL_AS_DURATION, false},
	{"mac_limit", "mac limit", CTL_LEFT, CTL_AS_IS, false},
	{"loop_guard", "loop guard", CTL_LEFT, CTL_AS_IS, false},
	{"fail_mode", "fail mode", CTL_LEFT, CTL_AS_IS, false},
	{"datapath_id", "datapath id", CTL_LEFT, CTL_AS_IS, false},
	{"controller_limit", "controller limit", CTL_LEFT, CTL_AS_IS, false},
	{"n_macs", "macs", CTL_LEFT, CTL_AS_IS, false},
	{"note", "note", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col port_cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"kind", "KIND", CTL_LEFT, CTL_AS_IS, false},
	{"tenant", "TENANT", CTL_LEFT, CTL_AS_IS, false},
	{"vlan", "VLAN", CTL_LEFT, CTL_AS_IS, false},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"note", "NOTE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col pipeline_cols[] = {
	{"direction", "DIRECTION", CTL_LEFT, CTL_AS_IS, false},
	{"step", "STEP", CTL_LEFT, CTL_AS_IS, false},
	{"does", "DOES", CTL_LEFT, CTL_AS_IS, false},
	{"drops", "MAY DROP AS", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_part show_parts[] = {
	{"ports", "ports", port_cols},
	{"pipeline", "pipeline", pipeline_cols},
	{0},
};

static const struct ctl_col verify_cols[] = {
	{"switch", "SWITCH", CTL_LEFT, CTL_AS_IS, true},
	{"check", "CHECK", CTL_LEFT, CTL_AS_IS, true},
	{"ok", "HOLDS", CTL_LEFT, CTL_AS_IS, false},
	{"detail", "DETAIL", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

const struct ctl_spec ctl_spec_switches[] = {
	{
		.noun = "switch",
		.verb = "add",
		.summary = "Add a switch",
		.description = "An external switch joins VMs, containers and a wire; an internal "
			       "one VMs and "
			       "the host; a private one VMs only.",
		.examples =
			(const char *const[]){
				"vswitchctl switch add lan0 --type internal",
				"vswitchctl switch add ext0 --type external --mac-age 10m", NULL},
		.args = add_args,
		.kind = "switch",
		.key = "name",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "switch",
		.verb = "set",
		.summary = "Change a switch",
		.examples =
			(const char *const[]){"vswitchctl switch set lan0 --mac-age 60s",
					      "vswitchctl switch set lan0 --default mac-age", NULL},
		.args = set_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "switch",
		.verb = "remove",
		.summary = "Remove a switch",
		.examples =
			(const char *const[]){"vswitchctl switch remove lan0",
					      "vswitchctl switch remove lan0 --with-ports", NULL},
		.args = remove_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "switch",
		.verb = "list",
		.summary = "List the switches",
		.examples = (const char *const[]){"vswitchctl switch list", NULL},
		.args = no_args,
		.cols = list_cols,
		.rows = "switches",
		.flags = CTL_DEFAULT,
		.answer = "{\"switches\": [{\"name\", \"type\", \"n_ports\", \"n_up\", "
			  "\"n_tenants\", "
			  "\"n_macs\", \"uplinks\": [port], \"note\"}]}",
	},
	{
		.noun = "switch",
		.verb = "show",
		.summary = "Show one switch with its ports",
		.examples = (const char *const[]){"vswitchctl switch show lan0",
						  "vswitchctl switch show lan0 --pipeline", NULL},
		.args = show_args,
		.cols = show_cols,
		.parts = show_parts,
		.answer = "{\"name\", \"type\", \"uplinks\": [port], \"tenants\": [tenant], "
			  "\"mac_age\": ms, "
			  "\"mac_limit\", \"loop_guard\", \"fail_mode\", \"datapath_id\", "
			  "\"controller_limit\": packets a second, "
			  "\"n_macs\", \"note\", \"ports\": [as "
			  "port list], "
			  "\"pipeline\": [{\"direction\": ingress or egress, \"step\", \"does\", "
			  "\"drops\": "
			  "[reason]}]}",
	},
	{
		.noun = "switch",
		.verb = "verify",
		.summary = "Prove from the running tables that isolation holds",
		.description =
			"Checks, from what the workers forward by and not from the configuration, "
			"that a "
			"private switch reaches no host or wire port and that no two tenants meet. "
			"Exits with 1 when something does not hold.",
		.examples = (const char *const[]){"vswitchctl switch verify", NULL},
		.args = verify_args,
		.cols = verify_cols,
		.rows = "checks",
		.answer =
			"{\"ok\": true when all hold, \"checks\": [{\"switch\", \"check\", \"ok\", "
			"\"detail\"}]}",
	},
	{0},
};
