/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on receive queues of VMs' NICs; see spec.h.
 */
#include "ctl/spec_priv.h"

static const struct ctl_arg set_args[] = {
	CTL_THE_PORT("port"),
	{.name = "queues",
	 .type = CTL_CHOICE,
	 .choices = "auto|1|2|3|4|5|6|7|8",
	 .help = "receive queues of its own on the uplink; auto follows its load",
	 .def = "auto"},
	{.name = "weight",
	 .type = CTL_UINT,
	 .min = 0,
	 .max = 100,
	 .metavar = "N",
	 .help = "who gets queues first: its rate times N; 0 for none of its own",
	 .def = "100"},
	{.name = "hardware",
	 .type = CTL_CHOICE,
	 .choices = "auto|on|off",
	 .help = "its queues are the device's own where that steers by address; on: also where "
		 "the device restarts for it (VMDq); off: the switch's",
	 .def = "auto"},
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = "queues|weight|hardware",
	 .help = "options that go back to their defaults"},
	{0},
};

static const struct ctl_arg port_args[] = {CTL_THE_PORT("port"), {0}};
static const struct ctl_arg one_args[] = {CTL_ONE_PORT("port"), {0}};

static const struct ctl_col nic_cols[] = {
	{"nic", "NIC", CTL_LEFT, CTL_AS_IS, true},
	{"switch", "SWITCH", CTL_LEFT, CTL_AS_IS, false},
	{"uplink", "UPLINK", CTL_LEFT, CTL_AS_IS, false},
	{"kind", "KIND", CTL_LEFT, CTL_AS_IS, false},
	{"queues", "QUEUES", CTL_RIGHT, CTL_AS_IS, false},
	{"configured", "ASKED", CTL_LEFT, CTL_AS_IS, false},
	{"weight", "WEIGHT", CTL_RIGHT, CTL_AS_IS, false},
	{"vlan", "VLAN", CTL_RIGHT, CTL_AS_IS, false},
	{"rate", "FRAMES/S", CTL_RIGHT, CTL_AS_IS, false},
	{"why", "WHY NOT BETTER", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col queue_cols[] = {
	{"nic", "NIC", CTL_LEFT, CTL_AS_IS, true},
	{"queue", "QUEUE", CTL_RIGHT, CTL_AS_IS, true},
	{"cpu", "CORE", CTL_RIGHT, CTL_AS_IS, false},
	{"load", "LOAD", CTL_RIGHT, CTL_AS_PERCENT, false},
	{"ring", "BY RING", CTL_LEFT, CTL_AS_IS, false},
	{"waits", "WAIT", CTL_RIGHT, CTL_AS_IS, false},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"direct", "DIRECT", CTL_RIGHT, CTL_AS_COUNT, false},
	{"dropped", "DROPPED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"moves", "MOVES", CTL_RIGHT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_part show_parts[] = {{"queues", "queues", queue_cols}, {0}};

const struct ctl_spec ctl_spec_vmqs[] = {
	{
		.noun = "vmq",
		.verb = "set",
		.summary = "Say which receive queues a VM's NIC has on its uplink",
		.description =
			"What an external switch receives for a NIC with queues of its own is "
			"carried by the worker that has the queue, whichever receives it. With "
			"auto a NIC has queues while much comes for it and there is more than one "
			"worker, the busiest NICs first; with a number it has so many always.",
		.examples = (const char *const[]){"vswitchctl vmq set web1/nic0 --queues 2",
						  "vswitchctl vmq set batch1/nic0 --weight 10",
						  "vswitchctl vmq set batch2/nic0 --weight 0",
						  "vswitchctl vmq set batch1/nic0 --hardware off",
						  "vswitchctl vmq set web1/nic0 --default queues",
						  NULL},
		.args = set_args,
		.kind = "vmq",
		.key = "port",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "vmq",
		.verb = "remove",
		.summary = "Take back what was said of a NIC's receive queues",
		.description = "It has them as its load asks then.",
		.examples = (const char *const[]){"vswitchctl vmq remove web1/nic0", NULL},
		.args = port_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "vmq",
		.verb = "show",
		.summary = "Show which NICs have receive queues, where, and why not better ones",
		.description =
			"KIND is rte_flow, rss-context, vmdq or xdp where the uplink's device "
			"itself brings a NIC's frames by queues of their own, software where the "
			"switch itself sorts frames to queues, shared "
			"where a NIC has none of its own. A queue whose worker also receives for "
			"the uplink needs no ring (DIRECT counts those frames); what finds a ring "
			"full is dropped (vmq-full).",
		.examples = (const char *const[]){"vswitchctl vmq show",
						  "vswitchctl vmq show web1/nic0 -w", NULL},
		.args = one_args,
		.cols = nic_cols,
		.rows = "nics",
		.parts = show_parts,
		.flags = CTL_WATCH | CTL_DEFAULT,
		.answer = "{\"nics\": [{\"nic\", \"switch\", \"uplink\", \"kind\": shared, "
			  "software, rte_flow, rss-context, vmdq or xdp, \"queues\", "
			  "\"configured\": auto or n, \"weight\", "
			  "\"hardware\": auto, on or off, \"vlan\": of the tag on the wire, "
			  "0 for none, \"rate\": frames a second, "
			  "\"why\"}], \"queues\": [{\"nic\", \"queue\", \"cpu\": of its worker or "
			  "null, \"load\": of a core, \"ring\", \"waits\", \"packets\", \"bytes\", "
			  "\"direct\", \"dropped\", \"moves\"}]}",
	},
	{0},
};
