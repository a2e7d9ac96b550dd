/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on mirrors; see spec.h.
 */
#include "ctl/spec_priv.h"

#define MIRROR_ARG CTL_NAMED("name", "mirror", CTL_REQUIRED, "the mirror")

#define OPTION_ARGS                                                                                \
	{.name = "port",                                                                           \
	 .type = CTL_LIST,                                                                         \
	 .metavar = "PORT",                                                                        \
	 .form = CTL_FORM_NAME,                                                                    \
	 .complete = "port",                                                                       \
	 .help = "frames of these ports"},                                                         \
		{.name = "tenant",                                                                 \
		 .type = CTL_LIST,                                                                 \
		 .metavar = "TENANT",                                                              \
		 .form = CTL_FORM_NAME,                                                            \
		 .complete = "tenant",                                                             \
		 .help = "frames of all ports of these tenants, also those that come later"},      \
		{.name = "switch",                                                                 \
		 .type = CTL_LIST,                                                                 \
		 .metavar = "SWITCH",                                                              \
		 .form = CTL_FORM_NAME,                                                            \
		 .complete = "switch",                                                             \
		 .help = "frames of all ports of these switches, also those that come later"},     \
		{.name = "vlan",                                                                   \
		 .type = CTL_VLANS,                                                                \
		 .metavar = "VLANS",                                                               \
		 .help = "of these, only frames that these VLANs carry",                           \
		 .def = "all"},                                                                    \
		{.name = "direction",                                                              \
		 .type = CTL_CHOICE,                                                               \
		 .choices = "ingress|egress|both",                                                 \
		 .help = "frames that come in by the ports, or that leave by them",                \
		 .def = "both"},                                                                   \
		{.name = "filter",                                                                 \
		 .type = CTL_STR,                                                                  \
		 .metavar = "EXPR",                                                                \
		 .help = "only frames that match; tcpdump's language"},                            \
		{.name = "to",                                                                     \
		 .type = CTL_NAME,                                                                 \
		 .metavar = "PORT",                                                                \
		 .complete = "port",                                                               \
		 .help = "copies go to this port, and nothing else does"},                         \
		{.name = "keep-traffic",                                                           \
		 .type = CTL_FLAG,                                                                 \
		 .help = "the port that --to names goes on as a port like others"},                \
		{.name = "to-vlan",                                                                \
		 .type = CTL_UINT,                                                                 \
		 .min = 1,                                                                         \
		 .max = 4094,                                                                      \
		 .metavar = "VLAN",                                                                \
		 .help = "copies go to all ports that carry this VLAN (RSPAN)"},                   \
		{.name = "to-switch",                                                              \
		 .type = CTL_NAME,                                                                 \
		 .complete = "switch",                                                             \
		 .help = "whose VLAN --to-vlan is",                                                \
		 .def = "the switch that is mirrored"},                                            \
		{.name = "to-tenant",                                                              \
		 .type = CTL_NAME,                                                                 \
		 .complete = "tenant",                                                             \
		 .help = "whose ports carry it",                                                   \
		 .def = "ports of no tenant"},                                                     \
		{.name = "erspan",                                                                 \
		 .type = CTL_STR,                                                                  \
		 .metavar = "ADDRESS",                                                             \
		 .help = "copies go to this IP address, each in a packet of its own (ERSPAN)"},    \
		{.name = "session",                                                                \
		 .type = CTL_UINT,                                                                 \
		 .min = 0,                                                                         \
		 .max = 1023,                                                                      \
		 .metavar = "N",                                                                   \
		 .help = "ERSPAN's number of this mirror"},                                        \
		{.name = "vtep",                                                                   \
		 .type = CTL_NAME,                                                                 \
		 .complete = "port",                                                               \
		 .help = "by which VTEP ERSPAN leaves"},                                           \
		{.name = "erspan-type",                                                            \
		 .type = CTL_UINT,                                                                 \
		 .min = 2,                                                                         \
		 .max = 3,                                                                         \
		 .metavar = "N",                                                                   \
		 .help = "type II, or III with a time stamp",                                      \
		 .def = "2"},                                                                      \
		{.name = "ttl",                                                                    \
		 .type = CTL_UINT,                                                                 \
		 .min = 1,                                                                         \
		 .max = 255,                                                                       \
		 .metavar = "N",                                                                   \
		 .help = "of ERSPAN's packets",                                                    \
		 .def = "64"},                                                                     \
		{.name = "dscp",                                                                   \
		 .type = CTL_UINT,                                                                 \
		 .min = 0,                                                                         \
		 .max = 63,                                                                        \
		 .metavar = "N",                                                                   \
		 .help = "of ERSPAN's packets",                                                    \
		 .def = "0"},                                                                      \
		{.name = "wait",                                                                   \
		 .type = CTL_FLAG,                                                                 \
		 .help = "the port that --to or --vtep names need not be there yet"},              \
		{.name = "snaplen",                                                                \
		 .type = CTL_UINT,                                                                 \
		 .min = 14,                                                                        \
		 .max = 65535,                                                                     \
		 .metavar = "N",                                                                   \
		 .help = "bytes of a frame that are copied",                                       \
		 .def = "all"},                                                                    \
		{.name = "limit",                                                                  \
		 .type = CTL_RATE,                                                                 \
		 .min = 1000,                                                                      \
		 .max = 10000000000000,                                                            \
		 .metavar = "RATE",                                                                \
		 .help = "bits of copies a second; what is above is counted, not copied",          \
		 .def = "no limit"},                                                               \
		{.name = "limit-packets",                                                          \
		 .type = CTL_UINT,                                                                 \
		 .min = 1,                                                                         \
		 .max = 1000000000,                                                                \
		 .metavar = "N",                                                                   \
		 .help = "copies a second",                                                        \
		 .def = "no limit"},                                                               \
		{.name = "sample",                                                                 \
		 .type = CTL_UINT,                                                                 \
		 .min = 1,                                                                         \
		 .max = 1000000000,                                                                \
		 .metavar = "N",                                                                   \
		 .help = "copy one frame of N",                                                    \
		 .def = "1"},                                                                      \
		{.name = "duplicates",                                                             \
		 .type = CTL_FLAG,                                                                 \
		 .help = "copy on the way out, too, what was copied on its way in"},               \
	{                                                                                          \
		.name = "across-tenants", .type = CTL_FLAG,                                        \
		.help = "copies may go to a tenant whose frames they are not"                      \
	}

