/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on ports and their VLANs; see spec.h.
 */
#include "ctl/spec_frame.h"
#include "ctl/spec_nic.h"
#include "ctl/spec_overlay.h"
#include "ctl/spec_priv.h"
#include "ctl/spec_team.h"

/* What may change while the port stands; 'port add' and 'port set' both take it. */
#define PORT_OPTIONS                                                                               \
	CTL_PORT_OPTIONS,                                                                          \
		{.name = "tenant-vlan",                                                            \
		 .type = CTL_LIST,                                                                 \
		 .form = CTL_FORM_TENANT_VLAN,                                                     \
		 .metavar = "TENANT=VLAN",                                                         \
		 .only = "kind=phys|team|memif|mem",                                               \
		 .help = "an uplink shared by tenants: the tag each wears on the wire"},           \
		CTL_OVERLAY_OPTIONS, CTL_NIC_OPTIONS, CTL_TEAM_OPTIONS,                            \
	{                                                                                          \
		.name = "address", .type = CTL_LIST, .form = CTL_FORM_CIDR, .metavar = "CIDR",     \
		.only = "kind=host|tap|vtep",                                                      \
		.help = "addresses given to the interface; of a vtep, one of each version"         \
	}

static const struct ctl_arg add_args[] = {
	{.name = "switch",
	 .type = CTL_NAME,
	 .flags = CTL_POS | CTL_REQUIRED | CTL_DEVICE,
	 .complete = "switch",
	 .help = "the switch it is a port of"},
	{.name = "name",
	 .type = CTL_NAME,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .help = "name of the port, unique on the host"},
	{.name = "kind",
	 .type = CTL_CHOICE,
	 .flags = CTL_REQUIRED | CTL_DEVICE,
	 .choices = "phys|team|host|tap|vhost|vmbus|memif|mem|vtep|vxlan|geneve|nvgre",
	 .help = "what is behind it"},
	PORT_OPTIONS,
	{.name = "queues",
	 .type = CTL_UINT,
	 .flags = CTL_DEVICE,
	 .min = 1,
	 .max = 64,
	 .metavar = "N",
	 .help = "receive and transmit queues",
	 .def = "the driver's choice, at most one per core"},
	{.name = "descriptors",
	 .type = CTL_UINT,
	 .flags = CTL_DEVICE,
	 .min = 32,
	 .max = 32768,
	 .metavar = "N",
	 .help = "frames a queue holds",
	 .def = "the driver's choice"},
	{.name = "offloads",
	 .type = CTL_ONOFF,
	 .flags = CTL_DEVICE,
	 .help = "let the device do checksums and segmentation",
	 .def = "on"},
	{.name = "device",
	 .type = CTL_STR,
	 .flags = CTL_DEVICE,
	 .only = "kind=phys",
	 .complete = "interface",
	 .help = "PCI address, DPDK device arguments or Linux interface",
	 .def = "the port's name"},
	{.name = "driver",
	 .type = CTL_CHOICE,
	 .flags = CTL_DEVICE,
	 .only = "kind=phys",
	 .choices = "auto|af_xdp|af_packet|dpdk",
	 .help = "how the device is driven",
	 .def = "auto"},
	{.name = "take-address",
	 .type = CTL_FLAG,
	 .flags = CTL_DEVICE,
	 .only = "kind=phys",
	 .help = "move the interface's addresses and routes to the switch's host port"},
	{.name = "ifname",
	 .type = CTL_STR,
	 .flags = CTL_DEVICE,
	 .form = CTL_FORM_IFNAME,
	 .only = "kind=host|tap",
	 .help = "name of the interface",
	 .def = "the port's name"},
	{.name = "netns",
	 .type = CTL_STR,
	 .flags = CTL_DEVICE,
	 .only = "kind=tap",
	 .complete = "netns",
	 .metavar = "NAME",
	 .help = "network namespace that gets the interface, by name or path"},
	{.name = "pid",
	 .type = CTL_UINT,
	 .flags = CTL_DEVICE,
	 .only = "kind=tap",
	 .min = 1,
	 .max = 4194304,
	 .help = "network namespace that gets the interface, by a process in it"},
	{.name = "socket",
	 .type = CTL_STR,
	 .flags = CTL_DEVICE,
	 .form = CTL_FORM_PATH,
	 .only = "kind=vhost|memif",
	 .complete = "file",
	 .metavar = "PATH",
	 .help = "unix socket shared with the peer"},
	{.name = "mode",
	 .type = CTL_CHOICE,
	 .flags = CTL_DEVICE,
	 .only = "kind=vhost|memif",
	 .choices = "client|server",
	 .help = "who listens on the socket: the peer, or the switch",
	 .def = "client for vhost, server for memif"},
	{.name = "id",
	 .type = CTL_UINT,
	 .flags = CTL_DEVICE,
	 .only = "kind=memif",
	 .min = 0,
	 .max = 4294967295,
	 .help = "memif interface id",
	 .def = "0"},
	{0},
};

