/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on cores and on learned addresses; see spec.h.
 */
#include "ctl/spec_priv.h"

#define CPU_ARG(names)                                                                             \
	{                                                                                          \
		.name = "cpu", .type = CTL_UINT, .flags = CTL_POS | CTL_REQUIRED, .min = 0,        \
		.max = 1023, .complete = (names),                                                  \
		.help = "number of the processor, as in /proc/cpuinfo"                             \
	}

static const struct ctl_arg add_args[] = {CPU_ARG("cpu"), {0}};
static const struct ctl_arg remove_args[] = {CPU_ARG("core"), {0}};

static const struct ctl_arg core_set_args[] = {
	{.name = "max-sleep",
	 .type = CTL_MICROS,
	 .min = 0,
	 .max = 1000000,
	 .metavar = "DURATION",
	 .help = "longest sleep of an idle core on queues that must be polled, 0 for never",
	 .def = "500us"},
	{.name = "rebalance",
	 .type = CTL_ONOFF,
	 .help = "move queues between cores by measured load",
	 .def = "on"},
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = "max-sleep|rebalance",
	 .help = "options that go back to their defaults"},
	{0},
};

static const struct ctl_arg no_args[] = {{0}};

static const struct ctl_col core_cols[] = {
	{"cpu", "CORE", CTL_RIGHT, CTL_AS_IS, true},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"n_queues", "QUEUES", CTL_RIGHT, CTL_AS_IS, false},
	{"busy", "BUSY", CTL_RIGHT, CTL_AS_PERCENT, false},
	{"asleep", "ASLEEP", CTL_RIGHT, CTL_AS_PERCENT, false},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"wakeups", "WAKE-UPS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"cycles_per_packet", "CYCLES/PACKET", CTL_RIGHT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col queue_cols[] = {
	{"port", "PORT", CTL_LEFT, CTL_AS_IS, true},
	{"queue", "QUEUE", CTL_RIGHT, CTL_AS_IS, true},
	{"cpu", "CORE", CTL_RIGHT, CTL_AS_IS, false},
	{"load", "LOAD", CTL_RIGHT, CTL_AS_PERCENT, false},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{0},
};

static const struct ctl_part core_parts[] = {{"queues", "queues", queue_cols}, {0}};

const struct ctl_spec ctl_spec_cores[] = {
	{
		.noun = "core",
		.verb = "add",
		.summary = "Forward packets on one more core",
		.description = "A worker is started on it and takes its share of the receive "
			       "queues, without a "
			       "restart.",
		.examples = (const char *const[]){"vswitchctl core add 2", NULL},
		.args = add_args,
		.kind = "core",
		.key = "cpu",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "core",
		.verb = "remove",
		.summary = "Take a core away from forwarding",
		.examples = (const char *const[]){"vswitchctl core remove 2", NULL},
		.args = remove_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "core",
		.verb = "list",
		.summary = "List the cores with their queues and load",
		.examples = (const char *const[]){"vswitchctl core list", "vswitchctl core list -w",
						  NULL},
		.args = no_args,
		.cols = core_cols,
		.rows = "cores",
		.parts = core_parts,
		.flags = CTL_WATCH | CTL_DEFAULT,
		.answer = "{\"cores\": [{\"cpu\", \"state\": running or absent, \"n_queues\", "
			  "\"busy\": share "
			  "of 1, \"asleep\": share of 1, \"packets\", \"wakeups\", "
			  "\"cycles_per_packet\"}], "
			  "\"queues\": [{\"port\", \"queue\", \"cpu\", \"load\": share of 1, "
			  "\"packets\"}], "
			  "\"max_sleep\": microseconds, \"rebalance\"}",
	},
	{
		.noun = "core",
		.verb = "set",
		.summary = "Say how cores sleep and share work",
		.description = "An idle core sleeps, so that an idle switch costs little; a frame "
			       "that arrives "
			       "meanwhile waits for at most --max-sleep. Queues that can wake a "
			       "core (tap, "
			       "AF_PACKET) do not wait. What is not given is left as it is.",
		.examples = (const char *const[]){"vswitchctl core set --max-sleep 0",
						  "vswitchctl core set --rebalance off", NULL},
		.args = core_set_args,
		.kind = "cores",
		.flags = CTL_CHANGES,
	},
	{0},
};