static const struct ctl_arg add_args[] = {MIRROR_ARG, OPTION_ARGS, {0}};

static const struct ctl_arg set_args[] = {
	MIRROR_ARG,
	OPTION_ARGS,
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = "port|tenant|switch|vlan|direction|filter|to|keep-traffic|to-vlan|to-switch|"
		    "to-tenant|erspan|session|vtep|erspan-type|ttl|dscp|wait|snaplen|limit|limit-"
		    "packets|sample|duplicates|"
		    "across-tenants",
	 .help = "options that go back to their defaults"},
	{0},
};

static const struct ctl_arg remove_args[] = {MIRROR_ARG, {0}};
static const struct ctl_arg one_args[] = {
	CTL_NAMED("name", "mirror", 0, "one mirror; all without it"),
	{0},
};
static const struct ctl_arg show_args[] = {MIRROR_ARG, {0}};

static const struct ctl_col list_cols[] = {
	{"name", "MIRROR", CTL_LEFT, CTL_AS_IS, true},
	{"of", "OF", CTL_LEFT, CTL_AS_IS, false},
	{"direction", "DIRECTION", CTL_LEFT, CTL_AS_IS, false},
	{"to", "TO", CTL_LEFT, CTL_AS_IS, false},
	{"ports", "PORTS", CTL_RIGHT, CTL_AS_IS, false},
	{"copied", "COPIED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"lost", "LOST", CTL_RIGHT, CTL_AS_COUNT, false},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"note", "NOTE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col stats_cols[] = {
	{"name", "MIRROR", CTL_LEFT, CTL_AS_IS, true},
	{"seen", "SEEN", CTL_RIGHT, CTL_AS_COUNT, false},
	{"filtered", "FILTERED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"sampled_out", "SAMPLED OUT", CTL_RIGHT, CTL_AS_COUNT, false},
	{"duplicates", "DUPLICATES", CTL_RIGHT, CTL_AS_COUNT, false},
	{"copied", "COPIED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"truncated", "TRUNCATED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"lost", "LOST", CTL_RIGHT, CTL_AS_COUNT, false},
	{"target_drops", "TARGET DROPS", CTL_RIGHT, CTL_AS_COUNT, false},
	{0},
};

static const struct ctl_col show_cols[] = {
	{"name", "name", CTL_LEFT, CTL_AS_IS, true},
	{"state", "state", CTL_LEFT, CTL_AS_IS, false},
	{"note", "note", CTL_LEFT, CTL_AS_IS, false},
	{"of", "of", CTL_LEFT, CTL_AS_IS, false},
	{"direction", "direction", CTL_LEFT, CTL_AS_IS, false},
	{"vlan", "vlans", CTL_LEFT, CTL_AS_IS, false},
	{"filter", "filter", CTL_LEFT, CTL_AS_IS, false},
	{"to", "to", CTL_LEFT, CTL_AS_IS, false},
	{"snaplen", "snaplen", CTL_LEFT, CTL_AS_IS, false},
	{"limit", "limit", CTL_LEFT, CTL_AS_RATE, false},
	{"limit_packets", "packets a second", CTL_LEFT, CTL_AS_COUNT, false},
	{"sample", "one of", CTL_LEFT, CTL_AS_COUNT, false},
	{"source_ports", "ports", CTL_LEFT, CTL_AS_IS, false},
	{"target_ports", "copies leave by", CTL_LEFT, CTL_AS_IS, false},
	{"seen", "seen", CTL_LEFT, CTL_AS_COUNT, false},
	{"filtered", "filtered out", CTL_LEFT, CTL_AS_COUNT, false},
	{"sampled_out", "sampled out", CTL_LEFT, CTL_AS_COUNT, false},
	{"duplicates", "duplicates", CTL_LEFT, CTL_AS_COUNT, false},
	{"copied", "copied", CTL_LEFT, CTL_AS_COUNT, false},
	{"bytes", "bytes", CTL_LEFT, CTL_AS_BYTES, false},
	{"truncated", "truncated", CTL_LEFT, CTL_AS_COUNT, false},
	{"target_drops", "dropped at the target", CTL_LEFT, CTL_AS_COUNT, false},
	{0},
};

static const struct ctl_col loss_cols[] = {
	{"reason", "REASON", CTL_LEFT, CTL_AS_IS, true},
	{"lost", "LOST", CTL_RIGHT, CTL_AS_COUNT, false},
	{"text", "WHY", CTL_LEFT, CTL_AS_IS, false},
	{0},
};
static const struct ctl_part show_parts[] = {{"losses", "Not copied", loss_cols}, {0}};

#define ROW                                                                                        \
	"\"name\", \"of\": [\"port web1\"], \"direction\", \"to\", \"state\": \"copies\" or "      \
	"\"waits\", \"note\": why it waits, \"ports\": how many it looks at, \"seen\", "           \
	"\"filtered\", \"sampled_out\", \"duplicates\", \"copied\", \"bytes\", \"truncated\", "    \
	"\"lost\", \"target_drops\""

const struct ctl_spec ctl_spec_mirrors[] = {
	{
		.noun = "mirror",
		.verb = "add",
		.summary = "Copy frames of ports to a port, a VLAN or an address",
		.description =
			"Copies are of frames as they come in, before guards and filters, and as "
			"they leave, after all that. A frame that comes in by one port and leaves "
			"by another of the same mirror is copied once. A port that copies go to "
			"sends nothing else, and what it receives is dropped, unless "
			"--keep-traffic. A copy is never copied again. What cannot be copied is "
			"counted and costs its frame nothing.",
		.examples =
			(const char *const[]){
				"vswitchctl mirror add m1 --port web1 --to mon0",
				"vswitchctl mirror add m2 --tenant blue --filter 'tcp port 80' "
				"--snaplen 128 --to mon0",
				"vswitchctl mirror add m3 --switch lan0 --vlan 10,20 --to-vlan 999",
				"vswitchctl mirror add m4 --port web1 --erspan 192.0.2.9 "
				"--session 7 --vtep vtep0 --limit 100M",
				NULL},
		.args = add_args,
		.kind = "mirror",
		.key = "name",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "mirror",
		.verb = "set",
		.summary = "Change a mirror while frames flow",
		.description = "--port, --tenant and --switch each take the place of what was said "
			       "before; so does a target, of whatever kind.",
		.examples =
			(const char *const[]){"vswitchctl mirror set m1 --port web1,web2",
					      "vswitchctl mirror set m1 --default filter", NULL},
		.args = set_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "mirror",
		.verb = "remove",
		.summary = "Remove a mirror",
		.examples = (const char *const[]){"vswitchctl mirror remove m1", NULL},
		.args = remove_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "mirror",
		.verb = "list",
		.summary = "List mirrors",
		.examples = (const char *const[]){"vswitchctl mirror list", NULL},
		.args = one_args,
		.cols = list_cols,
		.rows = "mirrors",
		.flags = CTL_WATCH,
		.answer = "{\"mirrors\": [{" ROW "}]}",
	},
	{
		.noun = "mirror",
		.verb = "stats",
		.summary = "Show what mirrors copied and what they could not",
		.examples = (const char *const[]){"vswitchctl mirror stats -w", NULL},
		.args = one_args,
		.cols = stats_cols,
		.rows = "mirrors",
		.flags = CTL_WATCH,
		.answer = "{\"mirrors\": [{" ROW "}]}",
	},
	{
		.noun = "mirror",
		.verb = "show",
		.summary = "Show everything about a mirror",
		.examples = (const char *const[]){"vswitchctl mirror show m1", NULL},
		.args = show_args,
		.cols = show_cols,
		.parts = show_parts,
		.answer = "{" ROW ", \"source_ports\", \"target_ports\", \"losses\": "
			  "[{\"reason\", \"lost\", \"text\"}], and what it was given}",
	},
	{0},
};
