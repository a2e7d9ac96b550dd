/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on adapters with virtual functions; see spec.h.
 */
#include "ctl/spec_priv.h"

#define PF_ARG                                                                                     \
	{                                                                                          \
		.name = "pf", .type = CTL_NAME, .flags = CTL_POS | CTL_REQUIRED, .metavar = "PF",  \
		.complete = "interface", .help = "the adapter: its interface, or its PCI address"  \
	}

static const struct ctl_arg vfs_args[] = {
	PF_ARG,
	{.name = "vfs",
	 .type = CTL_UINT,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .min = 1,
	 .max = 256,
	 .metavar = "N",
	 .help = "how many VFs it has"},
	{0},
};

static const struct ctl_arg pf_args[] = {PF_ARG, {0}};
static const struct ctl_arg no_args[] = {{0}};

static const struct ctl_col list_cols[] = {
	{"pf", "PF", CTL_LEFT, CTL_AS_IS, true},
	{"address", "ADDRESS", CTL_LEFT, CTL_AS_IS, false},
	{"driver", "DRIVER", CTL_LEFT, CTL_AS_IS, false},
	{"vfs", "VFS", CTL_RIGHT, CTL_AS_IS, false},
	{"in_use", "IN USE", CTL_RIGHT, CTL_AS_IS, false},
	{"max", "MAX", CTL_RIGHT, CTL_AS_IS, false},
	{"mode", "MODE", CTL_LEFT, CTL_AS_IS, false},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"note", "NOTE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col vf_cols[] = {
	{"vf", "VF", CTL_RIGHT, CTL_AS_IS, true},
	{"address", "ADDRESS", CTL_LEFT, CTL_AS_IS, false},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"owner", "OWNER", CTL_LEFT, CTL_AS_IS, false},
	{"mac", "MAC", CTL_LEFT, CTL_AS_IS, false},
	{"vlan", "VLAN", CTL_RIGHT, CTL_AS_IS, false},
	{"rate", "RATE", CTL_RIGHT, CTL_AS_RATE, false},
	{"spoof_check", "SPOOF CHECK", CTL_LEFT, CTL_AS_IS, false},
	{"trust", "TRUST", CTL_LEFT, CTL_AS_IS, false},
	{"link", "LINK", CTL_LEFT, CTL_AS_IS, false},
	{"group", "GROUP", CTL_RIGHT, CTL_AS_IS, false},
	{"representor", "REPRESENTOR", CTL_LEFT, CTL_AS_IS, false},
	{"rx_packets", "RX", CTL_RIGHT, CTL_AS_COUNT, false},
	{"tx_packets", "TX", CTL_RIGHT, CTL_AS_COUNT, false},
	{"note", "NOTE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

#define PF_ROW                                                                                     \
	"\"pf\", \"address\", \"bus\", \"driver\", \"vfs\": that it has, \"configured\": that it " \
	"should have (null: nobody said), \"in_use\", \"max\", \"mode\": \"legacy\" or "           \
	"\"switchdev\" of its own switch, \"state\": \"ready\", \"off\", \"theirs\" or "           \
	"\"waits\", \"note\""

const struct ctl_spec ctl_spec_sriovs[] = {
	{
		.noun = "sriov",
		.verb = "list",
		.summary = "List adapters that can have virtual functions",
		.examples = (const char *const[]){"vswitchctl sriov list", NULL},
		.args = no_args,
		.cols = list_cols,
		.rows = "pfs",
		.flags = CTL_WATCH | CTL_DEFAULT,
		.answer = "{\"pfs\": [{" PF_ROW "}]}",
	},
	{
		.noun = "sriov",
		.verb = "show",
		.summary = "Show the virtual functions of an adapter",
		.description = "What the adapter's driver says of each: its policy, who has it, "
			       "and, where the adapter counts, its packets.",
		.examples = (const char *const[]){"vswitchctl sriov show eth1", NULL},
		.args = pf_args,
		.cols = vf_cols,
		.rows = "functions",
		.flags = CTL_WATCH,
		.answer = "{" PF_ROW ", \"functions\": [{\"vf\", \"address\", \"state\": "
			  "\"free\", \"taken\", \"closing\", \"waiting\" or \"used\" (by somebody "
			  "else), \"owner\", \"mac\", \"vlan\", \"qos\", \"rate\", "
			  "\"spoof_check\", \"trust\", \"link\", \"group\": of the IOMMU, "
			  "\"driver\", \"interface\", \"representor\", \"rx_packets\", "
			  "\"tx_packets\", \"rx_bytes\", \"tx_bytes\", \"rx_dropped\", "
			  "\"tx_dropped\", \"note\"}]}; null: the driver does not say",
	},
	{
		.noun = "sriov",
		.verb = "vfs",
		.summary = "Say how many virtual functions an adapter has",
		.description =
			"The kernel knows one way: none, then the new number. So while a VM has "
			"one, the number stays. VFs that somebody else made are taken as they are "
			"when N is how many there are; another number is refused. They get no "
			"driver of the host. Making them takes the kernel some tenths of a second "
			"each, and other commands wait.",
		.examples = (const char *const[]){"vswitchctl sriov vfs eth1 4",
						  "vswitchctl sriov vfs 0000:01:00.0 4", NULL},
		.args = vfs_args,
		.kind = "sriov",
		.key = "pf",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "sriov",
		.verb = "remove",
		.summary = "Take an adapter's virtual functions away",
		.description = "It has as many as before the switch made them, and everything that "
			       "was set of them is as it was.",
		.examples = (const char *const[]){"vswitchctl sriov remove eth1", NULL},
		.args = pf_args,
		.removes = "sriov",
		.flags = CTL_CHANGES,
	},
	{0},
};
