/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What can be said of a port's bandwidth: options of 'qos set', and with "qos-" before each of
 * 'nic add' and 'nic set'; see spec.h.  "to" and "from" are seen from the machine's side of the
 * port.
 */
#ifndef CTL_SPEC_QOS_H
#define CTL_SPEC_QOS_H

#define CTL_QOS_RATE(arg, text, without)                                                           \
	{                                                                                          \
		.name = (arg), .type = CTL_RATE, .min = 1000, .max = 1000000000000,                \
		.metavar = "RATE", .help = (text), .def = (without)                                \
	}
#define CTL_QOS_BURST(arg, text, without)                                                          \
	{                                                                                          \
		.name = (arg), .type = CTL_SIZE, .min = 64, .max = 1000000000, .metavar = "SIZE",  \
		.help = (text), .def = (without)                                                   \
	}

#define CTL_QOS_PORT_OPTIONS(p)                                                                    \
	CTL_QOS_RATE(p "to-max", "the most that is sent to what is behind the port; more waits",   \
		     "no limit"),                                                                  \
		CTL_QOS_BURST(p "to-burst", "may be sent at once above --to-max",                  \
			      "a millisecond's worth"),                                            \
		CTL_QOS_RATE(p "to-min",                                                           \
			     "so much of its tenant's --to-max on the switch is guaranteed to it", \
			     "none"),                                                              \
		{.name = p "to-weight",                                                            \
		 .type = CTL_UINT,                                                                 \
		 .min = 1,                                                                         \
		 .max = 65535,                                                                     \
		 .metavar = "N",                                                                   \
		 .help = "its share of what guarantees leave of its tenant's --to-max",            \
		 .def = "1"},                                                                      \
		CTL_QOS_RATE(p "from-max",                                                         \
			     "the most that is taken from what is behind the port, which waits",   \
			     "no limit"),                                                          \
		CTL_QOS_BURST(p "from-burst", "may be taken at once above --from-max",             \
			      "five milliseconds' worth"),                                         \
		CTL_QOS_RATE(p "from-min",                                                         \
			     "what it sends is guaranteed so much of the switch's uplinks",        \
			     "none"),                                                              \
		{.name = p "from-weight",                                                          \
		 .type = CTL_UINT,                                                                 \
		 .min = 1,                                                                         \
		 .max = 65535,                                                                     \
		 .metavar = "N",                                                                   \
		 .help = "its share of what guarantees leave of the uplinks",                      \
		 .def = "1"},                                                                      \
		{.name = p "delay",                                                                \
		 .type = CTL_MICROS,                                                               \
		 .min = 100,                                                                       \
		 .max = 1000000,                                                                   \
		 .metavar = "TIME",                                                                \
		 .help = "how long frames may wait here for long (CoDel's target)",                \
		 .def = "5ms"},                                                                    \
		{.name = p "limit",                                                                \
		 .type = CTL_UINT,                                                                 \
		 .min = 1,                                                                         \
		 .max = 100000,                                                                    \
		 .metavar = "FRAMES",                                                              \
		 .help = "how many may wait in each of its queues",                                \
		 .def = "1000"},                                                                   \
		{.name = p "ecn",                                                                  \
		 .type = CTL_ONOFF,                                                                \
		 .help = "mark instead of drop those that understand it",                          \
		 .def = "on"},                                                                     \
		{.name = p "priority-dscp",                                                        \
		 .type = CTL_STR,                                                                  \
		 .metavar = "LIST",                                                                \
		 .help = "frames with these DSCPs go before all others: 46 or 40-47,48"},          \
		{.name = p "priority-pcp",                                                         \
		 .type = CTL_STR,                                                                  \
		 .metavar = "LIST",                                                                \
		 .help = "the same by the priority of their VLAN tags: 5-7"},                      \
		CTL_QOS_RATE(p "priority-max", "the most that goes before all others",             \
			     "none; needed with --priority-dscp and --priority-pcp"),              \
		{.name = p "trust",                                                                \
		 .type = CTL_CHOICE,                                                               \
		 .choices = "both|dscp|pcp|none",                                                  \
		 .help = "which marks of what it sends count for --priority of others",            \
		 .def = "both"},                                                                   \
		{.name = p "mark-dscp",                                                            \
		 .type = CTL_STR,                                                                  \
		 .metavar = "N|pcp",                                                               \
		 .help = "what it sends gets this DSCP, or eight times its tag's priority",        \
		 .def = "as it comes"},                                                            \
	{                                                                                          \
		.name = p "mark-pcp", .type = CTL_STR, .metavar = "N|dscp",                        \
		.help = "what is sent to it with a VLAN tag gets this priority, or its DSCP's "    \
			"upper three bits",                                                        \
		.def = "as it comes"                                                               \
	}

#define CTL_QOS_PORT_OPTION_NAMES(p)                                                               \
	p "to-max|" p "to-burst|" p "to-min|" p "to-weight|" p "from-max|" p "from-burst|" p       \
	  "from-min|" p "from-weight|" p "delay|" p "limit|" p "ecn|" p "priority-dscp|" p         \
	  "priority-pcp|" p "priority-max|" p "trust|" p "mark-dscp|" p "mark-pcp"

#endif
