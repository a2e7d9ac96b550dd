/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands that only look: totals, drops, events, top, doctor; see spec.h.
 */
#include "ctl/spec_priv.h"

static const struct ctl_arg no_args[] = {{0}};

static const struct ctl_arg drop_args[] = {
	CTL_ONE_PORT("port"),
	{0},
};

static const struct ctl_arg event_list_args[] = {
	{.name = "limit",
	 .type = CTL_UINT,
	 .min = 1,
	 .max = 100000,
	 .metavar = "N",
	 .help = "at most so many, the newest",
	 .def = "50"},
	{.name = "port", .type = CTL_NAME, .complete = "port", .help = "only of this port"},
	{0},
};

static const struct ctl_arg event_watch_args[] = {
	{.name = "limit",
	 .type = CTL_UINT,
	 .min = 0,
	 .max = 100000,
	 .metavar = "N",
	 .help = "first so many that have been",
	 .def = "10"},
	{.name = "port", .type = CTL_NAME, .complete = "port", .help = "only of this port"},
	{0},
};

static const struct ctl_col stats_cols[] = {
	{"ledger.in", "in", CTL_RIGHT, CTL_AS_COUNT, false},
	{"ledger.out", "out", CTL_RIGHT, CTL_AS_COUNT, false},
	{"ledger.drops", "drops", CTL_RIGHT, CTL_AS_COUNT, false},
	{"ledger.in_flight", "in flight", CTL_RIGHT, CTL_AS_COUNT, false},
	{"ledger.text", "ledger", CTL_LEFT, CTL_AS_IS, false},
	{"rx_packets", "received", CTL_RIGHT, CTL_AS_COUNT, false},
	{"rx_bytes", "received bytes", CTL_RIGHT, CTL_AS_BYTES, false},
	{"copies", "copies made", CTL_RIGHT, CTL_AS_COUNT, false},
	{"forwarded", "forwarded", CTL_RIGHT, CTL_AS_COUNT, false},
	{"flooded", "of that flooded", CTL_RIGHT, CTL_AS_COUNT, false},
	{"punted", "to controllers", CTL_RIGHT, CTL_AS_COUNT, false},
	{"held", "fragments held", CTL_RIGHT, CTL_AS_COUNT, false},
	{"segments", "made by segmentation", CTL_RIGHT, CTL_AS_COUNT, false},
	{"tx_packets", "sent", CTL_RIGHT, CTL_AS_COUNT, false},
	{"tx_bytes", "sent bytes", CTL_RIGHT, CTL_AS_BYTES, false},
	{"n_switches", "switches", CTL_RIGHT, CTL_AS_IS, false},
	{"n_ports", "ports", CTL_RIGHT, CTL_AS_IS, false},
	{"n_tenants", "tenants", CTL_RIGHT, CTL_AS_IS, false},
	{"n_cores", "cores", CTL_RIGHT, CTL_AS_IS, false},
	{"n_macs", "macs", CTL_RIGHT, CTL_AS_IS, false},
	{"revision", "configuration revision", CTL_RIGHT, CTL_AS_IS, false},
	{"uptime", "running for", CTL_RIGHT, CTL_AS_AGE, false},
	{"memory", "memory", CTL_RIGHT, CTL_AS_IS, false},
	{"buffers.total", "packet buffers", CTL_RIGHT, CTL_AS_COUNT, false},
	{"buffers.in_use", "of these in use", CTL_RIGHT, CTL_AS_COUNT, false},
	{"version", "version", CTL_RIGHT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col drop_cols[] = {
	{"port", "PORT", CTL_LEFT, CTL_AS_IS, true},
	{"side", "SIDE", CTL_LEFT, CTL_AS_IS, true},
	{"reason", "REASON", CTL_LEFT, CTL_AS_IS, true},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"text", "BECAUSE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col reason_cols[] = {
	{"reason", "REASON", CTL_LEFT, CTL_AS_IS, true},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"text", "BECAUSE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col event_cols[] = {
	{"time", "TIME", CTL_LEFT, CTL_AS_TIME, false},
	{"type", "TYPE", CTL_LEFT, CTL_AS_IS, false},
	{"port", "PORT", CTL_LEFT, CTL_AS_IS, false},
	{"text", "TEXT", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col top_core_cols[] = {
	{"cpu", "CORE", CTL_RIGHT, CTL_AS_IS, true},
	{"busy", "BUSY", CTL_RIGHT, CTL_AS_PERCENT, false},
	{"asleep", "ASLEEP", CTL_RIGHT, CTL_AS_PERCENT, false},
	{"n_queues", "QUEUES", CTL_RIGHT, CTL_AS_IS, false},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"cycles_per_packet", "CYCLES/PACKET", CTL_RIGHT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col top_port_cols[] = {
	{"name", "PORT", CTL_LEFT, CTL_AS_IS, true},
	{"switch", "SWITCH", CTL_LEFT, CTL_AS_IS, false},
	{"tenant", "TENANT", CTL_LEFT, CTL_AS_IS, false},
	{"rx_packets", "RX", CTL_RIGHT, CTL_AS_COUNT, false},
	{"rx_bytes", "RX BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"tx_packets", "TX", CTL_RIGHT, CTL_AS_COUNT, false},
	{"tx_bytes", "TX BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"drops", "DROPS", CTL_RIGHT, CTL_AS_COUNT, false},
	{0},
};

static const struct ctl_part top_parts[] = {{"cores", "cores", top_core_cols}, {0}};

static const struct ctl_col doctor_cols[] = {
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"check", "CHECK", CTL_LEFT, CTL_AS_IS, true},
	{"found", "FOUND", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

const struct ctl_spec ctl_spec_views[] = {
	{
		.noun = "stats",
		.verb = "show",
		.summary = "Show the totals and the ledger",
		.description = "Every frame has a fate: in = out + drops + in flight, exact at "
			       "every read.",
		.examples = (const char *const[]){"vswitchctl stats", "vswitchctl stats -w", NULL},
		.args = no_args,
		.cols = stats_cols,
		.flags = CTL_DEFAULT | CTL_WATCH,
		.answer = "{\"ledger\": {\"in\": received, copied and segmented, \"out\": sent, "
			  "also to controllers, "
			  "\"drops\", "
			  "\"in_flight\", \"balanced\": true, \"text\": \"in = out + drops\" in "
			  "numbers}, "
			  "\"rx_packets\", \"rx_bytes\", \"copies\", \"forwarded\", \"flooded\", "
			  "\"punted\", \"held\", "
			  "\"segments\", "
			  "\"tx_packets\", \"tx_bytes\", \"drops_by_reason\": {reason: n}, "
			  "\"n_switches\", "
			  "\"n_ports\", \"n_tenants\", \"n_cores\", \"n_macs\", \"revision\", "
			  "\"uptime\": "
			  "seconds, \"memory\": text, \"buffers\": {\"total\", \"in_use\"}, "
			  "\"version\", \"socket\": {counters of the "
			  "control socket}}",
	},
	{
		.noun = "drop",
		.verb = "list",
		.summary = "Show dropped frames by port and reason",
		.description = "Only reasons that occurred; 'drop reasons' lists them all.",
		.examples = (const char *const[]){"vswitchctl drop list",
						  "vswitchctl drop list web1 -w", NULL},
		.args = drop_args,
		.cols = drop_cols,
		.rows = "drops",
		.flags = CTL_DEFAULT | CTL_WATCH,
		.answer = "{\"drops\": [{\"port\", \"side\": ingress or egress, \"reason\", "
			  "\"packets\", "
			  "\"text\"}]}",
	},
	{
		.noun = "drop",
		.verb = "reasons",
		.summary = "List every reason a frame can be dropped for",
		.examples = (const char *const[]){"vswitchctl drop reasons", NULL},
		.args = no_args,
		.cols = reason_cols,
		.rows = "reasons",
		.answer = "{\"reasons\": [{\"reason\", \"text\", \"packets\": of all ports}]}",
	},
	{
		.noun = "events",
		.verb = "list",
		.summary = "Show what happened lately",
		.description =
			"With -w (or 'events watch') also what happens from now on, until ^C.",
		.examples =
			(const char *const[]){"vswitchctl events", "vswitchctl events -w", NULL},
		.args = event_list_args,
		.cols = event_cols,
		.rows = "events",
		.flags = CTL_DEFAULT,
		.answer = "{\"events\": [{\"seq\", \"time\": nanoseconds since 1970, \"type\", "
			  "\"switch\", "
			  "\"port\", \"text\"}]}, oldest first",
	},
	{
		.noun = "events",
		.verb = "watch",
		.summary = "Show what happens as it happens",
		.examples = (const char *const[]){"vswitchctl events watch", NULL},
		.args = event_watch_args,
		.cols = event_cols,
		.flags = CTL_STREAM,
		.answer = "{}; then a stream, each notification one event as in events list",
	},
	{
		.noun = "top",
		.verb = "show",
		.summary = "Watch cores and the busiest ports",
		.examples = (const char *const[]){"vswitchctl top", "vswitchctl top -w5", NULL},
		.args = no_args,
		.cols = top_port_cols,
		.rows = "ports",
		.parts = top_parts,
		.flags = CTL_DEFAULT | CTL_WATCH | CTL_ALWAYS,
		.answer = "{\"cores\": [as core list], \"ports\": [{\"name\", \"switch\", "
			  "\"tenant\", "
			  "\"rx_packets\", \"rx_bytes\", \"tx_packets\", \"tx_bytes\", "
			  "\"drops\"}]}; the tool "
			  "sorts the ports by their rates",
	},
	{
		.noun = "doctor",
		.verb = "run",
		.summary = "Look for what makes this host slow or broken, and say how to fix it",
		.description = "Huge pages, IOMMU, drivers, MTU, offloads, the daemon itself. "
			       "Works without a "
			       "running daemon as far as it goes. Exits with 1 when a check fails.",
		.examples = (const char *const[]){"vswitchctl doctor", NULL},
		.args = no_args,
		.cols = doctor_cols,
		.rows = "checks",
		.flags = CTL_DEFAULT | CTL_LOCAL,
		.answer = "{\"checks\": [{\"check\", \"state\": ok, warn or fail, \"found\": what "
			  "there is, "
			  "\"why\": what it costs, \"fix\": a command}]}",
	},
	{0},
};