static const struct ctl_arg set_args[] = {
	CTL_THE_PORT("name"),
	PORT_OPTIONS,
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = "tenant|admin|mac|mtu|vlan-mode|vlan|secondary|native|allowed|tpid|mac-limit|"
		    "of-port|flood|bpdu|"
		    "tenant-vlan|address|gateway|neighbor|vtep|remote|key|udp-port|ttl|dscp|"
		    "checksum|too-long|link|speed|mac-change|rsc|monitor|team|team-mode|"
		    "team-primary|lacp-rate|lacp-passive|sriov",
	 .help = "options that go back to their defaults"},
	{0},
};

static const struct ctl_arg name_args[] = {
	CTL_THE_PORT("name"),
	{0},
};

static const struct ctl_arg list_args[] = {
	{.name = "switch",
	 .type = CTL_NAME,
	 .flags = CTL_POS,
	 .complete = "switch",
	 .help = "only this switch's"},
	{.name = "tenant", .type = CTL_NAME, .complete = "tenant", .help = "only this tenant's"},
	{0},
};

static const struct ctl_arg stats_args[] = {
	CTL_ONE_PORT("name"),
	{.name = "queues", .type = CTL_FLAG, .help = "also each queue"},
	{0},
};

static const struct ctl_col list_cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"switch", "SWITCH", CTL_LEFT, CTL_AS_IS, false},
	{"kind", "KIND", CTL_LEFT, CTL_AS_IS, false},
	{"tenant", "TENANT", CTL_LEFT, CTL_AS_IS, false},
	{"vlan", "VLAN", CTL_LEFT, CTL_AS_IS, false},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"link", "LINK", CTL_LEFT, CTL_AS_IS, false},
	{"of_port", "OF", CTL_RIGHT, CTL_AS_IS, false},
	{"mtu", "MTU", CTL_RIGHT, CTL_AS_IS, false},
	{"mac", "MAC", CTL_LEFT, CTL_AS_IS, false},
	{"driver", "DRIVER", CTL_LEFT, CTL_AS_IS, false},
	{"rx_packets", "RX", CTL_RIGHT, CTL_AS_COUNT, false},
	{"tx_packets", "TX", CTL_RIGHT, CTL_AS_COUNT, false},
	{"drops", "DROPS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"note", "NOTE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col stats_cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"rx_packets", "RX", CTL_RIGHT, CTL_AS_COUNT, false},
	{"rx_bytes", "RX BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"copies", "COPIES", CTL_RIGHT, CTL_AS_COUNT, false},
	{"forwarded", "FORWARDED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"drops_rx", "DROPS IN", CTL_RIGHT, CTL_AS_COUNT, false},
	{"offered", "OFFERED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"segments", "SEGMENTS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"tx_packets", "TX", CTL_RIGHT, CTL_AS_COUNT, false},
	{"tx_bytes", "TX BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"drops_tx", "DROPS OUT", CTL_RIGHT, CTL_AS_COUNT, false},
	{0},
};

static const struct ctl_col queue_cols[] = {
	{"port", "PORT", CTL_LEFT, CTL_AS_IS, true},
	{"queue", "QUEUE", CTL_RIGHT, CTL_AS_IS, true},
	{"cpu", "CORE", CTL_RIGHT, CTL_AS_IS, false},
	{"load", "LOAD", CTL_RIGHT, CTL_AS_PERCENT, false},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{0},
};

static const struct ctl_col show_cols[] = {
	{"name", "name", CTL_LEFT, CTL_AS_IS, true},
	{"switch", "switch", CTL_LEFT, CTL_AS_IS, false},
	{"kind", "kind", CTL_LEFT, CTL_AS_IS, false},
	{"tenant", "tenant", CTL_LEFT, CTL_AS_IS, false},
	{"vlan", "vlan", CTL_LEFT, CTL_AS_IS, false},
	{"state", "state", CTL_LEFT, CTL_AS_IS, false},
	{"note", "note", CTL_LEFT, CTL_AS_IS, false},
	{"link", "link", CTL_LEFT, CTL_AS_IS, false},
	{"of_port", "OpenFlow number", CTL_LEFT, CTL_AS_IS, false},
	{"driver", "driver", CTL_LEFT, CTL_AS_IS, false},
	{"mac", "mac", CTL_LEFT, CTL_AS_IS, false},
	{"mtu", "mtu", CTL_LEFT, CTL_AS_IS, false},
	{"macs", "addresses learned", CTL_LEFT, CTL_AS_IS, false},
	{"guards", "guards", CTL_LEFT, CTL_AS_IS, false},
	{"over", "over its rate", CTL_LEFT, CTL_AS_IS, false},
	{"rx_packets", "received", CTL_LEFT, CTL_AS_COUNT, false},
	{"rx_bytes", "received bytes", CTL_LEFT, CTL_AS_BYTES, false},
	{"copies", "copies made", CTL_LEFT, CTL_AS_COUNT, false},
	{"forwarded", "forwarded", CTL_LEFT, CTL_AS_COUNT, false},
	{"punted", "to controllers", CTL_LEFT, CTL_AS_COUNT, false},
	{"held", "fragments held", CTL_LEFT, CTL_AS_COUNT, false},
	{"drops_rx", "dropped on the way in", CTL_LEFT, CTL_AS_COUNT, false},
	{"offered", "offered to it", CTL_LEFT, CTL_AS_COUNT, false},
	{"segments", "made by segmentation", CTL_LEFT, CTL_AS_COUNT, false},
	{"tx_packets", "sent", CTL_LEFT, CTL_AS_COUNT, false},
	{"tx_bytes", "sent bytes", CTL_LEFT, CTL_AS_BYTES, false},
	{"drops_tx", "dropped on the way out", CTL_LEFT, CTL_AS_COUNT, false},
	{"drops_by_reason", "dropped", CTL_LEFT, CTL_AS_IS, false},
	{"configured", "configured", CTL_LEFT, CTL_AS_IS, false},
	{"device", "device", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_part show_parts[] = {{"queue_list", "queues", queue_cols}, {0}};

static const struct ctl_part stats_parts[] = {{"queues", "queues", queue_cols}, {0}};

static const struct ctl_arg vlan_set_args[] = {
	CTL_THE_PORT("port"),
	{.name = "access",
	 .type = CTL_UINT,
	 .min = 1,
	 .max = 4094,
	 .metavar = "VLAN",
	 .help = "untagged frames of one VLAN"},
	{.name = "trunk",
	 .type = CTL_VLANS,
	 .metavar = "VLANS",
	 .help = "tagged frames of these VLANs"},
	{.name = "native",
	 .type = CTL_UINT,
	 .min = 1,
	 .max = 4094,
	 .metavar = "VLAN",
	 .help = "with --trunk: the VLAN carried untagged"},
	{.name = "tunnel",
	 .type = CTL_UINT,
	 .min = 1,
	 .max = 4094,
	 .metavar = "VLAN",
	 .help = "whatever frames come, tagged or not, as payload of one VLAN (QinQ)"},
	{.name = "isolated",
	 .type = CTL_LIST,
	 .form = CTL_FORM_VLAN,
	 .min = 2,
	 .max = 2,
	 .metavar = "PRIMARY,SECONDARY",
	 .help = "private VLAN: reaches promiscuous ports only"},
	{.name = "community",
	 .type = CTL_LIST,
	 .form = CTL_FORM_VLAN,
	 .min = 2,
	 .max = 2,
	 .metavar = "PRIMARY,SECONDARY",
	 .help = "private VLAN: reaches its community and promiscuous ports"},
	{.name = "promiscuous",
	 .type = CTL_LIST,
	 .form = CTL_FORM_VLAN,
	 .min = 2,
	 .max = 64,
	 .metavar = "PRIMARY,SECONDARY...",
	 .help = "private VLAN: meets the ports of these secondaries and other promiscuous ones"},
	{.name = "none", .type = CTL_FLAG, .help = "untagged, on no VLAN: as a new port is"},
	{0},
};

static const struct ctl_arg vlan_show_args[] = {
	CTL_ONE_PORT("port"),
	{0},
};

static const struct ctl_col vlan_cols[] = {
	{"port", "PORT", CTL_LEFT, CTL_AS_IS, true},
	{"switch", "SWITCH", CTL_LEFT, CTL_AS_IS, false},
	{"tenant", "TENANT", CTL_LEFT, CTL_AS_IS, false},
	{"mode", "MODE", CTL_LEFT, CTL_AS_IS, false},
	{"vlan", "VLAN", CTL_RIGHT, CTL_AS_IS, false},
	{"native", "NATIVE", CTL_RIGHT, CTL_AS_IS, false},
	{"allowed", "ALLOWED", CTL_LEFT, CTL_AS_IS, false},
	{"secondary", "SECONDARY", CTL_LEFT, CTL_AS_IS, false},
	{"tpid", "TPID", CTL_LEFT, CTL_AS_IS, false},
	{"tenant_vlan", "TENANT VLANS", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

const struct ctl_spec ctl_spec_ports[] = {
	{
		.noun = "port",
		.verb = "add",
		.summary = "Add a port to a switch",
		.description = "Kinds: phys is a NIC (any DPDK device, or a Linux interface "
			       "through AF_XDP, "
			       "else AF_PACKET); team several of these as one (team list); host an "
			       "interface of the host itself; tap an "
			       "interface in a "
			       "network namespace; vhost a QEMU or DPDK VM; vmbus a guest with the "
			       "network adapter of Hyper-V; memif a process that "
			       "speaks memif; "
			       "mem a test's.\n\n"
			       "With '--confirm 60s' the change undoes itself unless 'vswitchctl "
			       "config confirm' "
			       "follows in time: the way to take over the interface one is logged "
			       "in through.",
		.examples =
			(const char *const[]){
				"vswitchctl port add lan0 web1 --kind tap --netns web1 --address "
				"10.0.0.2/24 "
				"--tenant blue",
				"vswitchctl port add ext0 eth1 --kind phys --take-address "
				"--confirm 60s",
				"vswitchctl port add ext0 up0 --kind phys --device 0000:03:00.0 "
				"--queues 2",
				"vswitchctl port add lan0 vm1 --kind vhost --socket /run/vm1.sock "
				"--vlan 10",
				"vswitchctl port add lan0 h0 --kind host --address 10.0.0.1/24",
				NULL,
			},
		.args = add_args,
		.kind = "port",
		.key = "name",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "port",
		.verb = "set",
		.summary = "Change a port while traffic flows",
		.description = "Takes what 'port add' takes but for what the device is made of: "
			       "that needs "
			       "'port remove' and 'port add'.",
		.examples = (const char *const[]){"vswitchctl port set web1 --tenant red",
						  "vswitchctl port set web1 --admin down",
						  "vswitchctl port set web1 --default mtu,tenant",
						  NULL},
		.args = set_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "port",
		.verb = "remove",
		.summary = "Remove a port",
		.examples = (const char *const[]){"vswitchctl port remove web1", NULL},
		.args = name_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "port",
		.verb = "list",
		.summary = "List the ports",
		.description = "A port that is configured but whose device is away has the state "
			       "'waiting' and the "
			       "reason in the last column; it comes up when the device returns.",
		.examples = (const char *const[]){"vswitchctl port list",
						  "vswitchctl port list lan0 -w", NULL},
		.args = list_args,
		.cols = list_cols,
		.rows = "ports",
		.flags = CTL_WATCH | CTL_DEFAULT,
		.answer = "{\"ports\": [{\"name\", \"switch\", \"kind\", \"tenant\", \"vlan\": "
			  "text such as "
			  "\"access 10\", \"state\": up, down, disabled, held or waiting, "
			  "\"link\", \"of_port\": its OpenFlow number, \"mtu\", "
			  "\"mac\", "
			  "\"driver\", \"rx_packets\", \"tx_packets\", \"drops\", \"note\"}]}",
	},
	{
		.noun = "port",
		.verb = "show",
		.summary = "Show one port: what was asked for and what the driver says",
		.examples = (const char *const[]){"vswitchctl port show web1",
						  "vswitchctl port show web1 -w", NULL},
		.args = name_args,
		.cols = show_cols,
		.parts = show_parts,
		.flags = CTL_WATCH,
		.answer =
			"as a row of port stats and port list, with \"drops_by_reason\": {reason: "
			"n}, \"guards\": text, \"over\": as of qos show, "
			"\"queue_list\": [{\"queue\", \"cpu\", \"load\", \"packets\", \"bytes\"}], "
			"\"configured\": the parameters of port add, \"device\": {what the driver "
			"says}",
	},
	{
		.noun = "port",
		.verb = "stats",
		.summary = "Show the counters of ports, or their rates with -w",
		.description =
			"Both halves of a port balance at every read: RX + COPIES = FORWARDED + "
			"DROPS IN, "
			"and OFFERED + SEGMENTS = TX + DROPS OUT; HELD are fragments that wait for "
			"the rest of their packet. 'drop list' says why frames were dropped.",
		.examples = (const char *const[]){"vswitchctl port stats",
						  "vswitchctl port stats web1 -w", NULL},
		.args = stats_args,
		.cols = stats_cols,
		.rows = "ports",
		.parts = stats_parts,
		.flags = CTL_WATCH,
		.answer = "{\"ports\": [{\"name\", \"rx_packets\", \"rx_bytes\", \"copies\", "
			  "\"forwarded\", "
			  "\"flooded\", \"punted\", \"held\", \"drops_rx\", \"offered\", "
			  "\"segments\", "
			  "\"tx_packets\", "
			  "\"tx_bytes\", "
			  "\"drops_tx\"}], \"queues\": [{\"port\", \"queue\", \"cpu\", \"load\": "
			  "share of 1, "
			  "\"packets\", \"bytes\"}]}",
	},
	{
		.noun = "vlan",
		.verb = "set",
		.summary = "Say which VLANs a port carries, and how",
		.description = "Exactly one of --access, --trunk, --tunnel, --isolated, "
			       "--community, --promiscuous "
			       "and --none. The same can be said with --vlan-mode of 'port set'.",
		.examples =
			(const char *const[]){"vswitchctl vlan set web1 --access 10",
					      "vswitchctl vlan set up0 --trunk 10,20-29 --native 1",
					      "vswitchctl vlan set web1 --isolated 100,101",
					      "vswitchctl vlan set gw0 --promiscuous 100,101,102",
					      NULL},
		.args = vlan_set_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "vlan",
		.verb = "show",
		.summary = "Show the VLANs of ports",
		.examples = (const char *const[]){"vswitchctl vlan show",
						  "vswitchctl vlan show up0", NULL},
		.args = vlan_show_args,
		.cols = vlan_cols,
		.rows = "vlans",
		.flags = CTL_DEFAULT,
		.answer = "{\"vlans\": [{\"port\", \"switch\", \"tenant\", \"mode\", \"vlan\", "
			  "\"native\", "
			  "\"allowed\", \"secondary\", \"tpid\", \"tenant_vlan\": "
			  "[\"TENANT=VLAN\"]}]}",
	},
	{0},
};
