/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on the NICs of guests on VMBus, which are ports of kind vmbus; see spec.h.
 */
#include "ctl/spec_nic.h"

#include "ctl/spec_frame.h"
#include "ctl/spec_guard.h"
#include "ctl/spec_priv.h"
#include "ctl/spec_qos.h"

#define NIC_ARG                                                                                    \
	{                                                                                          \
		.name = "name", .type = CTL_NAME, .flags = CTL_POS | CTL_REQUIRED,                 \
		.complete = "nic", .help = "the NIC's port"                                        \
	}

#define POLICY_NAMES "acl-ingress|acl-egress|mirror-by"
/* Of access lists and mirrors, which are not the NIC's: vswitch/changes_nic_words.c. */
#define POLICY_OPTIONS                                                                             \
	{.name = "acl-ingress",                                                                    \
	 .type = CTL_LIST,                                                                         \
	 .metavar = "ACL[,..]",                                                                    \
	 .complete = "acl",                                                                        \
	 .help = "access lists that what the guest sends meets, in this order"},                   \
		{.name = "acl-egress",                                                             \
		 .type = CTL_LIST,                                                                 \
		 .metavar = "ACL[,..]",                                                            \
		 .complete = "acl",                                                                \
		 .help = "those that what is sent to the guest meets"},                            \
	{                                                                                          \
		.name = "mirror-by", .type = CTL_LIST, .metavar = "MIRROR[,..]",                   \
		.complete = "mirror", .help = "mirrors that copy the NIC's frames"                 \
	}

/* A NIC of a VM; its port's name is its own. */
static const struct ctl_arg add_args[] = {
	{.name = "name",
	 .type = CTL_NAME,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .metavar = "VM/NIC",
	 .help = "the VM and the name that the NIC gets"},
	{.name = "switch",
	 .type = CTL_NAME,
	 .flags = CTL_REQUIRED,
	 .complete = "switch",
	 .help = "the switch it is on"},
	CTL_PORT_OPTIONS,
	CTL_NIC_OPTIONS,
	{.name = "queues",
	 .type = CTL_UINT,
	 .min = 1,
	 .max = 64,
	 .metavar = "N",
	 .help = "channels that the guest may open",
	 .def = "8"},
	{.name = "offloads",
	 .type = CTL_ONOFF,
	 .help = "offer the guest checksums and segmentation",
	 .def = "on"},
	CTL_GUARD_OPTIONS("guard-"),
	CTL_QOS_PORT_OPTIONS("qos-"),
	POLICY_OPTIONS,
	{0},
};

static const struct ctl_arg set_args[] = {
	NIC_ARG,
	{.name = "mac", .type = CTL_MAC, .help = "the address that the guest finds in its NIC"},
	{.name = "mtu",
	 .type = CTL_UINT,
	 .min = 68,
	 .max = 65521,
	 .metavar = "BYTES",
	 .help = "longest IP packet"},
	{.name = "queues",
	 .type = CTL_UINT,
	 .min = 1,
	 .max = 64,
	 .metavar = "N",
	 .help = "channels that the guest may open"},
	{.name = "offloads",
	 .type = CTL_ONOFF,
	 .help = "offer the guest checksums and segmentation"},
	CTL_NIC_OPTIONS,
	CTL_GUARD_OPTIONS("guard-"),
	CTL_QOS_PORT_OPTIONS("qos-"),
	POLICY_OPTIONS,
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = "mac|mtu|queues|offloads|link|speed|mac-change|rsc|monitor|sriov|" POLICY_NAMES
		    "|" CTL_GUARD_DEFAULTS("guard-") "|" CTL_QOS_PORT_OPTION_NAMES("qos-"),
	 .help = "options that go back to their defaults"},
	{0},
};

static const struct ctl_arg show_args[] = {NIC_ARG, {0}};

static const struct ctl_arg list_args[] = {
	{.name = "switch",
	 .type = CTL_NAME,
	 .flags = CTL_POS,
	 .complete = "switch",
	 .help = "only this switch's"},
	{0},
};

