/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on zones of connections; see spec.h.
 */
#include "ctl/spec_priv.h"

#define KEY_ARGS                                                                                   \
	{.name = "switch",                                                                         \
	 .type = CTL_NAME,                                                                         \
	 .flags = CTL_POS | CTL_REQUIRED,                                                          \
	 .complete = "switch",                                                                     \
	 .help = "the switch whose rules track in it"},                                            \
		{.name = "zone",                                                                   \
		 .type = CTL_UINT,                                                                 \
		 .flags = CTL_POS | CTL_REQUIRED,                                                  \
		 .max = 65535,                                                                     \
		 .help = "the number that rules say: ct(zone=ZONE)"},                              \
	{                                                                                          \
		.name = "tenant", .type = CTL_NAME, .flags = CTL_POS, .complete = "tenant",        \
		.help = "whose zone it is", .def = "the ports' without a tenant"                   \
	}

#define LIMIT_ARG                                                                                  \
	{                                                                                          \
		.name = "limit", .type = CTL_UINT, .min = 1, .max = 1048576, .metavar = "N",       \
		.help = "most connections in it", .def = "no limit"                                \
	}

static const struct ctl_arg add_args[] = {KEY_ARGS, LIMIT_ARG, {0}};

static const struct ctl_arg set_args[] = {
	KEY_ARGS,
	LIMIT_ARG,
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = "limit",
	 .help = "options that go back to their defaults"},
	{0},
};

static const struct ctl_arg remove_args[] = {KEY_ARGS, {0}};

static const struct ctl_arg list_args[] = {
	{.name = "switch", .type = CTL_NAME, .complete = "switch", .help = "only on this switch"},
	{.name = "tenant", .type = CTL_NAME, .complete = "tenant", .help = "only this tenant's"},
	{0},
};

static const struct ctl_col list_cols[] = {
	{"switch", "SWITCH", CTL_LEFT, CTL_AS_IS, true},
	{"tenant", "TENANT", CTL_LEFT, CTL_AS_IS, true},
	{"zone", "ZONE", CTL_RIGHT, CTL_AS_IS, true},
	{"connections", "CONNECTIONS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"limit", "LIMIT", CTL_RIGHT, CTL_AS_COUNT, false},
	{0},
};

const struct ctl_spec ctl_spec_zones[] = {
	{
		.noun = "zone",
		.verb = "add",
		.summary = "Limit the connections of a zone",
		.description =
			"A zone is a tenant's on a switch: zone 5 of another tenant is another "
			"zone. Zones need not be added to be used; this gives one a limit. At the "
			"limit a new connection takes the place of one that was never answered; "
			"where there is none it is not kept ('refused: the zone's limit' of "
			"conntrack stats).",
		.examples =
			(const char *const[]){"vswitchctl zone add lan0 5 --limit 1000",
					      "vswitchctl zone add lan0 5 blue --limit 100", NULL},
		.args = add_args,
		.kind = "zone",
		.key = "switch zone tenant",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "zone",
		.verb = "set",
		.summary = "Change a zone's limit",
		.description = "Connections beyond a lower limit stay until they end.",
		.examples = (const char *const[]){"vswitchctl zone set lan0 5 --limit 2000", NULL},
		.args = set_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "zone",
		.verb = "remove",
		.summary = "Take a zone's limit away",
		.examples = (const char *const[]){"vswitchctl zone remove lan0 5", NULL},
		.args = remove_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "zone",
		.verb = "list",
		.summary = "List the zones that have connections or a limit",
		.examples = (const char *const[]){"vswitchctl zone list",
						  "vswitchctl zone list --tenant blue", NULL},
		.args = list_args,
		.cols = list_cols,
		.rows = "zones",
		.flags = CTL_DEFAULT | CTL_WATCH,
		.answer = "{\"zones\": [{\"switch\", \"tenant\", \"zone\", \"connections\", "
			  "\"limit\": or null}]}",
	},
	{0},
};
