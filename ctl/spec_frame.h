/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Arguments that every kind of port has, NICs of VMs too; see spec.h.
 */
#ifndef CTL_SPEC_FRAME_H
#define CTL_SPEC_FRAME_H

#define TAGLESS_MODES "vlan-mode=access|tunnel|isolated|community|promiscuous"

/* How a port treats frames, which may change while it stands: of 'port add', 'port set' and
 * 'nic add'. */
#define CTL_PORT_OPTIONS                                                                           \
	{.name = "tenant",                                                                         \
	 .type = CTL_NAME,                                                                         \
	 .complete = "tenant",                                                                     \
	 .help = "the tenant it belongs to",                                                       \
	 .def = "none: the switch's own"},                                                         \
		{.name = "admin",                                                                  \
		 .type = CTL_CHOICE,                                                               \
		 .choices = "up|down",                                                             \
		 .help = "administrative state",                                                   \
		 .def = "up"},                                                                     \
		{.name = "mac",                                                                    \
		 .type = CTL_MAC,                                                                  \
		 .help = "address of the port's far end, where the switch sets it",                \
		 .def = "the device's; a tap's is made from host, switch and port"},               \
		{.name = "mtu",                                                                    \
		 .type = CTL_UINT,                                                                 \
		 .min = 68,                                                                        \
		 .max = 65521,                                                                     \
		 .metavar = "BYTES",                                                               \
		 .help = "longest IP packet",                                                      \
		 .def = "1500"},                                                                   \
		{.name = "vlan-mode",                                                              \
		 .type = CTL_CHOICE,                                                               \
		 .choices = "access|trunk|tunnel|isolated|community|promiscuous",                  \
		 .help = "how frames wear tags; the last three are private VLANs",                 \
		 .def = "access"},                                                                 \
		{.name = "vlan",                                                                   \
		 .type = CTL_UINT,                                                                 \
		 .min = 1,                                                                         \
		 .max = 4094,                                                                      \
		 .metavar = "N",                                                                   \
		 .only = TAGLESS_MODES,                                                            \
		 .help = "VLAN of an access or tunnel port, primary VLAN of a private one",        \
		 .def = "untagged"},                                                               \
		{.name = "secondary",                                                              \
		 .type = CTL_VLANS,                                                                \
		 .metavar = "VLANS",                                                               \
		 .only = "vlan-mode=isolated|community|promiscuous",                               \
		 .help = "secondary VLAN, or those that a promiscuous port serves"},               \
		{.name = "native",                                                                 \
		 .type = CTL_UINT,                                                                 \
		 .min = 1,                                                                         \
		 .max = 4094,                                                                      \
		 .metavar = "N",                                                                   \
		 .only = "vlan-mode=trunk",                                                        \
		 .help = "VLAN that a trunk carries untagged"},                                    \
		{.name = "allowed",                                                                \
		 .type = CTL_VLANS,                                                                \
		 .metavar = "VLANS",                                                               \
		 .only = "vlan-mode=trunk",                                                        \
		 .help = "VLANs that a trunk carries",                                             \
		 .def = "all"},                                                                    \
		{.name = "tpid",                                                                   \
		 .type = CTL_CHOICE,                                                               \
		 .choices = "0x8100|0x88a8",                                                       \
		 .help = "EtherType of the tags it pushes",                                        \
		 .def = "0x8100"},                                                                 \
		{.name = "mac-limit",                                                              \
		 .type = CTL_UINT,                                                                 \
		 .min = 0,                                                                         \
		 .max = 65535,                                                                     \
		 .metavar = "N",                                                                   \
		 .help = "most addresses learned here, 0 for no limit of its own",                 \
		 .def = "0"},                                                                      \
		{.name = "of-port",                                                                \
		 .type = CTL_UINT,                                                                 \
		 .min = 1,                                                                         \
		 .max = 65279,                                                                     \
		 .metavar = "N",                                                                   \
		 .help = "its OpenFlow number, which no other port of the switch may ask for",     \
		 .def = "the lowest that is free, kept until the daemon ends"},                    \
		{.name = "flood",                                                                  \
		 .type = CTL_ONOFF,                                                                \
		 .help = "gets frames to addresses nobody has learned",                            \
		 .def = "on"},                                                                     \
	{                                                                                          \
		.name = "bpdu", .type = CTL_ONOFF,                                                 \
		.help = "passes bridge protocol frames instead of dropping them", .def = "off"     \
	}

#endif