static const struct ctl_col list_cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"switch", "SWITCH", CTL_LEFT, CTL_AS_IS, false},
	{"guest", "GUEST", CTL_LEFT, CTL_AS_IS, false},
	{"link", "LINK", CTL_LEFT, CTL_AS_IS, false},
	{"mac", "MAC", CTL_LEFT, CTL_AS_IS, false},
	{"ips", "ADDRESSES", CTL_LEFT, CTL_AS_IS, false},
	{"mtu", "MTU", CTL_RIGHT, CTL_AS_IS, false},
	{"channels", "CHANNELS", CTL_LEFT, CTL_AS_IS, false},
	{"nvsp", "NVSP", CTL_LEFT, CTL_AS_IS, false},
	{"rx_packets", "RX", CTL_RIGHT, CTL_AS_COUNT, false},
	{"tx_packets", "TX", CTL_RIGHT, CTL_AS_COUNT, false},
	{"drops", "DROPS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"faults", "FAULTS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"worker", "WORKER", CTL_LEFT, CTL_AS_IS, false},
	{"note", "NOTE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col show_cols[] = {
	{"name", "name", CTL_LEFT, CTL_AS_IS, true},
	{"switch", "switch", CTL_LEFT, CTL_AS_IS, false},
	{"guest", "guest", CTL_LEFT, CTL_AS_IS, false},
	{"worker", "worker", CTL_LEFT, CTL_AS_IS, false},
	{"nic.socket", "attach socket", CTL_LEFT, CTL_AS_IS, false},
	{"nic.instance", "instance", CTL_LEFT, CTL_AS_IS, false},
	{"nic.attachments", "attached", CTL_LEFT, CTL_AS_COUNT, false},
	{"nic.resumed", "taken up again", CTL_LEFT, CTL_AS_COUNT, false},
	{"nic.refused", "refused", CTL_LEFT, CTL_AS_COUNT, false},
	{"note", "note", CTL_LEFT, CTL_AS_IS, false},
	{"link", "link", CTL_LEFT, CTL_AS_IS, false},
	{"mac", "mac", CTL_LEFT, CTL_AS_IS, false},
	{"mtu", "mtu", CTL_LEFT, CTL_AS_IS, false},
	{"channels", "channels open", CTL_LEFT, CTL_AS_IS, false},
	{"nvsp", "NVSP", CTL_LEFT, CTL_AS_IS, false},
	{"nic.guest.ndis_version", "NDIS", CTL_LEFT, CTL_AS_IS, false},
	{"nic.guest.mac", "guest's mac", CTL_LEFT, CTL_AS_IS, false},
	{"nic.guest.mtu", "guest's mtu", CTL_LEFT, CTL_AS_IS, false},
	{"nic.guest.filter", "packet filter", CTL_LEFT, CTL_AS_IS, false},
	{"nic.guest.checksum_to_guest", "checks no checksums", CTL_LEFT, CTL_AS_IS, false},
	{"nic.guest.large_receive", "large receive", CTL_LEFT, CTL_AS_IS, false},
	{"rss.hash", "RSS hashes", CTL_LEFT, CTL_AS_IS, false},
	{"rss.channels", "RSS channels", CTL_LEFT, CTL_AS_IS, false},
	{"nic.guest.receive_sections", "receive sections", CTL_LEFT, CTL_AS_COUNT, false},
	{"nic.guest.receive_section_bytes", "of", CTL_LEFT, CTL_AS_BYTES, false},
	{"nic.guest.send_sections", "send sections", CTL_LEFT, CTL_AS_COUNT, false},
	{"nic.guest.send_section_bytes", "of", CTL_LEFT, CTL_AS_BYTES, false},
	{"nic.guest.vf_active", "sends by its VF", CTL_LEFT, CTL_AS_IS, false},
	{"acl_ingress", "access lists, from it", CTL_LEFT, CTL_AS_IS, false},
	{"acl_egress", "access lists, to it", CTL_LEFT, CTL_AS_IS, false},
	{"mirrors", "mirrors", CTL_LEFT, CTL_AS_IS, false},
	{"sriov.state", "VF", CTL_LEFT, CTL_AS_IS, false},
	{"sriov.text", "VF, why", CTL_LEFT, CTL_AS_IS, false},
	{"sriov.vf.address", "VF's address", CTL_LEFT, CTL_AS_IS, false},
	{"sriov.vf.policy", "VF enforces", CTL_LEFT, CTL_AS_IS, false},
	{"sriov.vf.counters", "VF's adapter counted", CTL_LEFT, CTL_AS_IS, false},
	{"sriov.to_vf", "times to the VF", CTL_LEFT, CTL_AS_COUNT, false},
	{"sriov.back", "times back", CTL_LEFT, CTL_AS_COUNT, false},
	{"sriov.iommu_faults", "VF stopped by the IOMMU", CTL_LEFT, CTL_AS_COUNT, false},
	{"sriov.iommu_fault", "in the last", CTL_LEFT, CTL_AS_IS, false},
	{"nic.faults", "faults", CTL_LEFT, CTL_AS_IS, false},
	{"rx_packets", "from the guest", CTL_LEFT, CTL_AS_COUNT, false},
	{"rx_bytes", "from the guest, bytes", CTL_LEFT, CTL_AS_BYTES, false},
	{"tx_packets", "to the guest", CTL_LEFT, CTL_AS_COUNT, false},
	{"tx_bytes", "to the guest, bytes", CTL_LEFT, CTL_AS_BYTES, false},
	{"nic.counters.signals", "signals to it", CTL_LEFT, CTL_AS_COUNT, false},
	{"nic.counters.kicks", "signals from it", CTL_LEFT, CTL_AS_COUNT, false},
	{"nic.counters.filtered", "held back by its filter", CTL_LEFT, CTL_AS_COUNT, false},
	{"drops_by_reason", "dropped", CTL_LEFT, CTL_AS_IS, false},
	{"configured", "configured", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col channel_cols[] = {
	{"channel", "CHANNEL", CTL_RIGHT, CTL_AS_IS, true},
	{"relid", "RELID", CTL_RIGHT, CTL_AS_IS, false},
	{"rx_queue", "QUEUE", CTL_RIGHT, CTL_AS_IS, false},
	{"fault", "FAULT", CTL_LEFT, CTL_AS_IS, false},
	{"counters.from_guest_packets", "FROM", CTL_RIGHT, CTL_AS_COUNT, false},
	{"counters.to_guest_packets", "TO", CTL_RIGHT, CTL_AS_COUNT, false},
	{"counters.to_guest_ring_packets", "TO RING", CTL_RIGHT, CTL_AS_COUNT, false},
	{"counters.signals", "SIGNALS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"counters.kicks", "KICKS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"counters.no_section", "NO SECTION", CTL_RIGHT, CTL_AS_COUNT, false},
	{"counters.ring_full", "RING FULL", CTL_RIGHT, CTL_AS_COUNT, false},
	{"counters.filtered", "FILTERED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"counters.malformed", "MALFORMED", CTL_RIGHT, CTL_AS_COUNT, false},
	{0},
};

static const struct ctl_part show_parts[] = {{"channel_list", "channels", channel_cols}, {0}};

const struct ctl_spec ctl_spec_nics[] = {
	{
		.noun = "nic",
		.verb = "add",
		.summary = "Add a NIC to a VM",
		.description = "It is a port of kind vmbus named VM/NIC, and whatever takes a port "
			       "takes it. A VM that runs sees it come.",
		.examples = (const char *const[]){"vswitchctl nic add web1/nic1 --switch lan0",
						  "vswitchctl nic add web1/back --switch lan1 "
						  "--tenant blue --vlan 20 --queues 4",
						  NULL},
		.args = add_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "nic",
		.verb = "remove",
		.summary = "Take a NIC from a VM",
		.examples = (const char *const[]){"vswitchctl nic remove web1/nic1", NULL},
		.args = show_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "nic",
		.verb = "list",
		.summary = "List the NICs of guests on VMBus",
		.description = "Each is a port of kind vmbus; 'port list' shows it among the "
			       "others, this what its guest has made of it.",
		.examples = (const char *const[]){"vswitchctl nic list",
						  "vswitchctl nic list lan0 -w", NULL},
		.args = list_args,
		.cols = list_cols,
		.rows = "nics",
		.flags = CTL_WATCH | CTL_DEFAULT,
		.answer = "{\"nics\": [{\"name\", \"switch\", \"guest\": running, starting, silent "
			  "(a worker, but no driver), away or waiting, \"link\", \"mac\", \"ips\": "
			  "[..], "
			  "\"mtu\", "
			  "\"channels\": open of configured, \"nvsp\", \"rx_packets\", "
			  "\"tx_packets\", \"drops\", \"faults\", \"worker\", \"note\"}]}",
	},
	{
		.noun = "nic",
		.verb = "show",
		.summary = "Show what a guest has made of its NIC, and what it did wrong",
		.examples = (const char *const[]){"vswitchctl nic show vm1",
						  "vswitchctl nic show vm1 -w", NULL},
		.args = show_args,
		.cols = show_cols,
		.parts = show_parts,
		.flags = CTL_WATCH,
		.answer = "as a row of nic list, with \"nic\": {\"socket\", \"instance\": GUID, "
			  "\"attached\", \"worker\", \"reason\": why the last one went, "
			  "\"attachments\", \"resumed\", \"refused\", \"max_channels\", "
			  "\"guest\": {\"nvsp_version\", \"ndis_version\", \"mtu\", \"mac\", "
			  "\"rndis\", \"filter\", \"subchannels\", \"rss\", "
			  "\"receive_sections\", \"receive_section_bytes\", \"send_sections\", "
			  "\"send_section_bytes\", \"checksum_to_guest\", \"large_receive\", "
			  "\"vf_active\"}, \"counters\", \"faults\": {name: n}}, "
			  "\"channel_list\": [{\"channel\", \"relid\", \"rx_queue\", "
			  "\"fault\", \"counters\"}], \"rss\", \"drops_by_reason\": "
			  "{reason: n}, \"acl_ingress\", \"acl_egress\": lists by name, "
			  "\"mirrors\", \"sriov\" (where it is on): {\"state\": held, waiting, "
			  "offered, standby, active or returning, \"reason\", \"text\", \"vf\": "
			  "{\"pf\", \"vf\", \"address\", \"policy\", \"counters\"}, \"to_vf\", "
			  "\"back\", \"taken\", \"refused\", \"last_back_us\", "
			  "\"worst_back_us\", \"iommu_faults\", \"iommu_fault\": the last one}, "
			  "\"configured\": the parameters of port add",
	},
	{
		.noun = "nic",
		.verb = "set",
		.summary = "Change a guest's NIC",
		.description =
			"Link and speed change under a running guest. With another address, MTU, "
			"number of queues, or with offloads on or off, the guest sees its NIC go "
			"and come back. The others hold when its driver next starts. All of it is "
			"the port's configuration, so 'port set' takes what 'nic set' takes but "
			"for --queues and --offloads. Words that begin with 'guard-' are those of "
			"'guard set', with 'qos-' those of 'qos set'. --acl-ingress, --acl-egress "
			"and --mirror-by say all lists and mirrors of the NIC itself: what they "
			"do not name it loses.",
		.examples =
			(const char *const[]){
				"vswitchctl nic set vm1 --link down",
				"vswitchctl nic set vm1 --queues 4 --mtu 9000",
				"vswitchctl nic set web1/nic0 --acl-ingress base,web --mirror-by "
				"ids",
				"vswitchctl nic set vm1 --mac-change off --mac 02:00:00:00:00:01",
				"vswitchctl nic set web1/nic0 --guard-ip fixed --guard-address "
				"10.0.0.5",
				"vswitchctl nic set vm1 --default mac,speed", NULL},
		.args = set_args,
		.flags = CTL_CHANGES,
	},
	{0},
};
