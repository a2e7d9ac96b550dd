/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on teams; see spec.h.  A team is a port, so it is added, removed and given VLANs as one.
 */
#include "ctl/spec_team.h"
#include "ctl/spec_priv.h"

#define THE_TEAM CTL_NAMED("name", "port", CTL_REQUIRED, "the team: a port of kind team")

static const struct ctl_arg set_args[] = {
	THE_TEAM,
	CTL_TEAM_OWN_OPTIONS,
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = "team-mode|team-primary|lacp-rate|lacp-passive",
	 .help = "options that go back to their defaults"},
	{0},
};

static const struct ctl_arg join_args[] = {
	THE_TEAM,
	CTL_THE_PORT("port"),
	{0},
};

static const struct ctl_arg leave_args[] = {
	CTL_THE_PORT("port"),
	{0},
};

static const struct ctl_arg list_args[] = {
	CTL_NAMED("name", "port", 0, "one team; all without it"),
	{0},
};

static const struct ctl_arg show_args[] = {
	THE_TEAM,
	{0},
};

static const struct ctl_col list_cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"switch", "SWITCH", CTL_LEFT, CTL_AS_IS, false},
	{"mode", "MODE", CTL_LEFT, CTL_AS_IS, false},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"n_members", "MEMBERS", CTL_RIGHT, CTL_AS_IS, false},
	{"n_active", "ACTIVE", CTL_RIGHT, CTL_AS_IS, false},
	{"speed", "SPEED", CTL_RIGHT, CTL_AS_RATE, false},
	{"moves", "FAIL-OVERS", CTL_RIGHT, CTL_AS_COUNT, false},
	{0},
};

static const struct ctl_col show_cols[] = {
	{"name", "name", CTL_LEFT, CTL_AS_IS, true},
	{"switch", "switch", CTL_LEFT, CTL_AS_IS, false},
	{"mode", "mode", CTL_LEFT, CTL_AS_IS, false},
	{"state", "state", CTL_LEFT, CTL_AS_IS, false},
	{"primary", "primary", CTL_LEFT, CTL_AS_IS, false},
	{"group_member", "hears groups by", CTL_LEFT, CTL_AS_IS, false},
	{"speed", "speed", CTL_LEFT, CTL_AS_RATE, false},
	{"moves", "fail-overs", CTL_LEFT, CTL_AS_COUNT, false},
	{"system", "LACP system", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col member_cols[] = {
	{"port", "MEMBER", CTL_LEFT, CTL_AS_IS, true},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"link", "LINK", CTL_LEFT, CTL_AS_IS, false},
	{"speed", "SPEED", CTL_RIGHT, CTL_AS_RATE, false},
	{"share", "SHARE", CTL_RIGHT, CTL_AS_PERCENT, false},
	{"rx_packets", "RX", CTL_RIGHT, CTL_AS_COUNT, false},
	{"tx_packets", "TX", CTL_RIGHT, CTL_AS_COUNT, false},
	{"partner", "PARTNER", CTL_LEFT, CTL_AS_IS, false},
	{"lacp_rx", "PDUS IN", CTL_RIGHT, CTL_AS_COUNT, false},
	{"lacp_tx", "PDUS OUT", CTL_RIGHT, CTL_AS_COUNT, false},
	{"note", "NOTE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_part show_parts[] = {{"members", "members", member_cols}, {0}};

#define ROW                                                                                        \
	"\"name\", \"switch\", \"mode\", \"state\": as of port list, \"n_members\", "              \
	"\"n_active\": those that may send, \"speed\": bits a second of these, \"moves\": how "    \
	"often others came to send"

const struct ctl_spec ctl_spec_teams[] = {
	{
		.noun = "team",
		.verb = "list",
		.summary = "List the teams",
		.examples = (const char *const[]){"vswitchctl team list", NULL},
		.args = list_args,
		.cols = list_cols,
		.rows = "teams",
		.flags = CTL_WATCH | CTL_DEFAULT,
		.answer = "{\"teams\": [{" ROW "}]}",
	},
	{
		.noun = "team",
		.verb = "show",
		.summary = "Show a team and what each member does",
		.description =
			"A member is 'active' when it carries frames, 'standby' when it could and "
			"another does, 'down' without a link, 'waiting' when its device is away. "
			"The note says why it does not.",
		.examples = (const char *const[]){"vswitchctl team show up0",
						  "vswitchctl team show up0 -w", NULL},
		.args = show_args,
		.cols = show_cols,
		.parts = show_parts,
		.flags = CTL_WATCH,
		.answer = "{" ROW ", \"primary\", \"group_member\": the member by which group "
			  "frames are heard, \"system\": "
			  "LACP's, \"members\": [{\"port\", \"state\", \"link\", \"speed\", "
			  "\"share\": of the flows, \"rx_packets\", \"tx_packets\", \"rx_bytes\", "
			  "\"tx_bytes\", \"partner\", \"lacp_rx\", \"lacp_tx\", \"lacp_bad\", "
			  "\"lacp_markers\", \"note\"}]}",
	},
	{
		.noun = "team",
		.verb = "set",
		.summary = "Change a team while traffic flows",
		.description =
			"Modes: active-backup, one member carries all; address, by the frame's "
			"source address; port, by the switch's port it came by (these three need "
			"nothing of the physical switches, which may be several); static, by flow, "
			"to ports that the physical switch has bundled; lacp, the same, agreed on "
			"with the physical switch.\n\n'port set' takes the same options.",
		.examples =
			(const char *const[]){"vswitchctl team set up0 --team-mode lacp",
					      "vswitchctl team set up0 --team-primary eth1", NULL},
		.args = set_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "team",
		.verb = "join",
		.summary = "Make a port a member of a team",
		.description = "Its own VLANs, tenant, guards, lists and filters wait until it "
			       "leaves: those of the team hold.",
		.examples = (const char *const[]){"vswitchctl team join up0 eth1", NULL},
		.args = join_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "team",
		.verb = "leave",
		.summary = "Take a port out of its team",
		.description = "It is down then ('port set PORT --admin up'): two uplinks to one "
			       "network would be a loop.",
		.examples = (const char *const[]){"vswitchctl team leave eth1", NULL},
		.args = leave_args,
		.flags = CTL_CHANGES,
	},
	{0},
};
