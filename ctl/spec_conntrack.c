/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on tracked connections; see spec.h.
 */
#include "ctl/spec_priv.h"

#define FILTERS                                                                                    \
	{.name = "switch", .type = CTL_NAME, .complete = "switch", .help = "only on this switch"}, \
		{.name = "tenant",                                                                 \
		 .type = CTL_NAME,                                                                 \
		 .complete = "tenant",                                                             \
		 .help = "only this tenant's"},                                                    \
		{.name = "zone",                                                                   \
		 .type = CTL_UINT,                                                                 \
		 .max = 65535,                                                                     \
		 .metavar = "ZONE",                                                                \
		 .help = "only in this zone"},                                                     \
		{.name = "proto",                                                                  \
		 .type = CTL_UINT,                                                                 \
		 .max = 255,                                                                       \
		 .metavar = "NUMBER",                                                              \
		 .help = "only of this IP protocol: 6 is TCP, 17 UDP"},                            \
	{                                                                                          \
		.name = "address", .type = CTL_STR, .metavar = "ADDRESS",                          \
		.help = "only from or to this address"                                             \
	}

static const struct ctl_arg list_args[] = {
	FILTERS,
	{.name = "limit",
	 .type = CTL_UINT,
	 .max = 1048576,
	 .metavar = "N",
	 .help = "at most so many; 0: all",
	 .def = "1000"},
	{0},
};

static const struct ctl_arg flush_args[] = {FILTERS, {0}};
static const struct ctl_arg no_args[] = {{0}};

static const struct ctl_col list_cols[] = {
	{"switch", "SWITCH", CTL_LEFT, CTL_AS_IS, true},
	{"tenant", "TENANT", CTL_LEFT, CTL_AS_IS, true},
	{"zone", "ZONE", CTL_RIGHT, CTL_AS_IS, true},
	{"proto", "PROTO", CTL_LEFT, CTL_AS_IS, true},
	{"orig", "FIRST PACKET", CTL_LEFT, CTL_AS_IS, true},
	{"reply", "ANSWERS", CTL_LEFT, CTL_AS_IS, true},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, true},
	{"mark", "MARK", CTL_RIGHT, CTL_AS_IS, false},
	{"expires", "EXPIRES", CTL_RIGHT, CTL_AS_AGE, false},
	{0},
};

static const struct ctl_col stats_cols[] = {
	{"entries", "connections", CTL_LEFT, CTL_AS_COUNT, false},
	{"limit", "at most", CTL_LEFT, CTL_AS_COUNT, false},
	{"zones", "zones in use", CTL_LEFT, CTL_AS_COUNT, false},
	{"memory", "memory", CTL_LEFT, CTL_AS_BYTES, false},
	{"created", "committed", CTL_LEFT, CTL_AS_COUNT, false},
	{"ended", "ended", CTL_LEFT, CTL_AS_COUNT, false},
	{"expired", "of these: expired", CTL_LEFT, CTL_AS_COUNT, false},
	{"evicted", "of these: gave way", CTL_LEFT, CTL_AS_COUNT, false},
	{"reused", "of these: opened again", CTL_LEFT, CTL_AS_COUNT, false},
	{"flushed", "of these: flushed", CTL_LEFT, CTL_AS_COUNT, false},
	{"refused-full", "refused: full", CTL_LEFT, CTL_AS_COUNT, false},
	{"refused-zone", "refused: the zone's limit", CTL_LEFT, CTL_AS_COUNT, false},
	{"refused-tenant", "refused: the tenant's limit", CTL_LEFT, CTL_AS_COUNT, false},
	{"refused-nat", "refused: no address or port", CTL_LEFT, CTL_AS_COUNT, false},
	{"invalid", "invalid packets", CTL_LEFT, CTL_AS_COUNT, false},
	{"window", "of these: outside of the window", CTL_LEFT, CTL_AS_COUNT, false},
	{"related", "errors about connections", CTL_LEFT, CTL_AS_COUNT, false},
	{0},
};

const struct ctl_spec ctl_spec_conntracks[] = {
	{
		.noun = "conntrack",
		.verb = "list",
		.summary = "Show the connections that flows with ct() track",
		.examples =
			(const char *const[]){"vswitchctl conntrack list",
					      "vswitchctl conntrack list --zone 5 --proto 6", NULL},
		.args = list_args,
		.flags = CTL_DEFAULT,
		.rows = "connections",
		.cols = list_cols,
		.answer = "{\"connections\": [{\"switch\", \"tenant\", \"zone\", \"proto\", "
			  "\"orig\": \"from>to\", \"reply\": \"from>to\", \"state\", \"mark\", "
			  "\"label\", \"expires\": seconds}], \"total\"}",
	},
	{
		.noun = "conntrack",
		.verb = "stats",
		.summary = "Show how many connections there are, and what became of others",
		.examples = (const char *const[]){"vswitchctl conntrack stats", NULL},
		.args = no_args,
		.cols = stats_cols,
		.answer = "{\"entries\", \"limit\", \"zones\", \"memory\", and the counters}",
	},
	{
		.noun = "conntrack",
		.verb = "flush",
		.summary = "End connections",
		.description =
			"Their next packets are new ones, or invalid. Without a filter, all of "
			"them.",
		.examples = (const char *const[]){"vswitchctl conntrack flush --zone 5", NULL},
		.args = flush_args,
		.answer = "{\"flushed\": n}",
	},
	{0},
};
