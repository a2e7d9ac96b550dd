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

#define TIMEOUT(option, of, usual)                                                                 \
	{                                                                                          \
		.name = (option), .type = CTL_DURATION, .min = 1000, .max = 2592000000,            \
		.metavar = "DURATION", .help = "how long a silent one lives: " of, .def = (usual)  \
	}

static const struct ctl_arg set_args[] = {
	TIMEOUT("tcp-opening", "TCP until both sides agreed", "30s"),
	TIMEOUT("tcp-established", "TCP on which both sides agreed", "1d"),
	TIMEOUT("tcp-closing", "TCP after the first FIN", "15m"),
	TIMEOUT("tcp-fin-wait", "TCP after both FINs", "45s"),
	TIMEOUT("tcp-closed", "TCP that is closed or was reset", "30s"),
	TIMEOUT("udp-first", "UDP without an answer", "60s"),
	TIMEOUT("udp-established", "UDP that was answered", "2m"),
	TIMEOUT("icmp-first", "pings without an answer", "60s"),
	TIMEOUT("icmp-established", "pings that were answered", "30s"),
	TIMEOUT("other-first", "other protocols without an answer", "60s"),
	TIMEOUT("other-established", "other protocols that were answered", "5m"),
	TIMEOUT("expected", "a connection that another announced (alg) and that did not come",
		"60s"),
	{.name = "tcp-strict",
	 .type = CTL_ONOFF,
	 .help = "a TCP connection is new with its first segment only, not from its middle",
	 .def = "off"},
	{.name = "fragments",
	 .type = CTL_UINT,
	 .min = 64,
	 .max = 131072,
	 .metavar = "N",
	 .help = "most packet buffers that fragments hold while they wait for their packets",
	 .def = "2048"},
	{.name = "tenant-fragments",
	 .type = CTL_UINT,
	 .min = 64,
	 .max = 131072,
	 .metavar = "N",
	 .help = "the same of a tenant on a switch",
	 .def = "512"},
	{.name = "fragment-timeout",
	 .type = CTL_DURATION,
	 .min = 1000,
	 .max = 120000,
	 .metavar = "DURATION",
	 .help = "how long fragments wait",
	 .def = "30s"},
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = "tcp-opening|tcp-established|tcp-closing|tcp-fin-wait|tcp-closed|udp-fi"
		    "rst|udp-established|icmp-first|icmp-established|other-first|other-esta"
		    "blished|expected|tcp-strict|fragments|tenant-fragments|fragment-timeout",
	 .help = "options that go back to their defaults"},
	{0},
};
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
	{"expected", "connections announced by others", CTL_LEFT, CTL_AS_COUNT, false},
	{"expected-came", "of these: opened", CTL_LEFT, CTL_AS_COUNT, false},
	{"expected-refused", "announcements not followed", CTL_LEFT, CTL_AS_COUNT, false},
	{"fragments", "fragments waiting", CTL_LEFT, CTL_AS_COUNT, false},
	{"whole", "packets that came in fragments", CTL_LEFT, CTL_AS_COUNT, false},
	{0},
};

static const struct ctl_col show_cols[] = {
	{"tcp_opening", "TCP until both sides agreed", CTL_LEFT, CTL_AS_DURATION, false},
	{"tcp_established", "TCP on which both sides agreed", CTL_LEFT, CTL_AS_DURATION, false},
	{"tcp_closing", "TCP after the first FIN", CTL_LEFT, CTL_AS_DURATION, false},
	{"tcp_fin_wait", "TCP after both FINs", CTL_LEFT, CTL_AS_DURATION, false},
	{"tcp_closed", "TCP that is closed or was reset", CTL_LEFT, CTL_AS_DURATION, false},
	{"udp_first", "UDP without an answer", CTL_LEFT, CTL_AS_DURATION, false},
	{"udp_established", "UDP that was answered", CTL_LEFT, CTL_AS_DURATION, false},
	{"icmp_first", "pings without an answer", CTL_LEFT, CTL_AS_DURATION, false},
	{"icmp_established", "pings that were answered", CTL_LEFT, CTL_AS_DURATION, false},
	{"other_first", "other protocols without an answer", CTL_LEFT, CTL_AS_DURATION, false},
	{"other_established", "other protocols that were answered", CTL_LEFT, CTL_AS_DURATION,
	 false},
	{"expected", "announced connections that do not come", CTL_LEFT, CTL_AS_DURATION, false},
	{"tcp_strict", "TCP from its first segment only", CTL_LEFT, CTL_AS_IS, false},
	{"fragments", "buffers of waiting fragments", CTL_LEFT, CTL_AS_COUNT, false},
	{"tenant_fragments", "of these a tenant's", CTL_LEFT, CTL_AS_COUNT, false},
	{"fragment_timeout", "fragments wait", CTL_LEFT, CTL_AS_DURATION, false},
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
		.answer = "{\"entries\", \"limit\", \"zones\", \"memory\", the counters, "
			  "\"fragments\": "
			  "waiting now, \"whole\"}",
	},
	{
		.noun = "conntrack",
		.verb = "set",
		.summary = "Say when silent connections end, and what may wait",
		.description =
			"For all switches, at once: a connection gets its new time with its next "
			"packet. What is not given is left as it is. How many connections there "
			"may be is said of tenants (tenant set --connection-limit) and zones "
			"(zone add). Each core has its part of what fragments may hold, and room "
			"for one packet at least.",
		.examples =
			(const char *const[]){"vswitchctl conntrack set --tcp-established 2h",
					      "vswitchctl conntrack set --tcp-strict on",
					      "vswitchctl conntrack set --default udp-first", NULL},
		.args = set_args,
		.kind = "conntrack",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "conntrack",
		.verb = "show",
		.summary = "Show the times and limits that connections have now",
		.examples = (const char *const[]){"vswitchctl conntrack show", NULL},
		.args = no_args,
		.cols = show_cols,
		.answer = "{the options of conntrack set: times in milliseconds}",
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
