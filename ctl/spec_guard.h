/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Arguments on a port's guards: of 'guard set', and with "guard-" before each of 'nic add' and 'nic
 * set'; see spec.h.
 *
 * Policies of ports share NICs' commands in this way: a macro of arguments that takes a prefix,
 * which stands for a literal, and a line in nic_words[] of vswitch/changes.c that says which change
 * gets what has the prefix.
 */
#ifndef CTL_SPEC_GUARD_H
#define CTL_SPEC_GUARD_H

#define CTL_MAX_GUARD_MACS	64
#define CTL_MAX_GUARD_ADDRESSES 64
#define CTL_MAX_GUARD_RATE	100000000

#define CTL_GUARD_RATE(prefix, of, text)                                                           \
	{                                                                                          \
		.name = prefix of "-rate", .type = CTL_UINT, .min = 0, .max = CTL_MAX_GUARD_RATE,  \
		.metavar = "N", .help = text " a second; 0 for no limit",                          \
		.def = "as the profile says"                                                       \
	}

#define CTL_GUARD_CHOICE(prefix, of, words, text)                                                  \
	{                                                                                          \
		.name = prefix of, .type = CTL_CHOICE, .choices = words, .help = text,             \
		.def = "as the profile says"                                                       \
	}

#define CTL_GUARD_OPTIONS(prefix)                                                                  \
	{.name = prefix "profile",                                                                 \
	 .type = CTL_CHOICE,                                                                       \
	 .choices = "vm|open|uplink",                                                              \
	 .help = "where all that is not said comes from: guard profiles",                          \
	 .def = "vm for a NIC of a VM, open for other ports"},                                     \
		{.name = prefix "mode",                                                            \
		 .type = CTL_CHOICE,                                                               \
		 .choices = "enforce|watch",                                                       \
		 .help = "watch counts and tells violations, and lets them pass",                  \
		 .def = "enforce"},                                                                \
		CTL_GUARD_CHOICE(prefix, "mac", "on|off|watch",                                    \
				 "frames come from the port's own addresses only"),                \
		{.name = prefix "allow-mac",                                                       \
		 .type = CTL_LIST,                                                                 \
		 .form = CTL_FORM_MAC,                                                             \
		 .max = CTL_MAX_GUARD_MACS,                                                        \
		 .metavar = "MAC",                                                                 \
		 .help = "addresses that it may use beside its own",                               \
		 .def = "none"},                                                                   \
		CTL_GUARD_CHOICE(prefix, "ip", "off|fixed|learned",                                \
				 "packets come from --address only, or from leases of DHCP too"),  \
		{.name = prefix "address",                                                         \
		 .type = CTL_LIST,                                                                 \
		 .form = CTL_FORM_PREFIX,                                                          \
		 .max = CTL_MAX_GUARD_ADDRESSES,                                                   \
		 .metavar = "IP",                                                                  \
		 .help = "IPv4 and IPv6 addresses or prefixes that are the port's",                \
		 .def = "none"},                                                                   \
		CTL_GUARD_CHOICE(prefix, "dhcp-server", "allow|deny",                              \
				 "answers of DHCP servers come from here"),                        \
		CTL_GUARD_CHOICE(prefix, "router", "allow|deny",                                   \
				 "router advertisements and redirects come from here"),            \
		CTL_GUARD_CHOICE(prefix, "arp", "on|off",                                          \
				 "senders in ARP and neighbour discovery are looked at"),          \
		CTL_GUARD_RATE(prefix, "arp", "ARP and neighbour discovery packets"),              \
		CTL_GUARD_RATE(prefix, "broadcast", "broadcast frames"),                           \
		CTL_GUARD_RATE(prefix, "multicast", "multicast frames"),                           \
		CTL_GUARD_RATE(prefix, "unknown", "frames to addresses nobody has learned"),       \
		CTL_GUARD_CHOICE(prefix, "bpdu", "allow|drop|shutdown",                            \
				 "bridge protocol frames from here; shutdown holds the port"),     \
		{.name = prefix "proxy",                                                           \
		 .type = CTL_ONOFF,                                                                \
		 .help = "the switch answers its ARP and ND for addresses that it knows",          \
		 .def = "as the profile says"},                                                    \
		{.name = prefix "trusted",                                                         \
		 .type = CTL_ONOFF,                                                                \
		 .help = "leases of DHCP servers behind it are learned",                           \
		 .def = "as the profile says"},                                                    \
	{                                                                                          \
		.name = prefix "protected", .type = CTL_ONOFF,                                     \
		.help = "it and other protected ports of its switch do not reach each other",      \
		.def = "as the profile says"                                                       \
	}

/* What --default takes of these. */
#define CTL_GUARD_DEFAULTS(prefix)                                                                 \
	prefix "profile|" prefix "mode|" prefix "mac|" prefix "allow-mac|" prefix "ip|" prefix     \
	       "address|" prefix "dhcp-server|" prefix "router|" prefix "arp|" prefix              \
	       "arp-rate|" prefix "broadcast-rate|" prefix "multicast-rate|" prefix                \
	       "unknown-rate|" prefix "bpdu|" prefix "proxy|" prefix "trusted|" prefix "protected"

#endif