#define MAC_FILTERS                                                                                \
	{.name = "switch", .type = CTL_NAME, .complete = "switch", .help = "only on this switch"}, \
		{.name = "port",                                                                   \
		 .type = CTL_NAME,                                                                 \
		 .complete = "port",                                                               \
		 .help = "only behind this port"},                                                 \
		{.name = "tenant",                                                                 \
		 .type = CTL_NAME,                                                                 \
		 .complete = "tenant",                                                             \
		 .help = "only this tenant's"},                                                    \
	{                                                                                          \
		.name = "vlan", .type = CTL_UINT, .min = 0, .max = 4094, .metavar = "N",           \
		.help = "only on this VLAN, 0 for untagged"                                        \
	}

#define MAC_KEY                                                                                    \
	{.name = "switch",                                                                         \
	 .type = CTL_NAME,                                                                         \
	 .flags = CTL_POS | CTL_REQUIRED,                                                          \
	 .complete = "switch",                                                                     \
	 .help = "the switch"},                                                                    \
	{                                                                                          \
		.name = "mac", .type = CTL_MAC, .flags = CTL_POS | CTL_REQUIRED,                   \
		.help = "the address"                                                              \
	}

#define MAC_VLAN                                                                                   \
	{                                                                                          \
		.name = "vlan", .type = CTL_UINT, .min = 1, .max = 4094, .metavar = "N",           \
		.help = "its VLAN", .def = "the port's"                                            \
	}

static const struct ctl_arg mac_list_args[] = {
	MAC_FILTERS,
	{.name = "limit",
	 .type = CTL_UINT,
	 .min = 0,
	 .max = 4194304,
	 .metavar = "N",
	 .help = "at most so many, 0 for all",
	 .def = "1000"},
	{0},
};

static const struct ctl_arg mac_add_args[] = {
	MAC_KEY,
	{.name = "port",
	 .type = CTL_NAME,
	 .flags = CTL_REQUIRED,
	 .complete = "port",
	 .help = "where it lives; the port's tenant is the address's"},
	MAC_VLAN,
	{0},
};

static const struct ctl_arg mac_remove_args[] = {
	MAC_KEY,
	{.name = "port", .type = CTL_NAME, .complete = "port", .help = "only behind this port"},
	MAC_VLAN,
	{0},
};

static const struct ctl_arg mac_flush_args[] = {MAC_FILTERS, {0}};

static const struct ctl_col mac_cols[] = {
	{"switch", "SWITCH", CTL_LEFT, CTL_AS_IS, true},
	{"tenant", "TENANT", CTL_LEFT, CTL_AS_IS, true},
	{"vlan", "VLAN", CTL_RIGHT, CTL_AS_IS, true},
	{"mac", "MAC", CTL_LEFT, CTL_AS_IS, true},
	{"port", "PORT", CTL_LEFT, CTL_AS_IS, false},
	{"type", "TYPE", CTL_LEFT, CTL_AS_IS, false},
	{"age", "AGE", CTL_RIGHT, CTL_AS_AGE, false},
	{0},
};

const struct ctl_spec ctl_spec_macs[] = {
	{
		.noun = "mac",
		.verb = "list",
		.summary = "List learned and static addresses",
		.examples =
			(const char *const[]){"vswitchctl mac list",
					      "vswitchctl mac list --tenant blue --vlan 10", NULL},
		.args = mac_list_args,
		.cols = mac_cols,
		.rows = "macs",
		.flags = CTL_DEFAULT | CTL_WATCH,
		.answer = "{\"macs\": [{\"switch\", \"tenant\", \"vlan\", \"mac\", \"port\", "
			  "\"type\": learned "
			  "or static, \"age\": seconds, of a learned one}], \"total\": how many "
			  "match}",
	},
	{
		.noun = "mac",
		.verb = "add",
		.summary = "Add a static address, which no frame moves",
		.examples =
			(const char *const[]){
				"vswitchctl mac add lan0 02:00:00:00:00:01 --port web1", NULL},
		.args = mac_add_args,
		.kind = "mac",
		.key = "port vlan mac",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "mac",
		.verb = "remove",
		.summary = "Remove a static address",
		.examples =
			(const char *const[]){"vswitchctl mac remove lan0 02:00:00:00:00:01", NULL},
		.args = mac_remove_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "mac",
		.verb = "flush",
		.summary = "Forget learned addresses",
		.description = "Static addresses stay. The configuration does not change.",
		.examples = (const char *const[]){"vswitchctl mac flush",
						  "vswitchctl mac flush --port web1", NULL},
		.args = mac_flush_args,
		.answer = "{\"flushed\": n}",
	},
	{0},
};
