/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on tenants; see spec.h.
 */
#include "ctl/spec_priv.h"

#define TENANT_OPTIONS                                                                             \
	{.name = "mac-limit",                                                                      \
	 .type = CTL_UINT,                                                                         \
	 .min = 0,                                                                                 \
	 .max = 1048576,                                                                           \
	 .metavar = "N",                                                                           \
	 .help = "most addresses learned of it on each switch, 0 for no limit",                    \
	 .def = "0"},                                                                              \
		{.name = "flow-limit",                                                             \
		 .type = CTL_UINT,                                                                 \
		 .min = 0,                                                                         \
		 .max = 4194304,                                                                   \
		 .metavar = "N",                                                                   \
		 .help = "most flows that a worker caches of it on each switch, 0 for no limit",   \
		 .def = "0"},                                                                      \
		{.name = "connection-limit",                                                       \
		 .type = CTL_UINT,                                                                 \
		 .min = 0,                                                                         \
		 .max = 1048576,                                                                   \
		 .metavar = "N",                                                                   \
		 .help = "most connections tracked for it on each switch, 0 for no limit",         \
		 .def = "0"},                                                                      \
	{                                                                                          \
		.name = "flood-rate", .type = CTL_RATE, .metavar = "RATE",                         \
		.help = "most bandwidth of its flooded frames on each switch, 0 for no limit",     \
		.def = "0"                                                                         \
	}

static const struct ctl_arg add_args[] = {
	{.name = "name",
	 .type = CTL_NAME,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .help = "name of the tenant"},
	{.name = "id",
	 .type = CTL_UINT,
	 .flags = CTL_REQUIRED | CTL_DEVICE,
	 .min = 1,
	 .max = 16777215,
	 .metavar = "N",
	 .help = "virtual subnet id, unique, 24 bits"},
	TENANT_OPTIONS,
	{0},
};

static const struct ctl_arg set_args[] = {
	{.name = "name",
	 .type = CTL_NAME,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .complete = "tenant",
	 .help = "the tenant"},
	TENANT_OPTIONS,
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = "mac-limit|flow-limit|connection-limit|flood-rate",
	 .help = "options that go back to their defaults"},
	{0},
};

static const struct ctl_arg name_args[] = {
	{.name = "name",
	 .type = CTL_NAME,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .complete = "tenant",
	 .help = "the tenant"},
	{0},
};

static const struct ctl_arg optional_args[] = {
	{.name = "name",
	 .type = CTL_NAME,
	 .flags = CTL_POS,
	 .complete = "tenant",
	 .help = "one tenant; all without it"},
	{0},
};

static const struct ctl_arg no_args[] = {{0}};

static const struct ctl_col list_cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"id", "ID", CTL_RIGHT, CTL_AS_IS, false},
	{"n_ports", "PORTS", CTL_RIGHT, CTL_AS_IS, false},
	{"n_macs", "MACS", CTL_RIGHT, CTL_AS_IS, false},
	{"mac_limit", "MAC LIMIT", CTL_RIGHT, CTL_AS_IS, false},
	{"n_flows", "FLOWS", CTL_RIGHT, CTL_AS_IS, false},
	{"flow_limit", "FLOW LIMIT", CTL_RIGHT, CTL_AS_IS, false},
	{"flood_rate", "FLOOD RATE", CTL_RIGHT, CTL_AS_RATE, false},
	{0},
};

static const struct ctl_col stats_cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"switch", "SWITCH", CTL_LEFT, CTL_AS_IS, true},
	{"rx_packets", "RX", CTL_RIGHT, CTL_AS_COUNT, false},
	{"rx_bytes", "RX BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"copies", "COPIES", CTL_RIGHT, CTL_AS_COUNT, false},
	{"forwarded", "FORWARDED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"drops", "DROPS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"flows", "FLOWS", CTL_RIGHT, CTL_AS_IS, false},
	{"flows_refused", "NOT CACHED", CTL_RIGHT, CTL_AS_COUNT, false},
	{0},
};

static const struct ctl_col show_cols[] = {
	{"name", "name", CTL_LEFT, CTL_AS_IS, true},
	{"id", "id", CTL_LEFT, CTL_AS_IS, false},
	{"ports", "ports", CTL_LEFT, CTL_AS_IS, false},
	{"n_macs", "addresses learned", CTL_LEFT, CTL_AS_IS, false},
	{"mac_limit", "mac limit", CTL_LEFT, CTL_AS_IS, false},
	{"n_flows", "flows cached", CTL_LEFT, CTL_AS_IS, false},
	{"flow_limit", "flow limit", CTL_LEFT, CTL_AS_IS, false},
	{"n_connections", "connections", CTL_LEFT, CTL_AS_IS, false},
	{"connection_limit", "connection limit", CTL_LEFT, CTL_AS_IS, false},
	{"flood_rate", "flood rate", CTL_LEFT, CTL_AS_RATE, false},
	{0},
};

static const struct ctl_part show_parts[] = {{"switches", "switches", stats_cols}, {0}};

const struct ctl_spec ctl_spec_tenants[] = {
	{
		.noun = "tenant",
		.verb = "add",
		.summary = "Add a tenant",
		.description = "Ports of two tenants never exchange a frame, whatever their MACs, "
			       "VLANs and "
			       "addresses; these may be the same in two tenants.",
		.examples =
			(const char *const[]){"vswitchctl tenant add blue --id 100",
					      "vswitchctl tenant add red --id 200 --mac-limit 1000 "
					      "--flood-rate 10M",
					      NULL},
		.args = add_args,
		.kind = "tenant",
		.key = "name",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "tenant",
		.verb = "set",
		.summary = "Change a tenant's limits",
		.examples =
			(const char *const[]){"vswitchctl tenant set red --flood-rate 20M", NULL},
		.args = set_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "tenant",
		.verb = "remove",
		.summary = "Remove a tenant that has no ports",
		.examples = (const char *const[]){"vswitchctl tenant remove red", NULL},
		.args = name_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "tenant",
		.verb = "list",
		.summary = "List the tenants",
		.examples = (const char *const[]){"vswitchctl tenant list", NULL},
		.args = no_args,
		.cols = list_cols,
		.rows = "tenants",
		.flags = CTL_DEFAULT,
		.answer =
			"{\"tenants\": [{\"name\", \"id\", \"n_ports\", \"n_macs\", \"mac_limit\", "
			"\"n_flows\": cached now, \"flow_limit\", \"n_connections\", "
			"\"connection_limit\", \"flood_rate\": bits a "
			"second}]}",
	},
	{
		.noun = "tenant",
		.verb = "show",
		.summary = "Show one tenant: its ports, limits and counters",
		.examples = (const char *const[]){"vswitchctl tenant show blue", NULL},
		.args = name_args,
		.cols = show_cols,
		.parts = show_parts,
		.flags = CTL_WATCH,
		.answer = "as a row of tenant list, with \"ports\": [port], \"switches\": [as rows "
			  "of tenant "
			  "stats]",
	},
	{
		.noun = "tenant",
		.verb = "stats",
		.summary = "Show the counters of tenants on each switch, or their rates with -w",
		.examples = (const char *const[]){"vswitchctl tenant stats -w", NULL},
		.args = optional_args,
		.cols = stats_cols,
		.rows = "tenants",
		.flags = CTL_WATCH,
		.answer = "{\"tenants\": [{\"name\", \"switch\", \"rx_packets\", \"rx_bytes\", "
			  "\"copies\", "
			  "\"forwarded\", \"drops\", \"flows\": cached now, \"flows_refused\": not "
			  "cached beyond the limit}]}",
	},
	{0},
};
