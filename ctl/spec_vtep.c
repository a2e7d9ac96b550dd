/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands that look at overlays; see spec.h.  What is configured of them are ports (spec_port.c,
 * spec_overlay.h).
 */
#include "ctl/spec_priv.h"

static const struct ctl_arg list_args[] = {
	{.name = "name",
	 .type = CTL_NAME,
	 .flags = CTL_POS,
	 .complete = "port",
	 .help = "one VTEP; all without it"},
	{0},
};

static const struct ctl_col list_cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"switch", "SWITCH", CTL_LEFT, CTL_AS_IS, false},
	{"addresses", "ADDRESSES", CTL_LEFT, CTL_AS_IS, false},
	{"mac", "MAC", CTL_LEFT, CTL_AS_IS, false},
	{"mtu", "MTU", CTL_RIGHT, CTL_AS_IS, false},
	{"tunnels", "TUNNELS", CTL_LEFT, CTL_AS_IS, false},
	{"rx_packets", "SENT", CTL_RIGHT, CTL_AS_COUNT, false},
	{"tx_packets", "TAKEN", CTL_RIGHT, CTL_AS_COUNT, false},
	{"drops", "DROPS", CTL_RIGHT, CTL_AS_COUNT, false},
	{0},
};

static const struct ctl_col neighbor_cols[] = {
	{"vtep", "VTEP", CTL_LEFT, CTL_AS_IS, true},
	{"ip", "NEIGHBOUR", CTL_LEFT, CTL_AS_IS, true},
	{"mac", "MAC", CTL_LEFT, CTL_AS_IS, false},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"age", "AGE", CTL_RIGHT, CTL_AS_AGE, false},
	{"idle", "IDLE", CTL_RIGHT, CTL_AS_AGE, false},
	{0},
};

static const struct ctl_part list_parts[] = {{"neighbors", "neighbours", neighbor_cols}, {0}};

static const struct ctl_col station_cols[] = {
	{"vtep", "VTEP", CTL_LEFT, CTL_AS_IS, true},
	{"port", "PORT", CTL_LEFT, CTL_AS_IS, true},
	{"mac", "MAC", CTL_LEFT, CTL_AS_IS, true},
	{"remote", "REMOTE", CTL_LEFT, CTL_AS_IS, false},
	{"age", "AGE", CTL_RIGHT, CTL_AS_AGE, false},
	{0},
};

const struct ctl_spec ctl_spec_vteps[] = {
	{
		.noun = "vtep",
		.verb = "list",
		.summary = "List the VTEPs and their neighbours",
		.description =
			"A VTEP is a port of kind vtep: the station of an underlay address, by "
			"which tunnel ports leave. SENT is what its tunnels sent, TAKEN what came "
			"for it.",
		.examples = (const char *const[]){"vswitchctl vtep list",
						  "vswitchctl vtep list vtep0 -w", NULL},
		.args = list_args,
		.cols = list_cols,
		.rows = "vteps",
		.parts = list_parts,
		.flags = CTL_WATCH | CTL_DEFAULT,
		.answer = "{\"vteps\": [{\"name\", \"switch\", \"addresses\": [CIDR], \"mac\", "
			  "\"mtu\", \"tunnels\": [port], \"rx_packets\", \"tx_packets\", "
			  "\"drops\"}], \"neighbors\": [{\"vtep\", \"ip\", \"mac\", \"state\": "
			  "known, "
			  "asked or static, \"age\": seconds, \"idle\": seconds}]}",
	},
	{
		.noun = "vtep",
		.verb = "stations",
		.summary = "List the stations learned behind remotes",
		.description = "Learned by tunnel ports with several remotes or --remote flow.",
		.examples = (const char *const[]){"vswitchctl vtep stations", NULL},
		.args = list_args,
		.cols = station_cols,
		.rows = "stations",
		.flags = CTL_WATCH,
		.answer = "{\"stations\": [{\"vtep\", \"port\", \"mac\", \"remote\", \"age\": "
			  "seconds}]}",
	},
	{0},
};
